//! What is known of a claim.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::testnode_status::KeySource;
use crate::reason::Reason;

/// What is known of a claim.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestNodeClaimStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// One word for people: `Queued`, `Binding`, `Bound`, `Held` or `Ended`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// `Ready` always; `Reconciling`, `Stalled`, `Held` and `Output` only while there is something to say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Its place among the claims that wait for this pool. It counts from 1, and is told less often the longer it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
    /// When it got its nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_at: Option<Time>,
    /// When it ends at the latest, a hold counted in. A lease can end it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Time>,
    /// How it ended. Its nodes go; the claim itself can be read for an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// Its nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub nodes: Vec<ClaimedNode>,
    /// UIDs of nodes that it gave up because the others did not become Ready in time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub dropped: Vec<String>,
}

/// How a claim ended.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Ended {
    /// When.
    pub at: Time,
    /// Why, in one word.
    #[schemars(with = "String")]
    pub reason: Reason,
    /// Why.
    pub message: String,
}

/// A node that a claim has, as it was when it was handed out or is now.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimedNode {
    /// Name of the TestNode.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its MachineType.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_type: Option<String>,
    /// Its UID.
    pub uid: String,
    /// The address to reach it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Its DNS name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fqdn: Option<String>,
    /// The user to log in as, where the machine type names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The port of sshd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// Lines for `known_hosts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub host_keys: Vec<String>,
    /// How they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_keys_from: Option<KeySource>,
    /// The Cloud it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// The availability zone there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}
