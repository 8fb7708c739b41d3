//! What is wanted, and one look, with which the operator looks too.

use std::collections::BTreeMap;
use std::time::Duration;

use super::process::Books;
use super::world::{FQDN, NODE, UID, World};
use super::zone::PARK;
use crate::api::TestNodeSpec;
use crate::api::common::{CheckKind, ReadinessCheck};
use crate::api::hold::OnFailure;
use crate::api::testnode_status::{
    AskedSystem, FloatingIpPool, Resolved, ResolvedFloatingIp, ResolvedImage, ResolvedNetwork, ResolvedVolume,
};
use crate::clock::Now;
use crate::clouds;
use crate::inventory::ledger::Born;
use crate::inventory::shelf::AnyShelf;
use crate::reconcile::look::{Known, Naming, Place, look};
use crate::reconcile::memory;
use crate::reconcile::state::{
    Desired, Expiry, Kind, Memory, Need, Observed, Offer, Pins, Resolution, Room, Turn, UserData, Wish,
    WishedSystem,
};
use crate::select::System;

/// `timeouts.delete`.
pub const DELETE_TIMEOUT: Duration = Duration::from_mins(4);

impl World {
    /// What is wanted.
    pub fn desired(&self) -> Desired {
        let checks = [(self.life.console, CheckKind::Console), (self.life.ssh, CheckKind::Ssh)];
        Desired {
            generation: self.object.generation,
            asks: self.object.generation.to_string(),
            system: self.asked(),
            machine_type_generation: 1,
            os: None,
            paused: self.now < self.object.paused_until,
            expiry: self.life.expires.map(|at| Expiry::new(Self::timestamp_of(at), "expired")),
            need: Need::Needed,
            on_failure: OnFailure::Retry,
            hold: None,
            readiness: checks
                .into_iter()
                .filter(|(wanted, _)| *wanted)
                .map(|(_, kind)| ReadinessCheck::new(kind))
                .collect(),
            launch_timeout: Duration::from_mins(3),
            boot_timeout: Duration::from_mins(2),
            delete_timeout: DELETE_TIMEOUT,
            launch_retries: 2,
            user_data_digest: None,
            user_data: UserData::Known,
            console_request: None,
            console_forbidden: None,
            problem: None,
        }
    }

    /// What is seen.
    pub fn look(&mut self) -> Observed {
        let now = Now { wall: self.timestamp(), steady: self.instant(self.now) };
        let desired = self.desired();
        let memory = memory::read(self.object.own());
        let elsewhere = !self.object.deleting && memory.current().is_none();
        let addressed = memory.dns.as_ref().is_some_and(|dns| !dns.addresses.is_empty());
        // A name with a recorded address stays.
        let held = self.now < self.held_until && !addressed;
        let seen = look(Known {
            now,
            desired: &desired,
            started: self.instant(self.process.started),
            uid: UID,
            node: NODE,
            former: self.object.former,
            lives: &|_| false,
            deleting: self.object.deleting,
            held: self.object.held.clone(),
            shown: self.object.own().and_then(|status| status.cloud.as_deref()),
            abandon: self.object.abandon,
            notes: &self.process.notes,
            clouds: self.process.books.keys().map(|name| (name.clone(), self.place(name))).collect(),
            offers: if elsewhere { self.offers() } else { Vec::new() },
            may_build: memory.open().is_none_or(|open| self.now >= self.clouds[&open.cloud].busy_until),
            wish: self.wish(&memory),
            holders: held.then(|| (FQDN.to_owned(), "lab/other".to_owned())).into_iter().collect(),
            memory,
        });
        let started = self.instant(self.process.started);
        self.process.notes.saw(&desired, &seen, started, now);
        seen
    }

    /// What the spec asks of the machine's system.
    fn asked(&self) -> AskedSystem {
        let rebuild = (self.object.rebuild > 0).then(|| self.object.rebuild.to_string());
        AskedSystem { rebuild, ..AskedSystem::default() }
    }

    /// The other system that the machine is to have.
    fn wish(&self, memory: &Memory) -> Option<Wish> {
        let asked = self.asked();
        let spec = TestNodeSpec { rebuild: asked.rebuild.clone(), ..TestNodeSpec::default() };
        memory.wishes(&spec).filter(|_| !self.object.deleting)?;
        let image = ResolvedImage { id: format!("i-{}", self.object.rebuild), ..ResolvedImage::default() };
        let system = System { image, os: None, metadata: None, why: String::new() };
        Some(Wish { asked, system: WishedSystem::Can(Box::new(system)) })
    }

    fn place(&self, cloud: &str) -> Place<'_> {
        let named = self.life.named;
        Place {
            login: &self.logins[cloud],
            state: &self.process.books[cloud].state,
            cluster_id: "c-1",
            address_from: None,
            naming: named.then(|| Naming {
                fqdn: Some(FQDN.to_owned()),
                verifiable: self.life.verifiable,
                park: (!self.life.updates).then_some(PARK),
            }),
            recorded: self.records.contains(cloud),
            let_go: std::collections::BTreeSet::new(),
            former: None,
        }
    }

    /// What machine type and spec come to.
    fn resolved(&self) -> Resolved {
        let volumes = (0..self.life.volumes).map(|index| ResolvedVolume {
            name: format!("osd-{index}"),
            size_gib: 1,
            ..ResolvedVolume::default()
        });
        let networks = (0..self.life.ports).map(|index| ResolvedNetwork {
            id: format!("net{index}"),
            name: format!("net{index}"),
            ..ResolvedNetwork::default()
        });
        let pool = FloatingIpPool { id: "ext".into(), name: "ext".into(), network: 0 };
        let floating_ip = self.life.floating.map(|policy| ResolvedFloatingIp { policy, pool: Some(pool) });
        let (volumes, networks) = (volumes.collect(), networks.collect());
        Resolved { networks, floating_ip, volumes, ..Resolved::default() }
    }

    fn offers(&self) -> Vec<Offer> {
        let offer = |(cloud, books): (&String, &Books)| Offer {
            cloud: cloud.clone(),
            zones: vec![None],
            standing: clouds::standing(
                &self.logins[cloud],
                &books.state,
                Born::Here,
                books.state.floating_ips.has_things(),
            ),
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
            turn: Turn { place: 1, of: 1 },
            cooling: BTreeMap::new(),
            fqdn: self.life.named.then(|| FQDN.to_owned()),
            taken: None,
            holder: (self.now < self.held_until).then(|| "lab/other".to_owned()),
            pins: Pins::default(),
            volume_zones: BTreeMap::new(),
        };
        self.process.books.iter().map(offer).collect()
    }
}
