//! A look at the name: what is remembered, what the authority said, and to whom the name belongs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::{Known, Naming, Place};
use crate::api::mark;
use crate::api::testnode_status::DnsFacts;
use crate::dns::record::{Claim, Record};
use crate::reconcile::plan::target_address;
use crate::reconcile::state::{CloudView, Found, NameView, Observed, Sent};

/// How long an authority's answer is believed: while the name is right, and while it is not.
const RIGHT_FOR: Duration = Duration::from_mins(10);
const WRONG_FOR: Duration = Duration::from_secs(5);

/// A status that was lost took the name along. Hostname and zone still tell it, and it may point at the addresses of
/// our ports; unless the name was withdrawn, or is known to be somebody else's.
pub(super) fn lost(known: &Known<'_>, clouds: &BTreeMap<String, CloudView>) -> Option<DnsFacts> {
    if !known.memory.attempts.is_empty() {
        return None;
    }
    let (cloud, view) = clouds.iter().find(|(_, view)| !view.is_empty())?;
    let place = known.clouds.get(cloud)?;
    let naming = place.naming.as_ref()?;
    let name = naming.fqdn.clone()?;
    let mut own = own_addresses([view]);
    // A machine that is being adopted may have its ports under another UID still.
    let servers = place.state.servers.of(known.uid);
    own.extend(servers.flat_map(|server| server.object.addresses.iter().copied()));
    let notes = known.notes;
    let found = notes.found.as_ref().map(|(_, record)| judge(known, place, naming, record, &own));
    let taken = matches!(found, Some(Found::Taken(_)));
    // An authority that does not have it may only be behind.
    let withdrawn = notes.sent.is_some_and(|sent| sent.address.is_none() && sent.proved);
    if taken || withdrawn || own.is_empty() || known.holders.contains_key(&name) {
        return None;
    }
    let addresses = own.iter().map(ToString::to_string).collect();
    Some(DnsFacts { name, addresses, ..DnsFacts::default() })
}

fn own_addresses<'a>(views: impl IntoIterator<Item = &'a CloudView>) -> BTreeSet<IpAddr> {
    let of = |view: &'a CloudView| {
        let floating = view.floating_ips.iter().filter_map(|ip| ip.address);
        let ports = view.ports.iter().chain(&view.existing_ports);
        ports.flat_map(|port| port.addresses.iter().copied()).chain(floating)
    };
    views.into_iter().flat_map(of).collect()
}

/// Every address that the name may have had for the node.
#[must_use]
pub fn addresses_of(dns: Option<&DnsFacts>, clouds: &BTreeMap<String, CloudView>) -> BTreeSet<IpAddr> {
    let remembered = dns.into_iter().flat_map(|dns| dns.addresses.iter().chain(&dns.withdrawn));
    let mut addresses: BTreeSet<IpAddr> = remembered.filter_map(|address| address.parse().ok()).collect();
    addresses.extend(own_addresses(clouds.values()));
    addresses
}

/// To whom the name belongs.
fn judge(
    known: &Known<'_>,
    place: &Place<'_>,
    naming: &Naming,
    record: &Record,
    own: &BTreeSet<IpAddr>,
) -> Found {
    let mark = mark::name(place.cluster_id, known.uid);
    record.judge(&Claim { mark: &mark, node: Some(known.node), own, park: naming.park })
}

/// The name as it concerns the next step.
pub(super) fn view(known: &Known<'_>, seen: &Observed) -> NameView {
    let Some(dns) = &seen.memory.dns else { return NameView::default() };
    let target = target_address(seen);
    let of_status = seen.memory.last().map(|attempt| &attempt.cloud);
    let found_in = || seen.clouds.iter().find(|(_, view)| !view.is_empty()).map(|(cloud, _)| cloud);
    let cloud = of_status.or_else(found_in).or(seen.held.first()).cloned();
    let place = cloud.as_ref().and_then(|cloud| known.clouds.get(cloud));
    let place = place.and_then(|place| Some((place, place.naming.as_ref()?)));
    let (notes, now) = (known.notes, known.now.steady);
    // What is withdrawn must be ours now, not minutes ago.
    let stays = !seen.deleting && seen.memory.to_end().is_none();
    let found = notes.found.as_ref().filter(|(asked, record)| {
        let right = stays && target.is_some_and(|target| record.addresses == BTreeSet::from([target]));
        let patience = if right { RIGHT_FOR } else { WRONG_FOR };
        let after = notes.sent.is_none_or(|sent| sent.at <= *asked);
        after && now.duration_since(*asked) < patience
    });
    let sent = notes.sent.map(|sent| {
        let age = now.duration_since(sent.at);
        Sent { address: sent.address, proved: sent.proved, age }
    });
    let own = addresses_of(Some(dns), &seen.clouds);
    NameView {
        holder: known.holders.get(&dns.name).cloned(),
        usable: place.is_some(),
        verifiable: place.is_some_and(|(_, naming)| naming.verifiable),
        found: found
            .zip(place)
            .map(|((_, record), (place, naming))| judge(known, place, naming, record, &own)),
        sent,
        unanswered: notes.unanswered.map(|at| now.duration_since(at)),
        cloud,
    }
}
