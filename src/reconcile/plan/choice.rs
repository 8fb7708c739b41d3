//! Where the next attempt is made: by weight, then by zone, until a round is used up.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::listed::await_list;
use super::obstacle::{Obstacle, REST_BETWEEN_ROUNDS, cooled, in_turn, obstacle, rested_at, retries, round};
use super::pause::clock;
use super::place::{Cooled, zone};
use super::tear_down::unsettled;
use super::{Change, MemoryChange, Step, Waiting};
use crate::api::testnode_status::{Attempt, DnsFacts, Outcome, Resolved};
use crate::reason::Reason;
use crate::reconcile::state::{Desired, Kind, Observed, Offer, READ_AGAIN, Resolution, UserData};

/// Opens an attempt in the best place that can take it. A node that must queue holds nothing.
pub(super) fn open_attempt(desired: &Desired, seen: &Observed) -> Option<Step> {
    if seen.memory.current().is_some() {
        return None;
    }
    if let Some(problem) = &desired.problem {
        return Some(Step::Wait(Waiting::stalled(problem.reason, problem.message.clone())));
    }
    if let Some(step) = await_usable_user_data(desired) {
        return Some(step);
    }
    if let Some(step) = await_nothing_left(seen) {
        return Some(step);
    }
    let round = round(desired, seen);
    let cooled = cooled(desired, seen, round);
    let (mut full, mut pending, mut blocked, mut used_up) = (Vec::new(), Vec::new(), None, false);
    for offer in &seen.offers {
        match obstacle(desired, seen, offer, round, cooled) {
            None => return Some(Step::Do(take(desired, seen, offer, round, cooled))),
            Some(Obstacle::Ask(question)) => return Some(Step::Ask(question)),
            Some(Obstacle::Full(figures)) => {
                full.push(format!("cloud {}: {figures} ({})", offer.cloud, in_turn(seen, offer)));
            }
            Some(Obstacle::Pending(waiting)) => pending.push(waiting),
            Some(Obstacle::Blocked(problem)) => blocked = blocked.or(Some(problem)),
            Some(Obstacle::UsedUp) => used_up = true,
        }
    }
    if !full.is_empty() {
        return Some(Step::Wait(queued(seen, full, &pending)));
    }
    Some(Step::Wait(match (pending.into_iter().next(), used_up, blocked) {
        (Some(waiting), _, _) => waiting,
        (None, true, _) => exhausted(seen),
        (None, false, Some(problem)) => Waiting::stalled(problem.reason, problem.message),
        (None, false, None) => Waiting::stalled(
            Reason::CloudNotFound,
            "no Cloud serves this node; see spec.cloud and the machine type",
        ),
    }))
}

/// Every cloud that could take the node is full, or away.
fn queued(seen: &Observed, full: Vec<String>, pending: &[Waiting]) -> Waiting {
    let others = pending.iter().map(|waiting| waiting.message.clone());
    let message = full.into_iter().chain(others).collect::<Vec<_>>().join("; ");
    let pause = jiff::SignedDuration::try_from(READ_AGAIN).unwrap_or_default();
    Waiting {
        until: seen.now.checked_add(pause).ok(),
        ..Waiting::new(Reason::QuotaExceeded, format!("waiting for room: {message}"))
    }
}

/// User data that stands elsewhere is looked at before anything is made.
fn await_usable_user_data(desired: &Desired) -> Option<Step> {
    match &desired.user_data {
        UserData::Checked(_) => None,
        UserData::Known | UserData::Unread(_) | UserData::Cannot { .. } => {
            Step::for_user_data(&desired.user_data)
        }
    }
}

/// Nothing of this node may be anywhere, nor appear any more.
fn await_nothing_left(seen: &Observed) -> Option<Step> {
    seen.held.iter().find_map(|cloud| {
        let view = seen.clouds.get(cloud)?;
        let kind = Kind::ALL.into_iter().find(|kind| !view.fresh.of(*kind) || !view.settled.of(*kind))?;
        Some(if view.settled.of(kind) {
            await_list(seen, view, cloud, kind, Reason::SettlingAttempt)
        } else {
            Step::Wait(Waiting::settling(unsettled(kind, cloud), cloud, kind))
        })
    })
}

fn take(desired: &Desired, seen: &Observed, offer: &Offer, round: i64, cooled: Cooled) -> Change {
    if !seen.held.contains(&offer.cloud) {
        return Change::AddFinalizer { cloud: offer.cloud.clone() };
    }
    let number = seen.memory.last().map_or(1, |last| last.number + 1);
    let zone = zone(seen, offer, round, cooled).cloned().flatten();
    let open = MemoryChange::OpenAttempt {
        attempt: Box::new(Attempt {
            number,
            round,
            cloud: offer.cloud.clone(),
            zone: zone.clone(),
            region: offer.pins.region.clone(),
            project_id: offer.pins.project_id.clone(),
            cluster_id: offer.pins.cluster_id.clone(),
            spec_digest: Some(desired.asks.clone()),
            asked: Some(desired.system.clone()),
            machine_type_generation: Some(desired.machine_type_generation),
            resolved: resolved(desired, seen, offer, round, zone.as_deref()),
            opened_at: Some(Time(seen.now)),
            ..Attempt::default()
        }),
        fqdn: offer.fqdn.clone(),
    };
    open.into()
}

