//! What one cloud holds of one node, from its inventory.

use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Known, Place, floats, past, standing};
use crate::api::cloud::{AddressFrom, IpVersion};
use crate::api::testnode_status::{Attempt, ResolvedNetwork, ServerFacts};
use crate::api::{Kind, PerKind};
use crate::clock::Steady;
use crate::inventory::State;
use crate::inventory::ledger;
use crate::inventory::shelf::Entry;
use crate::reconcile::state::{
    Binding, BootId, CloudView, Ending, Failing, FloatingIp, Port, Presence, Problem, Server, ServerState,
    Standing, UsedVolume, Volume, VolumeState, is_failed,
};
use crate::things::{self, Thing};

/// What a cloud holds of a node.
pub(super) fn view(known: &Known<'_>, cloud: &str, place: &Place<'_>) -> CloudView {
    let (born, suspect) = past(known, cloud);
    let (state, uid) = (place.state, known.uid);
    let at = Looking { known, cloud, place };
    // Nobody lists what nobody has.
    let floats = floats(known, cloud, place);
    let matters = |kind: Kind| kind != Kind::FloatingIp || floats;
    let mut view = CloudView {
        standing: standing(known, cloud, place, born),
        servers: state.servers.of(uid).map(|entry| at.server(entry)).collect(),
        volumes: state.volumes.of(uid).map(|entry| at.volume(entry)).collect(),
        floating_ips: state.floating_ips.of(uid).map(|entry| at.floating_ip(entry)).collect(),
        ports: state.ports.of(uid).map(|entry| at.port(entry)).collect(),
        address_from: place.address_from.cloned(),
        fresh: PerKind::from_fn(|kind| !matters(kind) || state.ledger(kind).is_fresh(uid, born)),
        settled: PerKind::from_fn(|kind| !matters(kind) || state.ledger(kind).is_settled(uid, suspect)),
        failing: PerKind::from_fn(|kind| state.ledger(kind).failing().map(|failing| told(known, failing))),
        servers_gone: state.servers.graves(uid).map(|(_, attempt)| at.attempt(*attempt)).collect(),
        ..CloudView::empty(Standing::Seen)
    };
    for attempt in known.memory.attempts.iter().filter(|attempt| attempt.cloud == cloud) {
        at.existing(&mut view, attempt);
    }
    hints(&mut view, known, cloud, state);
    if let Some(attempt) = known.memory.current().filter(|attempt| attempt.cloud == cloud) {
        at.clocks(&mut view, attempt);
    }
    view
}

/// A list that failed, in the time of the wall clock.
fn told(known: &Known<'_>, failing: &ledger::Failing) -> Failing {
    let left = failing.retry_at.saturating_duration_since(known.now.steady);
    Failing {
        problem: Problem { reason: failing.reason, message: failing.message.clone() },
        retry_at: known.now.wall.checked_add(left).unwrap_or(known.now.wall),
    }
}

/// After a restart: what the status shows and no list does is asked for by its id.
fn hints(view: &mut CloudView, known: &Known<'_>, cloud: &str, state: &State) {
    let shown = known.shown == Some(cloud) && view.standing == Standing::Seen;
    let Some(attempt) = known.memory.last().filter(|_| shown) else { return };
    let hints = &known.memory.hints;
    let missing = |kind: Kind, id: &&String| !state.shelf(kind).is_known(known.uid, id);
    for id in hints.server.iter().filter(|id| missing(Kind::Server, id)) {
        view.servers.push(Server {
            id: id.clone(),
            attempt: attempt.number,
            boot: 1,
            image: None,
            presence: Presence::Missing,
            state: ServerState::Other,
            fault: None,
            unexplained: false,
            ending: Ending::default(),
            remark: None,
            created: None,
            facts: ServerFacts { id: id.clone(), ..ServerFacts::default() },
        });
    }
    for id in hints.volumes.iter().filter(|id| missing(Kind::Volume, id)) {
        view.volumes.push(Volume {
            id: id.clone(),
            attempt: attempt.number,
            key: String::new(),
            presence: Presence::Missing,
            state: VolumeState::Other,
            servers: Vec::new(),
            created: None,
            reservations: Vec::new(),
            status: String::new(),
            ending: Ending::default(),
            remark: None,
            device: None,
        });
    }
    for id in hints.floating_ip.iter().filter(|id| missing(Kind::FloatingIp, id)) {
        view.floating_ips.push(FloatingIp {
            id: id.clone(),
            attempt: attempt.number,
            presence: Presence::Missing,
            address: None,
            port: None,
            ending: Ending::default(),
            remark: None,
        });
    }
    for id in hints.ports.iter().filter(|id| missing(Kind::Port, id)) {
        view.ports.push(Port {
            id: id.clone(),
            attempt: attempt.number,
            index: usize::MAX,
            presence: Presence::Missing,
            device: None,
            binding: Binding::Sound,
            address: None,
            addresses: Vec::new(),
            mac: String::new(),
            network: String::new(),
            ending: Ending::default(),
            remark: None,
        });
    }
}

