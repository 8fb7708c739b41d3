//! The volume that a server boots from, where it has one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of the volume that a machine boots from. A data volume's name ends with a number.
pub const BOOT: &str = "boot";

/// A volume made from the image, from which the server boots. It is deleted with the node.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BootVolume {
    /// Its size in GiB. If absent: as large as the image, and the disk that is asked for, need it, or 20.
    #[serde(default, rename = "sizeGiB", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub size_gib: Option<i64>,
    /// Cinder volume type, by its name or its id; the cloud's default if absent.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub kind: Option<String>,
}
