//! How a machine type finds the image of an operating system.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::common::Os;
use crate::api::pattern::Pattern;

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
        "[has(self.id), has(self.name), has(self.nameRegex), has(self.properties), has(self.machineImage)].filter(x, x).size() == 1")
    .message("images: give exactly one of id, name, nameRegex, properties, machineImage"))]
#[x_kube(validation = Rule::new(
        "!(has(self.id) || has(self.machineImage)) || !(has(self.owner) || has(self.visibility) || has(self.minCreated))")
    .message("images: owner, visibility and minCreated choose among several; with an id or a machineImage there is only one"))]
#[x_kube(validation = Rule::new("!has(self.machineImage) || self.selection == 'Error' || self.selection == ''")
    .message("images: selection chooses among several; with a machineImage there is only one"))]
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
    /// The MachineImage whose current image in the node's cloud is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub machine_image: Option<String>,
    /// The Clouds that this rule is for; all if absent. The first rule for a node's operating system and cloud counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))
    )]
    pub clouds: Vec<String>,
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

impl ImageRule {
    /// Whether it is for machines in a cloud.
    #[must_use]
    pub fn serves(&self, cloud: &str) -> bool {
        self.clouds.is_empty() || self.clouds.iter().any(|served| served == cloud)
    }
}
