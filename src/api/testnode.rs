//! `TestNode`: what a tester asks for.

#![allow(
    dead_code,
    reason = "the copy that KubeSchema derives from has no derives of serde, as `remote` is its own"
)]

use std::collections::BTreeMap;
use std::fmt;

use data_encoding::HEXLOWER;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::absent::reads_empty_as_absent;
use super::block_device::BlockDevice;
use super::boot_volume::BootVolume;
use super::common::{FloatingIpChoice, NetworkChoice, Os, Period, ReadinessCheck, Resources, Volumes};
use super::hold::{Hold, OnFailure};
use super::refs::{ClaimRef, PoolRef};
use super::server::{ImageRef, ServerGroupRef, hints_schema, metadata_schema, tags_schema};
use super::testnode_status::{AskedSystem, TestNodeStatus};

/// The spec's fields that a machine is made from. Once it is made, or being made, they stand.
const SETTLED_FIELDS: &[&str] = &[
    "cloud",
    "flavor",
    "resources",
    "availabilityZones",
    "volumes",
    "networks",
    "floatingIP",
    "securityGroups",
    "keyName",
    "sshAuthorizedKeys",
    "userData",
    "userDataRef",
    "configDrive",
    "serverGroup",
    "schedulerHints",
    "serverMetadata",
    "serverTags",
    "serverDescription",
    "bootVolume",
    "blockDevices",
];

/// The spec's fields that say what system a machine has. An edit of them rebuilds a machine that was Ready; while one is being
/// made they stand.
const SYSTEM_FIELDS: &[&str] = &["os", "image", "rebuild"];

/// The spec's fields that say nothing of the machine: an edit of them begins no new round of attempts.
const ASIDE_FIELDS: &[&str] =
    &["owner", "description", "expireAfter", "hold", "paused", "consoleRequest", "poolRef", "claimRef"];

/// CEL: an attempt is under way.
const BEING_MADE: &str = "has(oldSelf.status) && has(oldSelf.status.attempts) && oldSelf.status.attempts.exists(a, \
     !has(a.closedAt))";

/// CEL: an attempt is under way, or one succeeded.
const MACHINE_EXISTS: &str = "has(oldSelf.status) && has(oldSelf.status.attempts) && oldSelf.status.attempts.exists(a, \
     !has(a.closedAt) || (has(a.outcome) && a.outcome == 'Ready'))";

/// "What a machine is made from stays while there is one", as one root rule: only there are spec and status in view.
fn settled_rule() -> kube::core::Rule {
    stays_while(MACHINE_EXISTS, SETTLED_FIELDS, "the machine exists", "delete the node and make another")
}

/// "What is being made stays what it is to be": a machine can be rebuilt once it was Ready.
fn system_rule() -> kube::core::Rule {
    let cure =
        "wait until the node is Ready, then the machine is rebuilt; or delete the node and make another";
    stays_while(BEING_MADE, SYSTEM_FIELDS, "the machine is being made", cure)
}

