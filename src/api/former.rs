//! What is to become of a machine that was made for an earlier object of the same namespace and name.

use std::collections::BTreeMap;

use kube::ResourceExt;

use super::TestNode;

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

    /// What a node wishes. One of a pool never takes over a machine, whoever annotated the node or its Cloud: it may be used.
    #[must_use]
    pub fn wished_by(node: &TestNode) -> Option<Self> {
        if node.spec.pool_ref.is_some() { Some(Self::Leave) } else { Self::of(node.annotations()) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    #[test]
    fn a_node_of_a_pool_leaves_a_former_machine_whatever_it_says() {
        let wished = |pool: &Value| {
            let metadata = json!({"name": "smithi001", "annotations": {FORMER_MACHINE: "adopt"}});
            let node = json!({"metadata": metadata, "spec": {"machineType": "lab", "poolRef": pool}});
            FormerMachine::wished_by(&from_value(node).unwrap())
        };

        assert_eq!(wished(&Value::Null), Some(FormerMachine::Adopt));
        assert_eq!(wished(&json!({"name": "smithi", "uid": "p-1"})), Some(FormerMachine::Leave));
    }
}
