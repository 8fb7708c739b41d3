//! What lists show: images of ours that the status does not know, and images that are there no longer.

use jiff::SignedDuration;

use super::complete::node_of;
use super::{Ask, Move, Record, Step};
use crate::api::machine_image::{ImageRecord, ImageState};
use crate::image::state::{Look, Seen, after};

/// The most images that a status has in one cloud.
pub(super) const MOST: usize = 24;

/// At rest our images are listed so often.
pub const LIST: SignedDuration = SignedDuration::from_mins(10);
/// And those of them that are hidden.
pub const LIST_HIDDEN: SignedDuration = SignedDuration::from_hours(1);

/// Before anything is done in a cloud, all that is ours there is listed, and again now and then.
pub(super) fn listed(seen: &Seen<'_>) -> Vec<Move> {
    let due = |last: Option<jiff::Timestamp>, every| last.is_none_or(|last| after(last, every) <= seen.now);
    // Elsewhere nothing was ever made.
    if seen.held && due(seen.memory.listed, LIST) {
        return vec![Move::Do(Step::Ask(Ask::List))];
    }
    if seen.held && due(seen.memory.listed_hidden, LIST_HIDDEN) {
        return vec![Move::Do(Step::Ask(Ask::ListHidden))];
    }
    // What a list does not show is asked for by its id before it counts as missing. No list shows the source's own image.
    let unknown = seen.here.images.iter().find(|record| {
        let known = seen.known(&record.id);
        let unread = known.look.is_none() || (record.source && due(known.looked, LIST));
        unread && !known.unasked && !is_sending(seen, &record.id)
    });
    unknown.map(|record| Move::Do(Step::Ask(Ask::Look(record.id.clone())))).into_iter().collect()
}

/// Its data is being sent.
pub(super) fn is_sending(seen: &Seen<'_>, id: &str) -> bool {
    matches!(&seen.slot, crate::image::state::Slot::Ours(sent, _) if sent == id)
}

/// What the status does not know, and bears our marks, was lost from the status.
pub(super) fn adopt(seen: &Seen<'_>) -> Vec<Move> {
    if seen.here.images.len() >= MOST {
        // A status takes no more; it is adopted once there is room.
        return Vec::new();
    }
    let unknown = |id: &&String| !seen.here.images.iter().any(|record| record.id == **id);
    let found = seen.memory.found.keys().find(unknown);
    let adopt = |id: &String| {
        let tested = seen.canaries.filter(|_| seen.spec.canary(&seen.here.name).is_some());
        let node = tested.map(|namespace| node_of(seen, namespace, id));
        Move::Do(Step::Record(Record::Adopt(id.clone(), node)))
    };
    found.map(adopt).into_iter().collect()
}

/// Glance does not have it any longer, or not with these bytes.
pub(super) fn is_gone(seen: &Seen<'_>, record: &ImageRecord) -> bool {
    match seen.look(&record.id) {
        None => false,
        Some(Look::Missing | Look::Stranger) => true,
        Some(Look::Source(picture)) if picture.digest != record.digest => true,
        Some(Look::There(picture) | Look::Source(picture)) => {
            matches!(picture.status.as_str(), "killed" | "deleted" | "pending_delete")
        }
    }
}

/// What machines could be made from, and is not there any longer, was deleted by somebody. The TestNode that tested it is deleted
/// before it is forgotten.
pub(super) fn lost(seen: &Seen<'_>) -> Vec<Move> {
    let is_lost = |record: &&ImageRecord| {
        record.state == ImageState::Usable && record.canary.is_none() && is_gone(seen, record)
    };
    let lost = seen.here.images.iter().filter(|record| !record.source).find(is_lost);
    lost.map(|record| Move::Do(Step::Record(Record::Lost(record.id.clone())))).into_iter().collect()
}
