//! `MachineType`: what the lab admin offers, as a `StorageClass` offers storage.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::common::{NetworkChoice, Os, Period, ReadinessCheck, Volumes};

/// What a machine type means in each of its clouds.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[kube(
    group = "testnode.dev",
    version = "v1alpha1",
    kind = "MachineType",
    plural = "machinetypes",
    status = "MachineTypeStatus",
    derive = "PartialEq",
    shortname = "mt",
    category = "testlab",
    doc = "A kind of machine that the lab offers: which clouds serve it, with which flavor and images, and the defaults \
           of its nodes. Edits touch new attempts only; an edit of expireAfter also nodes that are there.",
    printcolumn = r#"{"name":"Clouds","type":"string","jsonPath":".status.clouds"}"#,
    printcolumn = r#"{"name":"OSes","type":"string","jsonPath":".status.oses"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].message","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name has at most 63 characters"),
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.clouds.size() * self.launchRetries <= 30")
    .message("clouds times launchRetries is at most 30: a node remembers every attempt of a round"))]
pub struct MachineTypeSpec {
    /// The Clouds that serve this type, tried by weight.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub clouds: Vec<CloudChoice>,

    /// The operating system of nodes that name none.
    #[serde(default, rename = "defaultOS", skip_serializing_if = "Option::is_none")]
    pub default_os: Option<Os>,

    /// The flavor of nodes that ask for none.
    pub flavor: FlavorRule,

    /// Which image an operating system is. For one not listed: the image whose lower-cased name contains
    /// `<type> <version>`, else `<type>-<version>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub images: Vec<ImageRule>,

    /// Never an image whose whole name matches one of these regular expressions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 255)))]
    pub exclude_images: Vec<String>,

    /// Data volumes of nodes that list none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub volumes: Vec<Volumes>,

    /// Networks of nodes that list none; if absent here too, the one usable network of the project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub networks: Vec<NetworkChoice>,

    /// Security groups (names or ids) of nodes that list none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 255)))]
    pub security_groups: Vec<String>,

    /// Availability zones of nodes that list none, tried in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 255)))]
    pub availability_zones: Vec<String>,

    /// Nova key pair of nodes that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub key_name: Option<String>,

    /// Public keys that may log in to every node of this type, beside the node's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 16, max = 4096)))]
    pub ssh_authorized_keys: Vec<String>,

    /// cloud-init user data by operating system; all entries that match a node are combined, then the node's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub cloud_init: Vec<CloudInit>,

    /// What must be true before a node is Ready.
    #[serde(default = "by_console")]
    #[schemars(length(max = 8))]
    pub readiness: Vec<ReadinessCheck>,

    /// How long each phase may take.
    #[serde(default)]
    pub timeouts: Timeouts,

    /// Delete nodes that have no `expireAfter` of their own this long after their creation; never if absent. An edit
    /// counts for nodes that are there, too: those that are older by then go at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_after: Option<Period>,

    /// Attempts per cloud and round.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 8))]
    pub launch_retries: i64,
}

fn by_console() -> Vec<ReadinessCheck> {
    vec![ReadinessCheck { kind: super::common::CheckKind::Console, port: None }]
}

fn three() -> i64 {
    3
}

/// A Cloud that serves a machine type.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudChoice {
    /// Name of the Cloud.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// The highest is tried first; ties by name.
    #[serde(default = "hundred")]
    #[schemars(range(min = 0, max = 1000))]
    pub weight: i64,
}

fn hundred() -> i64 {
    100
}

/// How a flavor is found: by id, by name, or the smallest that meets requirements.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.id), has(self.name), has(self.requirements)].filter(x, x).size() == 1")
    .message("flavor: give exactly one of id, name, requirements"))]
pub struct FlavorRule {
    /// Nova's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub id: Option<String>,
    /// The flavor's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
    /// The smallest flavor that meets these, by memory, disk, vCPUs, name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements: Option<FlavorRequirements>,
}

/// What a flavor must offer, and which to consider.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlavorRequirements {
    /// At least this many vCPUs.
    #[serde(default, rename = "minVCPUs", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub min_vcpus: Option<i64>,
    /// At least this much memory, in MiB.
    #[serde(default, rename = "minRAMMiB", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 33_554_432))]
    pub min_ram_mib: Option<i64>,
    /// At least this much root disk, in GiB.
    #[serde(default, rename = "minDiskGiB", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub min_disk_gib: Option<i64>,
    /// Only flavors whose whole name matches one of these regular expressions; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 255)))]
    pub allow: Vec<String>,
    /// No flavor whose whole name matches one of these.
    #[serde(default = "no_windows")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 255)))]
    pub exclude: Vec<String>,
}

impl Default for FlavorRequirements {
    fn default() -> Self {
        Self {
            min_vcpus: None,
            min_ram_mib: None,
            min_disk_gib: None,
            allow: Vec::new(),
            exclude: no_windows(),
        }
    }
}

fn no_windows() -> Vec<String> {
    vec!["win-.*".into()]
}

/// Which of several images that fit is taken.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Selection {
    /// The newest, by creation time.
    Newest,
    /// None: several are an error, and the condition names them.
    #[default]
    Error,
}

/// Which image an operating system is.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
        "[has(self.id), has(self.name), has(self.nameRegex), has(self.properties)].filter(x, x).size() == 1")
    .message("images: give exactly one of id, name, nameRegex, properties"))]
pub struct ImageRule {
    /// The operating system this rule is for.
    pub os: Os,
    /// Glance's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub id: Option<String>,
    /// The image's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
    /// A regular expression that the whole name matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub name_regex: Option<String>,
    /// Properties the image must have, as `os_distro: ubuntu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 16))]
    pub properties: Option<BTreeMap<String, String>>,
    /// Which is taken when several fit.
    #[serde(default)]
    pub selection: Selection,
    /// The user to log in as; shown in `status.ssh.user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub user: Option<String>,
}

/// User data for nodes with an operating system.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudInit {
    /// For nodes with this operating system; for all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<Os>,
    /// The user data: `#cloud-config`, a script, ….
    #[schemars(length(min = 1, max = 49_152))]
    pub user_data: String,
}

/// How long each phase of a node's life may take.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// From the first request to a server that is ACTIVE.
    #[serde(default = "launch")]
    pub launch: Period,
    /// From ACTIVE to the end of readiness.
    #[serde(default = "boot")]
    pub boot: Period,
    /// From each request to delete something to its being gone; then the condition says `DeleteStuck`.
    #[serde(default = "delete")]
    pub delete: Period,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { launch: launch(), boot: boot(), delete: delete() }
    }
}

fn launch() -> Period {
    Period("15m".into())
}

fn boot() -> Period {
    Period("10m".into())
}

fn delete() -> Period {
    Period("10m".into())
}

/// What a machine type comes to, before anyone asks for a node.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MachineTypeStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: every cloud can make a node of the flavor and of each operating system that is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The clouds, by weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clouds: Option<String>,
    /// The operating systems that are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oses: Option<String>,
    /// Per cloud and operating system, what it comes to or why it cannot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    pub offers: Vec<Offer>,
}

/// What one operating system comes to in one cloud.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// The Cloud.
    pub cloud: String,
    /// The operating system.
    pub os: String,
    /// The flavor's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flavor: Option<String>,
    /// The image's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Why it cannot be had, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
