//! What is not needed any longer: it is taken out of use first, and deleted once nothing uses it.

use jiff::SignedDuration;

use super::adopt::{is_gone, is_sending};
use super::complete::complete;
use super::upload::proof;
use super::{Ask, Move, Record, Step, Waiting};
use crate::api::machine_image::{ImageRecord, ImageState};
use crate::image::keep;
use crate::image::state::{Look, SETTLED, Seen, Trouble, after, since};
use crate::reason::Reason;

/// How long an image is out of use before it is deleted: no operator lags behind its watch for longer.
pub const REST: SignedDuration = SignedDuration::from_mins(10);
/// A look at what uses images counts for so long.
const FRESH: SignedDuration = SignedDuration::from_mins(1);
/// The longest pause before it is looked again.
const LONGEST: SignedDuration = SignedDuration::from_hours(2);
/// What does not stay is taken out of use. One that somebody deactivated is left as it is while the cloud is to have the image: if
/// it were deleted by us, its bytes would stay in the cloud's store for ever.
pub(super) fn retire(seen: &Seen<'_>) -> Vec<Move> {
    let kept = keep::kept(seen);
    let leaves = |record: &&ImageRecord| match record.state {
        ImageState::Usable => !kept.contains(&record.id) && !is_deactivated(seen, record),
        ImageState::Uploading => !seen.is_wanted(record),
        ImageState::Testing => !seen.is_wanted(record) || is_gone(seen, record),
        ImageState::Failed => record.failed_its_test() && (!seen.is_wanted(record) || is_gone(seen, record)),
        ImageState::Retired => false,
    };
    let found = seen.here.images.iter().filter(|record| !record.source).find(leaves);
    found.map(|record| Move::Do(Step::Record(Record::Retire(record.id.clone())))).into_iter().collect()
}

fn is_deactivated(seen: &Seen<'_>, record: &ImageRecord) -> bool {
    seen.asked && seen.status(&record.id) == Some("deactivated")
}

/// Somebody deactivated it.
pub(super) fn deactivated(id: &str, digest: &str) -> Trouble {
    Trouble::new(
        Reason::ImageDeactivated,
        format!(
            "image {id} was deactivated by somebody: activate it again (openstack image set --activate {id}), or put {digest} into \
             spec.reject"
        ),
    )
}

/// What was taken out of use and is wanted again is used again; after a test, where one is asked for.
pub(super) fn again(seen: &Seen<'_>) -> Vec<Move> {
    let fits = |record: &&ImageRecord| {
        record.state == ImageState::Retired
            && seen.is_wanted(record)
            && matches!(seen.look(&record.id), Some(Look::There(picture)) if picture.status == "active"
                && proof(seen, record, picture).is_ok())
            && !seen.here.images.iter().any(|other| other.is_bootable() && seen.is_wanted(other))
    };
    let found = seen.here.images.iter().find(fits);
    found.map(|record| Move::Do(Step::Record(complete(seen, &record.id)))).into_iter().collect()
}

/// What is out of use is deleted, one after the other.
pub(super) fn clear(seen: &Seen<'_>) -> Vec<Move> {
    let told = |record: &&ImageRecord| is_deactivated(seen, record) && !seen.spec.rejects(&record.digest);
    let told = seen
        .here
        .images
        .iter()
        .filter(told)
        .map(|record| Move::Wait(Waiting { why: deactivated(&record.id, &record.digest), until: None }));
    // One that failed its test stays until it is retired. A TestNode goes before its image.
    let out = |record: &&ImageRecord| {
        matches!(record.state, ImageState::Failed | ImageState::Retired)
            && !record.failed_its_test()
            && record.canary.is_none()
    };
    let out = seen.here.images.iter().filter(out).filter(|record| !is_deactivated(seen, record));
    told.chain(out.filter_map(|record| one(seen, record))).collect()
}

fn one(seen: &Seen<'_>, record: &ImageRecord) -> Option<Move> {
    let ask = |ask| Some(Move::Do(Step::Ask(ask)));
    let id = &record.id;
    if is_sending(seen, id) {
        return ask(Ask::Cancel(id.clone()));
    }
    let known = seen.known(id);
    match &known.look {
        None if known.unasked => Some(Move::Do(Step::Record(Record::Forget(id.clone())))),
        None => ask(Ask::Look(id.clone())),
        // Another's, under the id that we meant to use: nothing of ours is there, nor can be.
        Some(Look::Stranger | Look::Source(_)) => Some(Move::Do(Step::Record(Record::Forget(id.clone())))),
        Some(Look::Missing) if known.deleted || known.spent => {
            Some(Move::Do(Step::Record(Record::Forget(id.clone()))))
        }
        Some(Look::Missing) => Some(burn(seen, record)),
        Some(Look::There(_)) => {
            if let Some((trouble, until)) = known.stays.filter(|(_, until)| *until > seen.now) {
                return Some(Move::Wait(Waiting::until(trouble, until)));
            }
            if record.state == ImageState::Retired
                && let Some(waiting) = await_no_use(seen, record)
            {
                return Some(waiting);
            }
            ask(Ask::Delete(id.clone()))
        }
    }
}

/// An id whose request to make it may still arrive is made harmless.
fn burn(seen: &Seen<'_>, record: &ImageRecord) -> Move {
    let id = record.id.clone();
    let known = seen.known(&id);
    // None of those that are left is there, and none can be made any longer.
    let settled = |record: &ImageRecord| {
        let known = seen.known(&record.id);
        known.look == Some(Look::Missing)
            && known.unburned.is_some_and(|refused| after(refused, SETTLED) <= seen.now)
    };
    if seen.here.images.iter().all(settled) {
        return Move::Do(Step::Record(Record::Forget(id)));
    }
    let Some(again) = known.burn_again.filter(|again| *again > seen.now) else {
        return Move::Do(Step::Ask(Ask::Burn(id)));
    };
    let why = Trouble::new(
        Reason::Retiring,
        format!(
            "the id {id} cannot be used up, as the cloud has no room; it is waited for until no request can use it"
        ),
    );
    Move::Wait(Waiting::until(why, again))
}

/// Nothing may be in the way of deleting an image that machines were made from.
fn await_no_use(seen: &Seen<'_>, record: &ImageRecord) -> Option<Move> {
    let retired = since(record);
    let rested = after(retired, REST);
    if rested > seen.now {
        let why =
            Trouble::new(Reason::Retiring, format!("image {} is out of use, and is deleted soon", record.id));
        return Some(Move::Wait(Waiting::until(why, rested)));
    }
    let looked = seen.memory.uses.as_ref().and_then(|uses| uses.at).filter(|at| *at >= rested);
    let Some(at) = looked else { return Some(Move::Do(Step::Ask(Ask::Uses))) };
    let user = seen.memory.uses.as_ref().and_then(|uses| uses.by.get(&record.id));
    let Some(user) = user else {
        return (after(at, FRESH) <= seen.now).then_some(Move::Do(Step::Ask(Ask::Uses)));
    };
    let pause = (at.duration_since(retired) / 2).clamp(REST, LONGEST);
    if after(at, pause) <= seen.now {
        return Some(Move::Do(Step::Ask(Ask::Uses)));
    }
    let why = Trouble::new(
        Reason::ImageInUse,
        format!("image {} stays as long as {user} uses it; delete that if it is not needed", record.id),
    );
    Some(Move::Wait(Waiting::until(why, after(at, pause))))
}
