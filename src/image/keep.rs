//! Which image machines are made from, and which old ones stay.

use std::collections::BTreeSet;

use super::state::Seen;
use crate::api::machine_image::{ImageRecord, ImageState};

/// The image that machines are to be made from in this cloud: of the version that the source has now, else of the one that it
/// had last, if that is good and not rejected.
#[must_use]
pub fn current<'a>(seen: &'a Seen<'_>) -> Option<&'a ImageRecord> {
    if !seen.asked {
        return None;
    }
    let good = |record: &&ImageRecord| is_good(seen, record);
    seen.here.images.iter().filter(good).min_by_key(|record| (!seen.is_wanted(record), seen.age(record)))
}

/// Machines can be made from it. What was not looked at yet is believed.
fn is_good(seen: &Seen<'_>, record: &ImageRecord) -> bool {
    record.state == ImageState::Usable
        && !seen.spec.rejects(&record.digest)
        && match seen.look(&record.id) {
            None => true,
            Some(_) => seen.status(&record.id) == Some("active"),
        }
}

/// The ids of the images that stay: the current one, the one of the wanted version, and the last good ones.
#[must_use]
pub fn kept(seen: &Seen<'_>) -> BTreeSet<String> {
    if !seen.asked {
        return BTreeSet::new();
    }
    let mut good: Vec<&ImageRecord> =
        seen.here.images.iter().filter(|record| is_good(seen, record)).collect();
    good.sort_by_key(|record| seen.age(record));
    let most = usize::try_from(seen.spec.keep).unwrap_or(1).max(1);
    let last = good.into_iter().take(most);
    let wanted = seen.here.images.iter().filter(|record| seen.is_wanted(record));
    last.chain(wanted).chain(current(seen)).map(|record| record.id.clone()).collect()
}
