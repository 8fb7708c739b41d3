//! What comes after an image has all its bytes.

use super::Record;
use crate::api::machine_image::CanaryRecord;
use crate::image::canary::name;
use crate::image::state::Seen;

/// What an image comes to that has all its bytes: it is used, or tested first.
pub(super) fn complete(seen: &Seen<'_>, id: &str) -> Record {
    match seen.tested_with() {
        None => Record::Usable(id.to_owned()),
        Some(_) => Record::Test(id.to_owned(), seen.canaries.map(|namespace| node_of(seen, namespace, id))),
    }
}

/// The TestNode that tests an image.
pub(super) fn node_of(seen: &Seen<'_>, namespace: &str, id: &str) -> CanaryRecord {
    CanaryRecord {
        namespace: namespace.to_owned(),
        name: name(seen.name, &seen.here.name, id),
        generation: seen.generation,
    }
}
