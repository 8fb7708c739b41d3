//! What is known of a pool.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known of a pool.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestNodePoolStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: the pool works. `Filled`: as many idle nodes are Ready as `minReady` says. `Reconciling`, `Stalled`, `Frozen` and
    /// `Paused` only while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// All nodes of the pool.
    #[serde(default)]
    pub nodes: i64,
    /// Idle nodes that are Ready: a claim gets them at once.
    #[serde(default)]
    pub ready: i64,
    /// Nodes that are being made.
    #[serde(default)]
    pub coming: i64,
    /// Nodes that claims have.
    #[serde(default)]
    pub claimed: i64,
    /// Idle nodes of an earlier template.
    #[serde(default)]
    pub outdated: i64,
    /// Idle nodes that failed, or broke.
    #[serde(default)]
    pub failed: i64,
    /// Nodes that are being deleted.
    #[serde(default)]
    pub deleting: i64,
    /// Claims that wait.
    #[serde(default)]
    pub queued_claims: i64,
    /// Nodes that these wait for.
    #[serde(default)]
    pub queued_nodes: i64,
    /// The node of the pool that failed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<Failure>,
}

/// How a node of a pool failed.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Failure {
    /// Its name.
    pub node: String,
    /// Why, in one word.
    pub reason: String,
    /// Why.
    pub message: String,
    /// When that was seen.
    pub at: Time,
}
