//! What several kinds share: operating systems, durations, volumes, networks, readiness checks, timeouts, Secrets.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::pattern::Pattern;

/// An operating system, as testers name it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Os {
    /// Distribution, in lower case: `ubuntu`, `debian`, `centos`, `rocky`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z][a-z0-9._-]*$"))]
    pub kind: String,
    /// Version as the distribution writes it: `22.04`, `12`, `9.stream`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    pub version: String,
}

impl std::fmt::Display for Os {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind, self.version)
    }
}

/// A length of time in Go's notation.
// A string inside: one malformed object must not break the watch of all.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Period(pub String);

impl Period {
    /// The length of time, or `default` if it cannot be read (the schema lets none of those in).
    #[must_use]
    pub fn or(&self, default: Duration) -> Duration {
        self.length().unwrap_or(default)
    }

    /// The length of time, if it can be read.
    #[must_use]
    pub fn length(&self) -> Option<Duration> {
        // kube's parser panics on a number that no Duration can hold.
        if self.0.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > 9) {
            return None;
        }
        kube::core::Duration::from_str(&self.0).ok().filter(|period| !period.is_negative()).map(Into::into)
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 24,
            "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$",
            "x-kubernetes-validations": [{
                "rule": "duration(self) >= duration('1s') && duration(self) <= duration('8760h')",
                "message": "a duration from 1s to 8760h, as 90s, 15m or 8h",
            }],
        })
    }
}

/// The least that a flavor must offer.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Virtual CPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub vcpus: Option<i64>,
    /// Memory in MiB.
    #[serde(default, rename = "ramMiB", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 33_554_432))]
    pub ram_mib: Option<i64>,
    /// Root disk in GiB.
    #[serde(default, rename = "diskGiB", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub disk_gib: Option<i64>,
}

/// Data volumes of one kind, attached in order as `name-0`, `name-1`, ….
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Volumes {
    /// Name of the group; its volumes are called `<name>-0`, `<name>-1`, ….
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// How many.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 24))]
    pub count: i64,
    /// Size of each, in GiB.
    #[serde(rename = "sizeGiB")]
    #[schemars(range(min = 1, max = 65_536))]
    pub size_gib: i64,
    /// Cinder volume type, by its name or its id; the cloud's default if absent.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub kind: Option<String>,
}

fn one() -> i64 {
    1
}

/// A network to have a port on.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.id), has(self.name), has(self.nameRegex), has(self.portID)].filter(x, x).size() == 1")
    .message("give exactly one of a network's id, its name, a nameRegex, a portID"))]
#[x_kube(validation = Rule::new(
        "!has(self.portID) || !(has(self.fixedIPs) || has(self.portSecurity) || has(self.securityGroups))")
    .message("a port that exists has its addresses and security groups: leave fixedIPs, portSecurity and securityGroups out"))]
#[x_kube(validation = Rule::new("!has(self.nameRegex) || !has(self.fixedIPs)")
    .message("fixedIPs need the id or the name of a network: a nameRegex can match several"))]
#[x_kube(validation = Rule::new(
        "!has(self.securityGroups) || !has(self.portSecurity) || self.portSecurity")
    .message("without portSecurity there are no securityGroups"))]
pub struct NetworkChoice {
    /// Neutron id of the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub id: Option<String>,
    /// Name of the network; it must match exactly one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
    /// A regular expression for the whole name. All networks that it matches are taken, in the order of their names, if they
    /// are the project's own or external (`router:external`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub name_regex: Option<Pattern>,
    /// The addresses to have there; any free ones if absent. Neutron lets only the project that owns the network choose.
    #[serde(default, rename = "fixedIPs", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), inner(length(min = 2, max = 45), regex(pattern = r"^[0-9a-fA-F:.]+$")))]
    pub fixed_ips: Vec<String>,
    /// Whether Neutron lets only the port's own addresses and what its security groups allow through; as for the whole network
    /// if absent. With `false` the port has no security groups; only the project that owns the network can ask for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_security: Option<bool>,
    /// Security groups (names or ids) of the port there; those of the node if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), inner(length(min = 1, max = 255)))]
    pub security_groups: Vec<String>,
    /// Neutron id of a port that exists, instead of one that is made. It is used as it is, by one node at a time, and never
    /// deleted. A node needs the override `securityGroups` for it, as the port has its own.
    #[serde(default, rename = "portID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[0-9a-z-]+$"))]
    pub port_id: Option<String>,
}

