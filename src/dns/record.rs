//! What a zone's own server says of a name, and to whom the name belongs. Pure.
//!
//! A node may change a name only while [`Record::judge`] says that the name is free or its own.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::saying::Saying;

/// A parked name has this address beside the park address of its Cloud. It tells every Cloud of the zone that nobody
/// uses the name, also after an edit of `parkAddress`. It is in the discard prefix of RFC 6666, and its last eight
/// bytes are `testnode` in ASCII.
pub const PARKED: IpAddr = IpAddr::V6(Ipv6Addr::new(0x0100, 0, 0, 0, 0x7465, 0x7374, 0x6e6f, 0x6465));

/// An address that a name gets for a moment beside its own, so that nsupdate-web sends the next update. Nobody
/// answers there.
pub const STAND_IN: IpAddr = IpAddr::V6(Ipv6Addr::new(0x0100, 0, 0, 0, 0, 0, 0, 1));

/// How many records of a name its message lists.
const SHOWN: usize = 4;

/// All that the authority says of one name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Record {
    /// Its A and AAAA records.
    pub addresses: BTreeSet<IpAddr>,
    /// Its TXT records, each as one text.
    pub texts: BTreeSet<String>,
    /// The types of its other records.
    pub others: BTreeSet<String>,
    /// The name it is an alias of.
    pub alias: Option<String>,
    /// Addresses of the node that point back at the name, which has no record itself.
    pub pointers: BTreeSet<IpAddr>,
    /// The wildcard record that answers for it. It has no record of its own then.
    pub wildcard: Option<String>,
}

/// Who asks whose a name is.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The text that marks a name as this node's.
    pub mark: &'a str,
    /// The node as `namespace/name`, while it lives.
    pub node: Option<&'a str>,
    /// Addresses that are, or were, this node's.
    pub own: &'a BTreeSet<IpAddr>,
    /// The address on which the Cloud parks names, if it does.
    pub park: Option<IpAddr>,
}

/// To whom a name belongs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// To nobody: it has no record, or it is parked.
    Free,
    /// To this node. It has these addresses.
    Ours(BTreeSet<IpAddr>),
    /// To somebody else. The text says by which record that is known, and what to do.
    Taken(String),
}

impl Record {
    /// To whom the name belongs.
    #[must_use]
    pub fn judge(&self, claim: &Claim<'_>) -> Found {
        if let Some(wildcard) = &self.wildcard {
            return Found::Taken(format!(
                "the zone has the wildcard record {wildcard}, which answers for every name; remove it, or use a zone \
                 without one"
            ));
        }
        if let Some(target) = &self.alias {
            return Found::Taken(format!("it is an alias (CNAME) of {target}; {CURE}"));
        }
        if self.texts.iter().any(|text| is_marked(text, claim.mark, claim.node)) {
            return Found::Ours(self.addresses.clone());
        }
        // It was on its way to be set or deleted: its PTR records come first.
        if !self.pointers.is_empty() {
            return Found::Ours(self.addresses.clone());
        }
        let is_own = |address: &&IpAddr| claim.own.contains(address);
        let is_parking = |address: &IpAddr| *address == PARKED || Some(*address) == claim.park;
        let is_known = |address: &IpAddr| is_own(&address) || is_parking(address) || *address == STAND_IN;
        let parked = self.addresses.contains(&PARKED) || self.addresses.iter().all(is_parking);
        // Somebody may add records of other types to a name that is ours; it stays ours.
        if self.addresses.iter().any(|address| is_own(&address)) && self.addresses.iter().all(is_known) {
            return Found::Ours(self.addresses.clone());
        }
        if parked && self.texts.is_empty() && self.others.is_empty() {
            return Found::Free;
        }
        Found::Taken(format!("it already has {}, which is not ours; {CURE}", self.strange(parked)))
    }

    /// The records that are the reason why the name is taken.
    fn strange(&self, parked: bool) -> String {
        let addresses = self.addresses.iter().filter(|_| !parked).map(ToString::to_string);
        let texts = self.texts.iter().map(|text| text_in_words(text));
        let others = self.others.iter().map(|kind| format!("a record of type {kind}"));
        let mut shown: Vec<String> = addresses.chain(texts).chain(others).collect();
        shown.dedup();
        let more = shown.len().saturating_sub(SHOWN);
        shown.truncate(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}", shown.join(", "))
    }

    /// Nothing of the name is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A text in words. Texts are anybody's, so only our own marks are shown, without the part that is for people.
fn text_in_words(text: &str) -> String {
    let mut words = text.split(' ');
    match (words.next(), words.next()) {
        (Some(cluster), Some(uid))
            if cluster.starts_with("testnode-cluster=") && uid.starts_with("testnode-uid=") =>
        {
            format!(
                "a TXT record of another TestNode ({})",
                Saying::of_bytes(format!("{cluster} {uid}").as_bytes())
            )
        }
        (_, _) => "a TXT record".to_owned(),
    }
}

/// Whether a TXT record carries a mark. More words may follow it, for people. While the node lives, given as
/// `namespace/name`, so does a record of an earlier object of this name in the same cluster: a restore gives an object another
/// UID.
#[must_use]
pub fn is_marked(text: &str, mark: &str, node: Option<&str>) -> bool {
    if text.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')) {
        return true;
    }
    let [cluster, _uid, of] = *text.splitn(3, ' ').collect::<Vec<_>>() else { return false };
    let same_node = node.is_some() && of.strip_prefix("testnode-node=") == node;
    same_node && mark.split(' ').next() == Some(cluster)
}

