//! `TestNode`'s status. Most of it is for reading; `protocol`'s short list of what is remembered is here too
//! (attempts, the claimed name, a few instants), and `reconcile/memory.rs` names it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod attempt;
mod facts;
mod outcome;
mod rebuild;
mod resolved;

pub use attempt::Attempt;
pub use facts::{
    AddressFacts, BootId, DnsFacts, FloatingIpFacts, KeySource, PortFacts, ServerFacts, SshFacts, VolumeFacts,
};
pub use outcome::Outcome;
pub use rebuild::{AskedSystem, Rebuild};
pub use resolved::{
    ExistingPort, ExistingVolume, FloatingIpPool, Resolved, ResolvedFlavor, ResolvedFloatingIp,
    ResolvedImage, ResolvedMachineType, ResolvedNetwork, ResolvedVolume,
};

/// What is known of a node. The conditions tell its story; the rest are facts.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestNodeStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The UID of the object that this status speaks of. A status that was restored speaks of an earlier object, and is
    /// not believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// One word for people: `Pending`, `Provisioning`, `Booting`, `Ready`, `Failed`, `Deleting`, ….
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// `Ready` always; `Reconciling` or `Stalled` only while true; below them `Resolved`, `ServerReady`,
    /// `VolumesAttached`, `DNSReady`, `Booted`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The Cloud the machine is in, or is being made in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// The operating system, as `ubuntu 22.04`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// What machine type and spec came to in that cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,
    /// The Nova server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerFacts>,
    /// Every address of the machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<AddressFacts>,
    /// The address to reach the machine by.
    #[serde(default, rename = "accessIP", skip_serializing_if = "Option::is_none")]
    pub access_ip: Option<String>,
    /// The DNS name, where the Cloud gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fqdn: Option<String>,
    /// Volumes, in order; first the one that the machine boots from, if there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeFacts>,
    /// Neutron ports, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortFacts>,
    /// Neutron's floating IP, where the machine has one.
    #[serde(default, rename = "floatingIP", skip_serializing_if = "Option::is_none")]
    pub floating_ip: Option<FloatingIpFacts>,
    /// What is claimed and set in DNS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsFacts>,
    /// How to log in, and the host keys to expect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<SshFacts>,
    /// Tries to make the machine: all that are not settled, and the whole current round.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub attempts: Vec<Attempt>,
    /// The answer to `spec.consoleRequest`. Whoever may read this object reads what the machine printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console: Option<ConsoleFacts>,
    /// Instants in the node's life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<Times>,
}

/// One look at a serial console.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsoleFacts {
    /// The value of `spec.consoleRequest` that this answers.
    pub request: String,
    /// When the console was read.
    pub at: Time,
    /// Its last lines, at most 16 KiB; empty if there is a `problem`.
    #[serde(default)]
    #[schemars(length(max = 16_384))]
    pub text: String,
    /// Why there is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Instants in a node's life.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Times {
    /// The condition `Ready` has its reason since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// The server became ACTIVE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_active_at: Option<Time>,
    /// The node was first Ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Time>,
    /// Its claim is over since then, and a `TestNodeSlot` that says it is down keeps it for somebody to look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Time>,
    /// The node goes by itself: `expireAfter` after its creation. Absent where neither it nor its machine type has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}
