//! Volumes and their attachments.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::world::{Event, World, draw};

/// A volume of Cinder.
#[derive(Clone, Debug, Serialize)]
pub struct Volume {
    /// Its id.
    pub id: String,
    /// The project it belongs to.
    pub project: String,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// Its size in GiB.
    pub size: i64,
    /// `creating`, `available`, `reserved`, `attaching`, `in-use`, `deleting`, `error`, `error_deleting`.
    pub status: String,
    /// Its type.
    pub volume_type: String,
    /// Its availability zone.
    pub zone: String,
    /// Its metadata.
    pub metadata: BTreeMap<String, String>,
    /// The image it was made of.
    pub image: Option<String>,
    /// The snapshot it was made of.
    pub snapshot: Option<String>,
    /// What it will go through.
    pub fate: VolumeFate,
    /// When it was made.
    #[serde(skip)]
    pub created: Instant,
}

/// A snapshot of Cinder.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// Its id.
    pub id: String,
    /// The project it belongs to.
    pub project: String,
    /// The volume it is of.
    pub volume: String,
    /// The size of that in GiB.
    pub size: i64,
    /// The image that was made of.
    pub image: Option<String>,
}

/// An attachment of Cinder: the claim of a server on a volume.
#[derive(Clone, Debug, Serialize)]
pub struct Attachment {
    /// Its id.
    pub id: String,
    /// The volume.
    pub volume: String,
    /// The server, which may not exist yet, or never.
    pub server: String,
    /// `reserved`, `attaching`, `attached`.
    pub status: String,
    /// As in `/dev/vdb`.
    pub device: String,
    /// Since when it is `attached`.
    #[serde(skip)]
    pub since: Instant,
}

/// What goes wrong with a volume.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that can go wrong, in any combination")]
pub struct VolumeFate {
    /// It becomes `error` instead of `available`.
    pub fails: bool,
    /// It stays `creating`.
    pub sticks: bool,
    /// It stays `deleting`.
    pub delete_sticks: bool,
    /// It becomes `error_deleting`.
    pub delete_fails: bool,
    /// It has a snapshot: nobody may delete it, Nova neither.
    pub has_snapshot: bool,
}

/// What a new volume should be.
#[derive(Clone, Debug)]
pub(crate) struct NewVolume {
    pub project: String,
    pub name: String,
    pub size: i64,
    pub volume_type: Option<String>,
    pub zone: Option<String>,
    pub image: Option<String>,
}

impl World {
    pub fn volume(&self, id: &str) -> Option<&Volume> {
        self.volumes.iter().find(|volume| volume.id == id)
    }

    pub fn volume_mut(&mut self, id: &str) -> Option<&mut Volume> {
        self.volumes.iter_mut().find(|volume| volume.id == id)
    }

    pub fn set_volume(&mut self, id: &str, status: &str) {
        if let Some(volume) = self.volume_mut(id) {
            volume.status = status.into();
        }
    }

    /// The text of the quota that a new volume would break.
    pub fn volume_refusal(&self, project: &str, size: i64) -> Option<String> {
        let quotas = &self.settings.quotas;
        let mine = || self.volumes.iter().filter(|volume| volume.project == project);
        let count = i64::try_from(mine().count()).unwrap_or(i64::MAX);
        let used: i64 = mine().map(|volume| volume.size).sum();
        let over = |limit: i64, wanted: i64| limit >= 0 && wanted > limit;
        if over(quotas.per_volume_gigabytes, size) {
            let limit = quotas.per_volume_gigabytes;
            return Some(format!(
                "VolumeSizeExceedsLimit: Requested volume size {size}G is larger than maximum allowed limit {limit}G."
            ));
        }
        if over(quotas.gigabytes, used + size) {
            let limit = quotas.gigabytes;
            return Some(format!(
                "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. \
                 Requested {size}G, quota is {limit}G and {used}G has been consumed."
            ));
        }
        over(quotas.volumes, count + 1).then(|| {
            let limit = quotas.volumes;
            format!("VolumeLimitExceeded: Maximum number of volumes allowed ({limit}) exceeded for quota 'volumes'.")
        })
    }

    /// Makes a volume, `creating`.
    pub fn make_volume(&mut self, new: NewVolume, metadata: BTreeMap<String, String>) -> String {
        let id = self.uuid();
        let fate = draw(&mut self.volume_plans, &new.name);
        let or_first = |given: Option<String>, all: &[String]| {
            given.or_else(|| all.first().cloned()).unwrap_or_else(|| "nova".into())
        };
        let volume = Volume {
            id: id.clone(),
            project: new.project,
            name: new.name,
            description: None,
            size: new.size,
            status: "creating".into(),
            volume_type: or_first(new.volume_type, &self.settings.volume_types),
            zone: or_first(new.zone, &self.settings.volume_zones),
            metadata,
            image: new.image,
            snapshot: None,
            fate,
            created: self.now,
        };
        self.volumes.push(volume);
        if !fate.sticks {
            self.after(self.settings.volume_create, Event::VolumeMade(id.clone()));
        }
        id
    }

    pub fn volume_made(&mut self, id: &str) {
        if let Some(volume) = self.volume_mut(id).filter(|volume| volume.status == "creating") {
            volume.status = if volume.fate.fails { "error" } else { "available" }.into();
        }
    }

    /// Lets a volume go, without asking whether it may.
    pub fn drop_volume(&mut self, id: &str) {
        let delay = self.settings.volume_delete;
        if let Some(volume) = self.volume_mut(id) {
            volume.status = "deleting".into();
            if !volume.fate.delete_sticks {
                self.after(delay, Event::VolumeGone(id.into()));
            }
        }
    }

    pub fn volume_gone(&mut self, id: &str) {
        match self.volume_mut(id) {
            // Somebody gave it another status meanwhile.
            Some(volume) if volume.status != "deleting" => {}
            Some(volume) if volume.fate.delete_fails => volume.status = "error_deleting".into(),
            Some(_) | None => self.volumes.retain(|volume| volume.id != id),
        }
    }

    /// Reserves a volume for a server, as Nova does inside `POST /servers`.
    pub fn reserve(&mut self, volume: &str, server: &str, device: &str) -> String {
        self.set_volume(volume, "reserved");
        let id = self.uuid();
        self.attachments.push(Attachment {
            id: id.clone(),
            volume: volume.into(),
            server: server.into(),
            status: "reserved".into(),
            device: device.into(),
            since: self.now,
        });
        id
    }

    /// Ends an attachment: the volume is `available` again.
    pub fn detach(&mut self, attachment: &str) {
        let Some(at) = self.attachments.iter().position(|known| known.id == attachment) else {
            return;
        };
        let ended = self.attachments.remove(at);
        if self.volume(&ended.volume).is_some_and(|volume| !volume.status.contains("delet")) {
            self.set_volume(&ended.volume, "available");
        }
    }

    /// The compute host has attached a volume to a running server.
    pub fn attached(&mut self, attachment: &str) {
        let now = self.now;
        if let Some(known) = self.attachments.iter_mut().find(|known| known.id == attachment) {
            known.status = "attached".into();
            known.since = now;
            let volume = known.volume.clone();
            self.set_volume(&volume, "in-use");
        }
    }

    /// The compute host has detached a volume from a running server.
    pub fn detached(&mut self, server: &str, attachment: &str) {
        self.detach(attachment);
        if let Some(server) = self.server_mut(server) {
            server.volumes.retain(|mapped| mapped.attachment.as_deref() != Some(attachment));
        }
    }
}
