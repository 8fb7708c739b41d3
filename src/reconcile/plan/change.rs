//! The changes that a turn can make, each by one request.

use std::fmt;
use std::net::IpAddr;

use crate::api::testnode_status::{Attempt, Outcome, ResolvedVolume};
use crate::reconcile::state::Kind;

/// One change, by one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Keep the object until this cloud is empty.
    AddFinalizer {
        /// The cloud.
        cloud: String,
    },
    /// This cloud is empty.
    RemoveFinalizer {
        /// The cloud.
        cloud: String,
    },
    /// Answer the wish to abandon what is in this cloud: with a record, or with the reason why not.
    AnswerAbandon {
        /// The cloud.
        cloud: String,
    },
    /// Remember an attempt, and claim the name, before the first request.
    OpenAttempt {
        /// The attempt.
        attempt: Box<Attempt>,
        /// The name to claim.
        fqdn: Option<String>,
    },
    /// Remember an attempt that the status had lost.
    RecordFound(Box<Attempt>),
    /// Remember how an attempt ended.
    CloseAttempt(Box<Closing>),
    /// Remember that nothing of an attempt can appear any more.
    SettleAttempt {
        /// Its number.
        number: i64,
    },
    /// Remember an address before it is set under the name.
    RecordAddress {
        /// The address.
        address: IpAddr,
    },
    /// Let go of the name.
    ForgetName,
    /// Set the name to an address.
    SetName {
        /// The address.
        address: IpAddr,
    },
    /// Leave the name on the address where nobody answers.
    ParkName {
        /// The park address.
        address: IpAddr,
    },
    /// Make a volume.
    CreateVolume {
        /// The cloud.
        cloud: String,
        /// The attempt.
        attempt: i64,
        /// What to make.
        volume: ResolvedVolume,
    },
    /// Make a port.
    CreatePort {
        /// The cloud.
        cloud: String,
        /// The attempt.
        attempt: i64,
        /// Which of its ports.
        index: usize,
    },
    /// Make the server, with its volumes and ports.
    CreateServer {
        /// The cloud.
        cloud: String,
        /// The attempt.
        attempt: i64,
        /// Volumes to map, in order.
        volumes: Vec<String>,
        /// Ports, in order.
        ports: Vec<String>,
    },
    /// Delete a server.
    DeleteServer {
        /// The cloud.
        cloud: String,
        /// Nova's id.
        id: String,
    },
    /// Delete a server for good that the cloud would keep for a while.
    ForceDeleteServer {
        /// The cloud.
        cloud: String,
        /// Nova's id.
        id: String,
    },
    /// Free a volume that is reserved for a server that does not exist.
    FreeVolume {
        /// The cloud.
        cloud: String,
        /// Cinder's id.
        id: String,
        /// The attachment that reserves it.
        attachment: String,
    },
    /// Delete a volume.
    DeleteVolume {
        /// The cloud.
        cloud: String,
        /// Cinder's id.
        id: String,
    },
    /// Delete a port.
    DeletePort {
        /// The cloud.
        cloud: String,
        /// Neutron's id.
        id: String,
    },
}

impl Change {
    /// What identifies the request among the node's troubles.
    #[must_use]
    pub fn key(&self) -> String {
        self.to_string()
    }

    /// It makes something in a cloud.
    #[must_use]
    pub fn creates(&self) -> Option<Kind> {
        match self {
            Self::CreateVolume { .. } => Some(Kind::Volume),
            Self::CreatePort { .. } => Some(Kind::Port),
            Self::CreateServer { .. } => Some(Kind::Server),
            Self::AddFinalizer { .. }
            | Self::RemoveFinalizer { .. }
            | Self::AnswerAbandon { .. }
            | Self::OpenAttempt { .. }
            | Self::RecordFound(_)
            | Self::CloseAttempt(_)
            | Self::SettleAttempt { .. }
            | Self::RecordAddress { .. }
            | Self::ForgetName
            | Self::SetName { .. }
            | Self::ParkName { .. }
            | Self::DeleteServer { .. }
            | Self::ForceDeleteServer { .. }
            | Self::FreeVolume { .. }
            | Self::DeleteVolume { .. }
            | Self::DeletePort { .. } => None,
        }
    }

    /// The change as one word: event reason and metric label.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::AddFinalizer { .. } => "AddFinalizer",
            Self::RemoveFinalizer { .. } => "RemoveFinalizer",
            Self::AnswerAbandon { .. } => "AnswerAbandon",
            Self::OpenAttempt { .. } => "OpenAttempt",
            Self::RecordFound(_) => "RecordFound",
            Self::CloseAttempt(closing) => closing.reason,
            Self::SettleAttempt { .. } => "SettleAttempt",
            Self::RecordAddress { .. } => "SettingName",
            Self::ForgetName => "WithdrawingName",
            Self::SetName { .. } => "SetName",
            Self::ParkName { .. } => "ParkName",
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

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddFinalizer { cloud } => write!(f, "add finalizer for cloud {cloud}"),
            Self::RemoveFinalizer { cloud } => write!(f, "remove finalizer of cloud {cloud}"),
            Self::AnswerAbandon { cloud } => write!(f, "answer the wish to abandon cloud {cloud}"),
            Self::OpenAttempt { attempt, .. } => {
                write!(f, "open attempt {} in cloud {}", attempt.number, attempt.cloud)
            }
            Self::RecordFound(attempt) => write!(f, "record attempt {} as found", attempt.number),
            Self::CloseAttempt(closing) => {
                write!(f, "close attempt {} as {}", closing.number, closing.reason)
            }
            Self::SettleAttempt { number } => write!(f, "settle attempt {number}"),
            Self::RecordAddress { address } => write!(f, "record address {address}"),
            Self::ForgetName => f.write_str("let go of the name"),
            Self::SetName { address } => write!(f, "set name to {address}"),
            Self::ParkName { address } => write!(f, "park name on {address}"),
            Self::CreateVolume { volume, .. } => write!(f, "create volume {}", volume.name),
            Self::CreatePort { index, .. } => write!(f, "create port {index}"),
            Self::CreateServer { .. } => f.write_str("create server"),
            Self::DeleteServer { id, .. } => write!(f, "delete server {id}"),
            Self::ForceDeleteServer { id, .. } => write!(f, "delete server {id} for good"),
            Self::FreeVolume { id, .. } => write!(f, "free volume {id}"),
            Self::DeleteVolume { id, .. } => write!(f, "delete volume {id}"),
            Self::DeletePort { id, .. } => write!(f, "delete port {id}"),
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Closing {
    /// Its number.
    pub number: i64,
    /// The outcome.
    pub outcome: Outcome,
    /// One word.
    pub reason: &'static str,
    /// What was said.
    pub message: String,
    /// The last lines of the console, on failure.
    pub console_tail: Option<String>,
    /// Nothing of it can appear any more.
    pub settled: bool,
}
