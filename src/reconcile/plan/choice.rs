//! Where the next attempt is made: by weight, then by zone, until a round is used up.

use std::time::Duration;

use super::place::{Cooled, NO_VALID_HOST, cooled, cooling, zone};
use super::{Change, MemoryChange, Question, Step, Waiting};
use crate::api::testnode_status::{Attempt, DnsFacts, Outcome, Resolved};
use crate::reconcile::state::{
    Desired, Observed, Offer, Problem, READ_AGAIN, Resolution, Room, Standing, UserData,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The reason of an attempt that only an edit can better.
pub(super) const REFUSED: &str = "RequestRefused";

/// As many nodes as may be are under construction.
const QUEUED: &str = "Queued";

/// A node whose clouds are all used up begins anew after this, or when it or its machine type is edited.
pub const REST_BETWEEN_ROUNDS: Duration = Duration::from_mins(10);

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

/// Opens an attempt in the best place that can take it. A node that must queue holds nothing.
pub(super) fn open_attempt(desired: &Desired, seen: &Observed) -> Option<Step> {
    if seen.memory.current().is_some() {
        return None;
    }
    if let Some(problem) = &desired.problem {
        return Some(Step::Wait(Waiting::stalled(problem.reason, problem.message.clone())));
    }
    if let Some(step) = await_user_data(desired) {
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
            Some(Obstacle::Full(figures)) => full.push(format!("cloud {}: {figures}", offer.cloud)),
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
            "CloudNotFound",
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
        ..Waiting::new("QuotaExceeded", format!("waiting for room: {message}"))
    }
}

/// The offers where a node waits for room or for a place, with what it was told.
#[must_use]
pub fn queues_at<'a>(desired: &Desired, seen: &'a Observed) -> Vec<(String, &'a Resolved, String)> {
    let round = round(desired, seen);
    let cooled = cooled(desired, seen, round);
    let waits = |offer: &'a Offer| {
        let told = match obstacle(desired, seen, offer, round, cooled)? {
            Obstacle::Full(figures) => figures,
            Obstacle::Pending(Waiting { reason: QUEUED, .. }) => String::new(),
            Obstacle::Pending(_) | Obstacle::Ask(_) | Obstacle::Blocked(_) | Obstacle::UsedUp => return None,
        };
        let Resolution::Can(resolved) = &offer.resolution else { return None };
        Some((offer.cloud.clone(), &**resolved, told))
    };
    seen.offers.iter().filter_map(waits).collect()
}

/// User data that stands elsewhere is read before anything is made, and for the server's create once more if that was
/// long ago.
pub(super) fn await_user_data(desired: &Desired) -> Option<Step> {
    match &desired.user_data {
        UserData::Known => None,
        UserData::Unread(place) => Some(Step::Ask(Question::UserData(place.clone()))),
        UserData::Cannot { problem, again } => Some(Step::Wait(Waiting {
            until: Some(*again),
            ..Waiting::stalled(problem.reason, problem.message.clone())
        })),
    }
}

/// Nothing of this node may be anywhere, nor appear any more.
fn await_nothing_left(seen: &Observed) -> Option<Step> {
    seen.held.iter().find_map(|cloud| {
        let view = seen.clouds.get(cloud)?;
        let kind = crate::reconcile::state::Kind::ALL
            .into_iter()
            .find(|kind| !view.fresh.of(*kind) || !view.settled.of(*kind))?;
        let message = format!("waiting until nothing can appear in cloud {cloud} any more");
        Some(Step::Wait(Waiting::settling(message, cloud, kind)))
    })
}

/// The current round, or the next one: after an edit, or after a rest when all is used up.
fn round(desired: &Desired, seen: &Observed) -> i64 {
    let Some(last) = seen.memory.last() else { return 1 };
    let edited = last.generation != Some(desired.generation)
        || last.machine_type_generation != Some(desired.machine_type_generation);
    let rested = rested_at(last).is_some_and(|rested| rested <= seen.now);
    let used_up = seen.offers.iter().all(|offer| is_used_up(desired, seen, offer, last.round));
    if edited || (used_up && rested) { last.round + 1 } else { last.round }
}

fn rested_at(last: &Attempt) -> Option<jiff::Timestamp> {
    let closed = last.closed_at.as_ref()?;
    closed.0.checked_add(jiff::SignedDuration::try_from(REST_BETWEEN_ROUNDS).ok()?).ok()
}

pub(super) fn in_round<'a>(
    seen: &'a Observed,
    cloud: &'a str,
    round: i64,
) -> impl Iterator<Item = &'a Attempt> {
    seen.memory.attempts.iter().filter(move |attempt| attempt.cloud == cloud && attempt.round == round)
}

