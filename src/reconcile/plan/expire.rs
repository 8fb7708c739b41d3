//! The rule of `BRING_UP` for a node whose time is over.

use super::bring_up::hold_what_was_found;
use super::{Change, Step};
use crate::reconcile::state::{Desired, Observed};

/// Its time is over, whatever it does or waits for. All it has goes as if somebody had deleted it; so it must be held
/// by what was found.
pub(super) fn expire(desired: &Desired, seen: &Observed) -> Option<Step> {
    let expiry = desired.expiry.as_ref().filter(|expiry| expiry.left(seen.now).is_none())?;
    let delete = Step::Do(Change::Expire { why: expiry.why.clone() });
    hold_what_was_found(desired, seen).or(Some(delete))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::testnode_status::{Attempt, Outcome};
    use crate::reconcile::plan::plan;
    use crate::reconcile::state::{CloudView, Expiry, GuestView, Memory, NameView, Problem, Standing};

    const NOW: i64 = 1000;

    /// A node that expires then.
    fn until(second: i64) -> Desired {
        let at = Timestamp::from_second(second).unwrap();
        Desired { expiry: Some(Expiry { at, why: "expired".into() }), ..Desired::any() }
    }

    /// A node that has nothing yet.
    fn nothing() -> Observed {
        Observed {
            now: Timestamp::from_second(NOW).unwrap(),
            deleting: false,
            held: BTreeSet::new(),
            memory: Memory::default(),
            clouds: BTreeMap::new(),
            offers: Vec::new(),
            name: NameView::default(),
            guest: GuestView::default(),
            troubles: Vec::new(),
        }
    }

    /// A node with an attempt in a cloud, which holds it.
    fn in_cloud(standing: Standing, attempt: Attempt) -> Observed {
        Observed {
            held: BTreeSet::from(["lab".to_owned()]),
            memory: Memory {
                attempts: vec![Attempt { number: 1, cloud: "lab".into(), ..attempt }],
                ..Memory::default()
            },
            clouds: BTreeMap::from([("lab".to_owned(), CloudView::empty(standing))]),
            ..nothing()
        }
    }

    fn gone() -> Step {
        Step::Do(Change::Expire { why: "expired".into() })
    }

    #[test]
    fn a_node_expires_when_its_time_has_come_and_not_before() {
        assert_ne!(plan(&until(NOW + 1), &nothing()), gone());
        assert_eq!(plan(&until(NOW), &nothing()), gone());
        assert_eq!(plan(&until(0), &nothing()), gone());
        assert_ne!(plan(&Desired { expiry: None, ..until(0) }, &nothing()), gone());
    }

    #[test]
    fn it_expires_whatever_it_waits_for() {
        let away = || Standing::Away(Problem { reason: "CloudUnreachable", message: "no answer".into() });
        let problem = Some(Problem { reason: "MachineTypeNotFound", message: "there is none".into() });
        let failed = Attempt {
            outcome: Some(Outcome::Failed),
            closed_at: Some(Time(Timestamp::UNIX_EPOCH)),
            ..Attempt::default()
        };

        assert_eq!(plan(&Desired { problem, ..until(NOW) }, &nothing()), gone());
        for standing in [Standing::Seen, Standing::Unseen, away()] {
            for attempt in [Attempt::default(), failed.clone()] {
                assert_eq!(plan(&until(NOW), &in_cloud(standing.clone(), attempt)), gone());
            }
        }
    }

    #[test]
    fn one_that_is_paused_does_not_expire_and_one_that_goes_need_not() {
        let paused = Desired { paused: true, ..until(NOW) };

        assert!(matches!(plan(&paused, &nothing()), Step::Wait(waiting) if waiting.reason == "Paused"));
        assert_eq!(plan(&until(NOW), &Observed { deleting: true, ..nothing() }), Step::Rest);
    }

    #[test]
    fn what_was_found_holds_the_node_before_it_goes() {
        let seen = Observed { held: BTreeSet::new(), ..in_cloud(Standing::Seen, Attempt::default()) };

        let hold = Change::AddFinalizer { cloud: "lab".into() };
        assert_eq!(plan(&until(NOW), &seen), Step::Do(hold));
    }
}
