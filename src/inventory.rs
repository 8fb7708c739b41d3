//! What is ours in one cloud. One poller a kind lists in bulk whatever carries our cluster id; the answers of our own
//! calls are folded in; nodes whose things changed are woken. A node's turn reads from here and never lists.
//!
//! Begin with [`shelf::Shelf::listed`]: what a listing may change, and what it proves.

pub mod ledger;
pub mod poller;
pub mod shelf;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::api::{Kind, PerKind, mark};
use crate::openstack::block_storage::{Volume, VolumeStatus};
use crate::openstack::compute::{Server, ServerStatus};
use crate::openstack::network::Port;
use ledger::Ledger;
use shelf::{Owned, Owner, Shelf};

/// Tells the controller that something of the node with this UID changed.
pub type Wake = Arc<dyn Fn(&str) + Send + Sync>;

/// What is ours in one cloud.
pub struct Inventory {
    cluster_id: String,
    state: Mutex<State>,
    wake: Wake,
    poke: PerKind<Notify>,
}

/// The shelves, and since when the cloud could not be looked at.
#[derive(Debug, Default)]
pub struct State {
    /// Servers.
    pub servers: Shelf<Server>,
    /// Volumes.
    pub volumes: Shelf<Volume>,
    /// Ports.
    pub ports: Shelf<Port>,
    away: Vec<(Instant, Option<Instant>)>,
}

impl Inventory {
    /// An inventory of what carries this cluster id.
    #[must_use]
    pub fn new(cluster_id: String, wake: Wake) -> Arc<Self> {
        let poke = PerKind { server: Notify::new(), volume: Notify::new(), port: Notify::new() };
        Arc::new(Self { cluster_id, state: Mutex::default(), wake, poke })
    }

    /// The cluster id that marks what is ours.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The state, for a short while.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node waits for news of what it has.
    pub fn want_news(&self, uid: &str, kind: Kind) {
        self.lock().ledger_mut(kind).want_news(uid, Instant::now());
        self.poke(kind);
    }

    /// A node waits until nothing unknown can appear any more: just the two listings that this takes are made.
    pub fn want_settled(&self, uid: &str, kind: Kind, suspect: Option<Instant>) {
        let mut state = self.lock();
        let ledger = state.ledger_mut(kind);
        match ledger.settles_at(uid, suspect) {
            Some(at) => ledger.want(uid, at),
            None => ledger.want_news(uid, Instant::now()),
        }
        drop(state);
        self.poke(kind);
    }

    /// The session or the pace changed.
    pub fn nudge(&self) {
        for kind in Kind::ALL {
            self.poke(kind);
        }
    }

    fn poke(&self, kind: Kind) {
        match kind {
            Kind::Server => self.poke.server.notify_one(),
            Kind::Volume => self.poke.volume.notify_one(),
            Kind::Port => self.poke.port.notify_one(),
        }
    }

    fn poked(&self, kind: Kind) -> &Notify {
        match kind {
            Kind::Server => &self.poke.server,
            Kind::Volume => &self.poke.volume,
            Kind::Port => &self.poke.port,
        }
    }
}

impl State {
    /// Looks and changes of a kind.
    #[must_use]
    pub fn ledger(&self, kind: Kind) -> &Ledger {
        match kind {
            Kind::Server => &self.servers.ledger,
            Kind::Volume => &self.volumes.ledger,
            Kind::Port => &self.ports.ledger,
        }
    }

    /// Looks and changes of a kind.
    pub fn ledger_mut(&mut self, kind: Kind) -> &mut Ledger {
        match kind {
            Kind::Server => &mut self.servers.ledger,
            Kind::Volume => &mut self.volumes.ledger,
            Kind::Port => &mut self.ports.ledger,
        }
    }

    /// It was proved gone by then, by a GET.
    pub fn gone(&mut self, kind: Kind, id: &str, owner: &Owner, now: Instant) {
        match kind {
            Kind::Server => self.servers.gone(id, owner, now),
            Kind::Volume => self.volumes.gone(id, owner, now),
            Kind::Port => self.ports.gone(id, owner, now),
        }
    }

