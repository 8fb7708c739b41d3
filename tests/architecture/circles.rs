//! Circles: files, or whole top-level modules, that import each other.
//!
//! A file may use the words of the module that it is part of, and a module is made of its files: that is no circle.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Module, ModulePath};

/// Files whose circles stand today, each with its remedy. One that is in no circle any longer must be removed here.
pub const DEBTS: &[(&str, &str)] = &[(
    "openstack::session",
    "`Session::compute()` and its like belong beside `Compute`, in the file of each service",
)];

/// Modules that are a room of their own though they are within another: others use them too.
const ROOMS: &[&str] = &["reconcile::state"];

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Files that import each other, directly or by way of others. A name that a module re-exports counts for the file that
/// defines it.
pub fn of_files(modules: &[Module]) -> Vec<String> {
    let mut graph = Graph::new();
    for module in modules {
        for named in &module.imports {
            let Some(target) = defined_in(modules, named) else { continue };
            let is_own = module.path.starts_with(&target.path);
            if !is_own {
                add(&mut graph, &module.path.join("::"), &target.path.join("::"));
            }
        }
    }
    circles(&graph)
}

/// Top-level modules that import each other.
pub fn of_rooms(modules: &[Module]) -> Vec<String> {
    let mut graph = Graph::new();
    for module in modules {
        for named in &module.imports {
            if let (Some(room), Some(other)) = (room(&module.path), room(named))
                && room != other
            {
                add(&mut graph, &room, &other);
            }
        }
    }
    circles(&graph)
}

fn room(path: &[String]) -> Option<String> {
    let own = ROOMS.iter().find(|room| path.join("::").starts_with(**room));
    own.map(|room| (*room).to_owned()).or_else(|| path.first().cloned())
}

fn add(graph: &mut Graph, from: &str, to: &str) {
    graph.entry(from.to_owned()).or_default().insert(to.to_owned());
}

/// The file that a path leads to, through what modules re-export.
fn defined_in<'a>(modules: &'a [Module], path: &[String]) -> Option<&'a Module> {
    let within = |module: &&Module| path.starts_with(&module.path);
    let module = modules.iter().filter(within).max_by_key(|module| module.path.len())?;
    let rest = &path[module.path.len()..];
    let exported: Option<ModulePath> = rest
        .first()
        .and_then(|name| module.exports.get(name))
        .map(|target| target.iter().chain(&rest[1..]).cloned().collect());
    match exported {
        Some(target) if target != path => defined_in(modules, &target),
        Some(_) | None => Some(module),
    }
}

/// Everything that leads back to itself, one line for each circle.
fn circles(graph: &Graph) -> Vec<String> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        graph.keys().map(|from| (from, all_from(graph, from))).collect();
    let mut found = BTreeSet::new();
    for (from, to) in &reached {
        let back = |other: &&&String| reached.get(**other).is_some_and(|reached| reached.contains(*from));
        let circle: Vec<&str> = to.iter().filter(back).map(|other| other.as_str()).collect();
        if !circle.is_empty() {
            found.insert(format!("these import each other: {}", circle.join(", ")));
        }
    }
    found.into_iter().collect()
}

fn all_from<'a>(graph: &'a Graph, from: &str) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&String> = graph.get(from).into_iter().flatten().collect();
    while let Some(module) = next.pop() {
        if reached.insert(module) {
            next.extend(graph.get(module).into_iter().flatten());
        }
    }
    reached
}