impl NetworkChoice {
    /// It says which security groups its port has, or that it has none.
    #[must_use]
    pub fn chooses_groups(&self) -> bool {
        !self.security_groups.is_empty() || self.port_security == Some(false) || self.port_id.is_some()
    }
}

/// Whether a machine is given a floating IP.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum FloatingIpPolicy {
    /// No.
    #[default]
    None,
    /// If none of its networks is external (`router:external`) and the cloud has an external network. Where no router
    /// joins the two, the machine keeps to its fixed address.
    IfNeeded,
    /// Yes. Without one the machine is not made.
    Always,
}

/// A floating IP: an address of an external network, on loan, that leads to a port of the machine.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.pool) || self.policy != 'None'")
    .message("pool goes with policy IfNeeded or Always"))]
pub struct FloatingIpChoice {
    /// `None`; `IfNeeded`: if none of the machine's networks is external and the cloud has an external one; `Always`.
    #[serde(default)]
    pub policy: FloatingIpPolicy,
    /// The external network that it comes from, by name or id. If absent: the only one of the cloud, or its default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub pool: Option<String>,
}

/// The kinds of readiness check.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CheckKind {
    /// The end of cloud-init, as the serial console shows it, and the SSH host keys that it prints there.
    Console,
    /// A TCP port that accepts a connection from the operator.
    Tcp,
    /// An sshd that has the host key that is known.
    Ssh,
}

/// One thing that must be true before the node is Ready.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.port) ? self.type != 'console' : self.type != 'tcp'")
    .message("port goes with type tcp, which needs it, and with type ssh"))]
#[x_kube(validation = Rule::new("has(self.user) == has(self.keySecretRef) && (!has(self.user) || self.type == 'ssh')")
    .message("user and keySecretRef go together, with type ssh"))]
#[x_kube(validation = Rule::new("!has(self.sentinel) || has(self.user)").message("sentinel needs user and keySecretRef"))]
pub struct ReadinessCheck {
    /// `console`: the end of cloud-init, as the serial console shows it (needs no network path, and brings the SSH host
    /// keys over a channel that can be trusted). `tcp`: a port that accepts a connection; for images without cloud-init,
    /// and for clouds that show no console. `ssh`: an sshd that proves one of the host keys that the console showed. If none
    /// is known, because no check before it read the console or none was printed, the first key that is seen counts, and
    /// `status.ssh.hostKeysFrom` says so.
    #[serde(rename = "type")]
    pub kind: CheckKind,
    /// The port, for `tcp` and `ssh`; 22 if absent, for `ssh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<i32>,
    /// How long after ACTIVE this check may take to pass; the whole of `timeouts.boot`, which also cuts it, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Period>,
    /// For `ssh`, in a machine type only: log in as this user, which must succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[a-z_][a-z0-9_-]*$"))]
    pub user: Option<String>,
    /// The private key for that: a Secret in the operator's namespace with the key `ssh-privatekey`, as
    /// `ssh-keygen -t ed25519` writes it, without a passphrase. Whoever deploys the machines gives them the public half, as in
    /// `sshAuthorizedKeys` of the machine type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_secret_ref: Option<SecretRef>,
    /// A file that must be there once logged in, as `/.teuth_provisioned`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 255), regex(pattern = r"^/[A-Za-z0-9._/-]+$"))]
    pub sentinel: Option<String>,
}

impl ReadinessCheck {
    /// A check of a kind, and nothing more.
    #[must_use]
    pub const fn new(kind: CheckKind) -> Self {
        Self { kind, port: None, timeout: None, user: None, key_secret_ref: None, sentinel: None }
    }

    /// The check as a node may have it: it cannot name a Secret of the operator.
    #[must_use]
    pub fn without_login(self) -> Self {
        Self { user: None, key_secret_ref: None, sentinel: None, ..self }
    }
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

/// A Secret in the operator's namespace.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_reads_as_go_writes_it() {
        let fallback = Duration::from_secs(7);

        assert_eq!(Period("15m".into()).or(fallback), Duration::from_mins(15));
        assert_eq!(Period("1h30m".into()).or(fallback), Duration::from_mins(90));
        assert_eq!(Period("500ms".into()).or(fallback), Duration::from_millis(500));
        assert_eq!(Period("soon".into()).or(fallback), fallback);
        assert_eq!(Period("99999999999999999999h".into()).or(fallback), fallback);
    }
}
