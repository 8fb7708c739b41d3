//! The operator's process: the real shelves, fed by listings that are slow, stale, partial or fail; and its notes,
//! which die with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::clouds::NAMES;
use super::scenario::{MINUTE, SECOND};
use super::world::{UID, World};
use crate::clouds::Login;
use crate::inventory::State;
use crate::inventory::shelf::AnyShelf;
use crate::reason::Reason;
use crate::reconcile::memory;
use crate::reconcile::notes::Notes;
use crate::reconcile::state::Kind;
use crate::things::{FloatingIp, Port, Server, Volume};

/// What one process knows.
#[derive(Debug)]
pub struct Process {
    /// When it took the lease.
    pub started: u64,
    /// Clouds.
    pub books: BTreeMap<String, Books>,
    /// What it noted of the node.
    pub notes: Notes,
}

/// What it knows of one cloud.
#[derive(Debug, Default)]
pub struct Books {
    /// The real shelves.
    pub state: State,
    running: BTreeMap<Kind, Listing>,
    /// The catalogue was read.
    pub catalogue: bool,
    /// It refused for quota, and its limits were not read since.
    pub refused: bool,
}

/// A listing that is under way.
#[derive(Debug)]
struct Listing {
    began: u64,
    ends: u64,
    /// What it shows, unless that is what there is at its end.
    shown: Option<Shown>,
}

#[derive(Debug)]
enum Shown {
    Servers(Vec<Server>),
    Volumes(Vec<Volume>),
    FloatingIps(Vec<FloatingIp>),
    Ports(Vec<Port>),
    Nothing,
}

impl Process {
    /// A process without a past.
    pub fn new(now: u64) -> Self {
        Self {
            started: now,
            books: NAMES.map(|name| (name.to_owned(), Books::default())).into(),
            notes: Notes::default(),
        }
    }

    /// Ids of the servers and floating IPs that were seen in a cloud.
    pub fn known(&self, cloud: &str) -> BTreeSet<String> {
        let state = &self.books[cloud].state;
        let servers = state.servers.of(UID).map(|entry| &entry.object.meta.id);
        servers.chain(state.floating_ips.of(UID).map(|entry| &entry.object.meta.id)).cloned().collect()
    }
}

impl World {
    /// When a listing next begins or ends.
    pub fn next_listing(&self) -> u64 {
        let mut next = u64::MAX;
        for (name, books) in self.process.books.iter().filter(|(name, _)| self.is_open(name)) {
            for kind in Kind::ALL {
                let at =
                    books.running.get(&kind).map_or_else(|| self.listing_due(name, books, kind), |l| l.ends);
                next = next.min(at);
            }
        }
        next
    }

    /// We are logged in to it.
    pub fn is_open(&self, cloud: &str) -> bool {
        matches!(self.logins[cloud], Login::In(_))
    }

    /// It refuses us, or a while ago nothing of it answered: it may not have been asked again since.
    pub fn is_lost(&self, cloud: &str) -> bool {
        let away_until = self.clouds[cloud].away_until;
        !self.is_open(cloud) || (away_until > 0 && self.now < away_until + 2 * MINUTE)
    }

    fn listing_due(&self, cloud: &str, books: &Books, kind: Kind) -> u64 {
        let floats = || self.has_floating_ip(cloud) || books.state.floating_ips.has_things();
        let idle = Duration::from_secs(match kind {
            Kind::Server => 30,
            Kind::Volume | Kind::Port => 120,
            Kind::FloatingIp if floats() => 120,
            Kind::FloatingIp => 24 * 3600,
        });
        let due = books.state.ledger(kind).due(self.instant(self.now), Duration::from_secs(2), idle);
        let due = due.saturating_duration_since(self.instant(0)).as_millis();
        u64::try_from(due).unwrap().max(self.now)
    }

    /// The node has, or is to have, a floating IP there.
    fn has_floating_ip(&self, cloud: &str) -> bool {
        let memory = memory::read(self.object.own());
        let there = memory.current().filter(|attempt| attempt.cloud == cloud);
        let resolved = there.and_then(|attempt| attempt.resolved.as_ref());
        resolved.is_some_and(|resolved| resolved.floating_ip.is_some())
    }

    /// Ends and begins the listings whose time has come.
    pub fn list(&mut self) {
        for cloud in NAMES {
            for kind in Kind::ALL {
                if !self.is_open(cloud) {
                    continue;
                }
                let books = &self.process.books[cloud];
                match books.running.get(&kind) {
                    Some(listing) if listing.ends <= self.now => self.end_listing(cloud, kind),
                    None if self.listing_due(cloud, books, kind) <= self.now => {
                        self.begin_listing(cloud, kind);
                    }
                    Some(_) | None => {}
                }
            }
        }
    }

    fn begin_listing(&mut self, cloud: &str, kind: Kind) {
        let luck = self.luck();
        let early = luck.is_multiple_of(2);
        let shown = if self.now < self.clouds[cloud].away_until || luck == 255 {
            Some(Shown::Nothing)
        } else {
            early.then(|| self.shown(cloud, kind))
        };
        let takes = if luck >= 224 { u64::from(luck - 223) * SECOND / 2 } else { 200 };
        let listing = Listing { began: self.now, ends: self.now + takes, shown };
        self.process.books.get_mut(cloud).unwrap().running.insert(kind, listing);
    }

    fn shown(&self, cloud: &str, kind: Kind) -> Shown {
        let cloud = &self.clouds[cloud];
        let (until, hidden) = &cloud.cell_down;
        let hidden = |id: &str| self.now < *until && hidden.contains(id);
        match kind {
            Kind::Server => {
                let all = cloud.servers.values().map(|machine| machine.shown.clone());
                Shown::Servers(all.filter(|server| !hidden(&server.meta.id)).collect())
            }
            Kind::Volume => Shown::Volumes(cloud.volumes.values().map(|(shown, _)| shown.clone()).collect()),
            Kind::FloatingIp => Shown::FloatingIps(cloud.floating_ips.values().cloned().collect()),
            Kind::Port => Shown::Ports(cloud.ports.values().cloned().collect()),
        }
    }

    fn end_listing(&mut self, cloud: &str, kind: Kind) {
        let listing = self.process.books.get_mut(cloud).unwrap().running.remove(&kind).unwrap();
        let shown = listing.shown.unwrap_or_else(|| self.shown(cloud, kind));
        let (began, now) = (self.instant(listing.began), self.instant(self.now));
        let state = &mut self.process.books.get_mut(cloud).unwrap().state;
        let changed = match shown {
            Shown::Servers(servers) => state.servers.listed(began, servers),
            Shown::Volumes(volumes) => state.volumes.listed(began, volumes),
            Shown::FloatingIps(ips) => state.floating_ips.listed(began, ips),
            Shown::Ports(ports) => state.ports.listed(began, ports),
            Shown::Nothing => {
                state.unseen(kind, now);
                state.ledger_mut(kind).failed(now, Reason::CloudUnreachable, "no answer".into(), None);
                return;
            }
        };
        state.seen(kind, now);
        let satisfied = state.ledger_mut(kind).satisfied(began);
        self.woken |= changed.iter().chain(&satisfied).any(|uid| uid == UID);
    }
}
