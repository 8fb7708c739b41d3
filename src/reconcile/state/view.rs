//! What one cloud holds of one node, and whether that can be believed.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{PerKind, Port, Problem, Server, Volume};

/// What can be said of a cloud before anything in it is judged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Logged in to the right project, and looked at.
    Seen,
    /// The first complete listings are not there yet.
    Unseen,
    /// It cannot be asked: credentials, network, another project. Nothing there is believed or changed.
    Away(Problem),
}

/// What one cloud holds of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct CloudView {
    /// Whether it can be believed.
    pub standing: Standing,
    /// Servers with our UID, of any attempt.
    pub servers: Vec<Server>,
    /// Volumes with our UID, of any attempt.
    pub volumes: Vec<Volume>,
    /// Ports with our UID, of any attempt.
    pub ports: Vec<Port>,
    /// What is there shows every change that was made.
    pub fresh: PerKind<bool>,
    /// No create whose fate is unknown can take effect any more.
    pub settled: PerKind<bool>,
    /// Something that was asked to go is not gone within `timeouts.delete`.
    pub overdue: bool,
    /// Attempts whose server was seen, and is proved gone.
    pub servers_gone: BTreeSet<i64>,
    /// How long the current attempt has been launching, and booting, while we could look.
    pub launching_for: Duration,
    /// See `launching_for`.
    pub booting_for: Duration,
    /// Somebody wishes what the node has there to be abandoned, and this is to be said to it.
    pub abandon: Option<Abandon>,
}

impl CloudView {
    /// A cloud with nothing in it.
    #[must_use]
    pub fn empty(standing: Standing) -> Self {
        Self {
            standing,
            servers: Vec::new(),
            volumes: Vec::new(),
            ports: Vec::new(),
            fresh: PerKind { server: true, volume: true, port: true },
            settled: PerKind { server: true, volume: true, port: true },
            overdue: false,
            servers_gone: BTreeSet::new(),
            launching_for: Duration::ZERO,
            booting_for: Duration::ZERO,
            abandon: None,
        }
    }

    /// Nothing of the node is there, as far as was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty() && self.volumes.is_empty() && self.ports.is_empty()
    }

    /// All looks are fresh.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.fresh.server && self.fresh.volume && self.fresh.port
    }

    /// Nothing can appear any more.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled.server && self.settled.volume && self.settled.port
    }
}

/// What is to be said to the wish to abandon what a node that goes has in a cloud.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Abandon {
    /// It is not honoured, for this reason.
    Refused(String),
    /// The same, and that was told.
    RefusalTold(String),
    /// It is honoured; what may be left is not on record yet.
    Honoured,
    /// It was told; the Cloud's status does not have it yet.
    Recording,
    /// It is on record what may be left.
    Recorded,
}
