//! What is in a cloud without a `TestNode`: what to do about it, and what there is.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::Period;

/// What to do about orphans.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum OrphanMode {
    /// Tell of them: in the status, an event and a metric.
    #[default]
    Report,
    /// Tell of them, and delete them.
    Delete,
    /// Do not look for them.
    Off,
}

/// What to do about things of ours that belong to no TestNode.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrphanPolicy {
    /// `Report` tells of them, `Delete` deletes them too, `Off` does not look for them. A server or volume with the
    /// metadata `testnode-kept: "true"` is left alone.
    #[serde(default)]
    pub mode: OrphanMode,
    /// Only what is older than this is deleted.
    #[serde(default = "half_an_hour")]
    pub min_age: Period,
    /// At most so many things are deleted a sweep. There is one each minute.
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = 100))]
    pub max_per_sweep: i64,
}

impl Default for OrphanPolicy {
    fn default() -> Self {
        Self { mode: OrphanMode::Report, min_age: half_an_hour(), max_per_sweep: five() }
    }
}

fn half_an_hour() -> Period {
    Period("30m".into())
}

fn five() -> i64 {
    5
}

/// What was found in a cloud that belongs to no TestNode.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Orphans {
    /// All of them.
    pub total: i64,
    /// Servers.
    pub servers: i64,
    /// Volumes.
    pub volumes: i64,
    /// Ports.
    pub ports: i64,
    /// Floating IPs.
    #[serde(default, rename = "floatingIPs")]
    pub floating_ips: i64,
    /// Names that may still point at one of them.
    pub names: i64,
    /// The first of them, by node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub items: Vec<Orphan>,
}

/// One thing that belongs to no TestNode.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Orphan {
    /// `server`, `volume`, `floatingIP`, `port` or `name`.
    pub kind: String,
    /// The cloud's id of it; the full name, of a name.
    pub id: String,
    /// Its name in the cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The TestNode it was made for, as `namespace/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Since when it is known to be an orphan.
    pub since: Time,
    /// Why it is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A node that was released while its cloud could not be asked, and what it may have left there.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Abandoned {
    /// The TestNode, as `namespace/name`.
    pub node: String,
    /// Its UID, which everything that it left is marked with.
    pub uid: String,
    /// Why: the words of the annotation.
    pub reason: String,
    /// Since when.
    pub since: Time,
    /// Ids of servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub servers: Vec<String>,
    /// Ids of volumes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub volumes: Vec<String>,
    /// Ids of ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub ports: Vec<String>,
    /// Ids of floating IPs.
    #[serde(default, rename = "floatingIPs", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub floating_ips: Vec<String>,
    /// The name in DNS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fqdn: Option<String>,
    /// Every address that may be set under the name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub addresses: Vec<String>,
}

impl Abandoned {
    /// What may be left, for people.
    #[must_use]
    pub fn left(&self) -> String {
        let ids = |word: &str, ids: &[String]| match ids {
            [] => None,
            [id] => Some(format!("{word} {id}")),
            ids => Some(format!("{word}s {}", ids.join(", "))),
        };
        let name = self.fqdn.as_ref().map(|fqdn| format!("name {fqdn} ({})", self.addresses.join(", ")));
        let parts = [
            ids("server", &self.servers),
            ids("volume", &self.volumes),
            ids("floating IP", &self.floating_ips),
            ids("port", &self.ports),
            name,
        ];
        let known: Vec<String> = parts.into_iter().flatten().collect();
        if known.is_empty() { "nothing that is known of".into() } else { known.join("; ") }
    }
}
