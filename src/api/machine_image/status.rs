//! How far a `MachineImage` has come. One process writes it: `testnode-operator images`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reason::Reason;

/// How far it has come.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MachineImageStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: every cloud has a current image. `UpToDate`: and it is the newest version. `Reconciling`: something is under
    /// way, or waits by itself. `Stalled`: somebody must act, and the message says what to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The first twelve digits of the digest that the source has now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How many clouds have a current image, of how many, as `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// When the source was last looked at with success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Time>,
    /// The `refreshRequest` that was last obeyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub refreshed: Option<String>,
    /// The version that every cloud should have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Wanted>,
    /// Versions, the one that was wanted last first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 12))]
    pub versions: Vec<Version>,
    /// What is in each cloud.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub clouds: Vec<CloudImages>,
}

/// A version: which bytes, and how they are described.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Wanted {
    /// The digest of the file as it is published.
    pub digest: String,
    /// A short hash of format, properties and minimums.
    pub described: String,
}

/// What is known of a version.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// The digest of the file as it is published.
    pub digest: String,
    /// A short hash of format, properties and minimums.
    pub described: String,
    /// Where it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub url: Option<String>,
    /// The image that it was found in, where the source is an image. Absent once that image is known to be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<SourceImage>,
    /// When it was first wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_at: Option<Time>,
    /// SHA-512 of what was uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha512: Option<String>,
    /// Bytes that were uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<i64>,
    /// The size of the disk in it, as its head says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_size_bytes: Option<i64>,
    /// The smallest root disk that it fits on.
    #[serde(default, rename = "minDiskGiB", skip_serializing_if = "Option::is_none")]
    pub min_disk_gib: Option<i64>,
    /// The least memory that it boots with.
    #[serde(default, rename = "minRAMMiB", skip_serializing_if = "Option::is_none")]
    pub min_ram_mib: Option<i64>,
}

/// An image that is the source of a version.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceImage {
    /// The Cloud that has it.
    pub cloud: String,
    /// Glance's id.
    pub id: String,
}

/// What is in one cloud.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudImages {
    /// The Cloud.
    pub name: String,
    /// The image that machines are made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Current>,
    /// The project, pinned at the first login.
    #[serde(default, rename = "projectID", skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// All images of ours there, whatever their state; and in the cloud of `source.image` that image, which is not ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 24))]
    pub images: Vec<ImageRecord>,
}

/// The image that machines are made from.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Current {
    /// Glance's id.
    pub id: String,
    /// Its version.
    pub digest: String,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// An image of ours in a cloud.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageRecord {
    /// Glance's id. Unless `source` is true we chose it.
    pub id: String,
    /// Its version.
    pub digest: String,
    /// A short hash of format, properties and minimums.
    pub described: String,
    /// It is the image of `source.image` itself: it was there before, and is neither changed nor deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub source: bool,
    /// How far it has come.
    pub state: ImageState,
    /// Since when it is in this state, or when it last failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// How often its upload failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tries: i64,
    /// Bytes that were sent so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// Why it last failed, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it last failed, or what it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// The TestNode that tests it. Absent where there is none, or none any longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryRecord>,
}

/// The TestNode that tests an image.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CanaryRecord {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The generation of the MachineImage for which the test began, or ended with a failure. After an edit, a test that failed is
    /// made again.
    pub generation: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde wants")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// How far an image has come.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ImageState {
    /// It is being made.
    #[default]
    Uploading,
    /// All of it is there. It is not used before a TestNode became Ready with it.
    Testing,
    /// Machines can be made from it.
    Usable,
    /// It never became usable. It is deleted at once; if the test with a TestNode failed, once its version is not wanted any
    /// longer.
    Failed,
    /// Out of use; it is deleted once nothing uses it.
    Retired,
}

impl ImageRecord {
    /// Whether it is of these bytes, so described.
    #[must_use]
    pub fn is(&self, version: &Wanted) -> bool {
        self.digest == version.digest && self.described == version.described
    }

    /// Whether the test with a TestNode failed. Its bytes are right, so it can be tested again.
    #[must_use]
    pub fn failed_its_test(&self) -> bool {
        self.state == ImageState::Failed && self.reason.as_deref() == Some(Reason::CanaryFailed.as_str())
    }

    /// Whether a machine that names it by its id can be made from it.
    #[must_use]
    pub fn is_bootable(&self) -> bool {
        matches!(self.state, ImageState::Testing | ImageState::Usable) || self.failed_its_test()
    }
}

impl Version {
    /// Whether it is the one of these bytes, so described.
    #[must_use]
    pub fn is(&self, digest: &str, described: &str) -> bool {
        self.digest == digest && self.described == described
    }
}

impl MachineImageStatus {
    /// What is in a cloud.
    #[must_use]
    pub fn cloud(&self, name: &str) -> Option<&CloudImages> {
        self.clouds.iter().find(|cloud| cloud.name == name)
    }

    /// A version that is known.
    #[must_use]
    pub fn known(&self, digest: &str, described: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.is(digest, described))
    }
}
