//! `TestNodePool`: machines that are there before someone asks.

#![allow(
    dead_code,
    reason = "the copy that KubeSchema derives from has no derives of serde, as `remote` is its own"
)]

use std::time::Duration;

use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

mod rules;
mod status;

pub use rules::{ClaimRules, From, LockServed};
pub use status::{Failure, TestNodePoolStatus};

use super::absent::reads_empty_as_absent;
use super::common::Period;
use super::testnode::TestNodeSpec;

/// Fields of a node's spec that no template has: only one machine can have them, or pool and claim decide them.
const NOT_IN_TEMPLATE: &[&str] = &[
    "hostname",
    "owner",
    "description",
    "expireAfter",
    "onFailure",
    "hold",
    "paused",
    "rebuild",
    "consoleRequest",
    "poolRef",
    "claimRef",
];

/// What only one machine can have, deeper in the template: a rule, and what it says.
const NOT_FOR_MANY: &[(&str, &str)] = &[
    (
        "!has(self.networks) || self.networks.all(network, !has(network.fixedIPs) && (!has(network.portID) || network.portID == ''))",
        "the networks of a template have no fixedIPs and no portID: only one machine can have them",
    ),
    (
        "!has(self.blockDevices) || self.blockDevices.all(device, device.sourceType != 'volume')",
        "the blockDevices of a template have no sourceType volume: only one machine can have a volume that exists",
    ),
];

const DAY: Duration = Duration::from_hours(24);

/// Keeps some machines ready, and hands them out to claims.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[kube(
    group = "testnode.dev",
    version = "v1alpha1",
    kind = "TestNodePool",
    plural = "testnodepools",
    namespaced,
    status = "TestNodePoolStatus",
    derive = "PartialEq",
    shortname = "tnp",
    category = "testlab",
    doc = "Interchangeable TestNodes that are kept Ready for TestNodeClaims. Each node serves one claim and is then deleted, \
           and another is made in its place. Delete the pool, and its nodes go but for those that are claimed.",
    scale(spec_replicas_path = ".spec.minReady", status_replicas_path = ".status.ready"),
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.template.machineType"}"#,
    printcolumn = r#"{"name":"Ready","type":"integer","jsonPath":".status.ready"}"#,
    printcolumn = r#"{"name":"Min","type":"integer","jsonPath":".spec.minReady"}"#,
    printcolumn = r#"{"name":"Claimed","type":"integer","jsonPath":".status.claimed"}"#,
    printcolumn = r#"{"name":"Max","type":"integer","jsonPath":".spec.max"}"#,
    printcolumn = r#"{"name":"Queued","type":"integer","jsonPath":".status.queuedClaims"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Coming","type":"integer","jsonPath":".status.coming","priority":1}"#,
    printcolumn = r#"{"name":"Failed","type":"integer","jsonPath":".status.failed","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].message","priority":1}"#,
    validation = Rule::new("self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?$')")
        .message("metadata.name is where the names of its nodes begin: at most 50 of a-z, 0-9 and '-', beginning and ending with a letter or digit"),
    validation = Rule::new("has(self.spec.namePrefix) == has(oldSelf.spec.namePrefix) && \
         (!has(self.spec.namePrefix) || self.spec.namePrefix == oldSelf.spec.namePrefix)")
        .message("spec.namePrefix cannot change; delete the pool and make another"),
)]
#[serde(rename_all = "camelCase", remote = "Self")]
#[x_kube(validation = Rule::new("self.minReady <= self.max").message("minReady is at most max"))]
#[x_kube(validation = Rule::new("self.claims.reserve < self.max").message("claims.reserve is less than max"))]
pub struct TestNodePoolSpec {
    /// What each node is like: the fields of a TestNode's spec. An edit counts for nodes that are made after it; idle nodes
    /// of before go once a node of the new template has been Ready, so an edit that does not work empties no pool.
    #[schemars(schema_with = "template_schema")]
    pub template: TestNodeSpec,

    /// How the names of the nodes begin: `smithi` for `smithi001`, `smithi002`, …; the pool's name if absent. Cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name_prefix: Option<String>,

    /// How many idle nodes are kept Ready. With 0, nodes are made when claims wait for them.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub min_ready: i64,

    /// The pool never has more nodes than that, claimed ones and those that are being deleted included. It is also the
    /// highest number that a node's name ends with.
    #[schemars(range(min = 1, max = 5000))]
    pub max: i64,

    /// An idle node that has been Ready for longer than that is replaced, one at a time; 24h if absent. A claimed node never is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ready_age: Option<Period>,

    /// Whose claims are served, and for how long.
    #[serde(default)]
    pub claims: ClaimRules,

    /// How teuthology's lock server shows the pool. Without it, under the name of the template's machine type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_server: Option<LockServed>,

    /// Make, drop and hand out no nodes. Nodes whose claims end go all the same.
    #[serde(default)]
    pub paused: bool,
}

