//! Until when a node is kept, whatever else says that it goes.

use jiff::Timestamp;

use crate::api::{MachineType, TestNode};

/// A hold, as far as the machine type lets it last.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// It ends then.
    pub until: Timestamp,
    /// Why, in the words of whoever set it.
    pub reason: String,
    /// What the machine type cut, for people.
    pub cut: Option<String>,
}

impl Hold {
    /// What the node says, but no more than its machine type's `limits.maxHold` after the node's creation; without that, no
    /// more than its `limits.maxExpireAfter`. `None` if the node says nothing, or no time that can be read.
    #[must_use]
    pub fn of(node: &TestNode, machine: Option<&MachineType>) -> Option<Self> {
        let asked = node.spec.hold.as_ref()?;
        let until: Timestamp = asked.until.parse().ok()?;
        let limits = machine.and_then(|machine| machine.spec.limits.as_ref());
        let bound = limits.and_then(|limits| {
            let held = limits.max_hold.as_ref().map(|most| (most, "limits.maxHold"));
            held.or(limits.max_expire_after.as_ref().map(|most| (most, "limits.maxExpireAfter")))
        });
        let latest = bound.and_then(|(most, field)| {
            let created = node.metadata.creation_timestamp.as_ref()?.0;
            Some((created.checked_add(most.length()?).ok()?, field))
        });
        let reason = asked.reason.clone();
        Some(match latest.filter(|(latest, _)| *latest < until) {
            Some((latest, field)) => {
                let kind = &node.spec.machine_type;
                let cut = format!("spec.hold ({until}) is cut to {latest} by {field} of MachineType {kind}");
                Self { until: latest, reason, cut: Some(cut) }
            }
            None => Self { until, reason, cut: None },
        })
    }

    /// It has not ended.
    #[must_use]
    pub fn lasts(&self, now: Timestamp) -> bool {
        now < self.until
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::boundary::NodeLimits;
    use crate::api::common::Period;
    use crate::api::{MachineTypeSpec, TestNodeSpec, hold};

    /// Seconds after the creation, and whether something was cut.
    fn held(until: &str, most: Option<&str>, lives: Option<&str>) -> Option<(i64, bool)> {
        let period = |text: &str| Period(text.to_owned());
        let hold = hold::Hold { until: until.into(), reason: "a look at its disks".into() };
        let mut node = TestNode::new("n", TestNodeSpec { hold: Some(hold), ..TestNodeSpec::default() });
        node.metadata.creation_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        let limits = NodeLimits {
            max_hold: most.map(period),
            max_expire_after: lives.map(period),
            ..NodeLimits::default()
        };
        let machine =
            MachineType::new("lab", MachineTypeSpec { limits: Some(limits), ..MachineTypeSpec::default() });
        let hold = Hold::of(&node, Some(&machine))?;
        Some((hold.until.as_second(), hold.cut.is_some()))
    }

    #[test]
    fn a_hold_lasts_as_long_as_the_machine_type_lets_it() {
        let hour = "1970-01-01T01:00:00Z";

        assert_eq!(held(hour, None, None), Some((3600, false)));
        assert_eq!(held(hour, Some("1h"), None), Some((3600, false)));
        assert_eq!(held(hour, Some("30m"), None), Some((1800, true)));
        assert_eq!(
            held(hour, Some("2h"), Some("10m")),
            Some((3600, false)),
            "maxHold goes before maxExpireAfter"
        );
        assert_eq!(held(hour, None, Some("10m")), Some((600, true)), "without maxHold no hold beats it");
        assert_eq!(held("1970-01-01T02:00:00+01:00", None, None), Some((3600, false)));
    }

    #[test]
    fn a_time_that_cannot_be_read_holds_nothing() {
        for until in ["", "soon", "2026-13-41T00:00:00Z", "9999999-01-01T00:00:00Z"] {
            assert_eq!(held(until, None, None), None, "{until}");
        }
    }

    #[test]
    fn a_hold_ends_at_its_instant() {
        let hold = Hold { until: Timestamp::from_second(60).unwrap(), reason: String::new(), cut: None };

        assert!(hold.lasts(Timestamp::from_second(59).unwrap()));
        assert!(!hold.lasts(Timestamp::from_second(60).unwrap()));
    }
}
