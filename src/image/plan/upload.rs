//! From an id that was written down to an image that machines can be made from.

use jiff::SignedDuration;

use super::adopt::{MOST, is_sending};
use super::complete::complete;
use super::{Ask, Move, Record, Step, Waiting};
use crate::api::machine_image::{ImageRecord, ImageState, Version};
use crate::image::state::{Known, Look, Picture, Seen, Slot, Standing, Trouble, after, since};
use crate::reason::Reason;

/// How often the progress of a transfer is written.
const PROGRESS: SignedDuration = SignedDuration::from_secs(30);
/// An image that is being sent by nobody, and that Glance still takes data for, is left alone for so long.
const ABANDONED: SignedDuration = SignedDuration::from_mins(2);
/// If Glance was sent all of it, it may hash and copy for so long.
const STORED: SignedDuration = SignedDuration::from_mins(30);
/// It is looked at again after this.
const LOOK: SignedDuration = SignedDuration::from_secs(10);
/// The first pause after a failure; it doubles.
const FIRST: SignedDuration = SignedDuration::from_mins(1);
/// The longest.
const LONGEST: SignedDuration = SignedDuration::from_hours(6);
/// A body that was wrong twice is not read again before this.
const WRONG: SignedDuration = SignedDuration::from_hours(24);

const MIB: u64 = 1 << 20;

fn to_make<'a>(seen: &'a Seen<'_>) -> Option<&'a ImageRecord> {
    seen.here
        .images
        .iter()
        .find(|record| !record.source && record.state == ImageState::Uploading && seen.is_wanted(record))
}

/// How a transfer ended is written down first.
pub(super) fn record(seen: &Seen<'_>) -> Vec<Move> {
    let ended = |record: &&ImageRecord| matches!(seen.known(&record.id).ended, Some(Err(_)));
    let Some(record) = seen.here.images.iter().find(ended) else { return Vec::new() };
    match seen.known(&record.id).ended {
        Some(Err(trouble)) => vec![Move::Do(Step::Record(Record::Failed(record.id.clone(), trouble)))],
        Some(Ok(_)) | None => Vec::new(),
    }
}

/// The pause after so many failures.
#[must_use]
pub fn pause(tries: i64, reason: Option<Reason>) -> SignedDuration {
    let doubled = u32::try_from(tries.clamp(1, 16) - 1).unwrap_or(0);
    let pause = FIRST.checked_mul(1 << doubled).unwrap_or(LONGEST).min(LONGEST);
    if reason == Some(Reason::ChecksumMismatch) && tries > 2 { WRONG } else { pause }
}

/// The image of the wanted version gets on by one step.
pub(super) fn upload(seen: &Seen<'_>) -> Vec<Move> {
    let Some(record) = to_make(seen) else { return Vec::new() };
    vec![one(seen, record)]
}

fn one(seen: &Seen<'_>, record: &ImageRecord) -> Move {
    let id = record.id.clone();
    let known = seen.known(&id);
    if is_sending(seen, &id) {
        return sending(seen, record);
    }
    // What was sent, or is there, is looked at without a pause.
    let done = matches!(known.ended, Some(Ok(_))) || seen.status(&id) == Some("active");
    if !done && let Some(waiting) = await_pause(seen, record) {
        return waiting;
    }
    let renew = || Move::Do(Step::Record(Record::Renew(id.clone())));
    let ask = |ask| Move::Do(Step::Ask(ask));
    match &known.look {
        // An id of ours that somebody else has, or that was deleted, makes no image any more.
        Some(Look::Stranger | Look::Source(_)) => renew(),
        Some(Look::Missing) if known.spent || known.deleted => renew(),
        None if known.unasked => create(seen, record),
        None => ask(Ask::Look(id.clone())),
        Some(Look::Missing) => create(seen, record),
        Some(Look::There(picture)) => match picture.status.as_str() {
            "queued" if matches!(known.ended, Some(Ok(_))) => {
                let why = "Glance was sent all of the image, and does not have it";
                let trouble = Trouble::new(Reason::CloudUnreachable, why);
                Move::Do(Step::Record(Record::Failed(id.clone(), trouble)))
            }
            "queued" => match &seen.slot {
                Slot::Free if seen.standing == Standing::Up => ask(Ask::Upload(id.clone())),
                Slot::Free => drained(),
                Slot::Busy | Slot::Ours(..) => {
                    let why = "waits until another image has been uploaded";
                    Move::Wait(Waiting::new(Reason::Uploading, why))
                }
            },
            "active" => match proof(seen, record, picture) {
                Ok(()) => Move::Do(Step::Record(complete(seen, &id))),
                // Counted first: what is wrong each time is made again after longer and longer pauses.
                Err(trouble) if known.counted.is_none() => {
                    Move::Do(Step::Record(Record::Failed(id.clone(), trouble)))
                }
                Err(_) => delete(seen, &id),
            },
            "deactivated" => {
                let why = format!(
                    "image {id} was deactivated by somebody before it was ready; delete it, or activate it"
                );
                Move::Wait(Waiting::new(Reason::ImageDeactivated, why))
            }
            "saving" | "uploading" | "importing" => stored(seen, &id, &known),
            _ => delete(seen, &id),
        },
    }
}

