//! `MachineImage`: one image, from one source, in every cloud.

#![allow(
    dead_code,
    reason = "the copy that KubeSchema derives from has no derives of serde, as `remote` is its own"
)]

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::absent::reads_empty_as_absent;
use super::common::Period;

mod source;
mod status;

pub use source::{ImageSource, Source, SourceSelection, UrlSource};
pub use status::{
    CanaryRecord, CloudImages, Current, ImageRecord, ImageState, MachineImageStatus, SourceImage, Version,
    Wanted,
};

/// Properties that Glance, or this operator, keeps for itself.
const RESERVED: &[&str] = &[
    "id",
    "name",
    "owner",
    "status",
    "size",
    "virtual_size",
    "checksum",
    "os_hash_algo",
    "os_hash_value",
    "os_hidden",
    "visibility",
    "protected",
    "tags",
    "min_disk",
    "min_ram",
    "disk_format",
    "container_format",
    "created_at",
    "updated_at",
    "deleted",
    "deleted_at",
    "direct_url",
    "location",
    "locations",
    "stores",
    "file",
    "schema",
    "self",
];

/// An image, where it comes from, and the clouds that are to have it.
#[derive(CustomResource, KubeSchema, Clone, Debug, Deserialize, PartialEq, Serialize)]
#[kube(
    group = "testnode.dev",
    version = "v1alpha1",
    kind = "MachineImage",
    plural = "machineimages",
    status = "MachineImageStatus",
    derive = "PartialEq",
    shortname = "mi",
    category = "testlab",
    doc = "One image, from one source, in every cloud: the newest version is kept in each of its clouds, and an old one is \
           removed when nothing uses it. It is looked after by `testnode-operator images` (chart value images.enabled).",
    printcolumn = r#"{"name":"Version","type":"string","jsonPath":".status.version"}"#,
    printcolumn = r#"{"name":"Clouds","type":"string","jsonPath":".status.ready"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"UpToDate","type":"string","jsonPath":".status.conditions[?(@.type==\"UpToDate\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"UpToDate\")].reason"}"#,
    printcolumn = r#"{"name":"Checked","type":"date","jsonPath":".status.checkedAt","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type==\"UpToDate\")].message","priority":1}"#,
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name has at most 63 characters"),
)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct MachineImageSpec {
    /// Where the image comes from.
    pub source: Source,

    /// What the file must be, after it is decompressed. It is never converted: a cloud that wants raw images needs a source
    /// that publishes raw, in a MachineImage of its own.
    #[serde(default)]
    pub format: Format,

    /// How often a source that can change is looked at, from 10m to 30d.
    #[serde(default = "a_day")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('10m') && duration(self) <= duration('720h')")
        .message("from 10m to 720h"))]
    pub refresh: Period,

    /// Any new value: look at the source now, and try again what failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub refresh_request: Option<String>,

    /// The Clouds that are to have it. A Cloud that is taken out gives up the image there, once nothing uses it.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub clouds: Vec<ImageCloud>,

    /// How many good versions are kept in each cloud, the current one included. What a machine was made from is kept, too.
    #[serde(default = "two")]
    #[schemars(range(min = 1, max = 8))]
    pub keep: i64,

    /// Digests, as in `status.versions`, that are not used any more: each is out of use within seconds, and the version before
    /// it is taken. A digest in this list is never used again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "digests_schema")]
    pub reject: Vec<String>,

    /// Properties of the image, as `hw_disk_bus: scsi`. An edit makes a new version: an image that exists is not changed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "properties_schema")]
    pub properties: BTreeMap<String, String>,

    /// The smallest root disk that it fits on. If absent: the size that the file's own head gives, where it is known.
    #[serde(default, rename = "minDiskGiB", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub min_disk_gib: Option<i64>,

    /// The least memory that it boots with.
    #[serde(default, rename = "minRAMMiB", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub min_ram_mib: Option<i64>,

    /// A file with more bytes than this, after it is decompressed, is not sent.
    #[serde(default = "thirty_two", rename = "maxSizeGiB")]
    #[schemars(range(min = 1, max = 1024))]
    pub max_size_gib: i64,

    /// Upload nothing and remove nothing. A `reject` still counts, and the MachineImage can be deleted.
    #[serde(default)]
    pub paused: bool,
}

reads_empty_as_absent!(MachineImageSpec);

fn a_day() -> Period {
    Period("24h".into())
}

fn two() -> i64 {
    2
}

fn thirty_two() -> i64 {
    32
}

fn digests_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "set",
        "items": {"type": "string", "maxLength": 135, "pattern": source::DIGEST},
    })
}

fn properties_schema(_: &mut SchemaGenerator) -> Schema {
    let reserved = RESERVED.join("', '");
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": {"type": "string", "maxLength": 255},
        "x-kubernetes-validations": [
            {
                "rule": "self.all(key, key.matches('^[a-z0-9_][a-z0-9_:.-]{0,127}$'))",
                "message": "a property begins with one of a-z, 0-9 and _, and has at most 128 of a-z, 0-9, '_', ':', '.' and '-'",
            },
            {
                "rule": format!(
                    "self.all(key, !key.startsWith('testnode') && !key.startsWith('os_glance') && !(key in ['{reserved}']))"
                ),
                "message": "a property that Glance or the operator keeps for itself cannot be set",
            },
        ],
    })
}

/// The formats of a disk that are uploaded.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// QEMU's, version 2 or 3, in one file.
    #[default]
    Qcow2,
    /// A whole disk, byte for byte.
    Raw,
}

impl Format {
    /// Glance's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Qcow2 => "qcow2",
            Self::Raw => "raw",
        }
    }
}

/// A Cloud that is to have the image.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageCloud {
    /// Name of the Cloud.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,

    /// Name of a MachineType: a new version is used in this cloud only after a TestNode of this type became Ready with it. The
    /// type must have a rule under `images` that names this MachineImage. The TestNode is made, and deleted again, in the
    /// namespace that the chart value images.canaryNamespace names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub canary: Option<String>,
}

impl MachineImageSpec {
    /// The MachineType that a new version is tested with in a cloud.
    #[must_use]
    pub fn canary(&self, cloud: &str) -> Option<&str> {
        self.clouds.iter().find(|wanted| wanted.name == cloud)?.canary.as_deref()
    }

    /// Whether a Cloud is to have it.
    #[must_use]
    pub fn is_for(&self, cloud: &str) -> bool {
        self.clouds.iter().any(|wanted| wanted.name == cloud)
    }

    /// Whether it is of interest what becomes of a Cloud: it is to have the image, or has the source.
    #[must_use]
    pub fn names(&self, cloud: &str) -> bool {
        self.is_for(cloud) || self.source.is_in(cloud)
    }

    /// Whether a version is out of use.
    #[must_use]
    pub fn rejects(&self, digest: &str) -> bool {
        self.reject.iter().any(|rejected| rejected == digest)
    }
}
