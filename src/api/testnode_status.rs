//! `TestNode`'s status. Most of it is for reading; `protocol`'s short list of what is remembered is here too
//! (attempts, the claimed name, a few instants), and `reconcile/memory.rs` names it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{FloatingIpPolicy, Os, ReadinessCheck, Timeouts};
use super::hold::OnFailure;
use super::server::ResolvedServer;
use crate::reason::Reason;

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

/// What machine type and spec came to in one cloud. The creates use exactly this.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    /// The flavor.
    pub flavor: ResolvedFlavor,
    /// The image.
    pub image: ResolvedImage,
    /// The networks, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<ResolvedNetwork>,
    /// What the floating IP comes to, where the policy is not `None`.
    #[serde(default, rename = "floatingIP", skip_serializing_if = "Option::is_none")]
    pub floating_ip: Option<ResolvedFloatingIp>,
    /// Ids of the ports' security groups; empty means the project's default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security_groups: Vec<String>,
    /// The volumes, in order; first the one to boot from, if there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<ResolvedVolume>,
    /// The Nova key pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
    /// The operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<Os>,
    /// What the attempt takes from the machine type beside that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_type: Option<ResolvedMachineType>,
    /// What Nova is told of the server beside that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ResolvedServer>,
    /// Why these were chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What the machine type said when the attempt was opened. An edit counts for the next attempt.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedMachineType {
    /// What must be true before a node without `spec.readiness` is Ready.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub readiness: Vec<ReadinessCheck>,
    /// What to do with a machine whose launch failed, if its node does not say.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// How long each phase may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Attempts per cloud in this round.
    pub launch_retries: i64,
    /// SHA-256 of the machine type's part of the user data. That part is read only when the server is created: if it
    /// has another digest by then, the attempt ends as `MachineTypeChanged`.
    pub user_data_digest: String,
}

/// A flavor that was chosen.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedFlavor {
    /// Nova's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Virtual CPUs.
    pub vcpus: i64,
    /// Memory in MiB.
    #[serde(rename = "ramMiB")]
    pub ram_mib: i64,
    /// Root disk in GiB.
    #[serde(rename = "diskGiB")]
    pub disk_gib: i64,
}

/// An image that was chosen.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedImage {
    /// Glance's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The user to log in as, where the machine type says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// A network that was chosen.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedNetwork {
    /// Neutron's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The address asked for.
    #[serde(default, rename = "fixedIP", skip_serializing_if = "Option::is_none")]
    pub fixed_ip: Option<String>,
}

/// What becomes of a machine's floating IP.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedFloatingIp {
    /// `IfNeeded` or `Always`.
    pub policy: FloatingIpPolicy,
    /// Where it is made; absent if the machine is to have none.
    #[serde(default, rename = "from", skip_serializing_if = "Option::is_none")]
    pub pool: Option<FloatingIpPool>,
}

/// Where a floating IP comes from, and where it leads to.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FloatingIpPool {
    /// Neutron's id of the external network.
    pub id: String,
    /// Its name.
    pub name: String,
    /// To which of the networks it leads, counted from 0.
    pub network: i64,
}

/// A volume to be made.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedVolume {
    /// Which of the node's volumes: `osd-0`; `boot` is the one that it boots from.
    pub name: String,
    /// Size in GiB.
    #[serde(rename = "sizeGiB")]
    pub size_gib: i64,
    /// Cinder volume type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The image that it is made of, by Glance's id: the server boots from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Cinder's availability zone, where the Cloud's `volumeZones` says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// The Nova server of a node.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerFacts {
    /// Nova's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Nova's word for its state.
    pub status: String,
    /// The host, hashed by Nova for the project.
    #[serde(default, rename = "hostID", skip_serializing_if = "Option::is_none")]
    pub host_id: Option<String>,
    /// Where it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
    /// When Nova made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
}