/// Glance takes data for an image, or stores it, and nobody sends any: that is looked at until it ends, and not for ever.
fn stored(seen: &Seen<'_>, id: &str, known: &Known) -> Move {
    let again = known.looked.map(|looked| after(looked, LOOK)).filter(|again| *again > seen.now);
    let Some(again) = again else { return Move::Do(Step::Ask(Ask::Look(id.to_owned()))) };
    let all = matches!(known.ended, Some(Ok(_)));
    let until = after(known.since.unwrap_or(seen.now), if all { STORED } else { ABANDONED });
    if until > seen.now {
        let why = format!(
            "Glance still takes data for image {id} that nobody sends; it is made anew if that stays"
        );
        Move::Wait(Waiting::until(Trouble::new(Reason::Uploading, why), until.min(again)))
    } else if all {
        let why = format!("Glance was sent all of image {id}, and did not store it in half an hour");
        Move::Do(Step::Record(Record::Failed(id.to_owned(), Trouble::new(Reason::CloudUnreachable, why))))
    } else {
        delete(seen, id)
    }
}

/// What is wrong is deleted, if Glance lets us.
fn delete(seen: &Seen<'_>, id: &str) -> Move {
    match seen.known(id).stays.filter(|(_, until)| *until > seen.now) {
        Some((trouble, until)) => Move::Wait(Waiting::until(trouble, until)),
        None => Move::Do(Step::Ask(Ask::Delete(id.to_owned()))),
    }
}

pub(super) fn drained() -> Move {
    Move::Wait(Waiting::new(
        Reason::Draining,
        "the Cloud is drained (spec.drain) or is being deleted: nothing new is made there",
    ))
}

fn create(seen: &Seen<'_>, record: &ImageRecord) -> Move {
    if seen.standing == Standing::Drained {
        drained()
    } else {
        Move::Do(Step::Ask(Ask::Create(record.id.clone())))
    }
}

fn sending(seen: &Seen<'_>, record: &ImageRecord) -> Move {
    let Slot::Ours(_, bytes) = &seen.slot else {
        return Move::Wait(Waiting::new(Reason::Uploading, "is being uploaded"));
    };
    let told = record.bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
    let due = after(since(record), PROGRESS);
    if due <= seen.now && *bytes != told {
        return Move::Do(Step::Record(Record::Progress(record.id.clone(), *bytes)));
    }
    let why = Trouble::new(Reason::Uploading, format!("is being uploaded: {} MiB", told / MIB));
    Move::Wait(Waiting::until(why, due.max(seen.later(SignedDuration::from_secs(5)))))
}

/// After a failure. A try that has begun since has no reason any more.
fn await_pause(seen: &Seen<'_>, record: &ImageRecord) -> Option<Move> {
    if record.tries < 1 {
        return None;
    }
    let reason = Reason::from_word(record.reason.as_deref()?).unwrap_or(Reason::UploadRefused);
    let until = after(since(record), pause(record.tries, Some(reason)));
    let message = record.message.clone().unwrap_or_default();
    let why = format!("{message}; tried again at {}", until.strftime("%Y-%m-%d %H:%M:%SZ"));
    (until > seen.now).then(|| Move::Wait(Waiting::until(Trouble::new(reason, why), until)))
}

