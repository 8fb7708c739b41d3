//! Cinder: volumes and servers' claims on them.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::request::Request;
use super::session::Page;
use super::wire::{Link, has_next, instant, or_default, texts};
use super::{AttachmentId, Error, ServerId, Service, Session, VolumeId};
use crate::openstack::compute::Usage;

/// Calls on Cinder.
#[derive(Clone, Debug)]
pub struct BlockStorage(pub(super) Session);

/// A volume as Cinder shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// Its id.
    pub id: VolumeId,
    /// Its name, which need not be unique.
    pub name: String,
    /// Where it is in its life.
    pub status: VolumeStatus,
    /// Its size.
    pub size_gib: u32,
    /// Where our marks are.
    pub metadata: BTreeMap<String, String>,
    /// The servers that have it. Empty while it is merely reserved.
    pub attached_to: Vec<ServerId>,
    /// When Cinder says it was made.
    pub created: Option<Timestamp>,
    /// What the server calls it: `/dev/vdb`.
    pub device: Option<String>,
    /// Where it is.
    pub availability_zone: String,
    /// Its type.
    pub volume_type: Option<String>,
}

/// Where a volume is in its life.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum VolumeStatus {
    /// Being made.
    Creating,
    /// Free.
    Available,
    /// Promised to a server.
    Reserved,
    /// On its way to a server.
    Attaching,
    /// On a server.
    InUse,
    /// On its way from a server.
    Detaching,
    /// Going.
    Deleting,
    /// Could not be made, or broke.
    Error,
    /// Could not be deleted, and only an admin can.
    ErrorDeleting,
    /// Any other word.
    Other(String),
}

/// A volume to make.
#[derive(Clone, Debug, PartialEq)]
pub struct NewVolume {
    /// Its name.
    pub name: String,
    /// Its size.
    pub size_gib: u32,
    /// The cloud's default type if absent.
    pub volume_type: Option<String>,
    /// Cinder's zone, which need not be Nova's.
    pub availability_zone: Option<String>,
    /// Our marks.
    pub metadata: BTreeMap<String, String>,
    /// An image to fill it with, for a boot volume.
    pub image: Option<super::ImageId>,
}

/// A server's claim on a volume.
#[derive(Clone, Debug, PartialEq)]
pub struct Attachment {
    /// Its id.
    pub id: AttachmentId,
    /// Whose claim it is; the server need not exist yet, or any more.
    pub instance: Option<ServerId>,
    /// `reserved`, `attaching`, `attached`, …
    pub status: String,
}

/// What the project may have of volumes, and has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BlockStorageLimits {
    /// How many.
    pub volumes: Usage,
    /// How much, in GiB.
    pub gigabytes: Usage,
}

impl BlockStorage {
    /// All volumes whose metadata has this.
    ///
    /// # Errors
    /// If any page could not be had.
    pub async fn list_volumes(&self, key: &str, value: &str) -> Result<Vec<Volume>, Error> {
        let filter = json!({ key: value }).to_string();
        let request = Request::get("list volumes", Service::BlockStorage, &["volumes", "detail"])
            .query("metadata", filter);
        let volumes = self.0.pages::<VolumePage>(request).await?;
        // An unknown parameter is ignored with 200: believe the marks, not the filter.
        Ok(volumes.into_iter().map(Volume::from).filter(|volume| volume.has(key, value)).collect())
    }

    /// One volume.
    ///
    /// # Errors
    /// As Cinder answers; 404 is [`Error::is_not_found`].
    pub async fn volume(&self, id: &VolumeId) -> Result<Volume, Error> {
        let request = Request::get("look at volume", Service::BlockStorage, &["volumes", &id.0]);
        Ok(self.0.json::<VolumeBody>(request).await?.volume.into())
    }

    /// Asks for a volume.
    ///
    /// # Errors
    /// As Cinder answers.
    pub async fn create_volume(&self, new: &NewVolume) -> Result<Volume, Error> {
        let mut volume = json!({ "name": new.name, "size": new.size_gib, "metadata": new.metadata });
        if let Some(map) = volume.as_object_mut() {
            map.extend(new.volume_type.iter().map(|word| ("volume_type".to_owned(), json!(word))));
            map.extend(
                new.availability_zone.iter().map(|zone| ("availability_zone".to_owned(), json!(zone))),
            );
            map.extend(new.image.iter().map(|image| ("imageRef".to_owned(), json!(image))));
        }
        let body = json!({ "volume": volume });
        let request = Request::post("create volume", Service::BlockStorage, &["volumes"], body);
        Ok(self.0.json::<VolumeBody>(request).await?.volume.into())
    }

    /// Asks a volume to go.
    ///
    /// # Errors
    /// As Cinder answers: 400 while it is in use, and also while it is going already.
    pub async fn delete_volume(&self, id: &VolumeId) -> Result<(), Error> {
        self.0.done(Request::delete("delete volume", Service::BlockStorage, &["volumes", &id.0])).await
    }

