//! The table, held against sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::source::Module;
use super::table::{DEBTS, IMPURE, PATCHES, Row, TABLE, WIRES};

pub fn row_of(path: &[String]) -> Option<&'static Row> {
    let path = path.join("::");
    let within = |row: &&Row| path == row.module || path.starts_with(&format!("{}::", row.module));
    TABLE.iter().filter(within).max_by_key(|row| row.module.len())
}

/// Each import of one row by another, and the file it stands in.
pub fn imports(modules: &[Module]) -> BTreeMap<(&'static str, &'static str), &Path> {
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

pub fn beyond_the_table(modules: &[Module]) -> Vec<String> {
    let mut found = Vec::new();
    for ((row, named), file) in imports(modules) {
        let known = TABLE.iter().find(|known| known.module == row);
        let allowed = known.is_some_and(|row| row.may().any(|may| may == named));
        if !allowed && !DEBTS.contains(&(row, named)) {
            let may = known.map(|row| row.may).filter(|may| !may.is_empty()).unwrap_or("nothing of ours");
            found.push(format!("src/{} imports {named}; {row} may import {may}", file.display()));
        }
    }
    found
}

pub fn impure(modules: &[Module]) -> Vec<String> {
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

pub fn wires_elsewhere(modules: &[Module]) -> Vec<String> {
    let ours = ["api", "import_teuthology", "lock_server"];
    let clouds =
        modules.iter().filter(|module| knows_a_wire(module) && !ours.contains(&module.path[0].as_str()));
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
