//! Rebuilds: the machine stays, and its system is made anew.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Outcome, ResolvedImage};
use crate::api::common::Os;
use crate::api::server::ImageRef;
use crate::reason::Reason;

/// What a spec asked of a machine's system: if it asks for something else, the machine is rebuilt.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AskedSystem {
    /// `spec.os`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<Os>,
    /// `spec.image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRef>,
    /// `spec.rebuild`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<String>,
}

impl AskedSystem {
    /// The same system, fresh or not.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.os == other.os && self.image == other.image
    }
}

/// The last rebuild of a machine.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rebuild {
    /// Which boot of the machine it makes. The server's metadata `testnode-boot` says that it was begun.
    pub number: i64,
    /// What the spec asked for.
    pub asked: AskedSystem,
    /// The image.
    pub image: ResolvedImage,
    /// The operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<Os>,
    /// Metadata of the server beside our marks, where another system changes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
    /// Why this image was chosen.
    pub why: String,
    /// When it was opened, before its first request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Time>,
    /// When the server was first seen ACTIVE with its new system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_active_at: Option<Time>,
    /// When it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Time>,
    /// `Ready` or `Failed`; `Uncounted` if it failed and is no longer asked for.
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
}

impl Rebuild {
    /// It is under way.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }

    /// It failed, and nobody has asked for something else since.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.closed_at.is_some() && self.outcome.is_none_or(|outcome| outcome == Outcome::Failed)
    }
}
