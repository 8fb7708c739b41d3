//! The image of `source.image` in its own cloud: it is used as it is. It is nobody's but its maker's, so nothing is asked of it but
//! what it is.

use super::adopt::{LIST, MOST, is_gone};
use super::clear::deactivated;
use super::upload::full;
use super::{Ask, Move, Record, Step, Waiting};
use crate::api::machine_image::ImageRecord;
use crate::image::keep;
use crate::image::state::{Look, Seen, after};

/// The source's own image is written down as the one of its version, and is forgotten when it is not needed or not there.
pub(super) fn source(seen: &Seen<'_>) -> Vec<Move> {
    let write = |record| vec![Move::Do(Step::Record(record))];
    let mut records = seen.here.images.iter().filter(|record| record.source);
    if let Some(record) = records.clone().find(|record| leaves(seen, record)) {
        let id = record.id.clone();
        return write(if seen.is_wanted(record) { Record::Lost(id) } else { Record::Forget(id) });
    }
    let (Some(id), Some(wanted)) = (seen.golden(), seen.wanted) else { return Vec::new() };
    if let Some(known) = records.find(|record| record.id == id) {
        return if known.is(wanted) { Vec::new() } else { write(Record::Source(id.to_owned())) };
    }
    if seen.here.images.len() >= MOST {
        return vec![full()];
    }
    let known = seen.known(id);
    let again = known.looked.map(|looked| after(looked, LIST)).filter(|again| *again > seen.now);
    let (Some(look), Some(again)) = (&known.look, again) else {
        return vec![Move::Do(Step::Ask(Ask::Look(id.to_owned())))];
    };
    match look {
        Look::Source(picture) if picture.digest == wanted.digest && picture.status == "active" => {
            write(Record::Source(id.to_owned()))
        }
        Look::Source(picture) if picture.status == "deactivated" => {
            vec![Move::Wait(Waiting::until(deactivated(id, &wanted.digest), again))]
        }
        Look::Source(_) | Look::There(_) | Look::Missing | Look::Stranger => {
            write(Record::Lost(id.to_owned()))
        }
    }
}

/// Whether nothing is to be known of it any longer. The TestNode that tests it is deleted first.
fn leaves(seen: &Seen<'_>, record: &ImageRecord) -> bool {
    // The source has the same bytes in another image now.
    let replaced = || {
        seen.wanted.is_some_and(|wanted| record.is(wanted))
            && !seen.is_wanted(record)
            && keep::current(seen).is_some_and(|current| seen.is_wanted(current))
    };
    record.canary.is_none()
        && (!seen.asked || is_gone(seen, record) || !keep::kept(seen).contains(&record.id) || replaced())
}

/// In a cloud that is not to have the image, and in which nothing was made.
pub(super) fn let_go(seen: &Seen<'_>) -> Option<Step> {
    match seen.here.images.first() {
        Some(record) => Some(Step::Record(Record::Forget(record.id.clone()))),
        None => seen.here.project_id.as_ref().map(|_| Step::RemoveFinalizer),
    }
}
