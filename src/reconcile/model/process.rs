//! The operator's process: the real shelves, fed by listings that are slow, stale, partial or fail; and its notes,
//! which die with it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::scenario::SECOND;
use super::things::{Port, Server, Volume};
use super::world::{UID, World};
use crate::inventory::ledger::Ledger;
use crate::inventory::shelf::Shelf;
use crate::reconcile::state::{Kind, Trouble};

/// What one process knows.
#[derive(Debug)]
pub struct Process {
    /// When it took the lease.
    pub started: u64,
    /// Clouds.
    pub books: BTreeMap<String, Books>,
    /// Clouds whose first finalizer it added.
    pub born: BTreeSet<String>,
    /// Attempts that it opened.
    pub opened: BTreeSet<i64>,
    /// Requests that failed.
    pub troubles: Vec<Trouble>,
    /// What the authority said, and when.
    pub found: Option<(u64, BTreeSet<IpAddr>)>,
    /// What was sent to nsupdate-web, when, and whether it was `no-change`.
    pub sent: Option<(u64, IpAddr, bool)>,
    /// By server: whether its console said the end, and when to read it again.
    pub console: Option<(String, bool, u64)>,
    /// By volume: attachments without a server.
    pub reservations: BTreeMap<String, Vec<String>>,
    /// By server.
    pub active_since: BTreeMap<String, u64>,
    /// What the node waits for, and since when.
    pub step: Option<(&'static str, u64)>,
    /// Servers that were deleted for good.
    pub forced: BTreeSet<String>,
}

/// What it knows of one cloud.
#[derive(Debug, Default)]
pub struct Books {
    /// Servers.
    pub servers: Shelf<Server>,
    /// Volumes.
    pub volumes: Shelf<Volume>,
    /// Ports.
    pub ports: Shelf<Port>,
    running: BTreeMap<Kind, Listing>,
    /// Since when, and until when, servers could not be looked at.
    pub away: Vec<(u64, Option<u64>)>,
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
    Ports(Vec<Port>),
    Nothing,
}

impl Process {
    /// A process without a past.
    pub fn new<'a>(now: u64, clouds: impl Iterator<Item = &'a String>) -> Self {
        Self {
            started: now,
            books: clouds.map(|cloud| (cloud.clone(), Books::default())).collect(),
            born: BTreeSet::new(),
            opened: BTreeSet::new(),
            troubles: Vec::new(),
            found: None,
            sent: None,
            console: None,
            reservations: BTreeMap::new(),
            active_since: BTreeMap::new(),
            step: None,
            forced: BTreeSet::new(),
        }
    }

    /// Servers that were seen in a cloud.
    pub fn known_servers(&self, cloud: &str) -> BTreeSet<String> {
        self.books[cloud].servers.of(UID).map(|entry| entry.object.id.clone()).collect()
    }
}

impl Books {
    /// Looks and changes of a kind.
    pub fn ledger(&self, kind: Kind) -> &Ledger {
        match kind {
            Kind::Server => &self.servers.ledger,
            Kind::Volume => &self.volumes.ledger,
            Kind::Port => &self.ports.ledger,
        }
    }

    /// See `ledger`.
    pub fn ledger_mut(&mut self, kind: Kind) -> &mut Ledger {
        match kind {
            Kind::Server => &mut self.servers.ledger,
            Kind::Volume => &mut self.volumes.ledger,
            Kind::Port => &mut self.ports.ledger,
        }
    }

    /// How long it is since an instant, less the time in which we could not look.
    pub fn watched_for(&self, since: u64, now: u64) -> Duration {
        let away: u64 =
            self.away.iter().map(|(from, to)| to.unwrap_or(now).saturating_sub((*from).max(since))).sum();
        Duration::from_millis(now.saturating_sub(since).saturating_sub(away))
    }
}

impl World {
    /// When a listing next begins or ends.
    pub fn next_listing(&self) -> u64 {
        let mut next = u64::MAX;
        for books in self.process.books.values() {
            for kind in Kind::ALL {
                let at = books.running.get(&kind).map_or_else(|| self.listing_due(books, kind), |l| l.ends);
                next = next.min(at);
            }
        }
        next
    }

    fn listing_due(&self, books: &Books, kind: Kind) -> u64 {
        let idle = Duration::from_secs(if kind == Kind::Server { 30 } else { 120 });
        let due = books.ledger(kind).due(self.instant(self.now), Duration::from_secs(2), idle);
        let due = due.saturating_duration_since(self.instant(0)).as_millis();
        u64::try_from(due).unwrap().max(self.now)
    }

    /// Ends and begins the listings whose time has come.
    pub fn list(&mut self) {
        let names: Vec<String> = self.clouds.keys().cloned().collect();
        for cloud in &names {
            for kind in Kind::ALL {
                let books = &self.process.books[cloud];
                match books.running.get(&kind) {
                    Some(listing) if listing.ends <= self.now => self.end_listing(cloud, kind),
                    None if self.listing_due(books, kind) <= self.now => self.begin_listing(cloud, kind),
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
                Shown::Servers(all.filter(|server| !hidden(&server.id)).collect())
            }
            Kind::Volume => Shown::Volumes(cloud.volumes.values().map(|(shown, _)| shown.clone()).collect()),
            Kind::Port => Shown::Ports(cloud.ports.values().cloned().collect()),
        }
    }

    fn end_listing(&mut self, cloud: &str, kind: Kind) {
        let listing = self.process.books.get_mut(cloud).unwrap().running.remove(&kind).unwrap();
        let shown = listing.shown.unwrap_or_else(|| self.shown(cloud, kind));
        let (began, now, millis) = (self.instant(listing.began), self.instant(self.now), self.now);
        let books = self.process.books.get_mut(cloud).unwrap();
        let changed = match shown {
            Shown::Servers(servers) => {
                if let Some((_, to @ None)) = books.away.last_mut() {
                    *to = Some(millis);
                }
                books.servers.listed(began, servers)
            }
            Shown::Volumes(volumes) => books.volumes.listed(began, volumes),
            Shown::Ports(ports) => books.ports.listed(began, ports),
            Shown::Nothing => {
                if kind == Kind::Server && books.away.last().is_none_or(|(_, to)| to.is_some()) {
                    books.away.push((listing.began, None));
                }
                books.ledger_mut(kind).failed(now, "CloudUnreachable", "no answer".into(), None);
                return;
            }
        };
        let satisfied = books.ledger_mut(kind).satisfied(began);
        self.woken |= changed.iter().chain(&satisfied).any(|uid| uid == UID);
    }
}
