//! What is to become of a machine that was made for an earlier object of the same namespace and name.

use std::collections::BTreeMap;

/// The annotation on a `TestNode`, or on a Cloud for all nodes that have something there.
pub const FORMER_MACHINE: &str = "testnode.dev/former-machine";

/// What is to become of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FormerMachine {
    /// The node takes it over, with its volumes, ports and name.
    Adopt,
    /// It is left to the Cloud's `spec.orphans`.
    Leave,
}

impl FormerMachine {
    /// What the annotations say: `adopt` or `leave`. Any other word says nothing.
    #[must_use]
    pub fn of(annotations: &BTreeMap<String, String>) -> Option<Self> {
        match annotations.get(FORMER_MACHINE)?.trim() {
            "adopt" => Some(Self::Adopt),
            "leave" => Some(Self::Leave),
            _ => None,
        }
    }
}
