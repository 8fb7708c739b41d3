//! Whose claims a pool serves, for how long, and as what the lock server shows it.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::common::Period;

/// Whose claims a pool serves, and for how long.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
        "self.duration == '' || self.maxDuration == '' || duration(self.duration) <= duration(self.maxDuration)")
    .message("claims.duration is at most claims.maxDuration"))]
pub struct ClaimRules {
    /// `Same`: claims of the pool's own namespace. `All`: claims of every namespace.
    #[serde(default)]
    pub from: From,
    /// How long a claim that names no `duration` keeps its nodes.
    #[serde(default = "ClaimRules::usual")]
    pub duration: Period,
    /// No claim keeps its nodes longer than that, but for a hold.
    #[serde(default = "ClaimRules::longest")]
    pub max_duration: Period,
    /// A hold of a claim ends at the latest this long after its duration. A node whose slot is marked as down is kept at most
    /// this long after its claim is over.
    #[serde(default = "ClaimRules::held")]
    pub max_hold: Period,
    /// So many of the `max` nodes are only for claims that are `interactive`: for people who wait.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub reserve: i64,
    /// The claims of one namespace have at most so many nodes of the pool at once. No limit if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 5000))]
    pub max_nodes_per_namespace: Option<i64>,
}

impl ClaimRules {
    fn usual() -> Period {
        Period("8h".into())
    }

    fn longest() -> Period {
        Period("24h".into())
    }

    fn held() -> Period {
        Period("72h".into())
    }
}

impl Default for ClaimRules {
    fn default() -> Self {
        Self {
            from: From::Same,
            duration: Self::usual(),
            max_duration: Self::longest(),
            max_hold: Self::held(),
            reserve: 0,
            max_nodes_per_namespace: None,
        }
    }
}

/// Whose claims are served.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum From {
    /// Claims of the pool's namespace.
    #[default]
    Same,
    /// Claims of all namespaces.
    All,
}

/// A pool, as teuthology's lock server shows it: all pools of one `machineType` are one machine type of teuthology's, and each of
/// them is one operating system and architecture of it.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LockServed {
    /// teuthology's machine type; the template's `machineType` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?$"))]
    pub machine_type: Option<String>,
    /// The architecture that a suite asks for, as `aarch64`; `x86_64` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[A-Za-z0-9][-A-Za-z0-9._]*$"))]
    pub arch: Option<String>,
}
