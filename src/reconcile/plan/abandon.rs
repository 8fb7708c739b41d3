//! The rules of `TEAR_DOWN` for what a node is to abandon in a cloud that is lost.

use std::collections::BTreeSet;

use super::{Change, Step, Waiting};
use crate::reason::Reason;
use crate::reconcile::state::{Abandon, Observed};

/// Answers the wish to abandon what is in this cloud, and lets the object go once what may be left is on record.
pub(super) fn answer_abandon(seen: &Observed, cloud: &str) -> Option<Step> {
    let wish = seen.clouds.get(cloud)?.abandon.as_ref()?;
    let cloud = cloud.to_owned();
    Some(match wish {
        Abandon::RefusalTold(_) => return None,
        Abandon::Refused(_) | Abandon::Honoured => Step::Do(Change::AnswerAbandon { cloud }),
        Abandon::Recording => Step::Wait(Waiting::new(
            Reason::Abandoning,
            format!("what may be left in cloud {cloud} is being written to the status of that Cloud"),
        )),
        Abandon::Recorded => Step::Do(Change::RemoveFinalizer { cloud }),
    })
}

/// Finalizers of clouds that are gone and in which nothing of this node was ever made: nothing can be left there, so all of
/// them are removed by one change. Anybody who may edit the node can have put them there, and thousands of them.
pub(super) fn untouched(seen: &Observed) -> Option<Step> {
    let is_untouched = |cloud: &&String| {
        let used = seen.memory.attempts.iter().any(|attempt| attempt.cloud == **cloud);
        let view = seen.clouds.get(*cloud).filter(|_| !used);
        view.is_some_and(|view| {
            view.is_unknown() && view.is_empty() && view.abandon == Some(Abandon::Honoured)
        })
    };
    let clouds: BTreeSet<String> = seen.held.iter().filter(is_untouched).cloned().collect();
    (!clouds.is_empty()).then_some(Step::Do(Change::AbandonUntouched { clouds }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::plan::plan;
    use crate::reconcile::state::Desired;
    use crate::reconcile::state::examples::away;

    /// A node that is being deleted, held by a cloud that cannot be asked, with a name of which nothing is known.
    fn seen(abandon: Option<Abandon>) -> Observed {
        let seen = Observed::held().going().with_name(&["10.77.0.10"]);
        seen.in_lab(|view| (view.standing, view.abandon) = (away(), abandon))
    }

    fn next(seen: &Observed) -> Step {
        plan(&Desired::any(), seen)
    }

    fn reason(step: Step) -> Option<Reason> {
        if let Step::Wait(waiting) = step { Some(waiting.reason) } else { None }
    }

    #[test]
    fn the_finalizer_is_removed_only_once_what_may_be_left_is_on_record() {
        let answer = || Step::Do(Change::AnswerAbandon { cloud: "lab".into() });

        assert_eq!(reason(next(&seen(None))), Some(Reason::CloudUnreachable));
        assert_eq!(next(&seen(Some(Abandon::Honoured))), answer());
        assert_eq!(reason(next(&seen(Some(Abandon::Recording)))), Some(Reason::Abandoning));
        let release = Step::Do(Change::RemoveFinalizer { cloud: "lab".into() });
        assert_eq!(next(&seen(Some(Abandon::Recorded))), release);
        assert_eq!(next(&seen(Some(Abandon::Refused("no".into())))), answer());
    }

    #[test]
    fn a_wish_that_is_not_honoured_changes_only_the_message() {
        let Step::Wait(waiting) = next(&seen(Some(Abandon::RefusalTold("it answers".into())))) else {
            unreachable!("it waits")
        };

        assert_eq!(waiting.reason, Reason::CloudUnreachable);
        assert_eq!(waiting.message, "cloud lab: no answer; testnode.dev/abandon is not honoured: it answers");
    }

    #[test]
    fn the_name_is_withdrawn_first_where_that_can_be_done() {
        let mut seen = seen(Some(Abandon::Honoured));
        seen.name.usable = true;

        assert!(matches!(next(&seen), Step::Do(Change::WithdrawName)));
        seen.memory.dns = None;
        assert_eq!(next(&seen), Step::Do(Change::AnswerAbandon { cloud: "lab".into() }));
    }
}
