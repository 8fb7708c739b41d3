//! Cinder's JSON.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Attachment, BlockStorageLimits, NewVolume, Snapshot, Volume};
use crate::openstack::compute::Usage;
use crate::openstack::page::Page;
use crate::openstack::wire::{
    Link, has_next, instant, items, items_if_any, lenient, maybe_number, number, texts, word,
};
use crate::openstack::{AttachmentId, ServerId, VolumeId};

pub(super) fn create_volume(new: &NewVolume) -> Value {
    let mut volume = json!({ "name": new.name, "size": new.size_gib, "metadata": new.metadata });
    if let Some(map) = volume.as_object_mut() {
        map.extend(new.volume_type.iter().map(|word| ("volume_type".to_owned(), json!(word))));
        map.extend(new.availability_zone.iter().map(|zone| ("availability_zone".to_owned(), json!(zone))));
        map.extend(new.image.iter().map(|image| ("imageRef".to_owned(), json!(image))));
        map.extend(new.snapshot.iter().map(|id| ("snapshot_id".to_owned(), json!(id))));
    }
    json!({ "volume": volume })
}

#[derive(Deserialize)]
pub(super) struct VolumeBody {
    pub volume: WireVolume,
}

#[derive(Deserialize)]
pub(super) struct SnapshotBody {
    pub snapshot: WireSnapshot,
}

#[derive(Deserialize)]
pub(super) struct WireSnapshot {
    #[serde(default, deserialize_with = "word")]
    status: String,
    #[serde(default, rename = "os-extended-snapshot-attributes:project_id", deserialize_with = "word")]
    project: String,
    #[serde(default, deserialize_with = "number")]
    size: u32,
}

impl From<WireSnapshot> for Snapshot {
    fn from(wire: WireSnapshot) -> Self {
        Self { status: wire.status, project: wire.project, size_gib: wire.size }
    }
}

#[derive(Deserialize)]
pub(super) struct VolumePage {
    #[serde(deserialize_with = "items")]
    volumes: Vec<WireVolume>,
    #[serde(default, deserialize_with = "items_if_any")]
    volumes_links: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct WireVolume {
    id: VolumeId,
    #[serde(default, deserialize_with = "word")]
    name: String,
    #[serde(default, deserialize_with = "word")]
    status: String,
    #[serde(default, deserialize_with = "number")]
    size: u32,
    #[serde(default, deserialize_with = "texts")]
    metadata: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "items_if_any")]
    attachments: Vec<WireClaim>,
    #[serde(default, deserialize_with = "instant")]
    created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "word")]
    availability_zone: String,
    #[serde(default, deserialize_with = "word")]
    volume_type: String,
    /// A word, not a boolean.
    #[serde(default, deserialize_with = "word")]
    bootable: String,
    #[serde(default, deserialize_with = "texts")]
    volume_image_metadata: BTreeMap<String, String>,
    #[serde(default, rename = "os-vol-tenant-attr:tenant_id", deserialize_with = "word")]
    project: String,
}

#[derive(Deserialize)]
pub(super) struct WireClaim {
    #[serde(default, deserialize_with = "lenient")]
    server_id: Option<ServerId>,
    #[serde(default, deserialize_with = "word")]
    device: String,
}

impl From<WireVolume> for Volume {
    fn from(wire: WireVolume) -> Self {
        Self {
            id: wire.id,
            name: wire.name,
            project: wire.project,
            status: wire.status.as_str().into(),
            size_gib: wire.size,
            metadata: wire.metadata,
            device: wire
                .attachments
                .iter()
                .map(|claim| claim.device.clone())
                .find(|device| !device.is_empty()),
            attached_to: wire.attachments.into_iter().filter_map(|claim| claim.server_id).collect(),
            created: wire.created_at,
            availability_zone: wire.availability_zone,
            volume_type: Some(wire.volume_type).filter(|word| !word.is_empty()),
            bootable: wire.bootable.eq_ignore_ascii_case("true"),
            image: wire.volume_image_metadata.get("image_id").cloned(),
        }
    }
}

impl Page for VolumePage {
    type Item = WireVolume;

    fn next(&self) -> Option<String> {
        self.volumes.last().filter(|_| has_next(&self.volumes_links)).map(|last| last.id.0.clone())
    }

    fn items(self) -> Vec<WireVolume> {
        self.volumes
    }
}

#[derive(Deserialize)]
pub(super) struct AttachmentPage {
    #[serde(deserialize_with = "items")]
    attachments: Vec<WireAttachment>,
    #[serde(default, deserialize_with = "items_if_any")]
    attachments_links: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct WireAttachment {
    id: AttachmentId,
    #[serde(default, deserialize_with = "lenient")]
    instance: Option<ServerId>,
    #[serde(default, deserialize_with = "lenient")]
    pub volume_id: Option<VolumeId>,
    #[serde(default, deserialize_with = "word")]
    status: String,
}

impl From<WireAttachment> for Attachment {
    fn from(wire: WireAttachment) -> Self {
        Self { id: wire.id, instance: wire.instance, status: wire.status }
    }
}

impl Page for AttachmentPage {
    type Item = WireAttachment;

    fn next(&self) -> Option<String> {
        self.attachments.last().filter(|_| has_next(&self.attachments_links)).map(|last| last.id.0.clone())
    }

    fn items(self) -> Vec<WireAttachment> {
        self.attachments
    }
}

#[derive(Deserialize)]
pub(super) struct TypePage {
    #[serde(deserialize_with = "items")]
    volume_types: Vec<WireType>,
    #[serde(default, deserialize_with = "items_if_any")]
    volume_type_links: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct WireType {
    pub id: String,
    #[serde(default, deserialize_with = "word")]
    pub name: String,
}

impl Page for TypePage {
    type Item = WireType;

    fn next(&self) -> Option<String> {
        self.volume_types.last().filter(|_| has_next(&self.volume_type_links)).map(|last| last.id.clone())
    }

    fn items(self) -> Vec<WireType> {
        self.volume_types
    }
}

#[derive(Deserialize)]
pub(super) struct LimitsBody {
    limits: Limits,
}

#[derive(Deserialize)]
struct Limits {
    #[serde(default, deserialize_with = "lenient")]
    absolute: Absolute,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Absolute {
    #[serde(default, deserialize_with = "number")]
    total_volumes_used: i64,
    #[serde(default, deserialize_with = "maybe_number")]
    max_total_volumes: Option<i64>,
    #[serde(default, deserialize_with = "number")]
    total_gigabytes_used: i64,
    #[serde(default, deserialize_with = "maybe_number")]
    max_total_volume_gigabytes: Option<i64>,
}

impl From<LimitsBody> for BlockStorageLimits {
    fn from(body: LimitsBody) -> Self {
        let limits = body.limits.absolute;
        Self {
            volumes: Usage::new(limits.total_volumes_used, limits.max_total_volumes),
            gigabytes: Usage::new(limits.total_gigabytes_used, limits.max_total_volume_gigabytes),
        }
    }
}
