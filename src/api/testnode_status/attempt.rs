//! Attempts to make a machine. They are remembered: what a node does next follows from them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AskedSystem, Outcome, Rebuild, Resolved};
use crate::reason::Reason;

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
    /// What the spec asked of the machine's system when it was made. Something else asks for a rebuild.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<AskedSystem>,
    /// The last rebuild of the machine that it made. Once that is done, `resolved` and `asked` speak of the new system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<Rebuild>,
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
