//! Who may import whom, what pure means, and who knows a wire format: checked against the sources.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use source::{Module, ModulePath};

/// A module with all that is below it, but for what has a row of its own.
struct Row {
    module: &'static str,
    /// It decides from its arguments alone: the same answer today and tomorrow, without a cluster and without a cloud.
    pure: bool,
    /// What it may import beside itself: rows above it, so that there are no cycles.
    may: &'static [&'static str],
}

const fn row(module: &'static str, may: &'static [&'static str]) -> Row {
    Row { module, pure: false, may }
}

const fn pure(module: &'static str, may: &'static [&'static str]) -> Row {
    Row { module, pure: true, may }
}

/// From the leaves to the program. A new module needs a row; a new import needs a reason.
const TABLE: &[Row] = &[
    // Leaves: words that all others share. What imports nothing of ours can be read, and changed, by itself.
    pure("api", &[]),
    pure("error", &[]),
    pure("ssh_key", &[]),
    row("metrics", &[]),
    row("telemetry", &[]),
    // Clients: how the world is asked. They know wires, and neither our kinds nor our decisions. nsupdate-web is asked
    // over HTTP, and the HTTP transport that tests replace is openstack's.
    row("openstack", &["error"]),
    row("dns", &["error", "openstack"]),
    row("guest", &["ssh_key"]),
    // Decisions. `select::Problem` is the word for all that cannot be, so the vocabulary of decisions has it too.
    pure("select", &["api"]),
    pure("cloud_init", &["ssh_key"]),
    pure("reconcile::state", &["api", "select"]),
    pure("reconcile::plan", &["api", "reconcile::state"]),
    pure("reconcile::backoff", &[]),
    // Which part of a status is memory, and how a planned change alters it.
    pure("reconcile::memory", &["api", "reconcile::plan", "reconcile::state"]),
    // What is told is what was decided and seen; errors reach it as troubles that were seen.
    pure("reconcile::status", &["api", "reconcile::plan", "reconcile::state"]),
    pure("reconcile::userdata", &["api", "cloud_init", "select"]),
    // Caches of what a cloud has. A reconcile reads them and never lists.
    row("inventory", &["api", "metrics", "openstack"]),
    row("catalogue", &["api", "openstack", "select"]),
    // What all nodes share: places and names, and the clouds with their sessions. They answer in the words of decisions.
    row("gate", &["api", "reconcile::state"]),
    row(
        "clouds",
        &["api", "catalogue", "dns", "gate", "inventory", "metrics", "openstack", "reconcile::state"],
    ),
    // A turn's failures are those of its clients, and what they mean for an attempt.
    row("reconcile::error", &["dns", "error", "guest", "openstack", "reconcile::state"]),
    row("reconcile::waker", &["api"]),
    row(
        "reconcile::context",
        &[
            "api",
            "clouds",
            "dns",
            "gate",
            "guest",
            "metrics",
            "openstack",
            "reconcile::backoff",
            "reconcile::error",
            "reconcile::state",
            "reconcile::waker",
        ],
    ),
    // The edges of a turn. To look is to read memory: not even the type of a turn's error is needed.
    row(
        "reconcile::observe",
        &[
            "api",
            "catalogue",
            "clouds",
            "error",
            "gate",
            "guest",
            "inventory",
            "openstack",
            "reconcile::context",
            "reconcile::memory",
            "reconcile::plan",
            "reconcile::state",
            "reconcile::userdata",
            "select",
        ],
    ),
    row(
        "reconcile::report",
        &["api", "reconcile::context", "reconcile::error", "reconcile::observe", "reconcile::status"],
    ),
    row(
        "reconcile::act",
        &[
            "api",
            "catalogue",
            "clouds",
            "dns",
            "error",
            "gate",
            "guest",
            "inventory",
            "openstack",
            "reconcile::context",
            "reconcile::error",
            "reconcile::memory",
            "reconcile::observe",
            "reconcile::plan",
            "reconcile::report",
            "reconcile::state",
            "reconcile::status",
            "reconcile::userdata",
        ],
    ),
    row(
        "reconcile",
        &[
            "api",
            "metrics",
            "reconcile::act",
            "reconcile::context",
            "reconcile::error",
            "reconcile::observe",
            "reconcile::plan",
            "reconcile::report",
            "reconcile::state",
            "reconcile::status",
        ],
    ),
    // The process. A Cloud's and a MachineType's turn are short enough to stand whole in `controller`.
    row(
        "controller",
        &[
            "api",
            "catalogue",
            "clouds",
            "dns",
            "error",
            "inventory",
            "metrics",
            "openstack",
            "reconcile",
            "reconcile::context",
            "reconcile::error",
            "reconcile::state",
            "reconcile::status",
            "select",
        ],
    ),
    row("lease", &[]),
    row("admin", &["metrics"]),
    // Flags become settings of those they are for.
    row("cli", &["lease", "telemetry"]),
    row(
        "run",
        &[
            "admin",
            "api",
            "cli",
            "clouds",
            "controller",
            "dns",
            "gate",
            "guest",
            "inventory",
            "lease",
            "metrics",
            "openstack",
            "reconcile::context",
            "reconcile::memory",
            "reconcile::observe",
            "reconcile::waker",
        ],
    ),
    row("main", &["cli", "run", "telemetry"]),
];

/// Imports that break the table and stand today, each with its mend. One that is mended must go from here.
const DEBTS: &[(&str, &str)] = &[
    // `report` writes by `act::write_status`, which tells events by `report::tell`: both belong in a module of their own,
    // below the two, with the writes of the object that `act::object` does.
    ("reconcile::report", "reconcile::act"),
];

/// Words that have no place where a decision is made.
const IMPURE: &[(&str, &str)] = &[
    ("async", "waits"),
    ("await", "waits"),
    ("tokio", "waits"),
    ("thread", "waits"),
    ("Instant", "reads a clock; the time comes in as an argument"),
    ("SystemTime", "reads a clock; the time comes in as an argument"),
    ("::now", "reads a clock; the time comes in as an argument"),
    ("Client", "talks to the world"),
    ("Api", "talks to the world"),
    ("reqwest", "talks to the world"),
    ("TcpStream", "talks to the world"),
    ("UdpSocket", "talks to the world"),
    ("env", "talks to the world"),
    ("fs", "talks to the world"),
    ("tracing", "logs; what there is to say is in what is returned"),
    ("println", "logs; what there is to say is in what is returned"),
    ("eprintln", "logs; what there is to say is in what is returned"),
    ("dbg", "logs; what there is to say is in what is returned"),
    ("rand", "is not the same twice"),
    ("HashMap", "is not the same twice: its order differs from run to run"),
    ("HashSet", "is not the same twice: its order differs from run to run"),
    ("Mutex", "remembers"),
    ("RwLock", "remembers"),
    ("OnceLock", "remembers"),
    ("LazyLock", "remembers"),
    ("RefCell", "remembers"),
    ("Cell", "remembers"),
    ("thread_local", "remembers"),
];

/// Rows that know a wire: the clouds', DNS', and that of our own kinds.
const WIRES: &[&str] = &["api", "openstack", "dns"];

/// All that others write by hand of Kubernetes' wire: which object a patch is for, and what it alters.
const PATCHES: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "finalizers",
    "status",
];

fn row_of(path: &[String]) -> Option<&'static Row> {
    let path = path.join("::");
    let within = |row: &&Row| path == row.module || path.starts_with(&format!("{}::", row.module));
    TABLE.iter().filter(within).max_by_key(|row| row.module.len())
}

