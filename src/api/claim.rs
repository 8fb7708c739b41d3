//! `TestNodeClaim`: nodes of a pool for somebody, all at once.

#![allow(
    dead_code,
    reason = "the copy that KubeSchema derives from has no derives of serde, as `remote` is its own"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::absent::reads_empty_as_absent;
use super::common::Period;
use crate::reason::Reason;

/// Asks a pool for nodes.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[kube(
    group = "testnode.dev",
    version = "v1alpha1",
    kind = "TestNodeClaim",
    plural = "testnodeclaims",
    namespaced,
    status = "TestNodeClaimStatus",
    derive = "PartialEq",
    shortname = "tnc",
    category = "testlab",
    doc = "Asks a TestNodePool for nodes. It gets all of them at once, or waits and holds none. Delete the claim, and its \
           nodes are deleted: nobody else is ever given them.",
    selectable = ".spec.pool.name",
    printcolumn = r#"{"name":"Pool","type":"string","jsonPath":".spec.pool.name"}"#,
    printcolumn = r#"{"name":"Count","type":"integer","jsonPath":".spec.count"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Owner","type":"string","jsonPath":".spec.owner"}"#,
    printcolumn = r#"{"name":"Position","type":"integer","jsonPath":".status.position","priority":1}"#,
    printcolumn = r#"{"name":"Ends","type":"string","jsonPath":".status.endsAt","priority":1}"#,
    printcolumn = r#"{"name":"Description","type":"string","jsonPath":".spec.description","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].message","priority":1}"#,
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name has at most 63 characters"),
)]
#[serde(rename_all = "camelCase", remote = "Self")]
#[x_kube(validation = Rule::new("has(self.count) == has(oldSelf.count) && (!has(self.count) || self.count == oldSelf.count)")
    .message("count cannot change; make another claim"))]
#[x_kube(validation = Rule::new("has(self.owner) == has(oldSelf.owner) && (!has(self.owner) || self.owner == oldSelf.owner)")
    .message("owner cannot change; make another claim"))]
#[x_kube(validation = Rule::new(
        "!has(oldSelf.released) || (has(self.released) && oldSelf.released.all(name, name in self.released))")
    .message("a node that was released cannot be had back"))]
pub struct TestNodeClaimSpec {
    /// The pool. Cannot change.
    #[x_kube(validation = Rule::new("self == oldSelf").message("pool cannot change; make another claim"))]
    pub pool: PoolName,

    /// How many nodes; 1 if absent. Cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub count: Option<i64>,

    /// Who has the machines: a person, a team or a job. Each node says so too. Cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[^\x00-\x1f\x7f]*$"))]
    pub owner: Option<String>,

    /// What they are used for. For people; free to change at any time. Nodes are given it once, when they are handed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub description: Option<String>,

    /// End the claim unless it is renewed in time. For programs that may die. May be set, changed and removed at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,

    /// End the claim this long after it got its nodes; what the pool says if absent, and never more than the pool allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Period>,

    /// Names of nodes that are given back before the others. Names can only be added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 63)))]
    pub released: Vec<String>,
}

reads_empty_as_absent!(TestNodeClaimSpec);

/// Which pool.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct PoolName {
    /// Its name.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// Its namespace; the claim's own if absent. The pool must have `claims.from: All` to serve other namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
}

/// A claim that must be renewed.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("duration(self.duration) >= duration('30s') && duration(self.duration) <= duration('24h')")
    .message("lease.duration is from 30s to 24h"))]
pub struct Lease {
    /// The claim ends if `renewTime` has not changed for so long, by the operator's own clock. Renew it three times as often.
    pub duration: Period,
    /// Any change of it renews the lease. Which instant it names does not matter.
    // A string inside: one malformed object must not break the watch of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 40),
        regex(
            pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$"
        )
    )]
    pub renew_time: Option<String>,
}

/// What is known of a claim.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestNodeClaimStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// One word for people: `Queued`, `Binding`, `Bound` or `Ended`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// `Ready` always; `Reconciling` or `Stalled` only while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Its place among the claims that wait for this pool. It counts from 1, and is told less often the longer it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
    /// When it got its nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_at: Option<Time>,
    /// When it ends at the latest. A lease can end it before.
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
    /// The Cloud it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
}

impl TestNodeClaim {
    /// Whether it gave up this node, by its UID, before it had all.
    #[must_use]
    pub fn dropped(&self, uid: &str) -> bool {
        self.status.as_ref().is_some_and(|status| status.dropped.iter().any(|dropped| dropped == uid))
    }

    /// How many nodes it asks for.
    #[must_use]
    pub fn count(&self) -> usize {
        self.spec.count.and_then(|count| usize::try_from(count).ok()).unwrap_or(1)
    }

    /// The namespace of its pool.
    #[must_use]
    pub fn pool_namespace(&self) -> &str {
        self.spec.pool.namespace.as_deref().or(self.metadata.namespace.as_deref()).unwrap_or_default()
    }
}
