//! `TestNodeSlot`: what somebody has to say about one slot of a pool.

#![allow(
    dead_code,
    reason = "the copy that KubeSchema derives from has no derives of serde, as `remote` is its own"
)]

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::absent::reads_empty_as_absent;
use super::pool::TestNodePool;

/// Says something of one slot.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[kube(
    group = "testnode.dev",
    version = "v1alpha1",
    kind = "TestNodeSlot",
    plural = "testnodeslots",
    namespaced,
    derive = "PartialEq",
    shortname = "tns",
    category = "testlab",
    doc = "A mark on one slot of a TestNodePool. Its name is the name of the node there, and it is in the pool's namespace. A slot \
           that nobody has anything to say about has none.",
    selectable = ".spec.pool",
    printcolumn = r#"{"name":"Pool","type":"string","jsonPath":".spec.pool"}"#,
    printcolumn = r#"{"name":"Down","type":"boolean","jsonPath":".spec.down"}"#,
    printcolumn = r#"{"name":"Description","type":"string","jsonPath":".spec.description"}"#,
    printcolumn = r#"{"name":"Node UID","type":"string","jsonPath":".spec.nodeUID","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    validation = Rule::new("self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')")
        .message("metadata.name is the name of a node of the pool, as smithi007"),
)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct TestNodeSlotSpec {
    /// Name of the pool, in the same namespace. Cannot change.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("pool cannot change; make another slot"))]
    pub pool: String,

    /// Something is wrong there. The node is neither dropped nor handed out, but to a claim that names it. If a claim has it, that
    /// keeps it; then the node is held for somebody to look at, at most for the pool's `claims.maxHold`, instead of deleted. Where
    /// there is no node, none is made. Set it to `false`, or delete this object, and the slot is used again.
    #[serde(default)]
    pub down: bool,

    /// The UID of the node that `down` speaks of: one that is made in its place is not marked. Without it the mark counts for
    /// whatever is there.
    #[serde(default, rename = "nodeUID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[-0-9a-zA-Z]+$"))]
    pub node_uid: Option<String>,

    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub description: Option<String>,
}

reads_empty_as_absent!(TestNodeSlotSpec);

impl TestNodeSlot {
    /// Whether it speaks of a slot of this pool.
    #[must_use]
    pub fn is_of(&self, pool: &TestNodePool) -> bool {
        pool.metadata.name.as_ref() == Some(&self.spec.pool)
            && pool.metadata.namespace == self.metadata.namespace
    }

    /// Whether it says that the node with this UID is down; with `None`, that no node is to be made there.
    #[must_use]
    pub fn is_down(&self, uid: Option<&str>) -> bool {
        let speaks = self.spec.node_uid.as_deref().is_none_or(|meant| uid == Some(meant));
        self.spec.down && speaks && self.metadata.deletion_timestamp.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(down: bool, node_uid: Option<&str>) -> TestNodeSlot {
        let spec = TestNodeSlotSpec {
            pool: "smithi".into(),
            down,
            node_uid: node_uid.map(Into::into),
            description: None,
        };
        TestNodeSlot::new("smithi007", spec)
    }

    #[test]
    fn a_mark_with_a_uid_speaks_of_that_node_only_and_one_without_of_whatever_is_there() {
        assert!(slot(true, None).is_down(Some("n-1")) && slot(true, None).is_down(None));
        assert!(slot(true, Some("n-1")).is_down(Some("n-1")));
        assert!(!slot(true, Some("n-1")).is_down(Some("n-2")) && !slot(true, Some("n-1")).is_down(None));
        assert!(!slot(false, None).is_down(Some("n-1")));
    }
}