/// What the attempt is pinned to; the number of retries stays as it was when the round began.
fn resolved(
    desired: &Desired,
    seen: &Observed,
    offer: &Offer,
    round: i64,
    zone: Option<&str>,
) -> Option<Resolved> {
    let Resolution::Can(resolved) = &offer.resolution else { return None };
    let mut resolved = (**resolved).clone();
    if let Some(pinned) = &mut resolved.machine_type {
        pinned.launch_retries = retries(desired, seen, round);
    }
    let zone = zone.and_then(|zone| offer.volume_zones.get(zone));
    for volume in &mut resolved.volumes {
        volume.zone = zone.cloned();
    }
    Some(resolved)
}

/// The memory after an attempt was opened: what is settled of earlier rounds is forgotten, and of the others what only their
/// create needed.
#[must_use]
pub fn remembered(attempts: &[Attempt], opened: &Attempt) -> Vec<Attempt> {
    let counts = |attempt: &&Attempt| {
        !attempt.settled || (attempt.round == opened.round && attempt.outcome != Some(Outcome::Uncounted))
    };
    let mut remembered: Vec<Attempt> = attempts.iter().filter(counts).cloned().collect();
    for resolved in remembered.iter_mut().filter_map(|attempt| attempt.resolved.as_mut()) {
        resolved.server = None;
    }
    remembered.push(opened.clone());
    remembered
}

/// What is claimed and recorded of the name when an attempt is opened, after what was before.
#[must_use]
pub fn claimed(fqdn: Option<&String>, before: Option<&DnsFacts>) -> Option<DnsFacts> {
    let name = fqdn?.clone();
    let withdrawn = before.filter(|before| before.name == name).map(|before| before.withdrawn.clone());
    Some(DnsFacts { name, withdrawn: withdrawn.unwrap_or_default(), ..DnsFacts::default() })
}