fn is_used_up(desired: &Desired, seen: &Observed, offer: &Offer, round: i64) -> bool {
    let failed = || in_round(seen, &offer.cloud, round).filter(|a| a.outcome == Some(Outcome::Failed));
    let refused = failed().any(|attempt| attempt.reason.as_deref() == Some(REFUSED));
    refused || i64::try_from(failed().count()).unwrap_or(i64::MAX) >= desired.launch_retries
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
        Standing::Unseen => return Some(Obstacle::Pending(super::tear_down::unseen(cloud))),
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
        Resolution::Cannot(problem) => return Some(Obstacle::Blocked(problem.clone())),
    }
    if let (Some(holder), Some(fqdn)) = (&offer.holder, &offer.fqdn) {
        let message = format!(
            "TestNode {holder} holds the name {fqdn}; nothing is made until it lets go, or give another spec.hostname"
        );
        return Some(Obstacle::Pending(Waiting::new("NameConflict", message)));
    }
    if zone(seen, offer, round, cooled).is_none() {
        return Some(Obstacle::Pending(cooling(offer)));
    }
    match &offer.room {
        Room::Free => None,
        Room::Busy => {
            let message =
                format!("as many nodes as rate.concurrentCreates are under construction in cloud {cloud}");
            Some(Obstacle::Pending(Waiting::new(QUEUED, message)))
        }
        Room::Full(figures) => Some(Obstacle::Full(figures.clone())),
        Room::Never(figures) => {
            let message = format!(
                "cloud {cloud}: {figures}: more than it may ever have; ask for less, or raise the Cloud's limits"
            );
            Some(Obstacle::Blocked(Problem { reason: "ExceedsLimits", message }))
        }
        Room::Unread(kind) => Some(Obstacle::Ask(Question::Limits { cloud: cloud.clone(), kind: *kind })),
    }
}

fn take(desired: &Desired, seen: &Observed, offer: &Offer, round: i64, cooled: Cooled) -> Change {
    if !seen.held.contains(&offer.cloud) {
        return Change::AddFinalizer { cloud: offer.cloud.clone() };
    }
    let number = seen.memory.last().map_or(1, |last| last.number + 1);
    let open = MemoryChange::OpenAttempt {
        attempt: Box::new(Attempt {
            number,
            round,
            cloud: offer.cloud.clone(),
            zone: zone(seen, offer, round, cooled).cloned().flatten(),
            region: offer.pins.region.clone(),
            project_id: offer.pins.project_id.clone(),
            cluster_id: offer.pins.cluster_id.clone(),
            generation: Some(desired.generation),
            machine_type_generation: Some(desired.machine_type_generation),
            resolved: match &offer.resolution {
                Resolution::Can(resolved) => Some((**resolved).clone()),
                Resolution::Unread | Resolution::Cannot(_) => None,
            },
            opened_at: Some(Time(seen.now)),
            ..Attempt::default()
        }),
        fqdn: offer.fqdn.clone(),
    };
    open.into()
}

/// The memory after an attempt was opened: what is settled of earlier rounds is forgotten.
#[must_use]
pub fn remembered(attempts: &[Attempt], opened: &Attempt) -> Vec<Attempt> {
    let counts = |attempt: &&Attempt| {
        !attempt.settled || (attempt.round == opened.round && attempt.outcome != Some(Outcome::QuotaExceeded))
    };
    attempts.iter().filter(counts).cloned().chain([opened.clone()]).collect()
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
    let word = last.and_then(|last| last.reason.clone()).unwrap_or_else(|| "Failed".into());
    let said = last.and_then(|last| last.message.clone()).unwrap_or_default();
    Waiting {
        until: last.and_then(rested_at),
        ..Waiting::stalled(
            reason_of(&word),
            format!(
                "all attempts of this round failed, the last with {word}: {said}; tried again {} min later, or when the node \
                 or its machine type is edited",
                REST_BETWEEN_ROUNDS.as_secs() / 60
            ),
        )
    }
}

/// The reasons that an attempt can have ended with.
fn reason_of(word: &str) -> &'static str {
    const WORDS: &[&str] = &[
        NO_VALID_HOST,
        "ServerError",
        "ServerStopped",
        "ServerLost",
        "VolumeError",
        "VolumeLost",
        "VolumeStuck",
        "PortLost",
        "LaunchTimeout",
        "BootTimeout",
        "NameConflict",
        "StatusLost",
        REFUSED,
    ];
    WORDS.iter().find(|known| **known == word).copied().unwrap_or("LaunchFailed")
}
