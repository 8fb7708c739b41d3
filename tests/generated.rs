//! Every generated file equals the code. `BLESS=1 cargo test --test generated` rewrites them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

#[path = "generated/reference.rs"]
mod reference;

use std::path::Path;

use testnode_operator::api::crd;

fn holds(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == text,
        "{} differs from the code; BLESS=1 cargo test --test generated rewrites it",
        path.display()
    );
}

#[test]
fn the_crds_are_those_of_the_types() {
    for definition in crd::all() {
        let name = definition.metadata.name.clone().unwrap();
        holds(&format!("crds/{name}.yaml"), &crd::document(&definition).unwrap());
    }
}

#[test]
fn the_field_reference_is_that_of_the_types() {
    holds("crds/README.md", &reference::document(&crd::all()));
}
