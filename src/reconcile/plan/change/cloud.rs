//! Changes of what is in a cloud.

use std::fmt;

use super::Change;
use crate::api::testnode_status::ResolvedVolume;
use crate::reconcile::state::Kind;

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
    /// Make the server, with its volumes and ports.
    CreateServer {
        /// The attempt.
        attempt: i64,
        /// Volumes to map, in order.
        volumes: Vec<String>,
        /// Ports, in order.
        ports: Vec<String>,
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
    /// Delete a port.
    DeletePort {
        /// Neutron's id.
        id: String,
    },
}

impl CloudChange {
    /// This change, in this cloud.
    #[must_use]
    pub fn in_cloud(self, cloud: &str) -> Change {
        Change::Cloud { cloud: cloud.to_owned(), change: self }
    }

    /// The kind of thing that it changes.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::CreateServer { .. } | Self::DeleteServer { .. } | Self::ForceDeleteServer { .. } => {
                Kind::Server
            }
            Self::CreateVolume { .. } | Self::FreeVolume { .. } | Self::DeleteVolume { .. } => Kind::Volume,
            Self::CreatePort { .. } | Self::DeletePort { .. } => Kind::Port,
        }
    }

    /// It makes something.
    #[must_use]
    pub fn creates(&self) -> bool {
        match self {
            Self::CreateVolume { .. } | Self::CreatePort { .. } | Self::CreateServer { .. } => true,
            Self::DeleteServer { .. }
            | Self::ForceDeleteServer { .. }
            | Self::FreeVolume { .. }
            | Self::DeleteVolume { .. }
            | Self::DeletePort { .. } => false,
        }
    }

    /// The id of what it deletes.
    #[must_use]
    pub fn deletes(&self) -> Option<&str> {
        match self {
            Self::DeleteServer { id }
            | Self::ForceDeleteServer { id }
            | Self::DeleteVolume { id }
            | Self::DeletePort { id } => Some(id),
            Self::CreateVolume { .. }
            | Self::CreatePort { .. }
            | Self::CreateServer { .. }
            | Self::FreeVolume { .. } => None,
        }
    }

    /// As [`Change::reason`].
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::CreateVolume { .. } => "CreateVolume",
            Self::CreatePort { .. } => "CreatePort",
            Self::CreateServer { .. } => "CreateServer",
            Self::DeleteServer { .. } => "DeleteServer",
            Self::ForceDeleteServer { .. } => "ForceDeleteServer",
            Self::FreeVolume { .. } => "FreeVolume",
            Self::DeleteVolume { .. } => "DeleteVolume",
            Self::DeletePort { .. } => "DeletePort",
        }
    }
}

impl fmt::Display for CloudChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateVolume { volume, .. } => write!(f, "create volume {}", volume.name),
            Self::CreatePort { index, .. } => write!(f, "create port {index}"),
            Self::CreateServer { .. } => f.write_str("create server"),
            Self::DeleteServer { id } => write!(f, "delete server {id}"),
            Self::ForceDeleteServer { id } => write!(f, "delete server {id} for good"),
            Self::FreeVolume { id, .. } => write!(f, "free volume {id}"),
            Self::DeleteVolume { id } => write!(f, "delete volume {id}"),
            Self::DeletePort { id } => write!(f, "delete port {id}"),
        }
    }
}
