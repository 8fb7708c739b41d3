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
use super::boot_volume::BootVolume;
use super::boundary::{NodeLimits, default_overrides, overrides_schema};
use super::common::{FloatingIpChoice, NetworkChoice, Os, Period, ReadinessCheck, Timeouts, Volumes};
use super::hold::OnFailure;
use super::pattern::Pattern;
use super::server::{ImageRef, ServerGroupRef, hints_schema, metadata_schema, tags_schema};

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
    /// Only flavors whose whole name matches one of these regular expressions; all if empty. Holds for a flavor that a node
    /// asks for by name, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 255)))]
    pub allow: Vec<Pattern>,
    /// No flavor whose whole name matches one of these; nor may a node ask for one by name.
    #[serde(default = "no_windows")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 255)))]
    pub exclude: Vec<Pattern>,
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

fn no_windows() -> Vec<Pattern> {
    vec!["win-.*".into()]
}

/// Which of several images that fit is taken.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Selection {
    /// The newest, by creation time.
    Newest,
    /// The oldest, by creation time.
    Oldest,
    /// None: several are an error, and the condition names them.
    #[default]
    Error,
}

/// To whom an image shows itself, in Glance's words.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Visibility {
    /// To every project. Only the cloud's administrators can make one.
    Public,
    /// To its own project.
    Private,
    /// To the projects it was given to, and that accepted it.
    Shared,
    /// To whoever asks for images of this kind. Any member of any project can make one.
    Community,
}

impl Visibility {
    /// Glance's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Shared => "shared",
            Self::Community => "community",
        }
    }
}

/// Which image an operating system is.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
        "[has(self.id), has(self.name), has(self.nameRegex), has(self.properties)].filter(x, x).size() == 1")
    .message("images: give exactly one of id, name, nameRegex, properties"))]
#[x_kube(validation = Rule::new(
        "!has(self.id) || !(has(self.owner) || has(self.visibility) || has(self.minCreated))")
    .message("images: owner, visibility and minCreated choose among several; with an id there is only one"))]
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
    pub name_regex: Option<Pattern>,
    /// Properties the image must have, as `os_distro: ubuntu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 16))]
    pub properties: Option<BTreeMap<String, String>>,
    /// Only an image of this project, by its id. Where images of other projects are listed, anyone of their members can
    /// make one that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub owner: Option<String>,
    /// Only an image of this visibility. Community images are looked at only for a rule that says `community`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// Only an image made at this instant or later, as `2026-01-31T00:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 40),
        regex(
            pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$"
        )
    )]
    pub min_created: Option<String>,
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
