//! All that is known of our things in one cloud, kind by kind, and since when the cloud could not be looked at. Pure but
//! for the instants it is given.

use std::time::Duration;

use tokio::time::Instant;

use super::farewell::Farewells;
use super::ledger::Ledger;
use super::shelf::{AnyShelf, Shelf};
use crate::things::{FloatingIp, Kind, Owner, Port, Server, ServerState, Volume};

/// How many times in which the cloud was away are remembered.
const HISTORY: usize = 256;

/// The shelves, and since when the cloud could not be looked at.
#[derive(Debug, Default)]
pub struct State {
    /// Servers.
    pub servers: Shelf<Server>,
    /// Volumes.
    pub volumes: Shelf<Volume>,
    /// Floating IPs.
    pub floating_ips: Shelf<FloatingIp>,
    /// Ports.
    pub ports: Shelf<Port>,
    /// Servers that are looked at by their ids until they are gone.
    pub farewells: Farewells,
    /// Nova was asked in vain which servers are gone: not again before that.
    pub ask_of_many: Option<Instant>,
    away: Vec<(Instant, Option<Instant>)>,
}

impl State {
    /// What is known of a kind, whichever it is.
    #[must_use]
    pub fn shelf(&self, kind: Kind) -> &dyn AnyShelf {
        match kind {
            Kind::Server => &self.servers,
            Kind::Volume => &self.volumes,
            Kind::FloatingIp => &self.floating_ips,
            Kind::Port => &self.ports,
        }
    }

    /// See [`State::shelf`].
    pub fn shelf_mut(&mut self, kind: Kind) -> &mut dyn AnyShelf {
        match kind {
            Kind::Server => &mut self.servers,
            Kind::Volume => &mut self.volumes,
            Kind::FloatingIp => &mut self.floating_ips,
            Kind::Port => &mut self.ports,
        }
    }

    /// Looks and changes of a kind.
    #[must_use]
    pub fn ledger(&self, kind: Kind) -> &Ledger {
        self.shelf(kind).ledger()
    }

    /// Looks and changes of a kind.
    pub fn ledger_mut(&mut self, kind: Kind) -> &mut Ledger {
        self.shelf_mut(kind).ledger_mut()
    }

    /// Whether anything of this node is known.
    #[must_use]
    pub fn has_any(&self, uid: &str) -> bool {
        Kind::ALL.into_iter().any(|kind| self.shelf(kind).has_any(uid))
    }

    /// A GET that was sent at `asked` proved that a thing is gone. `owner` is whose it was, if that is not known here.
    pub fn gone(&mut self, kind: Kind, id: &str, owner: &Owner, asked: Instant, now: Instant) {
        let owner = self.shelf(kind).owner(id).unwrap_or_else(|| owner.clone());
        self.shelf_mut(kind).gone(id, &owner, now);
        self.ledger_mut(kind).told(&owner.uid);
        if kind == Kind::Server {
            self.farewells.end(id);
            // Nova has asked for the end of its volumes by then.
            if self.volumes.has_any(&owner.uid) {
                self.volumes.ledger.carried_out(&owner.uid, asked);
            }
        }
    }

    /// Our request to delete it was answered: `done`, or with 404, which a part of the cloud that does not see the thing
    /// says too. A server takes the volumes of its attempt with it.
    pub fn deleted(&mut self, kind: Kind, id: &str, done: bool, now: Instant) {
        let owner = self.shelf(kind).owner(id);
        self.shelf_mut(kind).deleted(id, done, now);
        if let (Kind::Server, Some(owner)) = (kind, owner) {
            self.farewells.begin(id, &owner, now);
            self.volumes.go_along(&owner, now);
            self.outdate_volumes(&owner.uid, now);
        }
    }

    /// Our request to write a node's UID into the mark of a thing was answered.
    pub fn adopted(&mut self, kind: Kind, id: &str, uid: &str, now: Instant) {
        self.shelf_mut(kind).adopted(id, uid, now);
    }

    /// Our request to add or to remove the tag of a node was answered.
    pub fn tagged(&mut self, id: &str, uid: &str, has: bool) {
        let Some(entry) = self.servers.entry_mut(id) else { return };
        if has {
            entry.object.tagged.insert(uid.to_owned());
        } else {
            entry.object.tagged.remove(uid);
        }
    }

    /// Our request to rebuild a server was answered: its metadata says so, and its image, from then on.
    pub fn rebuilds(&mut self, id: &str, boot: i64, image: &str, now: Instant) {
        self.servers.alter(id, now, |server| {
            server.boot = boot;
            server.image = Some(image.to_owned());
            server.state = ServerState::Rebuilding;
            "REBUILD".clone_into(&mut server.status);
            server.fault = None;
            server.unexplained = false;
        });
        if let Some(owner) = self.servers.owner(id) {
            // They are taken from it and given back.
            self.outdate_volumes(&owner.uid, now);
        }
    }

    /// Our request to delete a thing, or to free it for that, failed with these words.
    pub fn hindered(&mut self, kind: Kind, id: &str, words: String, now: Instant) {
        self.shelf_mut(kind).hindered(id, words, now);
    }

    /// A server in ERROR of which it is not known why.
    #[must_use]
    pub fn unexplained(&self) -> Option<String> {
        let mut servers = self.servers.all().filter(|entry| entry.object.unexplained && !entry.missing);
        servers.next().map(|entry| entry.object.meta.id.clone())
    }

    /// Nova does not say why a server is in ERROR.
    pub fn unexplainable(&mut self, id: &str) {
        if let Some(entry) = self.servers.entry_mut(id) {
            entry.object.unexplained = false;
        }
    }

    /// Something happened to the node's server that changes its volumes, if it has any.
    pub fn outdate_volumes(&mut self, uid: &str, now: Instant) {
        if self.volumes.has_any(uid) {
            self.volumes.ledger.outdated(uid, now);
        }
    }

    /// Nothing of the cloud answers: no kind can be listed that is listed all the time.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        [Kind::Server, Kind::Volume, Kind::Port].into_iter().all(|kind| self.ledger(kind).away().is_some())
    }

    /// A node is gone.
    pub fn forget(&mut self, uid: &str) {
        for kind in Kind::ALL {
            self.shelf_mut(kind).forget(uid);
        }
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

    /// A kind could be listed. The clock of every phase runs again once servers can be looked at.
    pub fn seen(&mut self, kind: Kind, now: Instant) {
        if kind != Kind::Server {
            return;
        }
        if let Some((_, to @ None)) = self.away.last_mut() {
            *to = Some(now);
        }
    }

    /// A kind could not be listed. The clock of every phase stands while servers cannot be looked at.
    pub fn unseen(&mut self, kind: Kind, now: Instant) {
        if kind != Kind::Server {
            return;
        }
        if self.away.last().is_none_or(|(_, to)| to.is_some()) {
            self.away.push((self.servers.ledger.last().unwrap_or(now), None));
        }
        if self.away.len() > HISTORY {
            self.away.remove(0);
        }
    }
}
