//! How a status changes when something is written down. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::keep;
use super::plan::Record;
use super::state::{CanaryMemory, Known, Memory, Seen, Sent};
use crate::api::machine_image::{
    CanaryRecord, CloudImages, Current, ImageRecord, ImageState, MachineImageStatus, SourceImage, Version,
    Wanted,
};

/// The longest message of a record.
const LONGEST: usize = 1000;

/// Writes something down, in the status and in what this process knows. `fresh` is an id that nobody ever used.
pub fn apply(
    now: Timestamp,
    cloud: &str,
    status: &mut MachineImageStatus,
    memory: &mut Memory,
    record: &Record,
    fresh: &str,
) {
    let wanted = status.wanted.clone().unwrap_or_default();
    let mut taken = here(status, cloud);
    let here = &mut taken;
    let unasked = Known { unasked: true, ..Known::default() };
    match record {
        Record::Begin => {
            here.images.push(ImageRecord {
                id: fresh.to_owned(),
                digest: wanted.digest,
                described: wanted.described,
                since: Some(Time(now)),
                ..ImageRecord::default()
            });
            memory.images.insert(fresh.to_owned(), unasked);
        }
        Record::Renew(id) => {
            memory.images.remove(id);
            memory.images.insert(fresh.to_owned(), unasked);
            alter(here, id, |record| {
                fresh.clone_into(&mut record.id);
                // How often it was tried, and what failed last, stays.
                record.bytes = None;
            });
        }
        Record::Failed(id, trouble) => {
            if let Some(known) = memory.images.get_mut(id) {
                known.ended = None;
                known.counted = Some(now);
            }
            alter(here, id, |record| {
                record.tries += 1;
                record.bytes = None;
                record.since = Some(Time(now));
                record.reason = Some(trouble.reason.to_string());
                record.message = Some(trouble.message.chars().take(LONGEST).collect());
            });
        }
        Record::Progress(id, bytes) => alter(here, id, |record| {
            record.bytes = i64::try_from(*bytes).ok();
            record.since = Some(Time(now));
            (record.reason, record.message) = (None, None);
        }),
        Record::TestFailed(id, trouble, generation) => alter(here, id, |record| {
            set(record, ImageState::Failed, now);
            record.reason = Some(trouble.reason.to_string());
            record.message = Some(trouble.message.chars().take(LONGEST).collect());
            if let Some(node) = &mut record.canary {
                node.generation = *generation;
            }
        }),
        Record::CanaryGone(id) => {
            memory.images.entry(id.clone()).or_default().canary = CanaryMemory::default();
            alter(here, id, |record| record.canary = None);
        }
        Record::Test(id, _) | Record::Usable(id) => {
            let sent = memory.images.get_mut(id).and_then(|known| known.ended.take()).and_then(Result::ok);
            alter(here, id, |altered| {
                if let Record::Test(_, node) = record {
                    test(now, altered, memory, node.as_ref());
                } else {
                    set(altered, ImageState::Usable, now);
                }
            });
            let of_it = here.images.iter().find(|record| record.id == *id);
            if let (Some(of_it), Some(sent)) = (of_it, sent) {
                measured(status, of_it, sent);
            }
        }
        Record::Retire(id) => alter(here, id, |record| {
            let used = record.is_bootable();
            set(record, if used { ImageState::Retired } else { ImageState::Failed }, now);
        }),
        Record::Forget(id) | Record::Lost(id) => {
            here.images.retain(|record| record.id != *id);
            memory.images.remove(id);
            memory.found.remove(id);
            if matches!(record, Record::Lost(_)) {
                let is_it = |image: &mut SourceImage| image.cloud == cloud && image.id == *id;
                status.versions.iter_mut().for_each(|version| drop(version.image.take_if(is_it)));
            }
        }
        Record::Source(id) => source(now, here, id, &wanted),
        Record::Adopt(id, node) => {
            if let Some(picture) = memory.found.remove(id) {
                // Of one that has data, nobody knows who was made from it.
                let data = matches!(picture.status.as_str(), "active" | "deactivated");
                here.images.push(ImageRecord {
                    id: id.clone(),
                    digest: picture.digest,
                    described: picture.described,
                    state: if data { ImageState::Retired } else { ImageState::Failed },
                    since: Some(Time(now)),
                    canary: node.clone().filter(|_| data),
                    ..ImageRecord::default()
                });
            }
        }
    }
    put(status, taken);
}

