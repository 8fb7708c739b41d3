//! Objects that a release stored stay valid, and keep what they say, under every later release of the same version.
//!
//! `released/` holds the definitions of the last release: copy `crds/*.yaml` there when one is made. Until the first one,
//! they are what is installed from the main branch.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod breaks;

use std::path::Path;

use serde_json::Value;

use breaks::breaks;

fn definitions(folder: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.map(|path| serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()).collect()
}

#[test]
fn what_the_last_release_stored_is_still_valid() {
    let released = definitions("tests/compatibility/released");
    assert_eq!(released.len(), 7, "the kinds of the last release");
    let now = definitions("crds");
    for old in released {
        let name = &old["metadata"]["name"];
        let new = now.iter().find(|new| new["metadata"]["name"] == *name);
        let new = new.unwrap_or_else(|| panic!("{name} is gone"));
        assert_eq!(breaks(&old, new), Vec::<String>::new(), "{name}");
    }
}
