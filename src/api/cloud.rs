//! `Cloud`: an account in an OpenStack cloud.

#![allow(
    dead_code,
    reason = "the copy that KubeSchema derives from has no derives of serde, as `remote` is its own"
)]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::absent::reads_empty_as_absent;
use super::common::{Period, SecretRef};
use super::dns::Dns;
use super::orphans::{Abandoned, OrphanPolicy, Orphans};

/// An account in an OpenStack cloud, and how to use it.
#[derive(CustomResource, KubeSchema, Clone, Debug, Deserialize, PartialEq, Serialize)]
#[kube(
    group = "testnode.dev",
    version = "v1alpha1",
    kind = "Cloud",
    plural = "clouds",
    status = "CloudStatus",
    derive = "PartialEq",
    shortname = "tc",
    category = "testlab",
    doc = "An account in an OpenStack cloud: one entry of a clouds.yaml, its limits, its pace, and the DNS zone its \
           machines are named in.",
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Nodes","type":"integer","jsonPath":".status.nodes"}"#,
    printcolumn = r#"{"name":"Limit","type":"integer","jsonPath":".spec.limits.maxNodes"}"#,
    printcolumn = r#"{"name":"Orphans","type":"integer","jsonPath":".status.orphans.total"}"#,
    printcolumn = r#"{"name":"Region","type":"string","jsonPath":".status.region","priority":1}"#,
    printcolumn = r#"{"name":"Secure","type":"string","jsonPath":".status.conditions[?(@.type==\"Secure\")].status","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].message","priority":1}"#,
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name has at most 63 characters"),
)]
#[serde(rename_all = "camelCase", remote = "Self")]
#[x_kube(validation = Rule::new("has(self.dns) == has(oldSelf.dns) && (!has(self.dns) || \
    self.dns.zone == oldSelf.dns.zone)")
    .message("spec.dns cannot be added or removed, and its zone cannot change: nodes have names there; make another Cloud"))]
pub struct CloudSpec {
    /// How to log in.
    pub openstack: OpenStack,
    /// How much of the project may be used.
    #[serde(default)]
    pub limits: Limits,
    /// How fast the cloud may be asked.
    #[serde(default)]
    pub rate: Rate,
    /// How often the cloud is looked at.
    #[serde(default)]
    pub poll: Poll,
    /// Which of a machine's addresses is `status.accessIP` and goes into DNS. If absent: the floating IP of a machine that
    /// is to have one, else the first fixed address, IPv4 before IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_from: Option<AddressFrom>,
    /// Where the machines' names are set; no names if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,
    /// What to do about servers, volumes, ports and names of ours whose TestNode is gone without them: somebody took
    /// its finalizers, or abandoned it.
    #[serde(default)]
    pub orphans: OrphanPolicy,
    /// Make nothing new here. What exists stays, and what is being made is finished; new attempts are made in other clouds,
    /// or wait.
    #[serde(default)]
    pub drain: bool,
    /// Cinder's availability zone for the volumes of machines in each of Nova's, as `nova-2: storage-2`. In a zone that is
    /// not listed, Cinder's default. For clouds where a volume must be in a certain zone to be attached.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "volume_zones_schema")]
    pub volume_zones: BTreeMap<String, String>,
}

reads_empty_as_absent!(CloudSpec);

fn volume_zones_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 255},
    })
}

/// One entry of a clouds.yaml.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.region) == has(oldSelf.region) && (!has(self.region) || self.region == oldSelf.region)")
    .message("openstack.region cannot change: machines are there; make another Cloud"))]
pub struct OpenStack {
    /// A Secret in the operator's namespace with the key `clouds.yaml`, and `cacert` where the cloud's certificate
    /// needs one. A file as Horizon hands it out works unedited.
    pub secret_ref: SecretRef,
    /// The entry below `clouds:`. Cannot change.
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("openstack.cloudName cannot change: machines are there; make another Cloud"))]
    pub cloud_name: String,
    /// Region, instead of the entry's `region_name`. Cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub region: Option<String>,
    /// Endpoint interface, instead of the entry's `interface`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<Interface>,
}

/// The endpoints of a service catalogue.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Interface {
    /// For everyone.
    Public,
    /// Within the cloud.
    Internal,
    /// For its operators.
    Admin,
}

