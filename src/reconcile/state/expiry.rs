//! When a node is to be deleted by itself.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Hold;
use crate::api::common::Period;
use crate::api::{MachineType, TestNode};

/// How long before a node expires people are warned, unless it lives for less than twice that.
const WARNED_BEFORE: SignedDuration = SignedDuration::from_hours(1);

/// When a node is to be deleted by itself, and who says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Expiry {
    /// Not before then.
    pub at: Timestamp,
    /// From then on people are warned.
    pub warn: Timestamp,
    /// For people, once it has come: after how long, and which field says so.
    pub why: String,
    /// It is the machine type's last word: a pause does not hold it up.
    pub despite_pause: bool,
    /// What the machine type cut, for people.
    pub cut: Option<String>,
}

impl Expiry {
    /// What the node says, else its machine type, but no more than the machine type's limit; `None` if all are silent, or
    /// mean a time that no clock will show. A node that is paused stays until the limit, and one that is held at least until
    /// the hold ends. An hour before, or at half the node's time if it is shorter, people are warned.
    #[must_use]
    pub fn of(node: &TestNode, machine: Option<&MachineType>) -> Option<Self> {
        if node.spec.pool_ref.is_some() {
            // Its pool and its claim say how long it is kept.
            return None;
        }
        let expiry = Self::unheld(node, machine)?;
        let held = Hold::of(node, machine).map(|hold| hold.until).filter(|until| *until > expiry.at);
        let at = held.unwrap_or(expiry.at);
        let why = match held {
            Some(until) => format!("{}, and was held until {until}", expiry.why),
            None => expiry.why,
        };
        let lives = node.metadata.creation_timestamp.as_ref().map(|created| at.duration_since(created.0));
        let before = lives.map_or(WARNED_BEFORE, |lives| WARNED_BEFORE.min(lives / 2));
        Some(Self { at, why, warn: at.checked_sub(before).unwrap_or(at), ..expiry })
    }

    fn unheld(node: &TestNode, machine: Option<&MachineType>) -> Option<Self> {
        let kind = &node.spec.machine_type;
        let own = node.spec.expire_after.as_ref().map(|period| (period, "spec.expireAfter".to_owned()));
        let wanted = own.or_else(|| {
            let period = machine?.spec.expire_after.as_ref()?;
            Some((period, format!("MachineType {kind}'s expireAfter")))
        });
        let most = machine.and_then(|machine| machine.spec.limits.as_ref()?.max_expire_after.as_ref());
        let length = |period: &Period| period.length().filter(|length| !length.is_zero());
        let created = node.metadata.creation_timestamp.as_ref()?.0;
        let after = |length: Duration| created.checked_add(length).ok();
        let most = most.and_then(|most| Some((most, length(most)?)));
        let readable = wanted.as_ref().and_then(|(period, whose)| Some((*period, whose, length(period)?)));
        let (Some((most, limit)), fits) = (most, readable) else {
            let (period, whose, length) = readable?;
            return Some(Self::new(
                after(length)?,
                format!("expired {} after its creation ({whose})", period.0),
            ));
        };
        if let Some((period, whose, length)) =
            fits.filter(|(_, _, length)| *length <= limit && !node.spec.paused)
        {
            return Some(Self::new(
                after(length)?,
                format!("expired {} after its creation ({whose})", period.0),
            ));
        }
        let whose = format!("limits.maxExpireAfter of MachineType {kind}");
        let cut = match &fits {
            Some((_, _, length)) if *length <= limit => None,
            Some((period, field, _)) => {
                Some(format!("{field} ({}) is cut to {} by {whose}", period.0, most.0))
            }
            None => Some(format!("the node is deleted {} after its creation, by {whose}", most.0)),
        };
        let why = format!("expired {} after its creation ({whose})", most.0);
        Some(Self { despite_pause: true, cut, ..Self::new(after(limit)?, why) })
    }

    /// A time that nothing cut.
    #[must_use]
    pub fn new(at: Timestamp, why: impl Into<String>) -> Self {
        Self { at, warn: at, why: why.into(), despite_pause: false, cut: None }
    }

    /// A pause no longer holds it up.
    #[must_use]
    pub fn beats_pause(&self, now: Timestamp) -> bool {
        self.despite_pause && self.left(now).is_none()
    }

    /// How long it is until people are to be warned, if that has not come.
    #[must_use]
    pub fn unwarned(&self, now: Timestamp) -> Option<Duration> {
        Duration::try_from(self.warn.duration_since(now)).ok().filter(|left| !left.is_zero())
    }

    /// How long it is until then, if it has not come.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> Option<Duration> {
        Duration::try_from(self.at.duration_since(now)).ok().filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use kube::api::ObjectMeta;

    use super::*;
    use crate::api::boundary::NodeLimits;
    use crate::api::{MachineTypeSpec, TestNodeSpec};

