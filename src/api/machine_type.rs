//! `MachineType`: what the lab admin offers, as a `StorageClass` offers storage.

#![allow(
    dead_code,
    reason = "the copy that KubeSchema derives from has no derives of serde, as `remote` is its own"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::absent::reads_empty_as_absent;
use super::block_device::BlockDevice;
use super::boot_volume::BootVolume;
use super::boundary::{NodeLimits, default_overrides, overrides_schema};
use super::common::{FloatingIpChoice, NetworkChoice, Os, Period, ReadinessCheck, Timeouts, Volumes};
use super::hold::OnFailure;
use super::pattern::Pattern;
use super::server::{ImageRef, ServerGroupRef, hints_schema, metadata_schema, tags_schema};

mod flavor;
mod image;

pub use flavor::{FlavorRequirements, FlavorRule};
pub use image::{ImageRule, Selection, Visibility};

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
           of its nodes. An edit counts for attempts that begin after it; an edit of expireAfter or \
           limits.maxExpireAfter also for nodes that are there.",
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Clouds","type":"string","jsonPath":".status.clouds"}"#,
    printcolumn = r#"{"name":"OSes","type":"string","jsonPath":".status.oses","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].message","priority":1}"#,
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name has at most 63 characters"),
)]
#[serde(rename_all = "camelCase", remote = "Self")]
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
    pub exclude_images: Vec<Pattern>,

    /// Data volumes of nodes that list none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub volumes: Vec<Volumes>,

    /// Networks of nodes that list none; if absent here too, the one usable network of the project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub networks: Vec<NetworkChoice>,

    /// Whether nodes that do not say so are given a floating IP, and from which external network.
    #[serde(default, rename = "floatingIP", skip_serializing_if = "Option::is_none")]
    pub floating_ip: Option<FloatingIpChoice>,

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

    /// User data by operating system. All entries that match a node come after the node's own, in one MIME message for
    /// cloud-init, of which the first to say a thing has its way. One entry alone, where there is nothing to combine it
    /// with, may be of any kind that Nova takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub cloud_init: Vec<CloudInit>,

    /// What must be true before a node is Ready.
    #[serde(default = "by_console")]
    #[schemars(length(max = 8))]
    pub readiness: Vec<ReadinessCheck>,

    /// What to do with a machine whose launch failed, if its node does not say.
    #[serde(default)]
    pub on_failure: OnFailure,

    /// How long each phase may take.
    #[serde(default)]
    pub timeouts: Timeouts,

    /// Delete nodes that have no `expireAfter` of their own this long after their creation; never if absent. An edit
    /// counts for nodes that are there, too: those that are older by then go at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_after: Option<Period>,

    /// Namespaces that may have nodes of this type: names, and regular expressions that match the whole name. All if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 255)))]
    pub allowed_namespaces: Vec<Pattern>,

    /// Which fields a node may set to reach past what this type offers. Without this list: `resources`,
    /// `availabilityZones`, `cloud` and `keyName`; with an empty one: none. The rest of a node's spec is always free to
    /// set. What a node asks for by name is held against this type's patterns all the same.
    #[serde(default = "default_overrides")]
    #[schemars(schema_with = "overrides_schema")]
    pub overrides: Vec<String>,

    /// The most that one node of this type may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<NodeLimits>,

    /// Whether those who may read a node may read what its machine prints on the serial console: in `consoleTail` of an
    /// attempt that failed, in messages, and in `status.console` when `spec.consoleRequest` asks for it. The operator
    /// itself reads the console all the same, for host keys and for the readiness check `console`. Counts at once.
    #[serde(default)]
    pub console_access: ConsoleAccess,

    /// Attempts per cloud and round.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 8))]
    pub launch_retries: i64,

    /// The image of nodes that name neither an image nor another operating system than `defaultOS`, which need not be
    /// given then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRef>,

    /// Whether servers of nodes that do not say have a config drive; as the cloud likes if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_drive: Option<bool>,

    /// Server group of nodes that name none. It must exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_group: Option<ServerGroupRef>,

    /// Hints to Nova's scheduler, for all nodes of this type, as `different_host: [<id of a server>]`. They are passed on as
    /// they are: Nova checks hardly any, and ignores those that its filters do not know.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "hints_schema")]
    pub scheduler_hints: BTreeMap<String, Vec<String>>,

    /// Metadata of all servers of this type. A value may use `{{namespace}}`, `{{name}}`, `{{machineType}}`, `{{os}}` and
    /// `{{owner}}`, each as the node has it when the attempt begins.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "metadata_schema")]
    pub server_metadata: BTreeMap<String, String>,

    /// Tags of all servers of this type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "tags_schema")]
    pub server_tags: Vec<String>,

    /// Description of servers of nodes that give none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[^\x00-\x1f\x7f]*$"))]
    pub server_description: Option<String>,

    /// The microversion of the request that creates a server, and of no other; 2.52 or later. For clouds that do something
    /// only from one on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8))]
    #[x_kube(validation = Rule::new("self.matches('^2[.](5[2-9]|[6-9][0-9]|[1-9][0-9]{2})$')")
        .message("a microversion from 2.52 on, as \"2.90\""))]
    pub nova_microversion: Option<String>,

    /// Boot servers of nodes that say nothing of it from a volume that is made of the image. Then no flavor is too small for
    /// its disk. Where the flavor has no disk, that is done without being asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_volume: Option<BootVolume>,

    /// Disks of servers of nodes that list none, with all that Nova can be told of them, beside `volumes`. One with
    /// `bootIndex: 0` is what the server boots from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub block_devices: Vec<BlockDevice>,
}

reads_empty_as_absent!(MachineTypeSpec);

/// Whether what a machine prints on its console may be shown.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ConsoleAccess {
    /// To whoever may read the node.
    #[default]
    Allowed,
    /// To nobody.
    Forbidden,
}

fn by_console() -> Vec<ReadinessCheck> {
    vec![ReadinessCheck::new(super::common::CheckKind::Console)]
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
