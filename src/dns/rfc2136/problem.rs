//! Why a name server did not take an update, and what to do about it.

use std::net::IpAddr;

use hickory_proto::op::ResponseCode;

use crate::error::{Class, Effect};

/// Why an update was not done, or is not known to be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UpdateProblem {
    /// It could not be reached, or no answer of it came.
    #[error("no answer: {message}")]
    NoAnswer {
        /// What the connection said.
        message: String,
        /// Whether the update may have been done, or may still be.
        effect: Effect,
    },
    /// Anybody on the way may have said so.
    #[error("it answered without a valid signature, which proves nothing")]
    Unsigned,
    /// It knows no key of this name, or knows it with another algorithm.
    #[error(
        "it does not know the key {key} with {algorithm} (BADKEY); compare keyName and algorithm with its configuration"
    )]
    UnknownKey {
        /// The name of the key.
        key: String,
        /// How messages are signed.
        algorithm: String,
    },
    /// It has another secret for the key.
    #[error("it has another secret for the key {key} (BADSIG); put its secret into the Secret")]
    WrongSecret {
        /// The name of the key.
        key: String,
    },
    /// Its clock and ours are too far apart.
    #[error("its clock says {theirs}, ours says {ours} (BADTIME); set both clocks")]
    Clocks {
        /// Its time.
        theirs: String,
        /// Our time.
        ours: String,
    },
    /// It is no primary of the zone.
    #[error(
        "it is not the primary server of a zone {zone} (NOTAUTH); spec.dns.zone must be a zone of its own there"
    )]
    NoSuchZone {
        /// The zone.
        zone: String,
    },
    /// The key has no right to this.
    #[error(
        "it does not let the key {key} change this (REFUSED); allow it, as by `grant {key} zonesub {kinds};`"
    )]
    Denied {
        /// The name of the key.
        key: String,
        /// The types of records that the key needs a right for.
        kinds: String,
    },
    /// The address has a PTR record of somebody else.
    #[error("{address} already has a PTR record for {name}, which is not this node's; remove it")]
    PointsElsewhere {
        /// The address.
        address: IpAddr,
        /// The name that the record gives.
        name: String,
    },
    /// Whatever else it answered.
    #[error("it answered {0}")]
    Failed(ResponseCode),
}

impl UpdateProblem {
    /// Whether, and for whom, trying again can help.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::NoAnswer { .. } | Self::Unsigned | Self::Failed(_) => Class::Unreachable,
            Self::UnknownKey { .. } | Self::WrongSecret { .. } | Self::Clocks { .. } => Class::Auth,
            Self::NoSuchZone { .. } | Self::Denied { .. } => Class::Invalid,
            Self::PointsElsewhere { .. } => Class::Conflict,
        }
    }

    /// Whether the zone may have changed.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::NoAnswer { effect, .. } => *effect,
            Self::Unsigned => Effect::Unknown,
            Self::UnknownKey { .. }
            | Self::WrongSecret { .. }
            | Self::Clocks { .. }
            | Self::NoSuchZone { .. }
            | Self::Denied { .. }
            | Self::PointsElsewhere { .. }
            | Self::Failed(_) => Effect::Answered,
        }
    }
}
