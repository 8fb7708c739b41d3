//! Things as the wire shows them, for the real shelves.

use std::net::IpAddr;

use crate::inventory::shelf::{Owned, Owner};
use crate::reconcile::state::{Fault, ServerState, VolumeState};

/// A server, as Nova shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Nova's id.
    pub id: String,
    /// Whose.
    pub owner: Owner,
    /// Its state.
    pub state: ServerState,
    /// Its deletion is under way.
    pub deleting: bool,
    /// Volumes that it shows to be on it.
    pub volumes: Vec<String>,
    /// Why it is in ERROR.
    pub fault: Option<Fault>,
    /// When it was made; unknown from the answer of a create.
    pub created: Option<u64>,
}

/// A volume, as Cinder shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// Cinder's id.
    pub id: String,
    /// Whose.
    pub owner: Owner,
    /// Which of the node's.
    pub key: String,
    /// Its state.
    pub state: VolumeState,
    /// Servers it is on.
    pub servers: Vec<String>,
    /// When it was made.
    pub created: u64,
}

/// A port, as Neutron shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// Neutron's id.
    pub id: String,
    /// Whose.
    pub owner: Owner,
    /// Which of the attempt's.
    pub index: usize,
    /// The server it is bound to.
    pub device: Option<String>,
    /// Its address.
    pub address: IpAddr,
}

impl Owned for Server {
    fn id(&self) -> &str {
        &self.id
    }
    fn owner(&self) -> Option<Owner> {
        Some(self.owner.clone())
    }
    fn is_leaving(&self) -> bool {
        self.deleting || self.state == ServerState::SoftDeleted
    }
    const GONE_BY_LIST: bool = false;
}

impl Owned for Volume {
    fn id(&self) -> &str {
        &self.id
    }
    fn owner(&self) -> Option<Owner> {
        Some(self.owner.clone())
    }
    fn is_leaving(&self) -> bool {
        matches!(self.state, VolumeState::Deleting | VolumeState::ErrorDeleting)
    }
    const GONE_BY_LIST: bool = true;
}

impl Owned for Port {
    fn id(&self) -> &str {
        &self.id
    }
    fn owner(&self) -> Option<Owner> {
        Some(self.owner.clone())
    }
    fn is_leaving(&self) -> bool {
        false
    }
    const GONE_BY_LIST: bool = true;
}
