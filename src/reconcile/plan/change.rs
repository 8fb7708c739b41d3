//! The changes that a turn can make, each by one request, by where they take effect.

mod cloud;
mod memory;

use std::fmt;
use std::net::IpAddr;

pub use cloud::CloudChange;
pub use memory::{Closing, MemoryChange};

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
    /// Delete the object: its time is over.
    Expire {
        /// After how long, and who says so.
        why: String,
    },
    /// Change what is remembered in the object's status.
    Memory(MemoryChange),
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
    /// Change what is in a cloud.
    Cloud {
        /// The cloud.
        cloud: String,
        /// What is changed there.
        change: CloudChange,
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
    pub fn creates(&self) -> bool {
        matches!(self, Self::Cloud { change, .. } if change.creates())
    }

    /// The change as one word: event reason and metric label.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::AddFinalizer { .. } => "AddFinalizer",
            Self::RemoveFinalizer { .. } => "RemoveFinalizer",
            Self::AnswerAbandon { .. } => "AnswerAbandon",
            Self::Expire { .. } => "Expired",
            Self::Memory(change) => change.reason(),
            Self::SetName { .. } => "SetName",
            Self::ParkName { .. } => "ParkName",
            Self::Cloud { change, .. } => change.reason(),
        }
    }
}

impl From<MemoryChange> for Change {
    fn from(change: MemoryChange) -> Self {
        Self::Memory(change)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddFinalizer { cloud } => write!(f, "add finalizer for cloud {cloud}"),
            Self::RemoveFinalizer { cloud } => write!(f, "remove finalizer of cloud {cloud}"),
            Self::AnswerAbandon { cloud } => write!(f, "answer the wish to abandon cloud {cloud}"),
            Self::Expire { why } => write!(f, "delete the node: {why}"),
            Self::Memory(change) => change.fmt(f),
            Self::SetName { address } => write!(f, "set name to {address}"),
            Self::ParkName { address } => write!(f, "park name on {address}"),
            Self::Cloud { change, .. } => change.fmt(f),
        }
    }
}