pub(super) fn presence<T: Thing>(entry: &Entry<T>) -> Presence {
    if entry.missing {
        Presence::Missing
    } else if entry.object.meta().is_unmarked() {
        Presence::Unmarked
    } else if entry.deleted.is_some() || entry.object.is_leaving() {
        Presence::Going
    } else {
        Presence::There
    }
}

/// A look at one cloud.
struct Looking<'a> {
    known: &'a Known<'a>,
    cloud: &'a str,
    place: &'a Place<'a>,
}

impl Looking<'_> {
    /// Each clock stands while we could not look; for this process that is all the time before it began.
    fn clocks(&self, view: &mut CloudView, attempt: &Attempt) {
        let Known { notes, started, now, .. } = *self.known;
        let watched = |since: &Time| self.watched_for(notes.steady_at(since.0, started, now));
        let rebuild = attempt.rebuild.as_ref().filter(|rebuild| rebuild.is_open());
        let (opened, written) = match rebuild {
            Some(rebuild) => (&rebuild.opened_at, &rebuild.server_active_at),
            None => (&attempt.opened_at, &attempt.server_active_at),
        };
        // A launch stands still while the node waits for its turn; a rebuild does not wait.
        let stood = if rebuild.is_some() { Duration::ZERO } else { notes.stood_for(now.steady) };
        view.launching_for = opened.as_ref().map(watched).unwrap_or_default().saturating_sub(stood);
        let counts = |server: &&Server| {
            server.state == ServerState::Active && rebuild.is_none_or(|rebuild| rebuild.number == server.boot)
        };
        let active = view.servers.iter().find(counts);
        let since = active.and_then(|active| self.known.notes.guests.get(&active.boot())?.active_since);
        let listed = self.place.state.volumes.ledger.last();
        view.volumes_since_active = since.is_some_and(|since| listed.is_some_and(|listed| listed > since));
        view.booting_for = match (written, active) {
            (Some(written), _) => watched(written),
            // Seen, and not yet written.
            (None, Some(server)) => self.watched_for(self.active_since(&server.boot())),
            (None, None) => Duration::ZERO,
        };
    }

    fn watched_for(&self, since: Steady) -> Duration {
        self.place.state.watched_for(since.max(self.known.started), self.known.now.steady)
    }

    /// Since when a boot is known to be ACTIVE. The turn notes it.
    fn active_since(&self, boot: &BootId) -> Steady {
        let noted = self.known.notes.guests.get(boot).and_then(|guest| guest.active_since);
        noted.unwrap_or(self.known.now.steady)
    }

    fn ending<T: Thing>(&self, entry: &Entry<T>) -> Ending {
        let overdue = |since| self.watched_for(since) > self.known.desired.delete_timeout;
        Ending { overdue: entry.ending_since.is_some_and(overdue), refusal: entry.refusal.clone() }
    }

    fn remark<T: Thing>(&self, entry: &Entry<T>) -> Option<String> {
        self.remark_of(&entry.object, entry)
    }

    fn remark_of<T: Thing>(&self, thing: &T, entry: &Entry<T>) -> Option<String> {
        let lost = !thing.meta().lost.is_empty();
        lost.then(|| thing.remark(&entry.owner, self.place.cluster_id))
    }

    /// The attempt that made a thing. One whose mark was removed counts as one of the current attempt: what may be in use
    /// is never surplus for want of a mark.
    fn attempt(&self, marked: Option<i64>) -> i64 {
        let here = |attempt: &&Attempt| attempt.cloud == self.cloud;
        let memory = &self.known.memory;
        let current = || memory.current().filter(here).or_else(|| memory.attempts.iter().rev().find(here));
        marked.or_else(|| current().map(|attempt| attempt.number)).unwrap_or(0)
    }

    fn server(&self, entry: &Entry<things::Server>) -> Server {
        let found = &entry.object;
        let id = &found.meta.id;
        let presence = match (found.state, presence(entry)) {
            // It was deleted once already. Now it must be deleted for good.
            (ServerState::SoftDeleted, Presence::Going) if !self.known.notes.forced.contains(id) => {
                Presence::There
            }
            (_, presence) => presence,
        };
        Server {
            id: id.clone(),
            attempt: self.attempt(entry.owner.attempt),
            boot: found.boot,
            image: found.image.clone(),
            presence,
            state: found.state,
            fault: found.fault.clone(),
            unexplained: found.unexplained,
            ending: self.ending(entry),
            remark: self.remark(entry),
            created: found.meta.created,
            facts: ServerFacts {
                id: id.clone(),
                name: found.meta.name.clone(),
                status: found.status.clone(),
                host_id: found.host_id.clone(),
                availability_zone: found.zone.clone(),
                created_at: found.meta.created.map(Time),
            },
        }
    }

    /// A volume, as the last list of volumes showed it, and as its ACTIVE server shows it: that list may be newer.
    fn volume(&self, entry: &Entry<things::Volume>) -> Volume {
        let found = &entry.object;
        let coming = match found.state {
            VolumeState::Available | VolumeState::Reserved => true,
            VolumeState::Attached => found.servers.is_empty(),
            VolumeState::Creating
            | VolumeState::Deleting
            | VolumeState::Error
            | VolumeState::ErrorDeleting
            | VolumeState::Other => false,
        };
        let on = self.place.state.servers.of(&entry.owner.uid).find(|server| {
            server.object.state == ServerState::Active && server.object.volumes.contains(&found.meta.id)
        });
        // After a rebuild its volumes were taken from it, and only Cinder tells whether they were given back.
        let on = on.filter(|server| {
            coming
                && server.object.boot == 1
                && server.sightings.last().map(|(began, _)| began) > entry.last_told().as_ref()
        });
        let listed = self.listed(entry);
        match on {
            Some(server) => Volume {
                state: VolumeState::Attached,
                servers: vec![server.object.meta.id.clone()],
                status: "in-use".to_owned(),
                ..listed
            },
            None => listed,
        }
    }

    fn listed(&self, entry: &Entry<things::Volume>) -> Volume {
        let found = &entry.object;
        let presence = match (found.state, presence(entry)) {
            // Its deletion has failed. Once an administrator has reset it, it must be deleted again.
            (VolumeState::ErrorDeleting, Presence::Going) if entry.deleted.is_none() => Presence::There,
            (_, presence) => presence,
        };
        let reservations = self.known.notes.reservations.get(&found.meta.id);
        Volume {
            id: found.meta.id.clone(),
            attempt: self.attempt(entry.owner.attempt),
            key: found.key.clone(),
            presence,
            state: found.state,
            servers: found.servers.clone(),
            created: found.meta.created,
            reservations: reservations.cloned().unwrap_or_default(),
            status: found.status.clone(),
            ending: self.ending(entry),
            remark: self.remark(entry),
            device: found.device.clone(),
        }
    }

    fn floating_ip(&self, entry: &Entry<things::FloatingIp>) -> FloatingIp {
        let found = &entry.object;
        FloatingIp {
            id: found.meta.id.clone(),
            attempt: self.attempt(entry.owner.attempt),
            presence: presence(entry),
            address: found.address,
            port: found.port.clone(),
            ending: self.ending(entry),
            remark: self.remark(entry),
        }
    }

    /// What an attempt uses that exists by itself. Its addresses are as they were when the attempt began.
    fn existing(&self, view: &mut CloudView, attempt: &Attempt) {
        let Some(resolved) = attempt.resolved.as_ref().filter(|_| !attempt.settled || !is_failed(attempt))
        else {
            return;
        };
        let server =
            view.servers.iter().find(|server| server.attempt == attempt.number).map(|s| s.id.clone());
        for (index, network) in resolved.networks.iter().enumerate() {
            let Some(port) = &network.port else { continue };
            let addresses: Vec<IpAddr> =
                port.addresses.iter().filter_map(|address| address.parse().ok()).collect();
            view.existing_ports.push(Port {
                id: port.id.clone(),
                attempt: attempt.number,
                index,
                presence: Presence::There,
                device: server.clone(),
                binding: Binding::Sound,
                address: address(&addresses, Some(&network.name), self.place.address_from),
                addresses,
                mac: port.mac.clone(),
                network: network.id.clone(),
                ending: Ending::default(),
                remark: None,
            });
        }
        for volume in &resolved.existing_volumes {
            if view.existing_volumes.iter().all(|known| known.id != volume.id) {
                let reservations = self.known.notes.reservations.get(&volume.id).cloned();
                view.existing_volumes.push(UsedVolume { id: volume.id.clone(), reservations });
            }
        }
    }

    fn port(&self, entry: &Entry<things::Port>) -> Port {
        let found = &entry.object;
        let current = self.known.memory.current().filter(|attempt| attempt.cloud == self.cloud);
        let networks: &[ResolvedNetwork] = current
            .and_then(|attempt| attempt.resolved.as_ref())
            .map(|resolved| resolved.networks.as_slice())
            .unwrap_or_default();
        let place = networks.iter().position(|network| network.id == found.network);
        let network = place.and_then(|place| networks.get(place)).map(|network| network.name.as_str());
        let server = self.place.state.servers.of(&entry.owner.uid).find(|server| {
            server.owner.attempt == entry.owner.attempt
                && server.object.state == ServerState::Active
                && server.deleted.is_none()
        });
        // Its name said which it is. If somebody gave it another one, its network tells.
        let index = if found.index == usize::MAX { place.unwrap_or(usize::MAX) } else { found.index };
        Port {
            id: found.meta.id.clone(),
            attempt: self.attempt(entry.owner.attempt),
            index,
            presence: presence(entry),
            device: found.device.clone(),
            binding: server.map_or(Binding::Sound, |server| {
                let boot = BootId { server: server.object.meta.id.clone(), number: server.object.boot };
                binding(entry, &boot.server, self.active_since(&boot))
            }),
            address: address(&found.addresses, network, self.place.address_from),
            addresses: found.addresses.clone(),
            mac: found.mac.clone(),
            network: found.network.clone(),
            ending: self.ending(entry),
            remark: self.remark_of(&things::Port { index, ..found.clone() }, entry),
        }
    }
}

