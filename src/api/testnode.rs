//! `TestNode`: what a tester asks for.

use std::fmt;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{NetworkChoice, Os, Period, ReadinessCheck, Resources, Volumes};
use super::testnode_status::TestNodeStatus;

/// The spec's fields that a machine is made from. Once it is made, or being made, they stand.
const SETTLED_FIELDS: &[&str] = &[
    "os",
    "cloud",
    "flavor",
    "resources",
    "availabilityZones",
    "volumes",
    "networks",
    "securityGroups",
    "keyName",
    "sshAuthorizedKeys",
    "userData",
    "userDataRef",
];

/// CEL: an attempt is under way, or one succeeded.
const MACHINE_EXISTS: &str = "has(oldSelf.status) && has(oldSelf.status.attempts) && oldSelf.status.attempts.exists(a, \
     !has(a.closedAt) || (has(a.outcome) && a.outcome == 'Ready'))";

/// "What a machine is made from stays while there is one", as one root rule: only there are spec and status in view.
fn settled_rule() -> kube::core::Rule {
    let same = |field: &&str| {
        format!(
            "has(self.spec.{field}) == has(oldSelf.spec.{field}) && (!has(self.spec.{field}) || self.spec.{field} == \
             oldSelf.spec.{field})"
        )
    };
    let unchanged: Vec<String> = SETTLED_FIELDS.iter().map(|field| format!("({})", same(field))).collect();
    let names: Vec<String> =
        SETTLED_FIELDS.iter().map(|field| format!("({} ? '' : ' spec.{field}')", same(field))).collect();
    kube::core::Rule::new(format!("!({MACHINE_EXISTS}) || ({})", unchanged.join(" && "))).message(
        kube::core::Message::Expression(format!(
            "'cannot change while the machine exists:' + {} + '; delete the node and make another'",
            names.join(" + ")
        )),
    )
}

/// What to do with a machine whose launch failed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum OnFailure {
    /// End it whole, then try again: the next zone, the next cloud.
    #[default]
    Retry,
    /// Keep machine and name as they are, for somebody to look at.
    Hold,
}

/// What user data may stand in.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum UserDataKind {
    /// For what others in the namespace must not read.
    Secret,
    /// For the rest.
    ConfigMap,
}

/// Where user data is, in the node's own namespace.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct UserDataRef {
    /// `Secret` or `ConfigMap`.
    pub kind: UserDataKind,
    /// Its name.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// The key in it.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

impl fmt::Display for UserDataRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.kind, self.name)
    }
}

/// What a tester asks for: a machine type, an operating system, disks.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[kube(
    group = "testnode.dev",
    version = "v1alpha1",
    kind = "TestNode",
    plural = "testnodes",
    namespaced,
    status = "TestNodeStatus",
    derive = "PartialEq",
    shortname = "tn",
    category = "testlab",
    doc = "A machine in a test lab: an OpenStack server with its volumes, its ports and its DNS name. Delete it, and all \
           of that is gone before the object is.",
    selectable = ".spec.machineType",
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.machineType"}"#,
    printcolumn = r#"{"name":"OS","type":"string","jsonPath":".status.os"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"FQDN","type":"string","jsonPath":".status.fqdn"}"#,
    printcolumn = r#"{"name":"IP","type":"string","jsonPath":".status.accessIP"}"#,
    printcolumn = r#"{"name":"Cloud","type":"string","jsonPath":".status.cloud","priority":1}"#,
    printcolumn = r#"{"name":"Flavor","type":"string","jsonPath":".status.resolved.flavor.name","priority":1}"#,
    printcolumn = r#"{"name":"Server","type":"string","jsonPath":".status.server.id","priority":1}"#,
    printcolumn = r#"{"name":"Expires","type":"string","jsonPath":".status.times.expiresAt","priority":1}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].message","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    validation = settled_rule(),
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name has at most 63 characters"),
    validation = Rule::new(
        "has(self.spec.hostname) || self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])$')"
    ).message("metadata.name is the host name too: 2 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit; \
               or give spec.hostname"),
    validation = Rule::new("has(self.spec.hostname) == has(oldSelf.spec.hostname) && \
         (!has(self.spec.hostname) || self.spec.hostname == oldSelf.spec.hostname)")
        .message("spec.hostname cannot change; delete the node and make another"),
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.flavor) && has(self.resources))")
    .message("give flavor or resources, not both"))]
#[x_kube(validation = Rule::new("!(has(self.userData) && has(self.userDataRef))")
    .message("give userData or userDataRef, not both"))]
pub struct TestNodeSpec {
    /// Name of the MachineType: which clouds, images and flavors serve this node. Cannot change.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("machineType cannot change; delete the node and make another"))]
    pub machine_type: String,

    /// The operating system to boot; the machine type's `defaultOS` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<Os>,

    /// Pin to one Cloud of the machine type's list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub cloud: Option<String>,

    /// Host name and DNS label, 2 to 63 characters; `metadata.name` if absent. Cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])$"))]
    pub hostname: Option<String>,

    /// A flavor by name, instead of the machine type's rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub flavor: Option<String>,

    /// The least the machine must have: the smallest flavor that fits is taken (by memory, disk, vCPUs, name).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,

    /// Availability zones to try, in order; the machine type's if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 255)))]
    pub availability_zones: Vec<String>,

    /// Data volumes, made before the server and attached from its birth; the machine type's if absent. They go with
    /// the node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub volumes: Vec<Volumes>,

    /// Networks to have a port on, in order; the machine type's if absent, else the one usable network of the
    /// project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub networks: Vec<NetworkChoice>,

    /// Security groups (names or ids) of the ports; the machine type's if absent, else the project's default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 255)))]
    pub security_groups: Vec<String>,

    /// Nova key pair; the machine type's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub key_name: Option<String>,

    /// Public keys that may log in, in `authorized_keys` form, beside the machine type's. Given by cloud-init.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 16, max = 4096)))]
    pub ssh_authorized_keys: Vec<String>,

    /// cloud-init user data (`#cloud-config`, a script, …), combined with the machine type's by MIME multipart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 49_152))]
    pub user_data: Option<String>,

    /// The same from a Secret or a ConfigMap in the node's namespace, read when a machine is made. For namespaces that
    /// are among the chart's `userDataNamespaces`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data_ref: Option<UserDataRef>,

    /// What must be true before the node is Ready; the machine type's if absent. An empty list means: the server is
    /// ACTIVE, with its volumes and its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8))]
    pub readiness: Option<Vec<ReadinessCheck>>,

    /// Delete the node, with all it has, this long after its creation; the machine type's if absent. May be edited at any
    /// time: a node that is older by then goes at once. While `paused` it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_after: Option<Period>,

    /// What to do with a machine whose launch failed: `Retry` ends it whole and tries again, `Hold` keeps it.
    #[serde(default)]
    pub on_failure: OnFailure,

    /// Stop changing anything for this node. Deletion still works; a node that expires goes when it is paused no more.
    #[serde(default)]
    pub paused: bool,
}

impl TestNode {
    /// The host name: `spec.hostname`, else the object's name.
    #[must_use]
    pub fn hostname(&self) -> &str {
        self.spec.hostname.as_deref().or(self.metadata.name.as_deref()).unwrap_or_default()
    }
}