reads_empty_as_absent!(TestNodePoolSpec);

impl TestNodePool {
    /// How long an idle node may have been Ready.
    #[must_use]
    pub fn max_ready_age(&self) -> Duration {
        self.spec.max_ready_age.as_ref().map_or(DAY, |age| age.or(DAY))
    }

    /// How the names of its nodes begin.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.spec.name_prefix.as_deref().or(self.metadata.name.as_deref()).unwrap_or_default()
    }

    /// The name of the node in a slot.
    #[must_use]
    pub fn slot(&self, number: usize) -> String {
        format!("{}{number:03}", self.prefix())
    }

    /// Which slot a name is, if it is one.
    #[must_use]
    pub fn number_of(&self, name: &str) -> Option<usize> {
        let number = name.strip_prefix(self.prefix())?.parse().ok()?;
        (self.slot(number) == name).then_some(number)
    }
}

/// The part of a spec that a template can have: what all nodes of a pool share.
#[must_use]
pub fn templated(spec: &TestNodeSpec) -> TestNodeSpec {
    TestNodeSpec {
        hostname: None,
        owner: None,
        description: None,
        expire_after: None,
        on_failure: None,
        hold: None,
        paused: false,
        rebuild: None,
        console_request: None,
        pool_ref: None,
        claim_ref: None,
        ..spec.clone()
    }
}

/// The schema of a node's spec, without what no template has. A template may be edited, so its machine type may change.
fn template_schema(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = TestNodeSpec::json_schema(generator);
    if let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for field in NOT_IN_TEMPLATE {
            fields.remove(*field);
        }
        if let Some(machine_type) = fields.get_mut("machineType").and_then(Value::as_object_mut) {
            machine_type.remove("x-kubernetes-validations");
            machine_type.insert(
                "description".into(),
                "Name of the MachineType: which clouds, images and flavors serve the nodes.".into(),
            );
        }
    }
    let rules = schema.ensure_object().entry("x-kubernetes-validations").or_insert_with(|| json!([]));
    if let Some(rules) = rules.as_array_mut() {
        rules.extend(NOT_FOR_MANY.iter().map(|(rule, message)| json!({"rule": rule, "message": message})));
    }
    schema
}

#[cfg(test)]
mod tests {
    use kube::CustomResourceExt as _;

    use super::*;
    use crate::api::TestNode;

    fn spec_of(crd: &Value) -> Value {
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
    }

    #[test]
    fn a_template_has_every_field_of_a_node_but_those_that_are_named() {
        let node = spec_of(&serde_json::to_value(TestNode::crd()).unwrap());
        let pool = spec_of(&serde_json::to_value(TestNodePool::crd()).unwrap());
        let fields = |schema: &Value| -> Vec<String> {
            schema["properties"].as_object().unwrap().keys().cloned().collect()
        };

        let mut there = fields(&pool["properties"]["template"]);
        there.extend(NOT_IN_TEMPLATE.iter().map(|name| (*name).to_owned()));
        there.sort();

        assert_eq!(there, fields(&node));
        let rules = pool["properties"]["template"]["x-kubernetes-validations"].to_string();
        for word in ["fixedIPs", "portID", "blockDevices"] {
            assert!(rules.contains(word), "{word}: {rules}");
        }
        assert_eq!(pool["properties"]["template"]["required"], json!(["machineType"]));
    }

    #[test]
    fn what_a_template_cannot_have_makes_no_node_another() {
        let node = json!({
            "machineType": "lab", "hostname": "other", "owner": "alice", "description": "a look", "expireAfter": "1h",
            "onFailure": "Hold", "hold": {"until": "2026-12-01T08:00:00Z", "reason": "a look"}, "paused": true,
            "rebuild": "1", "consoleRequest": "1", "poolRef": {"name": "p", "uid": "p-1"},
            "claimRef": {"namespace": "n", "name": "c", "uid": "c-1"},
        });
        for field in NOT_IN_TEMPLATE {
            assert!(!node[field].is_null(), "{field} is not in this test");
        }
        let node: TestNodeSpec = serde_json::from_value(node).unwrap();
        let template: TestNodeSpec = serde_json::from_value(json!({"machineType": "lab"})).unwrap();

        assert_eq!(templated(&node), template);
        assert_ne!(templated(&TestNodeSpec { key_name: Some("other".into()), ..node }), template);
    }

    #[test]
    fn a_slot_has_one_name_and_no_other_name_is_a_slot() {
        let pool = TestNodePool::new("smithi", TestNodePoolSpec::default());

        assert_eq!((pool.slot(7), pool.slot(1234)), ("smithi007".into(), "smithi1234".into()));
        assert_eq!(pool.number_of("smithi007"), Some(7));
        for other in ["smithi7", "smithi0007", "smithi", "smithi+07", "mira007", "smithi007a"] {
            assert_eq!(pool.number_of(other), None, "{other}");
        }
    }
}
