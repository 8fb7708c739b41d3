//! What one cloud holds of one node, and whether that can be believed.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::{FloatingIp, Kind, PerKind, Port, Presence, Problem, Server, UsedVolume, Volume};
use crate::api::cloud::AddressFrom;
use crate::reason::Reason;

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

/// A list that failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failing {
    /// What was said.
    pub problem: Problem,
    /// Not again before.
    pub retry_at: Timestamp,
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
    /// Floating IPs with our UID, of any attempt.
    pub floating_ips: Vec<FloatingIp>,
    /// Ports with our UID, of any attempt.
    pub ports: Vec<Port>,
    /// Ports that attempts only use: they exist by themselves, and are never deleted.
    pub existing_ports: Vec<Port>,
    /// Volumes that attempts only use, likewise.
    pub existing_volumes: Vec<UsedVolume>,
    /// Which address of a machine counts there.
    pub address_from: Option<AddressFrom>,
    /// What is there shows every change that was made.
    pub fresh: PerKind<bool>,
    /// The volumes of the current attempt were listed since its server was first seen ACTIVE with the system that it has.
    pub volumes_since_active: bool,
    /// No create whose fate is unknown can take effect any more.
    pub settled: PerKind<bool>,
    /// Kinds whose last list failed.
    pub failing: PerKind<Option<Failing>>,
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
            floating_ips: Vec::new(),
            ports: Vec::new(),
            existing_ports: Vec::new(),
            existing_volumes: Vec::new(),
            address_from: None,
            fresh: PerKind::from_fn(|_| true),
            volumes_since_active: true,
            settled: PerKind::from_fn(|_| true),
            failing: PerKind::default(),
            servers_gone: BTreeSet::new(),
            launching_for: Duration::ZERO,
            booting_for: Duration::ZERO,
            abandon: None,
        }
    }

    /// Nothing of the node is there, as far as was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
            && self.volumes.is_empty()
            && self.floating_ips.is_empty()
            && self.ports.is_empty()
    }

    /// There is no such Cloud.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(&self.standing, Standing::Away(problem) if problem.reason == Reason::CloudNotFound)
    }

    /// Something that a list left out: only a GET by its id tells whether it is gone.
    #[must_use]
    pub fn missing(&self) -> Option<(Kind, &str)> {
        let servers = self.servers.iter().map(|server| (Kind::Server, server.presence, &server.id));
        let volumes = self.volumes.iter().map(|volume| (Kind::Volume, volume.presence, &volume.id));
        let floating = self.floating_ips.iter().map(|ip| (Kind::FloatingIp, ip.presence, &ip.id));
        let ports = self.ports.iter().map(|port| (Kind::Port, port.presence, &port.id));
        let mut things = servers.chain(volumes).chain(floating).chain(ports);
        things
            .find(|(_, presence, _)| *presence == Presence::Missing)
            .map(|(kind, _, id)| (kind, id.as_str()))
    }

    /// Why a wish to abandon what is there is not honoured.
    #[must_use]
    pub fn abandon_refused(&self) -> Option<&str> {
        match self.abandon.as_ref()? {
            Abandon::Refused(why) | Abandon::RefusalTold(why) => Some(why),
            Abandon::Honoured | Abandon::Recording | Abandon::Recorded => None,
        }
    }

    /// All looks are fresh.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        Kind::ALL.into_iter().all(|kind| self.fresh.of(kind))
    }

    /// Nothing can appear any more.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        Kind::ALL.into_iter().all(|kind| self.settled.of(kind))
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
