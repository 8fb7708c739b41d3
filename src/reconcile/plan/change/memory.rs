//! Changes of what is remembered in the object's status.

use std::fmt;
use std::net::IpAddr;

use crate::api::testnode_status::{Attempt, ConsoleFacts, Outcome, Rebuild};
use crate::reason::Reason;
use crate::reconcile::state::RequestKey;

/// One change of what is remembered.
#[derive(Clone, Debug, PartialEq)]
pub enum MemoryChange {
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
    /// Remember that the fixed address serves, though a floating IP was to be made: none can be had.
    KeepToFixedAddress {
        /// The attempt.
        number: i64,
        /// Why, in a few words.
        why: String,
    },
    /// Remember an address before it is set under the name.
    RecordAddress {
        /// The address.
        address: IpAddr,
    },
    /// Answer somebody who asked for a look at the console.
    RecordConsole(Box<ConsoleFacts>),
    /// Remember a rebuild of the machine before it is asked for.
    OpenRebuild(Box<Rebuild>),
    /// Remember how a rebuild ended.
    CloseRebuild(Box<RebuildClosing>),
    /// Forget the name; the addresses that it had stay known.
    ForgetName,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Closing {
    /// Its number.
    pub number: i64,
    /// The outcome.
    pub outcome: Outcome,
    /// One word.
    pub reason: Reason,
    /// What was said.
    pub message: String,
    /// The last lines of the console, on failure.
    pub console_tail: Option<String>,
    /// Nothing of it can appear any more.
    pub settled: bool,
}

/// How a rebuild ended.
#[derive(Clone, Debug, PartialEq)]
pub struct RebuildClosing {
    /// Which boot of the machine it made, or was to make.
    pub number: i64,
    /// The outcome; `Uncounted` if it is no longer asked for.
    pub outcome: Outcome,
    /// The server has the new image: what was there before is gone.
    pub applied: bool,
    /// One word.
    pub reason: Reason,
    /// What was said.
    pub message: String,
    /// Nothing of it can take effect any more.
    pub settled: bool,
}

impl MemoryChange {
    /// As [`Change::key`](super::Change::key).
    pub(super) fn key(&self) -> RequestKey {
        match self {
            Self::OpenAttempt { attempt, .. } => RequestKey::OpenAttempt { number: attempt.number },
            Self::RecordFound(attempt) => RequestKey::RecordFound { number: attempt.number },
            Self::CloseAttempt(closing) => RequestKey::CloseAttempt { number: closing.number },
            Self::SettleAttempt { number } => RequestKey::SettleAttempt { number: *number },
            Self::KeepToFixedAddress { number, .. } => RequestKey::KeepToFixedAddress { number: *number },
            Self::RecordAddress { address } => RequestKey::RecordAddress { address: *address },
            Self::RecordConsole(_) => RequestKey::RecordConsole,
            Self::OpenRebuild(rebuild) => RequestKey::RecordRebuild { number: rebuild.number },
            Self::CloseRebuild(closing) => RequestKey::RecordRebuild { number: closing.number },
            Self::ForgetName => RequestKey::ForgetName,
        }
    }

    /// As [`Change::reason`](super::Change::reason).
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::OpenAttempt { .. } => Reason::OpenAttempt,
            Self::RecordFound(_) => Reason::RecordFound,
            Self::CloseAttempt(closing) => closing.reason,
            Self::SettleAttempt { .. } => Reason::SettleAttempt,
            Self::KeepToFixedAddress { .. } => Reason::KeepToFixedAddress,
            Self::RecordAddress { .. } => Reason::SettingName,
            Self::RecordConsole(_) => Reason::RecordConsole,
            Self::OpenRebuild(_) => Reason::Rebuilding,
            Self::CloseRebuild(closing) => closing.reason,
            Self::ForgetName => Reason::WithdrawingName,
        }
    }
}

impl fmt::Display for MemoryChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenAttempt { attempt, .. } => {
                write!(f, "open attempt {} in cloud {}", attempt.number, attempt.cloud)
            }
            Self::RecordFound(attempt) => write!(f, "record attempt {} as found", attempt.number),
            Self::CloseAttempt(closing) => {
                write!(f, "close attempt {} as {}", closing.number, closing.reason)
            }
            Self::SettleAttempt { number } => write!(f, "settle attempt {number}"),
            Self::KeepToFixedAddress { why, .. } => write!(f, "keep to the fixed address: {why}"),
            Self::RecordAddress { address } => write!(f, "record address {address}"),
            Self::RecordConsole(_) => f.write_str("answer consoleRequest"),
            Self::OpenRebuild(rebuild) => write!(f, "open rebuild {}", rebuild.number),
            Self::CloseRebuild(closing) => {
                write!(f, "close rebuild {} as {}", closing.number, closing.reason)
            }
            Self::ForgetName => f.write_str("forget the name"),
        }
    }
}
