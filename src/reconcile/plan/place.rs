//! Which place is tried next: zones in turn, but for those that had no host a while ago.

use super::Waiting;
use super::choice::{Obstacle, in_round, obstacle};
use crate::reconcile::state::{Desired, Observed, Offer};

/// The reason of an attempt that found no host: its place is avoided for a while.
pub const NO_VALID_HOST: &str = "NoValidHost";

/// What to do where every place had no host a while ago.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Cooled {
    /// Leave it alone until its time ends.
    Avoid,
    /// Try it all the same.
    Try,
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
        .any(|attempt| attempt.round == round && attempt.reason.as_deref() == Some(NO_VALID_HOST));
    let avoided = |offer: &Offer| zone(seen, offer, round, Cooled::Avoid).is_none();
    if tried && seen.offers.iter().filter(open).all(avoided) { Cooled::Try } else { Cooled::Avoid }
}

/// The next zone in turn, but for those that are avoided.
pub(super) fn zone<'a>(
    seen: &Observed,
    offer: &'a Offer,
    round: i64,
    cooled: Cooled,
) -> Option<&'a Option<String>> {
    let tried = in_round(seen, &offer.cloud, round).count();
    let mut zones = offer.zones.iter().cycle().skip(tried).take(offer.zones.len());
    zones.find(|zone| cooled == Cooled::Try || !offer.cooling.contains_key(*zone))
}

pub(super) fn cooling(offer: &Offer) -> Waiting {
    let until = offer.cooling.values().min().copied();
    let when = until.map(|until| format!(" at {}", until.strftime("%H:%M:%SZ"))).unwrap_or_default();
    let message = format!(
        "cloud {} had no host for this flavor a while ago, and no other place is allowed or has room; it is tried again{when}, \
         or when a machine was made there",
        offer.cloud
    );
    Waiting { until, ..Waiting::new(NO_VALID_HOST, message) }
}
