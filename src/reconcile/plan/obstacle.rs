//! What stands in the way of an attempt at one offer, and which round it would belong to.

use std::time::Duration;

use super::pause::clock;
use super::place::{Cooled, cooling, zone};
use super::{Question, Waiting};
use crate::api::testnode_status::{Attempt, Outcome, Resolved};
use crate::reason::Reason;
use crate::reconcile::state::{Desired, Observed, Offer, Problem, Resolution, Room, Standing, Turn};

/// A node whose clouds are all used up begins anew after this, or when it or its machine type is edited.
pub const REST_BETWEEN_ROUNDS: Duration = Duration::from_mins(10);

/// What somebody else has is looked at again after this.
const LOOK_AGAIN: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);

/// What stands in the way at one offer.
pub(super) enum Obstacle {
    /// It takes one request to know.
    Ask(Question),
    /// It is full; with figures.
    Full(String),
    /// It passes.
    Pending(Waiting),
    /// Somebody must edit something.
    Blocked(Problem),
    /// All its attempts of this round are used up.
    UsedUp,
}

/// The current round, or the next one: after an edit, or after a rest when all is used up.
pub(super) fn round(desired: &Desired, seen: &Observed) -> i64 {
    let Some(last) = seen.memory.last() else { return 1 };
    let edited = last.spec_digest.as_ref() != Some(&desired.asks)
        || last.machine_type_generation != Some(desired.machine_type_generation);
    let rested = rested_at(last).is_some_and(|rested| rested <= seen.now);
    let used_up = seen.offers.iter().all(|offer| is_used_up(desired, seen, offer, last.round));
    if edited || (used_up && rested) { last.round + 1 } else { last.round }
}

pub(super) fn rested_at(last: &Attempt) -> Option<jiff::Timestamp> {
    let closed = last.closed_at.as_ref()?;
    closed.0.checked_add(jiff::SignedDuration::try_from(REST_BETWEEN_ROUNDS).ok()?).ok()
}

/// Attempts per cloud in a round, as the machine type said when the round began.
pub(super) fn retries(desired: &Desired, seen: &Observed, round: i64) -> i64 {
    let first = seen.memory.attempts.iter().filter(|attempt| attempt.round == round).min_by_key(|a| a.number);
    let pinned = first.and_then(|first| first.resolved.as_ref()?.machine_type.as_ref());
    pinned.map_or(desired.launch_retries, |pinned| pinned.launch_retries)
}

fn is_used_up(desired: &Desired, seen: &Observed, offer: &Offer, round: i64) -> bool {
    let failed = || seen.memory.in_round(&offer.cloud, round).filter(|a| a.outcome == Some(Outcome::Failed));
    let refused = failed().any(|attempt| attempt.reason == Some(Reason::RequestRefused));
    refused || i64::try_from(failed().count()).unwrap_or(i64::MAX) >= retries(desired, seen, round)
}