fn stays_while(condition: &str, fields: &[&str], when: &str, cure: &str) -> kube::core::Rule {
    let same = |field: &&str| {
        format!(
            "has(self.spec.{field}) == has(oldSelf.spec.{field}) && (!has(self.spec.{field}) || self.spec.{field} == \
             oldSelf.spec.{field})"
        )
    };
    let unchanged: Vec<String> = fields.iter().map(|field| format!("({})", same(field))).collect();
    let names: Vec<String> =
        fields.iter().map(|field| format!("({} ? '' : ' spec.{field}')", same(field))).collect();
    kube::core::Rule::new(format!("!({condition}) || ({})", unchanged.join(" && "))).message(
        kube::core::Message::Expression(format!(
            "'cannot change while {when}:' + {} + '; {cure}'",
            names.join(" + ")
        )),
    )
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
    selectable = ".spec.owner",
    selectable = ".spec.poolRef.name",
    selectable = ".spec.claimRef.name",
    selectable = ".status.phase",
    selectable = ".status.cloud",
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.machineType"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"IP","type":"string","jsonPath":".status.accessIP"}"#,
    printcolumn = r#"{"name":"Owner","type":"string","jsonPath":".spec.owner"}"#,
    printcolumn = r#"{"name":"OS","type":"string","jsonPath":".status.os","priority":1}"#,
    printcolumn = r#"{"name":"Cloud","type":"string","jsonPath":".status.cloud","priority":1}"#,
    printcolumn = r#"{"name":"Flavor","type":"string","jsonPath":".status.resolved.flavor.name","priority":1}"#,
    printcolumn = r#"{"name":"FQDN","type":"string","jsonPath":".status.fqdn","priority":1}"#,
    printcolumn = r#"{"name":"Expires","type":"string","jsonPath":".status.times.expiresAt","priority":1}"#,
    printcolumn = r#"{"name":"Pool","type":"string","jsonPath":".spec.poolRef.name","priority":1}"#,
    printcolumn = r#"{"name":"Claim","type":"string","jsonPath":".spec.claimRef.name","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].message","priority":1}"#,
    validation = settled_rule(),
    validation = system_rule(),
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name has at most 63 characters"),
    validation = Rule::new(
        "has(self.spec.hostname) || self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])$')"
    ).message("metadata.name is the host name too: 2 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit; \
               or give spec.hostname"),
    validation = Rule::new("has(self.spec.hostname) == has(oldSelf.spec.hostname) && \
         (!has(self.spec.hostname) || self.spec.hostname == oldSelf.spec.hostname)")
        .message("spec.hostname cannot change; delete the node and make another"),
    validation = Rule::new("has(self.spec.poolRef) == has(oldSelf.spec.poolRef) && \
         (!has(self.spec.poolRef) || self.spec.poolRef == oldSelf.spec.poolRef)")
        .message("spec.poolRef is set when the node is made, and cannot change"),
    validation = Rule::new("!has(oldSelf.spec.claimRef) || \
         (has(self.spec.claimRef) && self.spec.claimRef == oldSelf.spec.claimRef)")
        .message("spec.claimRef cannot change: a node serves one claim, then goes"),
    validation = Rule::new("!has(self.spec.claimRef) || has(self.spec.poolRef)")
        .message("only a node of a pool can have a claim"),
    validation = Rule::new("!has(self.spec.poolRef) || \
         (!has(self.spec.hold) && !has(self.spec.rebuild) && !has(self.spec.expireAfter))")
        .message("a node of a pool has no hold, no rebuild and no expireAfter; its claim says how long it is kept"),
)]
#[serde(rename_all = "camelCase", remote = "Self")]
#[x_kube(validation = Rule::new("!has(self.readiness) || self.readiness.all(check, !has(check.user) || check.user == '')")
    .message("user, keySecretRef and sentinel of a readiness check are for MachineTypes: the key is the operator's"))]
#[x_kube(validation = Rule::new("!(has(self.flavor) && has(self.resources))")
    .message("give flavor or resources, not both"))]
#[x_kube(validation = Rule::new("!(has(self.userData) && has(self.userDataRef))")
    .message("give userData or userDataRef, not both"))]
#[x_kube(validation = Rule::new("(has(self.userData) ? bytes(self.userData).size() : 0) + \
         (has(self.sshAuthorizedKeys) ? self.sshAuthorizedKeys.map(key, bytes(key).size()).sum() : 0) <= 49152")
    .message("userData and sshAuthorizedKeys together have at most 48 KiB: Nova takes no more"))]
pub struct TestNodeSpec {
    /// Name of the MachineType: which clouds, images and flavors serve this node. Cannot change.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("machineType cannot change; delete the node and make another"))]
    pub machine_type: String,

    /// Who has this machine: a person, a team or a job. For people, and for `{{owner}}` in `serverMetadata`; free to change at
    /// any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[^\x00-\x1f\x7f]*$"))]
    pub owner: Option<String>,

    /// What it is used for. For people; free to change at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub description: Option<String>,

    /// The operating system to boot; the machine type's `defaultOS` if absent. Another one rebuilds a machine that was Ready,
    /// see `rebuild`. It cannot change while the machine is being made.
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

    /// A flavor by name, instead of the machine type's rule; one that its `flavor.requirements` allow. Only where the
    /// machine type lists `flavor` under `overrides`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub flavor: Option<String>,

    /// The least the machine must have: the smallest flavor that fits is taken (by memory, disk, vCPUs, name). What the
    /// machine type's `flavor.requirements` ask counts too: of each amount, the larger one.
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
    /// project. Only where the machine type lists `networks` under `overrides`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub networks: Vec<NetworkChoice>,

    /// Whether the machine is given a floating IP, and from which external network; as the machine type says if absent. It
    /// goes with the node. Only where the machine type lists `floatingIP` under `overrides`.
    #[serde(default, rename = "floatingIP", skip_serializing_if = "Option::is_none")]
    pub floating_ip: Option<FloatingIpChoice>,

    /// Security groups (names or ids) of the ports; the machine type's if absent, else the project's default. Only where
    /// the machine type lists `securityGroups` under `overrides`.
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

    /// User data of any kind that Nova takes: for cloud-init (`#cloud-config`, a script, …), Ignition, PowerShell. If it is
    /// all that the machine is given it arrives as it is written. Beside `sshAuthorizedKeys`, or the machine type's keys
    /// or `cloudInit`, all become one MIME message for cloud-init, which also says the host name and its domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 49_152))]
    pub user_data: Option<String>,