/// The image of the source is used here as it is. One of the same bytes was tested before, if it was to be.
fn source(now: Timestamp, here: &mut CloudImages, id: &str, wanted: &Wanted) {
    if let Some(known) = here.images.iter_mut().find(|record| record.id == id) {
        (known.digest, known.described) = (wanted.digest.clone(), wanted.described.clone());
        return;
    }
    let proven =
        |record: &ImageRecord| record.source && record.is(wanted) && record.state == ImageState::Usable;
    let state = if here.images.iter().any(proven) { ImageState::Usable } else { ImageState::Testing };
    here.images.push(ImageRecord {
        id: id.to_owned(),
        digest: wanted.digest.clone(),
        described: wanted.described.clone(),
        source: true,
        state,
        since: Some(Time(now)),
        ..ImageRecord::default()
    });
}

/// It is tested with a TestNode from now on.
fn test(now: Timestamp, record: &mut ImageRecord, memory: &mut Memory, node: Option<&CanaryRecord>) {
    let place = |node: &CanaryRecord| (node.namespace.clone(), node.name.clone());
    if record.canary.as_ref().map(place) != node.map(place) {
        // Nobody asked for it yet.
        let canary = CanaryMemory { settles: Some(now), ..CanaryMemory::default() };
        memory.images.entry(record.id.clone()).or_default().canary = canary;
    }
    record.canary = node.cloned();
    set(record, ImageState::Testing, now);
}

/// What was sent is what its version is.
fn measured(status: &mut MachineImageStatus, record: &ImageRecord, sent: Sent) {
    let same = |version: &&mut Version| version.is(&record.digest, &record.described);
    if let Some(version) = status.versions.iter_mut().find(same) {
        version.sha512 = Some(sent.sha512);
        version.size_bytes = i64::try_from(sent.size).ok();
        // What the source had when its list was read may have been another file.
        version.virtual_size_bytes = sent.virtual_size.and_then(|size| i64::try_from(size).ok());
    }
}

fn set(record: &mut ImageRecord, state: ImageState, now: Timestamp) {
    let ImageRecord { id, digest, described, source, canary, .. } = record.clone();
    let since = Some(Time(now));
    *record = ImageRecord { id, digest, described, source, state, since, canary, ..ImageRecord::default() };
}

fn alter(here: &mut CloudImages, id: &str, alter: impl FnOnce(&mut ImageRecord)) {
    if let Some(record) = here.images.iter_mut().find(|record| record.id == id) {
        alter(record);
    }
}

/// What a status says of a cloud.
#[must_use]
pub fn here(status: &MachineImageStatus, cloud: &str) -> CloudImages {
    let nothing = || CloudImages { name: cloud.to_owned(), ..CloudImages::default() };
    status.cloud(cloud).cloned().unwrap_or_else(nothing)
}

/// Writes down what is in a cloud.
pub fn put(status: &mut MachineImageStatus, here: CloudImages) {
    match status.clouds.iter_mut().find(|known| known.name == here.name) {
        Some(known) => *known = here,
        None => status.clouds.push(here),
    }
}

/// What is current now, as it is to be written.
#[must_use]
pub fn current(seen: &Seen<'_>) -> Option<Current> {
    let record = keep::current(seen)?;
    let same = seen.here.current.as_ref().filter(|current| current.id == record.id);
    Some(same.cloned().unwrap_or_else(|| Current {
        id: record.id.clone(),
        digest: record.digest.clone(),
        since: Some(Time(seen.now)),
    }))
}