    /// The claims on a volume; the only place where a mere reservation shows.
    ///
    /// # Errors
    /// If any page could not be had.
    pub async fn attachments(&self, volume: &VolumeId) -> Result<Vec<Attachment>, Error> {
        let request = Request::get("list attachments", Service::BlockStorage, &["attachments"])
            .query("volume_id", volume.0.as_str());
        let attachments = self.0.pages::<AttachmentPage>(request).await?;
        Ok(attachments
            .into_iter()
            // An unknown parameter is ignored: never free another volume's.
            .filter(|wire| wire.volume_id.as_ref().is_none_or(|id| id == volume))
            .map(Attachment::from)
            .collect())
    }

    /// Frees a claim.
    ///
    /// # Errors
    /// As Cinder answers.
    pub async fn delete_attachment(&self, id: &AttachmentId) -> Result<(), Error> {
        self.0
            .done(Request::delete("delete attachment", Service::BlockStorage, &["attachments", &id.0]))
            .await
    }

    /// The names of the volume types.
    ///
    /// # Errors
    /// As Cinder answers.
    pub async fn volume_types(&self) -> Result<Vec<String>, Error> {
        let request = Request::get("list volume types", Service::BlockStorage, &["types"]);
        let types = self.0.pages::<TypePage>(request).await?;
        Ok(types.into_iter().map(|kind| kind.name).collect())
    }

    /// What the project may have, and has.
    ///
    /// # Errors
    /// As Cinder answers.
    pub async fn limits(&self) -> Result<BlockStorageLimits, Error> {
        let request = Request::get("read volume limits", Service::BlockStorage, &["limits"]);
        let limits = self.0.json::<LimitsBody>(request).await?.limits.absolute;
        Ok(BlockStorageLimits {
            volumes: Usage::new(limits.total_volumes_used, limits.max_total_volumes),
            gigabytes: Usage::new(limits.total_gigabytes_used, limits.max_total_volume_gigabytes),
        })
    }
}

impl Volume {
    fn has(&self, key: &str, value: &str) -> bool {
        self.metadata.get(key).is_some_and(|known| known == value)
    }
}

impl From<&str> for VolumeStatus {
    fn from(word: &str) -> Self {
        match word {
            "creating" => Self::Creating,
            "available" => Self::Available,
            "reserved" => Self::Reserved,
            "attaching" => Self::Attaching,
            "in-use" => Self::InUse,
            "detaching" => Self::Detaching,
            "deleting" => Self::Deleting,
            "error" => Self::Error,
            "error_deleting" => Self::ErrorDeleting,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Cinder's word for it.
impl fmt::Display for VolumeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Creating => "creating",
            Self::Available => "available",
            Self::Reserved => "reserved",
            Self::Attaching => "attaching",
            Self::InUse => "in-use",
            Self::Detaching => "detaching",
            Self::Deleting => "deleting",
            Self::Error => "error",
            Self::ErrorDeleting => "error_deleting",
            Self::Other(word) => word,
        })
    }
}

#[derive(Deserialize)]
struct VolumeBody {
    volume: WireVolume,
}

#[derive(Deserialize)]
struct VolumePage {
    volumes: Vec<WireVolume>,
    #[serde(default)]
    volumes_links: Vec<Link>,
}

#[derive(Deserialize)]
struct WireVolume {
    id: VolumeId,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    status: String,
    #[serde(default, deserialize_with = "or_default")]
    size: u32,
    #[serde(default, deserialize_with = "texts")]
    metadata: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    attachments: Vec<WireClaim>,
    #[serde(default, deserialize_with = "instant")]
    created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "or_default")]
    availability_zone: String,
    volume_type: Option<String>,
}

#[derive(Deserialize)]
struct WireClaim {
    server_id: Option<ServerId>,
    device: Option<String>,
}

impl From<WireVolume> for Volume {
    fn from(wire: WireVolume) -> Self {
        Self {
            id: wire.id,
            name: wire.name,
            status: wire.status.as_str().into(),
            size_gib: wire.size,
            metadata: wire.metadata,
            device: wire.attachments.iter().find_map(|claim| claim.device.clone()),
            attached_to: wire.attachments.into_iter().filter_map(|claim| claim.server_id).collect(),
            created: wire.created_at,
            availability_zone: wire.availability_zone,
            volume_type: wire.volume_type,
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
struct AttachmentPage {
    attachments: Vec<WireAttachment>,
    #[serde(default)]
    attachments_links: Vec<Link>,
}

#[derive(Deserialize)]
struct WireAttachment {
    id: AttachmentId,
    instance: Option<ServerId>,
    volume_id: Option<VolumeId>,
    #[serde(default, deserialize_with = "or_default")]
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
struct TypePage {
    volume_types: Vec<WireType>,
    #[serde(default)]
    volume_type_links: Vec<Link>,
}

#[derive(Deserialize)]
struct WireType {
    id: String,
    name: String,
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
struct LimitsBody {
    limits: Limits,
}

#[derive(Deserialize)]
struct Limits {
    absolute: Absolute,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Absolute {
    #[serde(default)]
    total_volumes_used: i64,
    max_total_volumes: Option<i64>,
    #[serde(default)]
    total_gigabytes_used: i64,
    max_total_volume_gigabytes: Option<i64>,
}