    /// The same from a Secret or a ConfigMap in the node's namespace, read when a machine is made. For namespaces that
    /// are among the chart's `userDataNamespaces`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data_ref: Option<UserDataRef>,

    /// What must be true before the node is Ready; the machine type's if absent. An empty list means: the server is
    /// ACTIVE, with its volumes and its name. A check that logs in is for machine types only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8))]
    pub readiness: Option<Vec<ReadinessCheck>>,

    /// Delete the node, with all it has, this long after its creation; the machine type's if absent. May be edited at any
    /// time: a node that is older by then is deleted at once. A node that is `paused` stays. The machine type's
    /// `limits.maxExpireAfter` cuts it, and then `paused` does not help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_after: Option<Period>,

    /// What to do with a machine whose launch failed: `Retry` ends it whole and tries again, `Hold` keeps it; as the machine
    /// type says if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,

    /// Keep the node until an instant: it does not expire before, and a machine whose launch failed is kept as it is. The
    /// node can be deleted all the same. It lasts at most until the machine type's `limits.maxHold` after the node's
    /// creation; where that is absent, until its `limits.maxExpireAfter`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,

    /// A new value asks for one look at the serial console of the machine. `status.console` answers with it. Nothing else
    /// comes of it, and it is answered at most once in 5 s. A MachineType can forbid it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub console_request: Option<String>,

    /// Stop changing anything for this node. Deletion still works. A node that expires meanwhile is deleted once it is no
    /// longer paused, but at the latest when the machine type's `limits.maxExpireAfter` has passed.
    #[serde(default)]
    pub paused: bool,

    /// The image to boot, instead of the one that the operating system is. Only where the machine type lists `image` under
    /// `overrides`, and never one that its `excludeImages` matches. `os` beside it says only what the image is: which
    /// `cloudInit` and which login user of the machine type go with it. Another one rebuilds a machine that was Ready, see
    /// `rebuild`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRef>,

    /// Whether the server has a config drive; the machine type's if absent, else as the cloud likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_drive: Option<bool>,

    /// A server group that exists, for affinity or anti-affinity; the machine type's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_group: Option<ServerGroupRef>,

    /// Hints to Nova's scheduler, beside the machine type's; of one name this one counts. They are passed on as they are:
    /// Nova checks hardly any, and ignores those that its filters do not know.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "hints_schema")]
    pub scheduler_hints: BTreeMap<String, Vec<String>>,

    /// Metadata of the server, beside the machine type's; of one key this one counts. A value may use `{{namespace}}`,
    /// `{{name}}`, `{{machineType}}`, `{{os}}` and `{{owner}}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "metadata_schema")]
    pub server_metadata: BTreeMap<String, String>,

    /// Tags of the server, beside the machine type's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "tags_schema")]
    pub server_tags: Vec<String>,

    /// Description of the server; the machine type's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[^\x00-\x1f\x7f]*$"))]
    pub server_description: Option<String>,

    /// Boot from a volume that is made of the image; the machine type's if absent. Where the flavor has no disk, that is done
    /// without being asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_volume: Option<BootVolume>,

    /// Disks of the server with all that Nova can be told of them, beside `volumes`; the machine type's if absent. One with
    /// `bootIndex: 0` is what the server boots from. Only where the machine type lists `blockDevices` under `overrides`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub block_devices: Vec<BlockDevice>,

    /// The pool that made this node. Set by the operator when it makes the node. Cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool_ref: Option<PoolRef>,

    /// The claim that has this node. Set by the operator, once. When the claim is gone or has ended, the node is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_ref: Option<ClaimRef>,

    /// Any new value rebuilds a machine that was Ready: its root disk is made anew from the same image, or from another if
    /// `os` or `image` are new too. Address, ports, volumes and name stay; SSH host keys are new. A rebuild that failed is
    /// tried again by another new value. It cannot change while the machine is being made. A machine that boots from a volume
    /// cannot be rebuilt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub rebuild: Option<String>,
}

reads_empty_as_absent!(TestNodeSpec);

impl TestNodeSpec {
    /// A merge patch of a node that asks for a look at the console.
    #[must_use]
    pub fn asking_for_console(request: &str) -> serde_json::Value {
        serde_json::json!({"spec": {"consoleRequest": request}})
    }

    /// What it asks of a machine's system.
    #[must_use]
    pub fn asked_system(&self) -> AskedSystem {
        AskedSystem { os: self.os.clone(), image: self.image.clone(), rebuild: self.rebuild.clone() }
    }

