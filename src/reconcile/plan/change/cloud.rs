//! Changes of what is in a cloud.

use std::fmt;
use std::net::IpAddr;

use super::Change;
use crate::api::testnode_status::ResolvedVolume;
use crate::reason::Reason;
use crate::reconcile::state::{CloudView, Kind, RequestKey, Server, ServerState};

/// One change of what is in a cloud.
#[derive(Clone, Debug, PartialEq)]
pub enum CloudChange {
    /// Make a volume.
    CreateVolume {
        /// The attempt.
        attempt: i64,
        /// What to make.
        volume: ResolvedVolume,
    },
    /// Make a port.
    CreatePort {
        /// The attempt.
        attempt: i64,
        /// Which of its ports.
        index: usize,
    },
    /// Make the floating IP, leading to a port.
    CreateFloatingIp {
        /// The attempt.
        attempt: i64,
        /// Neutron's id of the external network that it comes from.
        pool: String,
        /// Neutron's id of the port.
        port: String,
        /// Which of the port's addresses; needed only where it has several.
        fixed: Option<IpAddr>,
    },
    /// Make the server, with its volumes and ports.
    CreateServer {
        /// The attempt.
        attempt: i64,
        /// Volumes to map, in order.
        volumes: Vec<String>,
        /// Ports, in order.
        ports: Vec<String>,
    },
    /// Make the system of a server anew.
    RebuildServer {
        /// Nova's id.
        id: String,
        /// Which boot of the machine that makes.
        number: i64,
        /// Glance's id of the image.
        image: String,
    },
    /// Delete a server.
    DeleteServer {
        /// Nova's id.
        id: String,
    },
    /// Delete a server for good that the cloud would keep for a while.
    ForceDeleteServer {
        /// Nova's id.
        id: String,
    },
    /// Free a volume that is reserved for a server that does not exist.
    FreeVolume {
        /// Cinder's id.
        id: String,
        /// The attachment that reserves it.
        attachment: String,
    },
    /// Delete a volume.
    DeleteVolume {
        /// Cinder's id.
        id: String,
    },
    /// Delete a floating IP.
    DeleteFloatingIp {
        /// Neutron's id.
        id: String,
    },
    /// Delete a port.
    DeletePort {
        /// Neutron's id.
        id: String,
    },
    /// Take over something of an earlier object of this name: write the node's UID into one of its marks.
    Adopt {
        /// What it is.
        kind: Kind,
        /// Its id.
        id: String,
        /// Which mark.
        mark: Mark,
    },
}

/// A mark that bears a UID.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// A server gets the tag of the node.
    Tag,
    /// A server loses the tag of an earlier object with this UID.
    Untag(String),
    /// The mark that counts: metadata, or the name of a port.
    Owner,
}

impl CloudChange {
    /// How a server is deleted. A cloud that keeps deleted servers for a while would keep their volumes and their quota
    /// too, so such a server is deleted for good; `None` while a fresh look must show first whether it is still there.
    #[must_use]
    pub fn deletion(view: &CloudView, server: &Server) -> Option<Self> {
        let id = server.id.clone();
        match server.state {
            ServerState::SoftDeleted if !view.fresh.server => None,
            ServerState::SoftDeleted => Some(Self::ForceDeleteServer { id }),
            ServerState::Building
            | ServerState::Active
            | ServerState::Error
            | ServerState::Stopped
            | ServerState::Rebuilding
            | ServerState::Other => Some(Self::DeleteServer { id }),
        }
    }

    /// This change, in this cloud.
    #[must_use]
    pub fn in_cloud(self, cloud: &str) -> Change {
        Change::Cloud { cloud: cloud.to_owned(), change: self }
    }

