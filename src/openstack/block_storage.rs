//! Cinder: volumes and servers' claims on them. What it speaks on the wire is
//! in `wire`.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde_json::json;

use super::compute::Usage;
use super::request::Request;
use super::{AttachmentId, Error, ImageId, ServerId, Service, Session, VolumeId};

#[cfg(test)]
mod tests;
mod wire;

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
    /// Its project; empty where Cinder does not say.
    pub project: String,
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
    /// A server can boot from it.
    pub bootable: bool,
    /// The image that it was made of.
    pub image: Option<String>,
}

/// A snapshot of a volume.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Where it is in its life; Cinder's word.
    pub status: String,
    /// Its project; empty where Cinder does not say.
    pub project: String,
    /// The size of the volume that it is of.
    pub size_gib: u32,
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
    /// An image to fill it with.
    pub image: Option<ImageId>,
    /// A snapshot to make it of, by its id.
    pub snapshot: Option<String>,
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
    /// All volumes whose metadata has this. None if the cloud has no Cinder at all.
    ///
    /// # Errors
    /// If any page could not be had.
    pub async fn list_volumes(&self, key: &str, value: &str) -> Result<Vec<Volume>, Error> {
        let filter = json!({ key: value }).to_string();
        if self.0.lacks(Service::BlockStorage).await? {
            return Ok(Vec::new());
        }
        let request = Request::get("list volumes", Service::BlockStorage, &["volumes", "detail"])
            .query("metadata", filter);
        let volumes = self.0.pages::<wire::VolumePage>(request).await?;
        // An unknown parameter is ignored with 200: believe the marks, not the filter.
        Ok(volumes.into_iter().map(Volume::from).filter(|volume| volume.has(key, value)).collect())
    }

    /// One volume.
    ///
    /// # Errors
    /// As Cinder answers; 404 is [`Error::is_not_found`].
    pub async fn volume(&self, id: &VolumeId) -> Result<Volume, Error> {
        let request = Request::get("look at volume", Service::BlockStorage, &["volumes", &id.0]);
        Ok(self.0.json::<wire::VolumeBody>(request).await?.volume.into())
    }

    /// One snapshot.
    ///
    /// # Errors
    /// As Cinder answers; 404 is [`Error::is_not_found`].
    pub async fn snapshot(&self, id: &str) -> Result<Snapshot, Error> {
        let request = Request::get("look at snapshot", Service::BlockStorage, &["snapshots", id]);
        Ok(self.0.json::<wire::SnapshotBody>(request).await?.snapshot.into())
    }

    /// Asks for a volume.
    ///
    /// # Errors
    /// As Cinder answers.
    pub async fn create_volume(&self, new: &NewVolume) -> Result<Volume, Error> {
        let body = wire::create_volume(new);
        let request = Request::post("create volume", Service::BlockStorage, &["volumes"], body);
        Ok(self.0.json::<wire::VolumeBody>(request).await?.volume.into())
    }

    /// Writes one item of a volume's metadata.
    ///
    /// # Errors
    /// As Cinder answers; 404 is [`Error::is_not_found`].
    pub async fn set_metadata(&self, id: &VolumeId, key: &str, value: &str) -> Result<(), Error> {
        let body = json!({ "metadata": { key: value } });
        let path = ["volumes", &id.0, "metadata"];
        self.0.done(Request::post("write volume metadata", Service::BlockStorage, &path, body)).await
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
        let attachments = self.0.pages::<wire::AttachmentPage>(request).await?;
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

    /// The volume types: their ids and names.
    ///
    /// # Errors
    /// As Cinder answers.
    pub async fn volume_types(&self) -> Result<Vec<(String, String)>, Error> {
        if self.0.lacks(Service::BlockStorage).await? {
            return Ok(Vec::new());
        }
        let request = Request::get("list volume types", Service::BlockStorage, &["types"]);
        let types = self.0.pages::<wire::TypePage>(request).await?;
        Ok(types.into_iter().map(|kind| (kind.id, kind.name)).collect())
    }

    /// What the project may have, and has.
    ///
    /// # Errors
    /// As Cinder answers.
    pub async fn limits(&self) -> Result<BlockStorageLimits, Error> {
        if self.0.lacks(Service::BlockStorage).await? {
            return Ok(BlockStorageLimits::default());
        }
        let request = Request::get("read volume limits", Service::BlockStorage, &["limits"]);
        Ok(self.0.json::<wire::LimitsBody>(request).await?.into())
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