fn exhausted(seen: &Observed) -> Waiting {
    let last = seen.memory.last();
    let reason = last.and_then(|last| last.reason).unwrap_or(Reason::LaunchFailed);
    let said = last.and_then(|last| last.message.clone()).unwrap_or_default();
    Waiting {
        until: last.and_then(rested_at),
        ..Waiting::stalled(
            reason,
            format!(
                "all attempts of this round failed, the last with {reason}: {said}; tried again {}, or as soon as what the \
                 node asks for or its machine type is edited",
                last.and_then(rested_at).map_or_else(
                    || format!("{} min later", REST_BETWEEN_ROUNDS.as_secs() / 60),
                    |at| format!("at {}", clock(at))
                )
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::plan::Question;
    use crate::reconcile::state::examples::{away, failed, offer};
    use crate::reconcile::state::{Problem, Room};

    fn next(seen: &Observed) -> Step {
        open_attempt(&Desired { launch_retries: 2, ..Desired::any() }, seen).unwrap()
    }

    /// The cloud, zone, number and round of the attempt that is opened.
    fn opened(seen: &Observed) -> (String, Option<String>, i64, i64) {
        let step = next(seen);
        let Step::Do(Change::Memory(MemoryChange::OpenAttempt { attempt, .. })) = step else {
            panic!("{step:?}")
        };
        (attempt.cloud, attempt.zone, attempt.number, attempt.round)
    }

    fn reason(seen: &Observed) -> Reason {
        if let Step::Wait(waiting) = next(seen) { waiting.reason } else { panic!("{:?}", next(seen)) }
    }

    /// An attempt that failed, of which nothing is left.
    fn settled(number: i64, reason: Reason) -> Attempt {
        Attempt { settled: true, ..failed(number, reason) }
    }

    fn with_room(cloud: &str, room: Room) -> Offer {
        Offer { room, ..offer(cloud) }
    }

    #[test]
    fn the_finalizer_of_the_cloud_comes_before_the_attempt() {
        let seen = Observed::nothing().with_offer(offer("lab"));
        assert_eq!(next(&seen), Step::Do(Change::AddFinalizer { cloud: "lab".into() }));

        assert_eq!(opened(&Observed::held().with_offer(offer("lab"))), ("lab".into(), None, 1, 1));
    }

    #[test]
    fn a_node_with_a_machine_opens_no_attempt() {
        assert_eq!(open_attempt(&Desired::any(), &Observed::under_way().with_offer(offer("lab"))), None);
    }

    #[test]
    fn a_full_cloud_is_passed_over_and_the_node_waits_only_if_all_are_full() {
        let full = || with_room("full", Room::Full("4 of 4 cores are used".into()));

        assert_eq!(opened(&Observed::held().with_offer(full()).with_offer(offer("lab"))).0, "lab");
        assert_eq!(reason(&Observed::held().with_offer(full())), Reason::QuotaExceeded);
    }

    #[test]
    fn a_node_waits_for_its_turn_while_as_many_as_may_be_are_being_built() {
        assert_eq!(reason(&Observed::held().with_offer(with_room("lab", Room::Busy))), Reason::Queued);
    }

    #[test]
    fn a_node_that_needs_more_than_the_limits_allow_needs_an_edit() {
        let never = with_room("lab", Room::Never("8 cores of 4".into()));

        assert_eq!(reason(&Observed::held().with_offer(never)), Reason::ExceedsLimits);
    }

    #[test]
    fn a_quota_and_a_catalogue_are_read_before_anything_is_made() {
        let unread = Offer { resolution: Resolution::Unread, ..offer("lab") };
        let asks = |offer| next(&Observed::held().with_offer(offer));

        assert_eq!(asks(unread), Step::Ask(Question::Catalogue { cloud: "lab".into() }));
        let limits = Question::Limits { cloud: "lab".into(), kind: Kind::Server };
        assert_eq!(asks(with_room("lab", Room::Unread(Kind::Server))), Step::Ask(limits));
    }

    #[test]
    fn a_name_that_another_node_holds_is_waited_for_and_nothing_is_made() {
        let (fqdn, holder) = (Some("n.test".into()), Some("lab/other".into()));
        let held = Offer { fqdn, holder, ..offer("lab") };

        assert_eq!(reason(&Observed::held().with_offer(held)), Reason::NameConflict);
    }

    #[test]
    fn what_somebody_else_has_is_waited_for_and_nothing_is_made() {
        let taken = Problem { reason: Reason::PortInUse, message: "port p is bound to s; free it".into() };
        let offer = Offer { taken: Some(taken), ..offer("lab") };

        let Step::Wait(waiting) = next(&Observed::held().with_offer(offer)) else { panic!("it goes on") };
        assert_eq!((waiting.reason, waiting.until.is_some()), (Reason::PortInUse, true));
    }

    #[test]
    fn a_cloud_that_cannot_be_asked_does_not_hold_up_another() {
        let gone = Offer { standing: away(), ..offer("far") };

        assert_eq!(opened(&Observed::held().with_offer(gone.clone()).with_offer(offer("lab"))).0, "lab");
        assert_eq!(reason(&Observed::held().with_offer(gone)), Reason::CloudUnreachable);
    }

    #[test]
    fn after_a_failure_the_next_zone_is_tried() {
        let zones = vec![Some("a".into()), Some("b".into())];
        let seen = Observed::held()
            .with_attempt(settled(1, Reason::ServerError))
            .with_offer(Offer { zones, ..offer("lab") });

        assert_eq!(opened(&seen), ("lab".into(), Some("b".into()), 2, 1));
    }

    #[test]
    fn a_cloud_is_used_up_after_its_retries_and_the_next_one_is_tried() {
        let seen = Observed::held()
            .with_attempt(settled(1, Reason::ServerError))
            .with_attempt(settled(2, Reason::BootTimeout))
            .with_offer(offer("lab"));

        assert_eq!(reason(&seen), Reason::BootTimeout, "the last reason is told");
        let far = seen.with_offer(offer("far"));
        assert_eq!(next(&far), Step::Do(Change::AddFinalizer { cloud: "far".into() }));
    }

    #[test]
    fn what_the_cloud_refused_is_not_sent_there_again_in_this_round() {
        let seen = Observed::held().with_attempt(settled(1, Reason::RequestRefused)).with_offer(offer("lab"));

        assert_eq!(reason(&seen), Reason::RequestRefused);
    }

    #[test]
    fn an_attempt_that_does_not_count_uses_nothing_up() {
        let uncounted =
            |number| Attempt { outcome: Some(Outcome::Uncounted), ..settled(number, Reason::QuotaExceeded) };
        let seen =
            Observed::held().with_attempt(uncounted(1)).with_attempt(uncounted(2)).with_offer(offer("lab"));

        assert_eq!(opened(&seen).2, 3);
    }

    #[test]
    fn an_edit_begins_a_new_round_at_once() {
        let old =
            |number| Attempt { spec_digest: Some("else".into()), ..settled(number, Reason::ServerError) };
        let seen = Observed::held().with_attempt(old(1)).with_attempt(old(2)).with_offer(offer("lab"));

        assert_eq!(opened(&seen), ("lab".into(), None, 3, 2));
    }

    #[test]
    fn nothing_is_opened_while_something_of_the_last_attempt_may_appear() {
        let seen = Observed::held().in_lab(|view| view.settled.server = false).with_offer(offer("lab"));

        assert_eq!(reason(&seen), Reason::SettlingAttempt);
    }

    #[test]
    fn a_problem_that_no_cloud_can_solve_is_told_before_any_cloud_is_asked() {
        let problem = Problem { reason: Reason::MachineTypeNotFound, message: "there is none".into() };
        let desired = Desired { problem: Some(problem), ..Desired::any() };

        let Some(Step::Wait(waiting)) = open_attempt(&desired, &Observed::nothing()) else {
            panic!("it goes on")
        };
        assert_eq!((waiting.reason, waiting.stalled), (Reason::MachineTypeNotFound, true));
    }
}
