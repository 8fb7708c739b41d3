//! What a node that goes says to the wish to abandon what it has in a cloud that is lost.

use super::name::{dns_is_away, withdraw_name};
use super::{Change, Step, Waiting};
use crate::reconcile::state::{Abandon, CloudView, Observed};

/// The answer, if one is due.
pub(super) fn answer(seen: &Observed, cloud: &str, view: &CloudView) -> Option<Step> {
    let cloud = cloud.to_owned();
    Some(match view.abandon.as_ref()? {
        Abandon::Refused(_) => Step::Do(Change::AnswerAbandon { cloud }),
        Abandon::RefusalTold(_) => return None,
        // The name may be in reach even so.
        Abandon::Honoured => withdrawal(seen, &cloud).unwrap_or(Step::Do(Change::AnswerAbandon { cloud })),
        Abandon::Recording => Step::Wait(Waiting::new(
            "Abandoning",
            format!("what may be left in cloud {cloud} is being written to the status of that Cloud"),
        )),
        Abandon::Recorded => Step::Do(Change::RemoveFinalizer { cloud }),
    })
}

/// The name is withdrawn if DNS can be asked; if not, it is among what may be left.
fn withdrawal(seen: &Observed, cloud: &str) -> Option<Step> {
    if dns_is_away(seen) { None } else { withdraw_name(seen, cloud) }
}

/// Why a wish is not honoured, behind what is waited for.
pub(super) fn refusal(view: &CloudView) -> Option<String> {
    match view.abandon.as_ref()? {
        Abandon::Refused(why) | Abandon::RefusalTold(why) => {
            Some(format!("; testnode.dev/abandon is not honoured: {why}"))
        }
        Abandon::Honoured | Abandon::Recording | Abandon::Recorded => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::api::testnode_status::DnsFacts;
    use crate::reconcile::plan::{TEAR_DOWN, plan_by};
    use crate::reconcile::state::{Desired, GuestView, Memory, NameView, Problem, Standing};

    /// A node that goes, held by a cloud that does not let us in, with a name that nothing tells of.
    fn seen(abandon: Option<Abandon>) -> Observed {
        let away = Standing::Away(Problem { reason: "AuthenticationFailed", message: "no".into() });
        let view = CloudView { abandon, ..CloudView::empty(away) };
        let dns =
            DnsFacts { name: "n.test".into(), addresses: vec!["10.77.0.10".into()], ..DnsFacts::default() };
        Observed {
            now: jiff::Timestamp::UNIX_EPOCH,
            deleting: true,
            held: BTreeSet::from(["lab".to_owned()]),
            memory: Memory { dns: Some(dns), ..Memory::default() },
            clouds: BTreeMap::from([("lab".to_owned(), view)]),
            offers: Vec::new(),
            name: NameView::default(),
            guest: GuestView::default(),
            troubles: Vec::new(),
        }
    }

    fn planned(seen: &Observed) -> Step {
        let desired = Desired::any();
        plan_by(&[], TEAR_DOWN, &desired, seen)
    }

    #[test]
    fn the_finalizer_goes_only_once_what_may_be_left_is_on_record() {
        let answer = || Step::Do(Change::AnswerAbandon { cloud: "lab".into() });
        let reason = |step: Step| match step {
            Step::Wait(waiting) => waiting.reason,
            Step::Do(_) | Step::Ask(_) | Step::Rest => "none",
        };

        assert_eq!(reason(planned(&seen(None))), "AuthenticationFailed");
        assert_eq!(planned(&seen(Some(Abandon::Honoured))), answer());
        assert_eq!(reason(planned(&seen(Some(Abandon::Recording)))), "Abandoning");
        let release = Step::Do(Change::RemoveFinalizer { cloud: "lab".into() });
        assert_eq!(planned(&seen(Some(Abandon::Recorded))), release);
        assert_eq!(planned(&seen(Some(Abandon::Refused("no".into())))), answer());
    }

    #[test]
    fn a_wish_that_is_not_honoured_changes_nothing_but_what_is_told() {
        let Step::Wait(waiting) = planned(&seen(Some(Abandon::RefusalTold("it answers".into())))) else {
            unreachable!("it waits")
        };

        assert_eq!(waiting.reason, "AuthenticationFailed");
        assert_eq!(waiting.message, "cloud lab: no; testnode.dev/abandon is not honoured: it answers");
    }

    #[test]
    fn the_name_is_withdrawn_first_where_that_can_be_done() {
        let mut seen = seen(Some(Abandon::Honoured));
        seen.name.park = Some("192.0.2.1".parse().unwrap());

        assert!(matches!(planned(&seen), Step::Do(Change::ParkName { .. })));
        seen.memory.dns = None;
        assert_eq!(planned(&seen), Step::Do(Change::AnswerAbandon { cloud: "lab".into() }));
    }
}
