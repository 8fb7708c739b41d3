//! Where a candidate stands, and how it falls.

use std::time::Duration;

use tokio::time::Instant;

/// Where we stand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Leadership {
    /// The Lease has not been read yet, and why, if it was tried.
    Unknown(Option<String>),
    /// Somebody else may work, or nobody for the moment.
    Following {
        /// Who holds the lease.
        holder: Option<String>,
        /// The namespace that the holder is at home in, as it says.
        home: Option<String>,
    },
    /// We may work.
    Leading {
        /// When we took the lease.
        since: Instant,
        /// When the right to work ends unless it is renewed before.
        until: Instant,
        /// The namespace that the leader before was at home in, if that is another than ours.
        from: Option<String>,
    },
}

impl Leadership {
    /// Whether we may work at this instant. True only while it is provable,
    /// so a process that was asleep finds out before anybody tells it.
    #[must_use]
    pub fn leads(&self, now: Instant) -> bool {
        match self {
            Self::Unknown(_) | Self::Following { .. } => false,
            Self::Leading { until, .. } => now < *until,
        }
    }

    /// Whether the Lease has been read at all.
    #[must_use]
    pub fn is_known(&self) -> bool {
        match self {
            Self::Unknown(_) => false,
            Self::Following { .. } | Self::Leading { .. } => true,
        }
    }
}

/// Why we may not work any more. The process has to end: whatever it had under
/// way, another may do now.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum Lost {
    /// It could not be renewed in time.
    #[error("leadership lost: the lease could not be renewed within {within:?}: {why}")]
    Lapsed {
        /// How long it may last.
        within: Duration,
        /// Which request was not answered, or what it was answered with.
        why: String,
    },
    /// The record names another.
    #[error("leadership lost: {0} holds the lease")]
    Taken(String),
}