/// Whether Glance has exactly the bytes of the version.
pub(super) fn proof(seen: &Seen<'_>, record: &ImageRecord, picture: &Picture) -> Result<(), Trouble> {
    let wrong = |what: &str| {
        Err(Trouble::new(
            Reason::UploadRefused,
            format!("Glance says that image {} is active, but {what}; it is made anew", record.id),
        ))
    };
    let sent = if let Some(Ok(sent)) = seen.known(&record.id).ended {
        Some((sent.sha512, sent.size))
    } else {
        let same = |version: &&Version| version.is(&record.digest, &record.described);
        let version = seen.versions.iter().find(same);
        version.and_then(|version| Some((version.sha512.clone()?, u64::try_from(version.size_bytes?).ok()?)))
    };
    let published = record.digest.strip_prefix("sha512:");
    match (sent, picture.hash_algo.as_str()) {
        (Some((_, size)), _) if picture.size != size => {
            wrong(&format!("it has {} bytes, and {size} were sent", picture.size))
        }
        (Some((sha512, _)), "sha512") if picture.hash != sha512 => wrong("its hash is another"),
        (Some(_), _) => Ok(()),
        (None, "sha512") if published == Some(picture.hash.as_str()) => Ok(()),
        (None, _) => wrong("nobody knows any longer what was sent"),
    }
}

/// The wanted version is not there yet: an id for it is written down before anything is asked for.
pub(super) fn begin(seen: &Seen<'_>) -> Vec<Move> {
    let Some(wanted) = seen.wanted else { return Vec::new() };
    if seen.spec.rejects(&wanted.digest) {
        let why =
            "the version that the source has is in spec.reject; the next one is taken when there is one";
        return vec![Move::Wait(Waiting::new(Reason::ImageRejected, why))];
    }
    let of_it = |record: &ImageRecord| {
        seen.is_wanted(record) && (record.state == ImageState::Uploading || record.is_bootable())
    };
    if seen.here.images.iter().any(of_it) {
        return Vec::new();
    }
    if seen.spec.source.is_in(&seen.here.name) {
        // Nothing is uploaded there: what the source has is used as it is.
        let why = "the image of the source is looked for";
        return vec![Move::Wait(Waiting::new(Reason::LookingAtSource, why))];
    }
    if !seen.versions.iter().any(|version| version.is(&wanted.digest, &wanted.described)) {
        // The source is looked at first.
        return Vec::new();
    }
    if seen.standing == Standing::Drained {
        return vec![drained()];
    }
    if let Some(waiting) = await_room(seen) {
        return vec![waiting];
    }
    vec![Move::Do(if seen.held { Step::Record(Record::Begin) } else { Step::AddFinalizer })]
}

/// A status takes no more images of one cloud.
pub(super) fn full() -> Move {
    let why = format!("{MOST} images are in use in this cloud; a new one is made once one of them is not");
    Move::Wait(Waiting::new(Reason::ImageInUse, why))
}

/// At most `keep` and two more are there, besides those that are in use.
fn await_room(seen: &Seen<'_>) -> Option<Move> {
    let in_use = |record: &&ImageRecord| {
        seen.memory.uses.as_ref().is_some_and(|uses| uses.by.contains_key(&record.id))
            || seen.status(&record.id) == Some("deactivated")
            // Somebody protects it.
            || seen.known(&record.id).stays.is_some()
    };
    let images = &seen.here.images;
    if images.len() >= MOST {
        return Some(full());
    }
    let free = images.iter().filter(|record| !record.source && !in_use(record)).count();
    let most = usize::try_from(seen.spec.keep).unwrap_or(1).saturating_add(2);
    (free >= most).then(|| {
        let why = "old images are deleted first; the new one is made then";
        Move::Wait(Waiting::new(Reason::Retiring, why))
    })
}
