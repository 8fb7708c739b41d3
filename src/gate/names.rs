//! Who holds which name, and who uses which port or volume that exists.

use std::collections::BTreeSet;

use super::State;
use crate::age::Age;

/// Which of two nodes keeps a name: the lower.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Rank {
    /// No address is recorded under the name.
    pub unset: bool,
    /// The object's age.
    pub age: Age,
}

/// What a message of a node in this namespace calls another node: by its name only if that is in the same namespace.
#[must_use]
pub fn named_in(namespace: &str, other: &str) -> String {
    const LEFT: &str = "what is left of ";
    let left = other.strip_prefix(LEFT);
    let near = left.unwrap_or(other).split_once('/').is_some_and(|(of, _)| of == namespace);
    match left {
        _ if near => other.to_owned(),
        Some(_) => format!("{LEFT}one of another namespace"),
        None => "of another namespace".to_owned(),
    }
}

impl State {
    pub(super) fn holder(&self, uid: &str, fqdn: &str, own: Option<&Rank>) -> Option<String> {
        self.uses
            .of_name(fqdn)
            .filter(|(other, _)| *other != uid)
            .filter(|(_, used)| own.is_none_or(|own| used.rank < *own))
            .map(|(_, used)| used.node.clone())
            .min()
    }

    pub(super) fn user(&self, uid: &str, existing: &BTreeSet<String>) -> Option<(String, String)> {
        let users = |id: &String| {
            let others = self.uses.of_existing(id).filter(|(other, _)| *other != uid);
            others.map(|(_, used)| (id.clone(), used.node.clone())).min()
        };
        existing.iter().find_map(users)
    }
}
