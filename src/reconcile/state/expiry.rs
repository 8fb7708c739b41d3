//! When a node is to go by itself.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::{MachineType, TestNode};

/// When a node is to go by itself, and who says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Expiry {
    /// Not before then.
    pub at: Timestamp,
    /// For people, once it has come: after how long, and which field says so.
    pub why: String,
}

impl Expiry {
    /// What the node says, else its machine type; `None` if both are silent, or mean a time that no clock will show.
    #[must_use]
    pub fn of(node: &TestNode, machine: Option<&MachineType>) -> Option<Self> {
        let own = node.spec.expire_after.as_ref().map(|period| (period, "spec.expireAfter".to_owned()));
        let (period, whose) = own.or_else(|| {
            let period = machine?.spec.expire_after.as_ref()?;
            Some((period, format!("MachineType {}'s expireAfter", node.spec.machine_type)))
        })?;
        let created = node.metadata.creation_timestamp.as_ref()?.0;
        let length = period.length().filter(|length| !length.is_zero())?;
        let at = created.checked_add(length).ok()?;
        Some(Self { at, why: format!("expired {} after its creation ({whose})", period.0) })
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
    use crate::api::common::Period;
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
            // Who speaks for himself unintelligibly is not spoken for.
            assert_eq!(expiry(Some(text), Some("1h")), None, "{text}");
        }
    }

    #[test]
    fn what_is_left_is_nothing_once_the_time_has_come() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let expiry = Expiry { at: at(60), why: String::new() };

        assert_eq!(expiry.left(at(0)), Some(Duration::from_mins(1)));
        assert_eq!(expiry.left(at(60)), None);
        assert_eq!(expiry.left(at(61)), None);
    }
}
