//! The changes that a turn can make, each by one request, by where they take effect.

mod cloud;
mod memory;

use crate::reason::Reason;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

pub use cloud::{CloudChange, Mark};
pub use memory::{Closing, MemoryChange, RebuildClosing};

use crate::reconcile::state::RequestKey;

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
    /// Give up clouds that are gone and in which nothing of the node was ever made: all their finalizers at once.
    AbandonUntouched {
        /// The clouds.
        clouds: BTreeSet<String>,
    },
    /// Delete the object: its time is over.
    Expire {
        /// After how long, and who says so.
        why: String,
    },
    /// Delete the object: nobody needs the node.
    Release {
        /// What is gone, or has ended.
        why: String,
    },
    /// Change what is remembered in the object's status.
    Memory(MemoryChange),
    /// Make the name say an address.
    PublishName {
        /// The address.
        address: IpAddr,
    },
    /// Make the name say nothing of this node.
    WithdrawName,
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
    pub fn key(&self) -> RequestKey {
        match self {
            Self::AddFinalizer { cloud } => RequestKey::AddFinalizer { cloud: cloud.clone() },
            Self::RemoveFinalizer { cloud } => RequestKey::RemoveFinalizer { cloud: cloud.clone() },
            Self::AnswerAbandon { cloud } => RequestKey::AnswerAbandon { cloud: cloud.clone() },
            Self::AbandonUntouched { .. } => RequestKey::AbandonUntouched,
            Self::Expire { .. } | Self::Release { .. } => RequestKey::Expire,
            Self::Memory(change) => change.key(),
            Self::PublishName { address } => RequestKey::PublishName { address: *address },
            Self::WithdrawName => RequestKey::WithdrawName,
            Self::Cloud { change, .. } => change.key(),
        }
    }

    /// The change as one word: event reason and metric label.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::AddFinalizer { .. } => Reason::AddFinalizer,
            Self::RemoveFinalizer { .. } => Reason::RemoveFinalizer,
            Self::AnswerAbandon { .. } => Reason::AnswerAbandon,
            Self::AbandonUntouched { .. } => Reason::AbandonUntouched,
            Self::Expire { .. } => Reason::Expired,
            Self::Release { .. } => Reason::Released,
            Self::Memory(change) => change.reason(),
            Self::PublishName { .. } => Reason::PublishName,
            Self::WithdrawName => Reason::WithdrawName,
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
            Self::AbandonUntouched { clouds } => {
                write!(
                    f,
                    "remove the finalizers of {} clouds that are gone and were never used",
                    clouds.len()
                )
            }
            Self::Expire { why } | Self::Release { why } => write!(f, "delete the node: {why}"),
            Self::Memory(change) => change.fmt(f),
            Self::PublishName { address } => write!(f, "publish name at {address}"),
            Self::WithdrawName => f.write_str("withdraw name"),
            Self::Cloud { change, .. } => change.fmt(f),
        }
    }
}
