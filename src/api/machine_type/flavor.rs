//! How a machine type finds its flavor.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::pattern::Pattern;

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