/// Only lists that began after the server was seen ACTIVE tell: another server, or none in two lists.
fn binding(entry: &Entry<things::Port>, server: &str, active_since: Steady) -> Binding {
    let mut told = entry.sightings.iter().filter(|(began, _)| *began > active_since).rev();
    match told.next().map(|(_, port)| port.device.as_deref()) {
        None => Binding::Sound,
        Some(Some(device)) if device == server => Binding::Sound,
        Some(Some(_)) => Binding::Lost,
        Some(None) => match told.next() {
            Some((_, port)) if port.device.is_none() => Binding::Lost,
            Some(_) | None => Binding::Doubtful,
        },
    }
}

/// The address that `addressFrom` chooses: on its network, of its version, IPv4 before IPv6.
fn address(addresses: &[IpAddr], network: Option<&str>, from: Option<&AddressFrom>) -> Option<IpAddr> {
    if let Some(wanted) = from.and_then(|from| from.network.as_deref())
        && network != Some(wanted)
    {
        return None;
    }
    let fits = |address: &&IpAddr| match from.and_then(|from| from.version) {
        Some(IpVersion::V4) => address.is_ipv4(),
        Some(IpVersion::V6) => address.is_ipv6(),
        None => true,
    };
    addresses.iter().filter(fits).min_by_key(|address| (address.is_ipv6(), **address)).copied()
}