    fn expiry(own: Option<&str>, types: Option<&str>) -> Option<(i64, String)> {
        let period = |text: &str| Period(text.to_owned());
        let spec = TestNodeSpec {
            machine_type: "lab".into(),
            expire_after: own.map(period),
            ..TestNodeSpec::default()
        };
        let metadata =
            ObjectMeta { creation_timestamp: Some(Time(Timestamp::UNIX_EPOCH)), ..ObjectMeta::default() };
        let node = TestNode { metadata, spec, status: None };
        let spec = MachineTypeSpec { expire_after: types.map(period), ..MachineTypeSpec::default() };
        let machine = MachineType::new("lab", spec);
        Expiry::of(&node, Some(&machine)).map(|expiry| (expiry.at.as_second(), expiry.why))
    }

    #[test]
    fn the_nodes_own_time_beats_its_machine_types() {
        let own = "expired 1h30m after its creation (spec.expireAfter)".to_owned();
        let types = "expired 8h after its creation (MachineType lab's expireAfter)".to_owned();

        assert_eq!(expiry(None, None), None);
        assert_eq!(expiry(Some("1h30m"), None), Some((5400, own.clone())));
        assert_eq!(expiry(Some("1h30m"), Some("8h")), Some((5400, own)));
        assert_eq!(expiry(None, Some("8h")), Some((8 * 3600, types)));
    }

    #[test]
    fn a_time_that_cannot_be_told_never_comes() {
        for text in ["999999999h", "999999999h999999999h", "99999999999999h", "-1h", "0h", "soon", ""] {
            assert_eq!(expiry(Some(text), None), None, "{text}");
            // A node that gives a time of its own that cannot be read does not fall back to its machine type's.
            assert_eq!(expiry(Some(text), Some("1h")), None, "{text}");
        }
    }

    #[test]
    fn what_is_left_is_nothing_once_the_time_has_come() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let expiry = Expiry::new(at(60), "");

        assert_eq!(expiry.left(at(0)), Some(Duration::from_mins(1)));
        assert_eq!(expiry.left(at(60)), None);
        assert_eq!(expiry.left(at(61)), None);
    }

    fn limited(own: Option<&str>, most: &str, paused: bool) -> Option<(i64, bool, Option<String>)> {
        let period = |text: &str| Period(text.to_owned());
        let spec = TestNodeSpec {
            machine_type: "lab".into(),
            expire_after: own.map(period),
            paused,
            ..TestNodeSpec::default()
        };
        let metadata =
            ObjectMeta { creation_timestamp: Some(Time(Timestamp::UNIX_EPOCH)), ..ObjectMeta::default() };
        let limits = Some(NodeLimits { max_expire_after: Some(period(most)), ..NodeLimits::default() });
        let machine = MachineType::new("lab", MachineTypeSpec { limits, ..MachineTypeSpec::default() });
        let expiry = Expiry::of(&TestNode { metadata, spec, status: None }, Some(&machine))?;
        Some((expiry.at.as_second(), expiry.despite_pause, expiry.cut))
    }

    #[test]
    fn a_longer_time_or_none_or_one_that_cannot_be_read_is_cut_to_the_limit_and_that_is_told() {
        let cut =
            "spec.expireAfter (48h) is cut to 8h by limits.maxExpireAfter of MachineType lab".to_owned();
        let none = "the node is deleted 8h after its creation, by limits.maxExpireAfter of MachineType lab"
            .to_owned();

        assert_eq!(limited(Some("48h"), "8h", false), Some((8 * 3600, true, Some(cut))));
        assert_eq!(limited(None, "8h", false), Some((8 * 3600, true, Some(none.clone()))));
        assert_eq!(limited(Some("soon"), "8h", false), Some((8 * 3600, true, Some(none))));
        assert_eq!(limited(Some("8h"), "8h", false), Some((8 * 3600, false, None)));
        assert_eq!(limited(Some("1h"), "8h", false), Some((3600, false, None)));
    }

    fn held(own: &str, until: &str) -> Expiry {
        let hold = crate::api::hold::Hold { until: until.into(), reason: "a look".into() };
        let spec = TestNodeSpec {
            machine_type: "lab".into(),
            expire_after: Some(Period(own.into())),
            hold: Some(hold),
            ..TestNodeSpec::default()
        };
        let metadata =
            ObjectMeta { creation_timestamp: Some(Time(Timestamp::UNIX_EPOCH)), ..ObjectMeta::default() };
        Expiry::of(&TestNode { metadata, spec, status: None }, None).unwrap()
    }

    #[test]
    fn a_hold_puts_expiry_off_and_never_brings_it_nearer() {
        let longer = held("1h", "1970-01-01T02:00:00Z");
        assert_eq!(longer.at.as_second(), 7200);
        assert!(
            longer.why.ends_with("(spec.expireAfter), and was held until 1970-01-01T02:00:00Z"),
            "{}",
            longer.why
        );

        assert_eq!(held("3h", "1970-01-01T02:00:00Z").at.as_second(), 3 * 3600);
    }

    #[test]
    fn people_are_warned_an_hour_before_or_at_half_the_time() {
        let warned = |own: &str| held(own, "1970-01-01T00:00:00Z").warn.as_second();

        assert_eq!((warned("8h"), warned("2h"), warned("1h"), warned("10s")), (7 * 3600, 3600, 1800, 5));
    }

    #[test]
    fn a_pause_lasts_until_the_limit_at_most() {
        assert_eq!(limited(Some("1h"), "8h", true), Some((8 * 3600, true, None)));
    }
}