    /// Our request to delete it was answered. A server takes the volumes of its attempt along.
    pub fn deleted(&mut self, kind: Kind, id: &str, now: Instant) {
        match kind {
            Kind::Server => {
                self.servers.deleted(id, now);
                if let Some(owner) = self.servers.entry(id).map(|entry| entry.owner.clone()) {
                    self.volumes.go_along(now, |volume| volume.owner().as_ref() == Some(&owner));
                    self.outdate_volumes(&owner.uid, now);
                }
            }
            Kind::Volume => self.volumes.deleted(id, now),
            Kind::Port => self.ports.deleted(id, now),
        }
    }

    /// Neutron said that a port is deleted. It is: Neutron says so when its transaction is over, where Nova and Cinder
    /// have only begun.
    pub fn port_deleted(&mut self, id: &str, now: Instant) {
        if let Some(owner) = self.ports.entry(id).map(|entry| entry.owner.clone()) {
            self.ports.gone(id, &owner, now);
        }
    }

    /// Something happened to the node's server that changes its volumes, if it has any.
    pub fn outdate_volumes(&mut self, uid: &str, now: Instant) {
        if self.volumes.of(uid).next().is_some() {
            self.volumes.ledger.outdated(uid, now);
        }
    }

    /// A node is gone.
    pub fn forget(&mut self, uid: &str) {
        self.servers.forget(uid);
        self.volumes.forget(uid);
        self.ports.forget(uid);
    }

    /// How long it is since an instant, less the time in which the cloud could not be looked at.
    #[must_use]
    pub fn watched_for(&self, since: Instant, now: Instant) -> Duration {
        let away: Duration = self
            .away
            .iter()
            .map(|(from, to)| to.unwrap_or(now).saturating_duration_since((*from).max(since)))
            .sum();
        now.saturating_duration_since(since).saturating_sub(away)
    }

    /// Every phase's clock stands while we could not look at servers.
    fn seen(&mut self, now: Instant) {
        if let Some((_, to @ None)) = self.away.last_mut() {
            *to = Some(now);
        }
    }

    fn unseen(&mut self, now: Instant) {
        if self.away.last().is_none_or(|(_, to)| to.is_some()) {
            self.away.push((self.servers.ledger.last().unwrap_or(now), None));
        }
        if self.away.len() > 256 {
            self.away.remove(0);
        }
    }
}

fn owner_by_metadata(metadata: &std::collections::BTreeMap<String, String>) -> Option<Owner> {
    let uid = metadata.get(mark::UID).filter(|uid| !uid.is_empty())?.clone();
    let attempt = metadata.get(mark::ATTEMPT).and_then(|number| number.parse().ok()).unwrap_or(0);
    Some(Owner { uid, attempt })
}

impl Owned for Server {
    fn id(&self) -> &str {
        &self.id.0
    }
    fn owner(&self) -> Option<Owner> {
        owner_by_metadata(&self.metadata)
    }
    fn is_leaving(&self) -> bool {
        self.deleting || matches!(self.status, ServerStatus::Deleted | ServerStatus::SoftDeleted)
    }
    const GONE_BY_LIST: bool = false;
}

impl Owned for Volume {
    fn id(&self) -> &str {
        &self.id.0
    }
    fn owner(&self) -> Option<Owner> {
        owner_by_metadata(&self.metadata)
    }
    fn is_leaving(&self) -> bool {
        matches!(self.status, VolumeStatus::Deleting | VolumeStatus::ErrorDeleting)
    }
    const GONE_BY_LIST: bool = true;
}

impl Owned for Port {
    fn id(&self) -> &str {
        &self.id.0
    }
    fn owner(&self) -> Option<Owner> {
        let (uid, attempt, _) = mark::parse_port_name(&self.name)?;
        Some(Owner { uid: uid.to_owned(), attempt })
    }
    fn is_leaving(&self) -> bool {
        false
    }
    const GONE_BY_LIST: bool = true;
}
