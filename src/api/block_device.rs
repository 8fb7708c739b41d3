//! Disks of a server as Buildbot's `block_devices` says them.

use std::fmt;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a disk is made of.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SourceType {
    /// An image of Glance.
    #[default]
    Image,
    /// A snapshot of Cinder.
    Snapshot,
    /// A volume of Cinder that exists. It is not ours: it is attached, and never deleted.
    Volume,
}

impl fmt::Display for SourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Image => "image",
            Self::Snapshot => "snapshot",
            Self::Volume => "volume",
        })
    }
}

/// What a disk is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DestinationType {
    /// A volume of Cinder.
    #[default]
    Volume,
    /// The flavor's own disk.
    Local,
}

/// One disk of the server. Volumes that are made for it are made before the server, and are deleted with the node.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.sourceType in ['', 'image'] || has(self.uuid)")
    .message("give the uuid of the snapshot or of the volume"))]
#[x_kube(validation = Rule::new("self.destinationType in ['', 'volume'] || (self.sourceType in ['', 'image'] && self.bootIndex == 0)")
    .message("only the image to boot from can be local: a volume would be reserved and never attached, a snapshot would be \
              ignored; use destinationType: volume"))]
#[x_kube(validation = Rule::new("!has(self.volumeSize) || (self.destinationType in ['', 'volume'] && self.sourceType != 'volume')")
    .message("volumeSize goes with a volume that is made: one that exists has its size, and a local disk has the flavor's"))]
#[x_kube(validation = Rule::new("self.sourceType != 'volume' || !has(self.deleteOnTermination) || !self.deleteOnTermination")
    .message("a volume that exists is never deleted: leave deleteOnTermination out, or say false"))]
#[x_kube(validation = Rule::new("self.sourceType == 'volume' || !has(self.deleteOnTermination) || self.deleteOnTermination")
    .message("what is made for a node is deleted with it: leave deleteOnTermination out, or make the volume yourself and name \
              it with sourceType: volume"))]
pub struct BlockDevice {
    /// Id of the image, the snapshot or the volume. For an image, that of the node if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[0-9a-z-]+$"))]
    pub uuid: Option<String>,
    /// Size in GiB. If absent: that of the snapshot; or as `bootVolume` computes it, from the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub volume_size: Option<i64>,
    /// Its name in the machine, as `vdb` or `/dev/vdb`; each name once. Some hypervisors take it only as a hint.
    #[serde(default = "vda")]
    #[schemars(length(min = 3, max = 16), regex(pattern = r"^(/dev/)?(h|s|v|xv|ub)d[a-z]{1,2}$"))]
    pub device_name: String,
    /// `image`, `snapshot`, or `volume` for one that exists.
    #[serde(default)]
    pub source_type: SourceType,
    /// `volume`, or `local` for the flavor's own disk, which the server boots from.
    #[serde(default)]
    pub destination_type: DestinationType,
    /// Whether it is deleted with the node. What is made for the node always is, and a volume that exists never: this says
    /// no more than that, and is here so that a `block_devices` of Buildbot can be copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_on_termination: Option<bool>,
    /// `0`: the server boots from it. Each number once, and none left out; a negative one for disks that are never booted.
    #[serde(default)]
    #[schemars(range(min = -1, max = 15))]
    pub boot_index: i64,
}

fn vda() -> String {
    "vda".into()
}

impl BlockDevice {
    /// Its name, without the folder.
    #[must_use]
    pub fn device(&self) -> &str {
        self.device_name.strip_prefix("/dev/").unwrap_or(&self.device_name)
    }

    /// The server boots from it.
    #[must_use]
    pub fn boots(&self) -> bool {
        self.boot_index == 0
    }
}
