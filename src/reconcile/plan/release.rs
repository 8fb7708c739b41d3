//! The rule of `BRING_UP` for a node of a pool that nobody needs any longer.

use super::pause::is_paused;
use super::{Change, Question, Step};
use crate::reconcile::state::{Desired, Need, Observed};

/// Its claim is gone or has ended, or it is idle and its pool is gone: all it has is deleted, as when it expires. It asks the
/// API server itself before it believes that something is gone.
pub(super) fn release_unneeded(desired: &Desired, seen: &Observed) -> Option<Step> {
    match &desired.need {
        Need::Needed | Need::Kept(_) => None,
        Need::Unsure(keeper) => {
            let question = Question::Keeper(keeper.clone());
            // Whoever cannot be asked is there: meanwhile the node lives on.
            (!is_paused(seen, &question.key())).then_some(Step::Ask(question))
        }
        Need::Unneeded(why) => Some(Step::Do(match seen.cloud_to_hold() {
            Some(cloud) => Change::AddFinalizer { cloud: cloud.to_owned() },
            None => Change::Release { why: why.clone() },
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Reason;
    use crate::reconcile::plan::plan;
    use crate::reconcile::state::examples::{away, trouble};
    use crate::reconcile::state::{Keeper, KeeperKind, Kept, Verdict};

    fn keeper() -> Keeper {
        Keeper { kind: KeeperKind::Claim, namespace: "team".into(), name: "job".into(), uid: "c-1".into() }
    }

    fn unneeded() -> Desired {
        Desired { need: Need::Unneeded("its claim is gone".into()), ..Desired::any() }
    }

    fn unsure() -> Desired {
        Desired { need: Need::Unsure(keeper()), ..Desired::any() }
    }

    fn released() -> Step {
        Step::Do(Change::Release { why: "its claim is gone".into() })
    }

    #[test]
    fn a_node_that_nobody_needs_is_deleted_whatever_it_waits_for() {
        assert_eq!(plan(&unneeded(), &Observed::nothing()), released());
        assert_eq!(
            plan(&unneeded(), &Observed::under_way().in_lab(|view| view.standing = away())),
            released()
        );
        assert_ne!(plan(&Desired::any(), &Observed::nothing()), released());
        assert_eq!(plan(&unneeded(), &Observed::nothing().going()), Step::Rest);
    }

    #[test]
    fn a_node_that_is_kept_for_a_look_is_not_deleted() {
        let now = Observed::nothing().now;
        let kept = Kept { since: now, until: now, why: "somebody looks at it".into() };
        let kept = Desired { need: Need::Kept(kept), ..Desired::any() };

        assert_eq!(plan(&kept, &Observed::nothing()), plan(&Desired::any(), &Observed::nothing()));
    }

    #[test]
    fn before_something_is_believed_to_be_gone_the_api_server_is_asked() {
        assert_eq!(plan(&unsure(), &Observed::nothing()), Step::Ask(Question::Keeper(keeper())));
    }

    #[test]
    fn a_node_whose_claim_cannot_be_asked_for_lives_on() {
        let mut seen = Observed::nothing();
        let mut failed = trouble(Question::Keeper(keeper()).key(), Verdict::Passing);
        failed.retry_at = seen.now + jiff::SignedDuration::from_secs(5);
        seen.troubles.push(failed);

        let step = plan(&unsure(), &seen);

        assert!(
            !matches!(step, Step::Ask(Question::Keeper(_)) | Step::Do(Change::Release { .. })),
            "{step:?}"
        );
    }

    #[test]
    fn a_paused_node_stays_for_the_admin_who_looks_at_it() {
        let Step::Wait(waiting) = plan(&Desired { paused: true, ..unneeded() }, &Observed::nothing()) else {
            panic!("it does not wait")
        };

        assert_eq!(waiting.reason, Reason::Paused);
    }

    #[test]
    fn a_cloud_with_something_of_the_node_holds_it_before_it_is_deleted() {
        let mut seen = Observed::under_way();
        seen.held.clear();

        assert_eq!(plan(&unneeded(), &seen), Step::Do(Change::AddFinalizer { cloud: "lab".into() }));
    }
}
