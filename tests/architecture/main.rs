//! The layers of the operator, checked against its sources. What holds is in [`table`].

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by panicking that it failed"
)]

mod circles;
mod documents;
mod rules;
mod source;
mod table;

use std::path::Path;

use rules::{beyond_the_table, imports, impure, row_of, wires_elsewhere};
use source::{Module, ModulePath};
use table::{DEBTS, TABLE};

fn sources() -> Vec<Module> {
    source::crate_at(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

/// A module of the crate, as if it stood in the sources.
fn module(path: &str, text: &str) -> Module {
    let path: ModulePath = path.split("::").map(str::to_owned).collect();
    let file = Path::new(&path.join("/")).with_extension("rs");
    source::read(path, &file, text).0
}

fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_module_has_a_row_and_every_row_a_module() {
    let modules = sources();

    for module in modules.iter().filter(|module| !module.path.is_empty()) {
        assert!(row_of(&module.path).is_some(), "src/{} has no row in the table", module.file.display());
    }
    for row in TABLE {
        let is_there = modules.iter().any(|module| module.path.join("::") == row.module);
        assert!(is_there, "there is no module {}", row.module);
    }
}

#[test]
fn rows_name_only_rows_above_them() {
    for (at, row) in TABLE.iter().enumerate() {
        for named in row.may() {
            let above = TABLE.iter().take(at).find(|above| above.module == named);
            let above =
                above.unwrap_or_else(|| panic!("{} names {named}, which is no row above it", row.module));
            assert!(above.pure || !row.pure || row.takes, "{} is pure, and {named} is not", row.module);
        }
    }
}

#[test]
fn modules_import_what_the_table_allows() {
    assert_none(&beyond_the_table(&sources()));
}

#[test]
fn no_two_files_import_each_other() {
    let found = circles::of_files(&sources());

    let (known, new): (Vec<String>, Vec<String>) = found.into_iter().partition(|circle| {
        circles::DEBTS.iter().any(|(file, _)| circle.split([' ', ',']).any(|word| word == *file))
    });
    assert_none(&new);
    assert_eq!(
        known.len(),
        circles::DEBTS.len(),
        "a circle that is no more must be removed from the debts: {known:?}"
    );
}

#[test]
fn no_two_top_level_modules_import_each_other() {
    assert_none(&circles::of_rooms(&sources()));
}

#[test]
fn a_circle_is_seen_also_through_what_a_module_exports() {
    let plan = || {
        module("plan", "mod change; mod step; mod rule; pub use change::Change; pub(crate) use step::Step;")
    };
    let files = |step: &str| {
        let change = module("plan::change", "use super::Step;");
        circles::of_files(&[
            plan(),
            change,
            module("plan::step", step),
            module("plan::rule", "use super::{Change, Step};"),
        ])
    };

    assert_none(&files("use crate::api::Kind;"));
    assert_eq!(files("use super::Change;"), ["these import each other: plan::change, plan::step"]);
    assert_eq!(files("use crate::plan::change::Change;").len(), 1);
    let rooms = [module("gate", "use crate::plan::Step;"), module("plan::step", "use crate::gate::Room;")];
    assert_eq!(circles::of_rooms(&rooms), ["these import each other: gate, plan"]);
}

#[test]
fn a_debt_that_is_paid_is_no_longer_listed() {
    let modules = sources();

    for debt in DEBTS {
        assert!(imports(&modules).contains_key(debt), "{} imports {} no more", debt.0, debt.1);
    }
}

#[test]
fn what_is_pure_has_no_clock_no_client_no_log_and_no_dice() {
    assert_none(&impure(&sources()));
}

#[test]
fn only_clients_and_our_own_kinds_know_a_wire() {
    assert_none(&wires_elsewhere(&sources()));
}

#[test]
fn an_import_is_seen_however_it_is_written() {
    for text in [
        "use crate::clouds::Clouds;",
        "use crate::{api, clouds::{self, Handle}};",
        "use super::super::clouds;",
        "pub use crate::clouds::*;",
        "fn f() -> usize { vec![crate::clouds::all().len()].len() }",
        "mod inner { fn f() { crate::clouds::all() } }",
    ] {
        let found = beyond_the_table(&[module("reconcile::plan", text)]);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(
            found[0].starts_with("src/reconcile/plan.rs imports clouds; reconcile::plan may"),
            "{found:?}"
        );
    }
    let child =
        beyond_the_table(&[module("reconcile", "mod memory; fn f() { memory::read(); status::of() }")]);
    assert_eq!(child.len(), 1, "of a module that is declared here, the name is enough: {child:?}");
    assert!(child[0].contains("imports reconcile::memory"), "{child:?}");
}

#[test]
fn comments_tests_and_strangers_are_no_imports() {
    let text = "
        //! See [`crate::clouds`]. use crate::clouds;
        #[cfg(test)] use crate::clouds::Clouds;
        pub(in crate::clouds) fn f() { clouds::g(); serde::clouds::h(\"crate::clouds::i\") }
        #[cfg(test)] mod tests { use crate::clouds::{Clouds, Handle}; async fn now() { Instant::now() } }
        #[cfg(test)] mod model;
    ";
    let module = module("reconcile::plan", text);

    assert_none(&beyond_the_table(std::slice::from_ref(&module)));
    assert_none(&impure(&[module]));
}

#[test]
fn what_is_not_pure_is_seen() {
    for text in [
        "async fn f() {}",
        "fn f() -> Timestamp { Timestamp::now() }",
        "use std::time::Instant;",
        "fn f(client: kube::Client) {}",
        "fn f() { tracing::info!(\"here\") }",
        "use std::collections::HashMap;",
    ] {
        assert_eq!(impure(&[module("reconcile::plan", text)]).len(), 1, "{text}");
        assert_none(&impure(&[module("reconcile::act", text)]));
    }
}

#[test]
fn a_wire_in_the_wrong_place_is_seen() {
    let nova =
        || module("openstack::compute::wire", "fn f() { json!({ \"server\": { \"flavorRef\": id } }) }");
    for (text, said) in [
        ("#[derive(Clone, Deserialize)] struct Server;", "derives Deserialize"),
        ("fn f() { json!({ \"metadata\": { \"labels\": 1 } }) }", "writes the field `labels`"),
        ("fn f() { map.insert(\"flavorRef\", id) }", "names `flavorRef`"),
    ] {
        let found = wires_elsewhere(&[nova(), module("reconcile::act", text)]);
        assert!(found.len() == 1 && found[0].contains(said), "{text}: {found:?}");
    }
    let patch = module("reconcile::act", "fn f() { json!({ \"status\": \"server\" }) }");
    assert_none(&wires_elsewhere(&[nova(), patch]));
}