    /// The kind of thing that it changes.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::CreateServer { .. }
            | Self::RebuildServer { .. }
            | Self::DeleteServer { .. }
            | Self::ForceDeleteServer { .. } => Kind::Server,
            Self::CreateVolume { .. } | Self::FreeVolume { .. } | Self::DeleteVolume { .. } => Kind::Volume,
            Self::CreateFloatingIp { .. } | Self::DeleteFloatingIp { .. } => Kind::FloatingIp,
            Self::CreatePort { .. } | Self::DeletePort { .. } => Kind::Port,
            Self::Adopt { kind, .. } => *kind,
        }
    }

    /// It makes something.
    #[must_use]
    pub fn creates(&self) -> bool {
        match self {
            Self::CreateVolume { .. }
            | Self::CreatePort { .. }
            | Self::CreateFloatingIp { .. }
            | Self::CreateServer { .. } => true,
            Self::RebuildServer { .. }
            | Self::DeleteServer { .. }
            | Self::ForceDeleteServer { .. }
            | Self::FreeVolume { .. }
            | Self::DeleteVolume { .. }
            | Self::DeleteFloatingIp { .. }
            | Self::DeletePort { .. }
            | Self::Adopt { .. } => false,
        }
    }

    /// It does something that a second one would do again: if its reply is lost, it may take effect until that is settled.
    #[must_use]
    pub fn may_come_late(&self) -> bool {
        self.creates() || matches!(self, Self::RebuildServer { .. })
    }

    /// The id of what it deletes.
    #[must_use]
    pub fn deletes(&self) -> Option<&str> {
        match self {
            Self::DeleteServer { id }
            | Self::ForceDeleteServer { id }
            | Self::DeleteVolume { id }
            | Self::DeleteFloatingIp { id }
            | Self::DeletePort { id } => Some(id),
            Self::CreateVolume { .. }
            | Self::CreatePort { .. }
            | Self::CreateFloatingIp { .. }
            | Self::CreateServer { .. }
            | Self::RebuildServer { .. }
            | Self::FreeVolume { .. }
            | Self::Adopt { .. } => None,
        }
    }

    /// As [`Change::key`]. Attempts are not told apart: what is known of a create ends with its attempt.
    #[must_use]
    pub fn key(&self) -> RequestKey {
        match self {
            Self::CreateVolume { volume, .. } => RequestKey::CreateVolume { name: volume.name.clone() },
            Self::CreatePort { index, .. } => RequestKey::CreatePort { index: *index },
            Self::CreateFloatingIp { .. } => RequestKey::CreateFloatingIp,
            Self::CreateServer { .. } => RequestKey::CreateServer,
            Self::RebuildServer { .. } => RequestKey::RebuildServer,
            Self::DeleteServer { id }
            | Self::DeleteVolume { id }
            | Self::DeleteFloatingIp { id }
            | Self::DeletePort { id } => RequestKey::Delete { kind: self.kind(), id: id.clone() },
            Self::ForceDeleteServer { id } => RequestKey::ForceDeleteServer { id: id.clone() },
            Self::FreeVolume { id, .. } => RequestKey::FreeVolume { id: id.clone() },
            Self::Adopt { kind, id, mark } => {
                RequestKey::Adopt { kind: *kind, id: id.clone(), mark: mark.to_string() }
            }
        }
    }

    /// The id of what it deletes, or frees so that it can be deleted.
    #[must_use]
    pub fn ends(&self) -> Option<&str> {
        match self {
            Self::FreeVolume { id, .. } => Some(id),
            Self::CreateVolume { .. }
            | Self::CreatePort { .. }
            | Self::CreateFloatingIp { .. }
            | Self::CreateServer { .. }
            | Self::RebuildServer { .. }
            | Self::DeleteServer { .. }
            | Self::ForceDeleteServer { .. }
            | Self::DeleteVolume { .. }
            | Self::DeleteFloatingIp { .. }
            | Self::DeletePort { .. }
            | Self::Adopt { .. } => self.deletes(),
        }
    }

    /// As [`Change::reason`].
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::CreateVolume { .. } => Reason::CreateVolume,
            Self::CreatePort { .. } => Reason::CreatePort,
            Self::CreateFloatingIp { .. } => Reason::CreateFloatingIP,
            Self::CreateServer { .. } => Reason::CreateServer,
            Self::RebuildServer { .. } => Reason::RebuildServer,
            Self::DeleteServer { .. } => Reason::DeleteServer,
            Self::ForceDeleteServer { .. } => Reason::ForceDeleteServer,
            Self::FreeVolume { .. } => Reason::FreeVolume,
            Self::DeleteVolume { .. } => Reason::DeleteVolume,
            Self::DeleteFloatingIp { .. } => Reason::DeleteFloatingIP,
            Self::DeletePort { .. } => Reason::DeletePort,
            Self::Adopt { .. } => Reason::AdoptMachine,
        }
    }
}

impl fmt::Display for CloudChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateVolume { volume, .. } => write!(f, "create volume {}", volume.name),
            Self::CreatePort { index, .. } => write!(f, "create port {index}"),
            Self::CreateFloatingIp { port, .. } => write!(f, "create floating IP for port {port}"),
            Self::CreateServer { .. } => f.write_str("create server"),
            Self::RebuildServer { id, .. } => write!(f, "rebuild server {id}"),
            Self::DeleteServer { id } => write!(f, "delete server {id}"),
            Self::ForceDeleteServer { id } => write!(f, "delete server {id} for good"),
            Self::FreeVolume { id, .. } => write!(f, "free volume {id}"),
            Self::DeleteVolume { id } => write!(f, "delete volume {id}"),
            Self::DeleteFloatingIp { id } => write!(f, "delete floating IP {id}"),
            Self::DeletePort { id } => write!(f, "delete port {id}"),
            Self::Adopt { kind, id, mark } => {
                write!(f, "adopt {} {id}: write the node's UID into {mark}", kind.word())
            }
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tag => "a tag",
            Self::Untag(_) => "its tags, where an earlier one stands",
            Self::Owner => "the mark of its owner",
        })
    }
}
