//! Which Lease, and times that never allow two leaders.

use std::time::Duration;

/// Which Lease, for whom, and its times.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the Lease is. One namespace for the whole cluster, wherever an operator is installed: that is what keeps two
    /// operators from working in one cluster.
    pub namespace: String,
    /// The namespace that this operator is at home in. Others that do not lead tell it.
    pub home: String,
    /// Its name, whatever the release is called.
    pub name: String,
    /// Who we are. No other process may ever use the same.
    pub identity: String,
    /// How long others wait after our last renewal.
    pub duration: Duration,
    /// How long after its last renewal a leader may work.
    pub renew_deadline: Duration,
    /// How often a leader renews and a follower looks.
    pub retry: Duration,
}

impl Settings {
    /// The usual name and times: 15 s, 12 s and 2 s. A leader survives as long as each write takes less than half of the
    /// second: an admission webhook that nobody answers often takes 5 s.
    #[must_use]
    pub fn new(namespace: impl Into<String>, home: impl Into<String>, identity: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            home: home.into(),
            name: "testnode-operator".to_owned(),
            identity: identity.into(),
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(12),
            retry: Duration::from_secs(2),
        }
    }

    /// Whether at most one can lead with these.
    ///
    /// # Errors
    ///
    /// When two could, or none for long.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.identity.is_empty() {
            return Err(Invalid::Anonymous);
        }
        if self.renew_deadline >= self.duration {
            return Err(Invalid::Deadline { deadline: self.renew_deadline, duration: self.duration });
        }
        if self.retry.is_zero() || self.retry >= self.renew_deadline {
            return Err(Invalid::Retry { retry: self.retry, deadline: self.renew_deadline });
        }
        Ok(())
    }
}

/// Settings with which there could be two leaders, or none for long.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// Without a name nobody can hold anything.
    #[error("leader election needs an identity")]
    Anonymous,
    /// The leader would still work while another takes over.
    #[error("the lease's renew deadline ({deadline:?}) must be shorter than its duration ({duration:?})")]
    Deadline {
        /// As given.
        deadline: Duration,
        /// As given.
        duration: Duration,
    },
    /// One lost request would cost the leadership.
    #[error(
        "the lease's retry period ({retry:?}) must be shorter than its renew deadline ({deadline:?}), and not zero"
    )]
    Retry {
        /// As given.
        retry: Duration,
        /// As given.
        deadline: Duration,
    },
}
