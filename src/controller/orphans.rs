//! What a Cloud's status says of orphans.

use crate::api::CloudStatus;
use crate::api::orphans::{Orphan, OrphanMode, Orphans};
use crate::clouds::Handle;

/// What the last sweep found; until there was one, what an earlier process found.
pub(super) fn orphans(before: &CloudStatus, handle: &Handle) -> Option<Orphans> {
    let off = |mode: OrphanMode| mode == OrphanMode::Off;
    if handle.config().spec.as_ref().is_some_and(|spec| off(spec.orphans.mode)) {
        return None;
    }
    let Some(found) = handle.orphans.load_full() else { return before.orphans.clone() };
    let mut found = Orphans::clone(&found);
    let known = before.orphans.as_ref().map(|orphans| orphans.items.as_slice()).unwrap_or_default();
    for item in &mut found.items {
        // A process that is new to it knows it for a shorter time.
        let same = |other: &&Orphan| other.kind == item.kind && other.id == item.id;
        if let Some(other) = known.iter().find(same) {
            item.since = other.since.clone().min(item.since.clone());
        }
    }
    Some(found)
}
