//! One look, made of the shelves and notes as `observe` makes it of the real ones.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::process::Books;
use super::scenario::MINUTE;
use super::view::{hints, port, server, volume};
use super::world::{FQDN, UID, World};
use super::zone::PARK;
use crate::api::common::{CheckKind, ReadinessCheck};
use crate::api::testnode::OnFailure;
use crate::api::testnode_status::{Attempt, DnsFacts, Resolved, ResolvedNetwork, ResolvedVolume};
use crate::inventory::ledger::Born;
use crate::reconcile::memory;
use crate::reconcile::plan::{kept_server, target_address};
use crate::reconcile::state::{
    CloudView, Desired, Expiry, GuestView, Kind, Memory, NameView, Observed, Offer, PerKind, Pins, Problem,
    Resolution, Room, Sent, Server, ServerState, Standing, UserData, is_failed,
};

const FAILURES_UNTIL_AWAY: u32 = 2;
const RIGHT_FOR: u64 = 10 * MINUTE;
const WRONG_FOR: u64 = 5000;

impl World {
    /// What is wanted.
    pub fn desired(&self) -> Desired {
        let console = ReadinessCheck { kind: CheckKind::Console, port: None };
        Desired {
            generation: self.object.generation,
            machine_type_generation: 1,
            os: None,
            paused: self.now < self.object.paused_until,
            expiry: self.life.expires.map(|at| Expiry { at: Self::timestamp_of(at), why: "expired".into() }),
            on_failure: OnFailure::Retry,
            readiness: if self.life.console { vec![console] } else { Vec::new() },
            launch_timeout: Duration::from_mins(3),
            boot_timeout: Duration::from_mins(2),
            launch_retries: 2,
            user_data: UserData::Known,
            problem: None,
        }
    }

    /// What is seen.
    pub fn look(&mut self) -> Observed {
        let mut memory = memory::read(self.object.status.as_ref());
        let mut names: BTreeSet<String> = self.object.held.clone();
        let unsettled = memory.attempts.iter().filter(|attempt| !attempt.settled || !is_failed(attempt));
        names.extend(unsettled.map(|attempt| attempt.cloud.clone()));
        let books = self.process.books.iter();
        names.extend(books.filter(|(_, books)| has_any(books)).map(|(cloud, _)| cloud.clone()));
        let clouds = names.into_iter().map(|name| (name.clone(), self.view(&name, &memory))).collect();
        if memory.dns.is_none() {
            memory.dns = self.lost_name(&memory, &clouds);
        }
        let offers =
            if self.object.deleting || memory.current().is_some() { Vec::new() } else { self.offers() };
        let mut seen = Observed {
            now: self.timestamp(),
            deleting: self.object.deleting,
            held: self.object.held.clone(),
            memory,
            clouds,
            offers,
            name: NameView::default(),
            guest: GuestView::default(),
            troubles: self.process.troubles.clone(),
        };
        seen.name = self.name(&seen);
        seen.guest = self.guest(&seen);
        seen
    }

    /// What machine type and spec come to.
    fn resolved(&self) -> Resolved {
        let volumes = (0..self.life.volumes).map(|index| ResolvedVolume {
            name: format!("osd-{index}"),
            size_gib: 1,
            kind: None,
        });
        let networks = (0..self.life.ports).map(|index| ResolvedNetwork {
            id: format!("net{index}"),
            name: format!("net{index}"),
            fixed_ip: None,
        });
        Resolved { volumes: volumes.collect(), networks: networks.collect(), ..Resolved::default() }
    }

    fn offers(&self) -> Vec<Offer> {
        let offer = |(cloud, books): (&String, &Books)| Offer {
            cloud: cloud.clone(),
            zones: vec![None],
            standing: standing(books, Born::Here),
            resolution: if books.catalogue {
                Resolution::Can(Box::new(self.resolved()))
            } else {
                Resolution::Unread
            },
            room: match (books.refused, self.now < self.clouds[cloud].full_until) {
                (true, _) => Room::Unread(Kind::Server),
                (false, true) => Room::Full("no cores".into()),
                (false, false) => Room::Free,
            },
            cooling: BTreeMap::new(),
            fqdn: self.life.named.then(|| FQDN.to_owned()),
            holder: (self.now < self.held_until).then(|| "lab/other".to_owned()),
            pins: Pins::default(),
        };
        self.process.books.iter().map(offer).collect()
    }

