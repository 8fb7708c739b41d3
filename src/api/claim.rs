//! `TestNodeClaim`: nodes of a pool for somebody, all at once.

#![allow(
    dead_code,
    reason = "the copy that KubeSchema derives from has no derives of serde, as `remote` is its own"
)]

use std::collections::BTreeSet;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::absent::reads_empty_as_absent;
use super::common::Period;
use super::hold::Hold;
use super::pool::TestNodePool;

mod status;

pub use status::{ClaimedNode, Ended, TestNodeClaimStatus};

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
#[x_kube(validation = Rule::new("has(self.nodes) == has(oldSelf.nodes) && (!has(self.nodes) || self.nodes == oldSelf.nodes)")
    .message("nodes cannot change; make another claim"))]
#[x_kube(validation = Rule::new("!(has(self.count) && has(self.nodes))")
    .message("a claim has count, or nodes, or neither; not both"))]
#[x_kube(validation = Rule::new("self.interactive == oldSelf.interactive")
    .message("interactive cannot change; make another claim"))]
#[x_kube(validation = Rule::new("has(self.output) == has(oldSelf.output) && (!has(self.output) || self.output == oldSelf.output)")
    .message("output cannot change; make another claim"))]
#[x_kube(validation = Rule::new("has(self.owner) == has(oldSelf.owner) && (!has(self.owner) || self.owner == oldSelf.owner)")
    .message("owner cannot change; make another claim"))]
#[x_kube(validation = Rule::new(
        "!has(oldSelf.released) || (has(self.released) && oldSelf.released.all(name, name in self.released))")
    .message("a node that was released cannot be had back"))]
pub struct TestNodeClaimSpec {
    /// The pool. Cannot change.
    #[x_kube(validation = Rule::new("self == oldSelf").message("pool cannot change; make another claim"))]
    pub pool: PoolName,

    /// How many nodes; 1 if absent, unless `nodes` names them. Cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub count: Option<i64>,

    /// Names of nodes: these and no others. Such a claim never waits. If one of them is not idle it ends at once, with the reason
    /// `NodeNotFree`. A node whose slot is marked as down (`TestNodeSlot`) can be had so, to look at it. Cannot change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub nodes: Vec<String>,

    /// A person waits for the machines: the claim may have what the pool keeps with `claims.reserve`. Programs cannot set it.
    /// Cannot change.
    #[serde(default)]
    pub interactive: bool,

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

    /// Keep the nodes until an instant, though lease or duration are over by then; no renewal is needed meanwhile. It lasts at
    /// most until the pool's `claims.maxHold` after the end of the duration. The claim can be deleted all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,

    /// Where to write how the nodes are reached, beside the status. Cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,

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

/// Where to write how nodes are reached.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// Name of a `ConfigMap` that is made in the claim's namespace once it has its nodes, and goes with the claim. Its keys:
    /// `targets.yaml`, `known_hosts`, `inventory.ini`, `ssh_config`, `nodes.json`. One that is there already is left as it is. For
    /// namespaces that are among the chart's `outputNamespaces`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub config_map: String,
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

impl TestNodeClaim {
    /// Whether it has got its nodes.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status.bound_at.is_some())
    }

    /// Whether it has neither ended nor is being deleted.
    #[must_use]
    pub fn is_living(&self) -> bool {
        self.metadata.deletion_timestamp.is_none()
            && self.status.as_ref().is_none_or(|status| status.ended.is_none())
    }

    /// Whether it gave up this node, by its UID, before it had all.
    #[must_use]
    pub fn dropped(&self, uid: &str) -> bool {
        self.status.as_ref().is_some_and(|status| status.dropped.iter().any(|dropped| dropped == uid))
    }

    /// The nodes that it asks for by name; empty where any do.
    #[must_use]
    pub fn named(&self) -> BTreeSet<&str> {
        self.spec.nodes.iter().map(String::as_str).collect()
    }

    /// How many nodes it asks for.
    #[must_use]
    pub fn count(&self) -> usize {
        if !self.spec.nodes.is_empty() {
            return self.named().len();
        }
        self.spec.count.and_then(|count| usize::try_from(count).ok()).unwrap_or(1)
    }

    /// Whether it asks this pool for its nodes.
    #[must_use]
    pub fn asks(&self, pool: &TestNodePool) -> bool {
        pool.metadata.name.as_ref() == Some(&self.spec.pool.name)
            && pool.metadata.namespace.as_deref() == Some(self.pool_namespace())
    }

    /// The namespace of its pool.
    #[must_use]
    pub fn pool_namespace(&self) -> &str {
        self.spec.pool.namespace.as_deref().or(self.metadata.namespace.as_deref()).unwrap_or_default()
    }
}
