//! Every generated file equals the code. `BLESS=1 cargo test --test generated` rewrites them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

#[path = "generated/reasons.rs"]
mod reasons;
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
        let text = crd::document(&definition).unwrap();
        holds(&format!("crds/{name}.yaml"), &text);
        // The chart cannot reach outside its folder.
        holds(&format!("charts/testnode-operator/files/{name}.yaml"), &text);
    }
}

#[test]
fn the_field_reference_is_that_of_the_types() {
    holds("crds/README.md", &reference::document(&crd::all()));
}

#[test]
fn the_tables_of_reasons_are_those_of_the_enum() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operating.md");
    holds("docs/operating.md", &reasons::with_tables(&std::fs::read_to_string(path).unwrap()));
}

#[test]
fn the_chart_has_no_other_files() {
    let names = |folder: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.retain(|name| Path::new(name).extension().is_some_and(|extension| extension == "yaml"));
        names.sort();
        names
    };
    assert_eq!(names("charts/testnode-operator/files"), names("crds"));
}