    fn view(&mut self, cloud: &str, memory: &Memory) -> CloudView {
        let (base, now, began) = (self.instant(0), self.now, self.process.started);
        let started = self.instant(began);
        let stamp = self.timestamp();
        let process = &mut self.process;
        let born = if process.born.contains(cloud) { Born::Here } else { Born::Before };
        let stranger = |a: &Attempt| a.cloud == cloud && !a.settled && !process.opened.contains(&a.number);
        let lost = memory.attempts.is_empty() && born == Born::Before;
        let suspect = (memory.attempts.iter().any(stranger) || lost).then_some(started);
        let books = &process.books[cloud];
        let servers: Vec<Server> = books.servers.of(UID).map(|entry| server(entry, process)).collect();
        let attempt = memory.current().filter(|attempt| attempt.cloud == cloud);
        for server in servers.iter().filter(|server| server.state == ServerState::Active) {
            process.active_since.entry(server.id.clone()).or_insert(now);
        }
        let mut view = CloudView {
            standing: standing(books, born),
            servers,
            volumes: books.volumes.of(UID).map(|entry| volume(entry, books, &process.reservations)).collect(),
            ports: books
                .ports
                .of(UID)
                .map(|entry| {
                    let active = books.servers.of(UID).find(|server| {
                        server.owner.attempt == entry.owner.attempt
                            && server.object.state == ServerState::Active
                            && server.deleted.is_none()
                    });
                    let since = active.and_then(|active| {
                        Some((active.object.id.as_str(), *process.active_since.get(&active.object.id)?))
                    });
                    port(entry, since.map(|(id, at)| (id, base + Duration::from_millis(at))))
                })
                .collect(),
            fresh: PerKind::from_fn(|kind| books.ledger(kind).is_fresh(UID, born)),
            settled: PerKind::from_fn(|kind| books.ledger(kind).is_settled(UID, suspect)),
            servers_gone: books.servers.graves(UID).map(|(_, attempt)| *attempt).collect(),
            ..CloudView::empty(Standing::Seen)
        };
        hints(&mut view, books, self.object.status.as_ref(), memory, cloud);
        if let Some(attempt) = attempt {
            let watched = |since: &Option<Time>| {
                let ago = since.as_ref().map_or(0, |since| millis_between(since.0, stamp));
                books.watched_for(now.saturating_sub(ago).max(began), now)
            };
            view.launching_for = watched(&attempt.opened_at);
            if attempt.server_active_at.is_some() {
                view.booting_for = watched(&attempt.server_active_at);
            } else if let Some(since) = view.servers.iter().find_map(|s| process.active_since.get(&s.id)) {
                view.booting_for = books.watched_for(*since, now);
            }
        }
        view
    }

    /// What of the name can be told without the status.
    fn lost_name(&self, memory: &Memory, clouds: &BTreeMap<String, CloudView>) -> Option<DnsFacts> {
        if !memory.attempts.is_empty() || !self.life.named {
            return None;
        }
        let own = own_addresses([clouds.values().find(|view| !view.is_empty())?]);
        let process = &self.process;
        let parked = process.sent.is_some_and(|(_, address, unchanged)| address == PARK && !unchanged);
        let foreign = |address: &IpAddr| !own.contains(address) && *address != PARK;
        let withdrawn = parked || process.found.as_ref().is_some_and(|(_, found)| found.iter().any(foreign));
        let addresses = own.iter().map(ToString::to_string).collect();
        let lost = !withdrawn && !own.is_empty() && self.now >= self.held_until;
        lost.then(|| DnsFacts { name: FQDN.into(), addresses, ..DnsFacts::default() })
    }

    fn name(&self, seen: &Observed) -> NameView {
        let Some(dns) = &seen.memory.dns else { return NameView::default() };
        let target = target_address(seen);
        let process = &self.process;
        let stays = !seen.deleting && seen.memory.to_end().is_none();
        let found = process.found.as_ref().filter(|(asked, found)| {
            let right = stays && target.is_some_and(|target| *found == BTreeSet::from([target]));
            let after = process.sent.is_none_or(|(sent, _, _)| sent <= *asked);
            after && self.now - asked < if right { RIGHT_FOR } else { WRONG_FOR }
        });
        NameView {
            // One with a recorded address stays.
            holder: (self.now < self.held_until && dns.addresses.is_empty()).then(|| "lab/other".into()),
            verifiable: self.life.verifiable,
            found: found.map(|(_, found)| found.clone()),
            sent: process.sent.map(|(sent, address, unchanged)| Sent {
                address,
                unchanged,
                age: Duration::from_millis(self.now - sent),
            }),
            park: Some(PARK),
            cloud: seen.memory.last().map(|attempt| attempt.cloud.clone()),
            own: own_addresses(seen.clouds.values()),
        }
    }

    fn guest(&self, seen: &Observed) -> GuestView {
        let server = seen
            .memory
            .current()
            .and_then(|attempt| kept_server(seen, seen.clouds.get(&attempt.cloud)?, attempt));
        let Some(server) = server else { return GuestView::default() };
        let known = self.process.console.as_ref().filter(|(id, _, _)| *id == server.id);
        GuestView {
            server: Some(server.id.clone()),
            console_due: known.is_none_or(|(_, _, next)| *next <= self.now),
            finished: known.is_some_and(|(_, finished, _)| *finished),
            tail: known.map(|_| "tail".into()),
            ..GuestView::default()
        }
    }
}

fn own_addresses<'a>(views: impl IntoIterator<Item = &'a CloudView>) -> BTreeSet<IpAddr> {
    views.into_iter().flat_map(|view| &view.ports).flat_map(|port| port.addresses.iter().copied()).collect()
}

fn millis_between(since: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.as_millisecond() - since.as_millisecond()).unwrap_or(0)
}

fn has_any(books: &Books) -> bool {
    books.servers.of(UID).next().is_some()
        || books.volumes.of(UID).next().is_some()
        || books.ports.of(UID).next().is_some()
}

fn standing(books: &Books, born: Born) -> Standing {
    let away = |kind: &Kind| {
        books.ledger(*kind).failing().is_some_and(|failing| failing.failures >= FAILURES_UNTIL_AWAY)
    };
    if Kind::ALL.iter().any(away) {
        return Standing::Away(Problem { reason: "CloudUnreachable", message: "no answer".into() });
    }
    let unseen = Kind::ALL.into_iter().any(|kind| books.ledger(kind).last().is_none());
    if unseen && born == Born::Before { Standing::Unseen } else { Standing::Seen }
}