pub(super) fn obstacle(
    desired: &Desired,
    seen: &Observed,
    offer: &Offer,
    round: i64,
    cooled: Cooled,
) -> Option<Obstacle> {
    let cloud = &offer.cloud;
    match &offer.standing {
        Standing::Seen => {}
        Standing::Unseen => return Some(Obstacle::Pending(Waiting::first_look(cloud))),
        Standing::Away(problem) => {
            let message = format!("cloud {cloud}: {}", problem.message);
            return Some(Obstacle::Pending(Waiting::new(problem.reason, message)));
        }
    }
    if is_used_up(desired, seen, offer, round) {
        return Some(Obstacle::UsedUp);
    }
    match &offer.resolution {
        Resolution::Can(_) => {}
        Resolution::Unread => return Some(Obstacle::Ask(Question::Catalogue { cloud: cloud.clone() })),
        // As a cloud that is full: the node is woken when there is one.
        Resolution::Cannot(problem) if problem.reason == Reason::ImageNotReady => {
            let message = format!("cloud {cloud}: {}", problem.message);
            return Some(Obstacle::Pending(Waiting::new(problem.reason, message)));
        }
        Resolution::Cannot(problem) => return Some(Obstacle::Blocked(problem.clone())),
    }
    if let (Some(holder), Some(fqdn)) = (&offer.holder, &offer.fqdn) {
        let message = format!(
            "TestNode {holder} holds the name {fqdn}; nothing is made until it is released; or make the node again with another spec.hostname"
        );
        return Some(Obstacle::Pending(Waiting::new(Reason::NameConflict, message)));
    }
    if let Some(problem) = &offer.taken {
        let message = format!("cloud {cloud}: {}", problem.message);
        let until = seen.now.checked_add(LOOK_AGAIN).ok();
        return Some(Obstacle::Pending(Waiting { until, ..Waiting::new(problem.reason, message) }));
    }
    if zone(seen, offer, round, cooled).is_none() {
        return Some(Obstacle::Pending(cooling(offer)));
    }
    match &offer.room {
        Room::Free => None,
        Room::Busy => {
            let message = format!(
                "{}: as many nodes are being made in cloud {cloud} as may be at once: twice the Cloud's \
                 status.concurrentCreates",
                in_turn(seen, offer)
            );
            Some(Obstacle::Pending(Waiting::new(Reason::Queued, message)))
        }
        Room::Full(figures) => Some(Obstacle::Full(figures.clone())),
        Room::Never(figures) => {
            let message = format!(
                "cloud {cloud}: {figures}: more than it may ever have; ask for less, or raise the Cloud's limits"
            );
            Some(Obstacle::Blocked(Problem { reason: Reason::ExceedsLimits, message }))
        }
        Room::Unread(kind) => Some(Obstacle::Ask(Question::Limits { cloud: cloud.clone(), kind: *kind })),
    }
}

/// The place of a node that waits, and when it was that: this changes with every node that comes or goes.
pub(super) fn in_turn(seen: &Observed, offer: &Offer) -> String {
    let Turn { place, of } = offer.turn;
    let ending = match (place % 100, place % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{place}{ending} in turn of {of}, as of {}", clock(seen.now))
}

/// A place that had no host is avoided, first for another zone, then for another cloud. Where there is no other, a node
/// whose own round is under way goes on with it: its tries are counted. One that has not tried yet waits.
pub(super) fn cooled(desired: &Desired, seen: &Observed, round: i64) -> Cooled {
    let open = |offer: &&Offer| {
        obstacle(desired, seen, offer, round, Cooled::Try).is_none_or(|o| matches!(o, Obstacle::Ask(_)))
    };
    let tried = seen
        .memory
        .attempts
        .iter()
        .any(|attempt| attempt.round == round && attempt.reason == Some(Reason::NoValidHost));
    let avoided = |offer: &Offer| zone(seen, offer, round, Cooled::Avoid).is_none();
    if tried && seen.offers.iter().filter(open).all(avoided) { Cooled::Try } else { Cooled::Avoid }
}

/// The offers where a node waits for room or for a place, with what it was told.
#[must_use]
pub fn queues_at<'a>(desired: &Desired, seen: &'a Observed) -> Vec<(String, &'a Resolved, String)> {
    let round = round(desired, seen);
    let cooled = cooled(desired, seen, round);
    let waits = |offer: &'a Offer| {
        let told = match obstacle(desired, seen, offer, round, cooled)? {
            Obstacle::Full(figures) => figures,
            Obstacle::Pending(Waiting { reason: Reason::Queued, .. }) => String::new(),
            Obstacle::Pending(_) | Obstacle::Ask(_) | Obstacle::Blocked(_) | Obstacle::UsedUp => return None,
        };
        let Resolution::Can(resolved) = &offer.resolution else { return None };
        Some((offer.cloud.clone(), &**resolved, told))
    };
    seen.offers.iter().filter_map(waits).collect()
}
