//! Which place is tried next: zones in turn, but for those that had no host a while ago.

use super::Waiting;
use crate::reason::Reason;
use crate::reconcile::state::{Observed, Offer};

/// What to do where every place had no host a while ago.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Cooled {
    /// Leave it alone until its time ends.
    Avoid,
    /// Try it all the same.
    Try,
}

/// The next zone in turn, but for those that are avoided.
pub(super) fn zone<'a>(
    seen: &Observed,
    offer: &'a Offer,
    round: i64,
    cooled: Cooled,
) -> Option<&'a Option<String>> {
    let tried = seen.memory.in_round(&offer.cloud, round).count();
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
    Waiting { until, ..Waiting::new(Reason::NoValidHost, message) }
}