/// How much of a project all nodes together may use. What is absent is bounded by the cloud's quota only.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_nodes: Option<i64>,
    /// Virtual CPUs.
    #[serde(default, rename = "maxVCPUs", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000_000))]
    pub max_vcpus: Option<i64>,
    /// Memory, in MiB.
    #[serde(default, rename = "maxRAMMiB", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub max_ram_mib: Option<i64>,
    /// Volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_volumes: Option<i64>,
    /// GiB of volumes.
    #[serde(default, rename = "maxVolumeGiB", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub max_volume_gib: Option<i64>,
    /// Do not ask what the cloud's own quotas leave: only the limits here count, and what the cloud refuses. For clouds
    /// whose quotas say nothing, or too little.
    #[serde(default)]
    pub ignore_quota: bool,
    /// Floating IPs.
    #[serde(default, rename = "maxFloatingIPs", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_floating_ips: Option<i64>,
}

/// How fast a cloud may be asked.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    /// Requests a second, to each service.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 1000))]
    pub requests_per_second: i64,
    /// Requests that may go at once after a pause.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 1000))]
    pub burst: i64,
    /// Servers that may be made at once. The volumes and ports of as many more nodes are made meanwhile. If absent, the
    /// operator finds out how many the cloud takes: it begins with 10, doubles that with each round that went well until
    /// the first trouble, and then adds one; trouble (a create that is refused, no host, servers that take twice as long)
    /// halves it. `status.concurrentCreates` says what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub concurrent_creates: Option<i64>,
    /// The most that the operator may find out for `concurrentCreates`.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_concurrent_creates: i64,
    /// MiB a second that images are uploaded with; no limit if absent.
    #[serde(default, rename = "imageMiBPerSecond", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub image_mib_per_second: Option<i64>,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            requests_per_second: ten(),
            burst: ten(),
            concurrent_creates: None,
            max_concurrent_creates: hundred(),
            image_mib_per_second: None,
        }
    }
}

fn ten() -> i64 {
    10
}

fn hundred() -> i64 {
    100
}

/// How often a cloud is looked at. One look serves all nodes.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Poll {
    /// While some node waits for something.
    #[serde(default = "two_seconds")]
    pub active: Period,
    /// While none does.
    #[serde(default = "half_a_minute")]
    pub idle: Period,
}

impl Default for Poll {
    fn default() -> Self {
        Self { active: two_seconds(), idle: half_a_minute() }
    }
}

fn two_seconds() -> Period {
    Period("2s".into())
}

fn half_a_minute() -> Period {
    Period("30s".into())
}

/// IP versions.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Kinds of address.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum AddressType {
    /// Of a port itself.
    Fixed,
    /// A floating IP.
    Floating,
}

/// Which of a machine's addresses is the one to reach it by.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddressFrom {
    /// `fixed`: never a floating IP. `floating`: only a floating IP; but a machine whose policy is `IfNeeded`, and for which
    /// none is needed or can be had, is reached by its fixed address.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<AddressType>,
    /// Only on the network with this name: the network of the port, also for a floating IP that leads there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub network: Option<String>,
    /// Only of this IP version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<IpVersion>,
}

/// What is known of a cloud.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`; below it `Authenticated`, `Reachable`, `QuotaAvailable`, `Secure`, and with `rfc2136` `DNSReady`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The region, pinned at the first login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The project, pinned at the first login: under a token of another nothing is done.
    #[serde(default, rename = "projectID", skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// The cluster id that everything here is marked with.
    #[serde(default, rename = "clusterID", skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Nodes that are in this cloud, or being made in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<i64>,
    /// What these nodes use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// How many servers may be made here at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent_creates: Option<ConcurrentCreates>,
    /// What was found that belongs to no TestNode. Absent with mode `Off`, and until the first sweep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orphans: Option<Orphans>,
    /// Nodes that were released with `testnode.dev/abandon` while this cloud could not be asked, and what they may have
    /// left here. An entry goes once nothing of it is left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub abandoned: Vec<Abandoned>,
}

/// How many servers may be made at once.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConcurrentCreates {
    /// As many.
    pub value: i64,
    /// Why it is that, for people.
    pub why: String,
}

/// What the nodes in a cloud use.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Virtual CPUs.
    pub vcpus: i64,
    /// Memory in MiB.
    #[serde(rename = "ramMiB")]
    pub ram_mib: i64,
    /// Volumes.
    pub volumes: i64,
    /// GiB of volumes.
    #[serde(rename = "volumeGiB")]
    pub volume_gib: i64,
    /// Floating IPs.
    #[serde(default, rename = "floatingIPs")]
    pub floating_ips: i64,
}