const CURE: &str = "remove that record, or make the node with another spec.hostname";

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => f.write_str("free"),
            Self::Ours(addresses) => write!(f, "ours, at {addresses:?}"),
            Self::Taken(why) => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    const MARK: &str = "testnode-uid=u-1";
    const PARK: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn ip(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
    }

    fn with(addresses: &[IpAddr]) -> Record {
        Record { addresses: addresses.iter().copied().collect(), ..Record::default() }
    }

    fn judge(record: &Record, own: &[IpAddr]) -> Found {
        let own = own.iter().copied().collect();
        record.judge(&Claim { mark: MARK, node: Some("lab/n1"), own: &own, park: Some(PARK) })
    }

    fn words(found: &Found) -> &str {
        match found {
            Found::Taken(why) => why,
            Found::Free | Found::Ours(_) => panic!("{found} is not taken"),
        }
    }

    proptest! {
        /// Whatever else it has, a name with an address of somebody else is not ours to change.
        #[test]
        fn a_name_with_a_strange_address_and_without_our_mark_is_taken(
            own in proptest::collection::btree_set(0_u8..4, 0..3), parked in any::<bool>(),
        ) {
            let mut record = with(&[ip(9)]);
            record.addresses.extend(own.iter().map(|last| ip(*last)));
            if parked {
                record.addresses.insert(PARK);
            }
            let own: Vec<IpAddr> = own.into_iter().map(ip).collect();

            prop_assert!(matches!(judge(&record, &own), Found::Taken(_)));
        }
    }

    #[test]
    fn what_an_earlier_object_of_the_same_name_marked_is_the_nodes_own_and_nothing_else_is() {
        let mark = "testnode-cluster=c testnode-uid=new";
        let before = |text: &str| is_marked(text, mark, Some("lab/n1"));

        assert!(before("testnode-cluster=c testnode-uid=old testnode-node=lab/n1"));
        assert!(!before("testnode-cluster=d testnode-uid=old testnode-node=lab/n1"), "of another cluster");
        assert!(!before("testnode-cluster=c testnode-uid=old testnode-node=lab/n11"), "another node");
        assert!(!before("testnode-cluster=c testnode-uid=old"), "it does not say which node");
    }

    #[test]
    fn a_name_without_a_record_is_free() {
        assert_eq!(judge(&Record::default(), &[]), Found::Free);
    }

    #[test]
    fn a_name_that_another_cloud_parked_elsewhere_is_free() {
        let elsewhere = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));

        assert_eq!(judge(&with(&[elsewhere, PARKED]), &[]), Found::Free);
        assert!(matches!(judge(&with(&[elsewhere]), &[]), Found::Taken(_)));
    }

    #[test]
    fn a_record_of_any_type_makes_a_name_taken() {
        let others = BTreeSet::from(["MX".to_owned()]);

        let bare = judge(&Record { others: others.clone(), ..Record::default() }, &[]);
        let parked = judge(&Record { others, ..with(&[PARK, PARKED]) }, &[]);
        let text = judge(&Record { texts: BTreeSet::from(["v=spf1 -all".into()]), ..Record::default() }, &[]);

        assert!(words(&bare).contains("a record of type MX"), "{bare}");
        assert!(words(&parked).starts_with("it already has a record of type MX,"), "{parked}");
        assert!(words(&text).contains("a TXT record"), "{text}");
    }

    #[test]
    fn each_way_of_being_taken_has_its_own_cure() {
        let alias = Record { alias: Some("www.example.test.".into()), ..Record::default() };
        let wildcard = Record { wildcard: Some("*.front.example.test".into()), ..with(&[ip(9)]) };

        let (alias, wildcard) = (judge(&alias, &[]), judge(&wildcard, &[ip(9)]));

        assert!(words(&alias).contains("CNAME") && words(&alias).contains("remove that record"), "{alias}");
        assert!(words(&wildcard).contains("a zone without one"), "{wildcard}");
    }

    #[test]
    fn a_name_with_our_mark_is_ours_whatever_its_addresses() {
        let record = Record { texts: BTreeSet::from([MARK.into()]), ..with(&[ip(9)]) };

        assert_eq!(judge(&record, &[]), Found::Ours(BTreeSet::from([ip(9)])));
    }

    #[test]
    fn a_name_that_only_a_pointer_is_left_of_is_ours_to_clear_away() {
        let record = Record { pointers: BTreeSet::from([ip(1)]), ..Record::default() };

        assert_eq!(judge(&record, &[ip(1)]), Found::Ours(BTreeSet::new()));
    }

    #[test]
    fn a_name_in_the_middle_of_a_repair_is_still_ours() {
        assert!(matches!(judge(&with(&[ip(1), STAND_IN]), &[ip(1)]), Found::Ours(_)));
        assert!(matches!(judge(&with(&[ip(1), STAND_IN]), &[]), Found::Taken(_)));
    }
}
