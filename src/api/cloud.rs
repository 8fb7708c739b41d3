//! `Cloud`: an account in an OpenStack cloud.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::Period;
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
    category = "testlab",
    doc = "An account in an OpenStack cloud: one entry of a clouds.yaml, its limits, its pace, and the DNS zone its \
           machines are named in.",
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Nodes","type":"integer","jsonPath":".status.nodes"}"#,
    printcolumn = r#"{"name":"Limit","type":"integer","jsonPath":".spec.limits.maxNodes"}"#,
    printcolumn = r#"{"name":"Orphans","type":"integer","jsonPath":".status.orphans.total"}"#,
    printcolumn = r#"{"name":"Region","type":"string","jsonPath":".status.region","priority":1}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].message","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name has at most 63 characters"),
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.dns) == has(oldSelf.dns) && (!has(self.dns) || \
    self.dns.nsupdateWeb.zone == oldSelf.dns.nsupdateWeb.zone)")
    .message("spec.dns cannot come, go or change its zone: names are out there; make another Cloud"))]
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
    /// Which of a machine's addresses is `status.accessIP` and goes into DNS; the first fixed one, IPv4 before IPv6,
    /// if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_from: Option<AddressFrom>,
    /// Where the machines' names are set; no names if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,
    /// What to do about servers, volumes, ports and names of ours whose TestNode is gone without them: somebody took
    /// its finalizers, or abandoned it.
    #[serde(default)]
    pub orphans: OrphanPolicy,
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

/// A Secret in the operator's namespace.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
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
    /// Nodes that may be under construction at once.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 1000))]
    pub concurrent_creates: i64,
}

impl Default for Rate {
    fn default() -> Self {
        Self { requests_per_second: ten(), burst: ten(), concurrent_creates: ten() }
    }
}

fn ten() -> i64 {
    10
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

/// Which of a machine's addresses is the one to reach it by.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddressFrom {
    /// Only on the network with this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub network: Option<String>,
    /// Only of this IP version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<IpVersion>,
}

/// Where names are set.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dns {
    /// Through nsupdate-web.
    pub nsupdate_web: NsupdateWeb,
}

/// Names through nsupdate-web, which can set a name and cannot delete one: on teardown it is parked.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NsupdateWeb {
    /// Its address, as `http://nsupdate.front.example.test:8080/update`.
    #[schemars(length(min = 10, max = 1024), regex(pattern = r"^https?://[^\s/?#]+[^\s?#]*$"))]
    pub url: String,
    /// The zone it writes to, without a final dot. Cannot change.
    #[schemars(
        length(min = 1, max = 189),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub zone: String,
    /// A Secret in the operator's namespace with the keys `username` and `password`, for basic authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// The address that a name is left on when its node is gone; nobody must answer there.
    #[serde(default = "documentation_address")]
    #[schemars(length(min = 2, max = 45), regex(pattern = r"^[0-9a-fA-F:.]+$"))]
    pub park_address: String,
    /// The authoritative name server to ask what the zone really says. Without it nothing can be checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
}

fn documentation_address() -> String {
    "192.0.2.1".into()
}

/// Whom to ask what a zone says.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verify {
    /// The authoritative server itself, `host` or `host:port`; never a caching resolver.
    #[schemars(length(min = 1, max = 261), regex(pattern = r"^[A-Za-z0-9.\[\]:_-]+$"))]
    pub server: String,
}

/// What is known of a cloud.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`; below it `Authenticated`, `Reachable`, `QuotaAvailable`.
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
    /// What was found that belongs to no TestNode. Absent with mode `Off`, and until the first sweep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orphans: Option<Orphans>,
    /// Nodes that were let go with `testnode.dev/abandon` while this cloud could not be asked, and what they may have
    /// left here. An entry goes once nothing of it is left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub abandoned: Vec<Abandoned>,
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
}