/// An address of a machine.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddressFacts {
    /// The address.
    pub address: String,
    /// 4 or 6.
    pub version: i32,
    /// Name of the network.
    pub network: String,
    /// `fixed` or `floating`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A Cinder volume of a node.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeFacts {
    /// Which of the node's volumes: `osd-0`.
    pub name: String,
    /// Cinder's id.
    pub id: String,
    /// Cinder's word for its state.
    pub status: String,
    /// The device Cinder was told; the guest may see another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// A Neutron port of a node.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PortFacts {
    /// Neutron's id.
    pub id: String,
    /// Neutron's id of the network.
    pub network: String,
    /// Its addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
}

/// A floating IP of Neutron.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FloatingIpFacts {
    /// Neutron's id.
    pub id: String,
    /// The address.
    pub address: String,
    /// Neutron's id of the port that it leads to.
    pub port: String,
}

/// What a node holds in DNS.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsFacts {
    /// The full name that is claimed.
    pub name: String,
    /// Every address that was or may have been set under it. Written before the request that sets it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// Addresses that were withdrawn. A request that was sent long ago may set one of them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<String>,
    /// When the authority was last seen to say what it should.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Time>,
}

/// One boot of one server: what a guest says of itself belongs to it, and to no other.
///
/// A reboot is no boot in this sense: the disk stays, and with it all that the guest said.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BootId {
    /// Nova's id of the server.
    pub server: String,
    /// Counts from 1 how often the root disk of the server was made: a rebuild makes it again.
    pub number: i64,
}

/// How to log in to a machine.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SshFacts {
    /// The image's user, where the machine type names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The port.
    pub port: i32,
    /// The boot in which the machine printed the host keys. Other keys replace them only with another boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<BootId>,
    /// Lines for `known_hosts`, as the machine printed them on its console.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_keys: Vec<String>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(from = "String", into = "String")]
pub enum Outcome {
    /// The machine became Ready.
    Ready,
    /// It did not; the attempt counts.
    Failed,
    /// It did not, and that says nothing about the place: the cloud had no room, or the machine type changed. The
    /// attempt does not count.
    Uncounted,
}

// A word from a newer release reads as a failure: the machine is not Ready, and will be ended.
impl From<String> for Outcome {
    fn from(word: String) -> Self {
        match word.as_str() {
            "Ready" => Self::Ready,
            "Uncounted" => Self::Uncounted,
            _ => Self::Failed,
        }
    }
}

impl From<Outcome> for String {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ready => "Ready",
            Outcome::Failed => "Failed",
            Outcome::Uncounted => "Uncounted",
        }
        .into()
    }
}

/// One try to make the machine, in one cloud and zone.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Counts from 1 and never repeats.
    pub number: i64,
    /// The round it belongs to: each cloud is tried `launchRetries` times a round.
    pub round: i64,
    /// The Cloud.
    pub cloud: String,
    /// The availability zone asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The cloud's region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The project everything was made in.
    #[serde(default, rename = "projectID", skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// The cluster id everything was marked with.
    #[serde(default, rename = "clusterID", skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// SHA-256 of what the spec asked for when it was opened. If something else is asked for, a new round begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec_digest: Option<String>,
    /// The generation of the machine type it was opened for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_type_generation: Option<i64>,
    /// What the creates use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,
    /// When it was opened, before its first request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Time>,
    /// When the server was first seen ACTIVE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_active_at: Option<Time>,
    /// When it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Time>,
    /// `Ready`, `Failed` or `Uncounted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub outcome: Option<Outcome>,
    /// The reason of a failure, one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub reason: Option<Reason>,
    /// What the cloud said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The last lines of the console of a machine that failed, at most 4 KiB. Empty if the MachineType has
    /// `consoleAccess: Forbidden`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub console_tail: Option<String>,
    /// Nothing of this attempt can appear in the cloud any more.
    #[serde(default)]
    pub settled: bool,
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
    /// The node goes by itself: `expireAfter` after its creation. Absent where neither it nor its machine type has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}
