//! Changes of what is remembered in the object's status.

use std::fmt;
use std::net::IpAddr;

use crate::api::testnode_status::{Attempt, Outcome};

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
    /// Remember an address before it is set under the name.
    RecordAddress {
        /// The address.
        address: IpAddr,
    },
    /// Let go of the name.
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
    pub reason: &'static str,
    /// What was said.
    pub message: String,
    /// The last lines of the console, on failure.
    pub console_tail: Option<String>,
    /// Nothing of it can appear any more.
    pub settled: bool,
}

impl MemoryChange {
    /// As [`Change::reason`](super::Change::reason).
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::OpenAttempt { .. } => "OpenAttempt",
            Self::RecordFound(_) => "RecordFound",
            Self::CloseAttempt(closing) => closing.reason,
            Self::SettleAttempt { .. } => "SettleAttempt",
            Self::RecordAddress { .. } => "SettingName",
            Self::ForgetName => "WithdrawingName",
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
            Self::RecordAddress { address } => write!(f, "record address {address}"),
            Self::ForgetName => f.write_str("let go of the name"),
        }
    }
}