    /// SHA-256 of all that it asks of a machine: whoever edits that wants another try at once.
    #[must_use]
    pub fn asks(&self) -> String {
        let mut asked = serde_json::to_value(self).unwrap_or_default();
        for field in ASIDE_FIELDS {
            asked.as_object_mut().and_then(|fields| fields.remove(*field));
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, asked.to_string().as_bytes());
        HEXLOWER.encode(digest.as_ref())
    }
}

impl TestNode {
    /// The host name: `spec.hostname`, else the object's name.
    #[must_use]
    pub fn hostname(&self) -> &str {
        self.spec.hostname.as_deref().or(self.metadata.name.as_deref()).unwrap_or_default()
    }

    /// A merge patch of this node that gives it to a claim, if nobody has written it meanwhile.
    #[must_use]
    pub fn given_to(
        &self,
        claim: &ClaimRef,
        owner: Option<&str>,
        description: Option<&str>,
    ) -> serde_json::Value {
        let metadata = &self.metadata;
        let mut spec = serde_json::json!({"claimRef": claim});
        for (field, text) in [("owner", owner), ("description", description)] {
            if let (Some(text), Some(fields)) = (text, spec.as_object_mut()) {
                fields.insert(field.into(), text.into());
            }
        }
        serde_json::json!({
            "metadata": {"uid": metadata.uid, "resourceVersion": metadata.resource_version}, "spec": spec,
        })
    }

    /// The status, unless it speaks of an earlier object of this name: then it was restored, and is not believed.
    #[must_use]
    pub fn own_status(&self) -> Option<&TestNodeStatus> {
        self.status.as_ref().filter(|status| status.uid.is_none() || status.uid == self.metadata.uid)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kube::CustomResourceExt;

    use super::*;

    /// Fields that a rule of their own never lets change.
    const NEVER_CHANGE: &[&str] = &["machineType", "hostname", "poolRef"];

    /// Fields that may be edited while there is a machine, and why.
    const MAY_CHANGE: &[(&str, &str)] = &[
        ("owner", "a machine is handed on; its metadata says who had it when it was made"),
        ("description", "people change their minds; nothing is made from it"),
        ("readiness", "the tester decides when the machine can be used; nothing is made from it"),
        ("expireAfter", "how long a node lives is decided at any time"),
        ("onFailure", "what becomes of a failed machine is decided when it has failed, or before"),
        ("hold", "it is for a machine that is there"),
        ("paused", "it must work whatever the machine does"),
        ("consoleRequest", "it asks to look at the machine that there is"),
        ("claimRef", "it is set once, for a machine that is there; a rule of its own keeps it"),
    ];

    #[test]
    fn every_field_of_a_node_is_settled_or_may_change_for_a_reason() {
        let schema = serde_json::to_value(TestNode::crd()).unwrap();
        let spec = &schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let there: BTreeSet<&str> =
            spec["properties"].as_object().unwrap().keys().map(String::as_str).collect();

        let may_change = MAY_CHANGE.iter().map(|(field, _)| field);
        let fixed = SETTLED_FIELDS.iter().chain(SYSTEM_FIELDS).chain(NEVER_CHANGE);
        let listed: Vec<&str> = fixed.chain(may_change).copied().collect();
        assert_eq!(there, listed.iter().copied().collect());
        assert_eq!(listed.len(), there.len(), "a field is listed twice");
    }

    /// A spec with another value in one field.
    fn edited(field: &str) -> TestNodeSpec {
        let value = match field {
            "paused" => serde_json::json!(true),
            "onFailure" => "Hold".into(),
            "readiness" | "volumes" | "blockDevices" => serde_json::json!([]),
            "expireAfter" => "1h".into(),
            "poolRef" => serde_json::json!({"name": "smithi", "uid": "p-1"}),
            "claimRef" => serde_json::json!({"namespace": "default", "name": "job", "uid": "c-1"}),
            "hold" => serde_json::json!({"until": "2030-01-01T00:00:00Z", "reason": "to look at it"}),
            other => format!("another {other}").into(),
        };
        serde_json::from_value(serde_json::json!({"machineType": "lab", field: value})).unwrap()
    }

    #[test]
    fn only_an_edit_of_what_a_machine_is_asked_to_be_asks_for_something_else() {
        let digest = edited("machineType").asks();

        for field in ASIDE_FIELDS {
            let spec = TestNodeSpec { machine_type: "another machineType".into(), ..edited(field) };
            assert_eq!(spec.asks(), digest, "{field}");
        }
        for field in ["onFailure", "readiness", "flavor", "keyName", "userData"] {
            let spec = TestNodeSpec { machine_type: "another machineType".into(), ..edited(field) };
            assert_ne!(spec.asks(), digest, "{field}");
        }
    }
}
