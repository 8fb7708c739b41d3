//! What is kept of an object that a watch delivers: what decisions need. Kubernetes lets people fill the rest of the
//! metadata with a megabyte, and memory is shared by all nodes.
//!
//! What is left out here is left out of memory only. No write needs it: a status is applied by itself, finalizers are
//! merged by themselves, and both name the `resourceVersion`.

use std::collections::BTreeMap;

use kube::Resource;

use crate::api::{ABANDON, FORMER_MACHINE};

/// Objects in one page of a list. Until it is slim each may have a megabyte and a half, which is etcd's limit.
pub const PAGE: u32 = 50;

/// Annotations that decisions read. Another one must be named here.
const READ: &[&str] = &[ABANDON, FORMER_MACHINE];

/// The longest value of an annotation, in bytes. It is said to people, and never more of it.
const LONGEST: usize = 1024;

/// Leaves out what no decision needs. All finalizers stay: they are written as a whole.
pub fn slim<K: Resource>(object: &mut K) {
    let meta = object.meta_mut();
    meta.managed_fields = None;
    meta.labels = None;
    meta.owner_references = None;
    let kept: BTreeMap<String, String> = meta
        .annotations
        .take()
        .unwrap_or_default()
        .into_iter()
        .filter(|(name, _)| READ.contains(&name.as_str()))
        .map(|(name, value)| (name, value[..value.floor_char_boundary(LONGEST)].to_owned()))
        .collect();
    meta.annotations = (!kept.is_empty()).then_some(kept);
}

#[cfg(test)]
mod tests {
    use kube::api::ObjectMeta;
    use serde_json::json;

    use super::*;
    use crate::api::TestNode;

    /// What one node may take in memory beside its spec, its status and its finalizers, in bytes of JSON.
    const BOUND: usize = 2048 + LONGEST;

    fn node(metadata: &serde_json::Value) -> TestNode {
        serde_json::from_value(json!({
            "apiVersion": "testnode.dev/v1alpha1",
            "kind": "TestNode",
            "metadata": metadata,
            "spec": {"machineType": "lab"},
        }))
        .unwrap()
    }

    /// The longest names that Kubernetes allows, and a megabyte of everything that it does not bound by itself.
    fn filled(abandon: &str) -> TestNode {
        let many = |value: &str| -> serde_json::Map<String, serde_json::Value> {
            (0..4000).map(|at| (format!("{}/{at}", "k".repeat(200)), json!(value))).collect()
        };
        let mut annotations = many(&"v".repeat(60));
        annotations
            .insert("kubectl.kubernetes.io/last-applied-configuration".into(), json!("x".repeat(100_000)));
        annotations.insert(ABANDON.into(), json!(abandon));
        let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": "p".repeat(253), "uid": "u"});
        let manager = json!({"manager": "m".repeat(128), "operation": "Apply", "fieldsType": "FieldsV1",
            "fieldsV1": many("f")});
        node(&json!({
            "name": "n".repeat(63),
            "namespace": "s".repeat(63),
            "uid": "0d9c4a6e-6f3a-4b8e-9a51-0c5b7e0d1f22",
            "resourceVersion": u64::MAX.to_string(),
            "generation": i64::MAX,
            "creationTimestamp": "2026-11-30T00:00:00Z",
            "deletionTimestamp": "2026-11-30T00:00:00Z",
            "deletionGracePeriodSeconds": 0,
            "finalizers": ["cloud.testnode.dev/a", "other.example/b"],
            "labels": many("v"),
            "annotations": annotations,
            "ownerReferences": vec![owner; 500],
            "managedFields": vec![manager; 20],
        }))
    }

    #[test]
    fn however_the_metadata_is_filled_little_of_it_is_kept() {
        let mut node = filled(&"because ".repeat(20_000));
        let before = serde_json::to_vec(&node.metadata).unwrap().len();
        assert!(before > 3 << 20, "{before} bytes are not much");

        slim(&mut node);

        let kept = serde_json::to_vec(&node.metadata).unwrap().len();
        assert!(kept <= BOUND, "{kept} bytes of metadata are kept");
    }

    #[test]
    fn what_decisions_and_writes_need_is_kept() {
        let whole = filled("the cloud burnt down");
        let mut node = whole.clone();

        slim(&mut node);

        let kept = ObjectMeta {
            managed_fields: None,
            labels: None,
            owner_references: None,
            annotations: Some([(ABANDON.to_owned(), "the cloud burnt down".to_owned())].into()),
            ..whole.metadata
        };
        assert_eq!(node.metadata, kept);
        assert_eq!((node.spec, node.status), (whole.spec, whole.status));
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let mut node = filled(&"é".repeat(LONGEST));

        slim(&mut node);

        assert_eq!(node.metadata.annotations.unwrap()[ABANDON], "é".repeat(LONGEST / 2));
    }
}
