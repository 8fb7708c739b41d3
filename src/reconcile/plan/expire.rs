//! The rule of `BRING_UP` for a node whose time is over.

use super::{Change, Step};
use crate::reconcile::state::{Desired, Observed};

/// Its time is over, whatever it does or waits for. All it has is deleted as if somebody had deleted the node; so the
/// clouds that have something of it must hold it first.
pub(super) fn expire(desired: &Desired, seen: &Observed) -> Option<Step> {
    let expiry = desired.expiry.as_ref().filter(|expiry| expiry.left(seen.now).is_none())?;
    Some(Step::Do(match seen.cloud_to_hold() {
        Some(cloud) => Change::AddFinalizer { cloud: cloud.to_owned() },
        None => Change::Expire { why: expiry.why.clone() },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Reason;
    use crate::reconcile::plan::plan;
    use crate::reconcile::state::examples::{ago, attempt, away, failed};
    use crate::reconcile::state::{Expiry, Problem, Standing};

    /// A node that expired so many seconds ago.
    fn expired(seconds: i64) -> Desired {
        Desired { expiry: Some(Expiry::new(ago(seconds), "expired")), ..Desired::any() }
    }

    fn deleted() -> Step {
        Step::Do(Change::Expire { why: "expired".into() })
    }

    #[test]
    fn a_node_expires_when_its_time_has_come_and_not_before() {
        assert_ne!(plan(&expired(-1), &Observed::nothing()), deleted());
        assert_eq!(plan(&expired(0), &Observed::nothing()), deleted());
        assert_eq!(plan(&expired(500), &Observed::nothing()), deleted());
        assert_ne!(plan(&Desired { expiry: None, ..expired(0) }, &Observed::nothing()), deleted());
    }

    #[test]
    fn it_expires_whatever_it_waits_for() {
        let problem = Some(Problem { reason: Reason::MachineTypeNotFound, message: "there is none".into() });

        assert_eq!(plan(&Desired { problem, ..expired(0) }, &Observed::nothing()), deleted());
        for standing in [Standing::Seen, Standing::Unseen, away()] {
            for attempt in [attempt(1), failed(1, Reason::ServerError)] {
                let seen = Observed::held().with_attempt(attempt);
                assert_eq!(
                    plan(&expired(0), &seen.in_lab(|view| view.standing = standing.clone())),
                    deleted()
                );
            }
        }
    }

    #[test]
    fn a_paused_node_does_not_expire_and_one_that_is_being_deleted_need_not() {
        let paused = Desired { paused: true, ..expired(0) };

        let Step::Wait(waiting) = plan(&paused, &Observed::nothing()) else { panic!("it does not wait") };
        assert_eq!(waiting.reason, Reason::Paused);
        assert_eq!(plan(&expired(0), &Observed::nothing().going()), Step::Rest);
    }

    #[test]
    fn a_cloud_with_something_of_the_node_holds_it_before_it_is_deleted() {
        let mut seen = Observed::under_way();
        seen.held.clear();

        assert_eq!(plan(&expired(0), &seen), Step::Do(Change::AddFinalizer { cloud: "lab".into() }));
    }
}
