//! Volumes.

use super::{Kind, Meta, Owner, Proof, Thing, properties};

/// A volume of Cinder's.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// Id, name and marks.
    pub meta: Meta,
    /// Which of the node's volumes it is, by its mark: `osd-0`.
    pub key: String,
    /// Its state, as far as it matters.
    pub state: VolumeState,
    /// Cinder's word for that.
    pub status: String,
    /// The servers that have it; none while it is merely reserved.
    pub servers: Vec<String>,
    /// What the server calls it: `/dev/vdb`.
    pub device: Option<String>,
}

/// Cinder's states, as far as they matter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VolumeState {
    /// Being made.
    Creating,
    /// Free.
    Available,
    /// Promised to a server, which may not exist.
    Reserved,
    /// On a server, or on its way to or from one.
    Attached,
    /// Being deleted.
    Deleting,
    /// Failed.
    Error,
    /// Its deletion failed; a member can no longer delete it.
    ErrorDeleting,
    /// Some other state: it passes, or is that of a stranger's operation that failed.
    Other,
}

impl Thing for Volume {
    const KIND: Kind = Kind::Volume;
    /// Cinder answers before it deletes.
    const GONE_BY: Proof = Proof::Listing;

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn is_leaving(&self) -> bool {
        matches!(self.state, VolumeState::Deleting | VolumeState::ErrorDeleting)
    }

    fn remember(&mut self, before: &Self) {
        if self.key.is_empty() {
            self.key.clone_from(&before.key);
        }
    }

    fn remark(&self, owner: &Owner, cluster: &str) -> String {
        let properties = properties(&self.meta, owner, cluster, &self.key);
        format!("openstack volume set {properties} {}", self.meta.id)
    }
}