/// Each import of one row by another, and the file it stands in.
fn imports(modules: &[Module]) -> BTreeMap<(&'static str, &'static str), &Path> {
    let mut found = BTreeMap::new();
    for module in modules {
        let Some(own) = row_of(&module.path) else { continue };
        let named = module.imports.iter().filter_map(|path| row_of(path)).map(|row| row.module);
        for named in named.filter(|named| *named != own.module) {
            found.insert((own.module, named), module.file.as_path());
        }
    }
    found
}

fn beyond_the_table(modules: &[Module]) -> Vec<String> {
    let allowed =
        |row: &str, named: &str| TABLE.iter().any(|known| known.module == row && known.may.contains(&named));
    imports(modules)
        .into_iter()
        .filter(|((row, named), _)| !allowed(row, named) && !DEBTS.contains(&(*row, *named)))
        .map(|((row, named), file)| {
            let may = TABLE.iter().find(|known| known.module == row).map_or(&[][..], |row| row.may);
            format!("src/{} imports {named}; {row} may import {may:?}", file.display())
        })
        .collect()
}

fn impure(modules: &[Module]) -> Vec<String> {
    let pure = modules.iter().filter(|module| row_of(&module.path).is_some_and(|row| row.pure));
    pure.flat_map(|module| {
        let found = IMPURE.iter().filter(|(word, _)| module.words.contains(*word));
        found.map(|(word, why)| format!("src/{} is pure, and `{word}` {why}", module.file.display()))
    })
    .collect()
}

fn knows_a_wire(module: &Module) -> bool {
    row_of(&module.path).is_some_and(|row| WIRES.contains(&row.module))
}

/// A name that could not be an everyday word.
fn is_unmistakable(field: &str) -> bool {
    field.contains(['_', '-', ':']) || field.chars().skip(1).any(char::is_uppercase)
}

fn wires_elsewhere(modules: &[Module]) -> Vec<String> {
    let clouds = modules.iter().filter(|module| knows_a_wire(module) && module.path[0] != "api");
    let theirs: BTreeSet<&String> =
        clouds.flat_map(|module| &module.fields).filter(|f| is_unmistakable(f)).collect();
    let mut found = Vec::new();
    for module in modules.iter().filter(|module| !knows_a_wire(module)) {
        let file = module.file.display();
        if module.derives.contains("Deserialize") {
            found
                .push(format!("src/{file} derives Deserialize: what comes over a wire is read in {WIRES:?}"));
        }
        let strange = module.fields.iter().filter(|field| !PATCHES.contains(&field.as_str()));
        found.extend(strange.map(|field| format!("src/{file} writes the field `{field}`: that is a wire's")));
        let named = theirs.iter().filter(|field| module.texts.contains(**field));
        found.extend(named.map(|field| format!("src/{file} names `{field}`, a field of a cloud's wire")));
    }
    found
}

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
        for named in row.may {
            let above = TABLE.iter().take(at).find(|above| above.module == *named);
            let above =
                above.unwrap_or_else(|| panic!("{} names {named}, which is no row above it", row.module));
            assert!(above.pure || !row.pure, "{} is pure, and {named} is not", row.module);
        }
    }
}

#[test]
fn modules_import_what_the_table_allows() {
    assert_none(&beyond_the_table(&sources()));
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
