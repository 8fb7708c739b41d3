//! What one cloud holds of one node, from its inventory.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{past, pinned};
use crate::api::cloud::{AddressFrom, IpVersion};
use crate::api::testnode_status::{Attempt, ServerFacts};
use crate::api::{Kind, PerKind, TestNode, mark};
use crate::clouds::Handle;
use crate::error::Class;
use crate::inventory::State;
use crate::inventory::shelf::Entry;
use crate::openstack::block_storage::{self, VolumeStatus};
use crate::openstack::classify;
use crate::openstack::compute::{self, ServerStatus};
use crate::openstack::network;
use crate::reconcile::context::{Context, Notes};
use crate::reconcile::state::{
    Binding, CloudView, Fault, Memory, Port, Presence, Server, ServerState, Standing, Verdict, Volume,
    VolumeState,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Whether a cloud has anything of this node.
pub(super) fn has_any(handle: &Handle, uid: &str) -> bool {
    let state = handle.inventory.lock();
    state.servers.of(uid).next().is_some()
        || state.volumes.of(uid).next().is_some()
        || state.ports.of(uid).next().is_some()
}

/// What a cloud holds of a node.
pub(super) fn view(
    ctx: &Context,
    node: &TestNode,
    uid: &str,
    memory: &Memory,
    handle: &Handle,
    now: Timestamp,
    delete_timeout: Duration,
) -> CloudView {
    let (born, suspect) = past(ctx, uid, memory, &handle.name);
    let standing = match pinned(handle, memory) {
        Some(problem) => Standing::Away(problem),
        None => handle.standing(born),
    };
    let from = handle.config().spec.as_ref().and_then(|spec| spec.address_from.clone());
    let state = handle.inventory.lock();
    let attempt = memory.current().filter(|attempt| attempt.cloud == handle.name);
    ctx.note(uid, |notes| {
        let servers: Vec<Server> = state.servers.of(uid).map(|entry| server(entry, notes)).collect();
        for server in servers.iter().filter(|server| server.state == ServerState::Active) {
            notes.active_since.entry(server.id.clone()).or_insert_with(Instant::now);
        }
        let mut view = CloudView {
            standing,
            servers,
            volumes: state.volumes.of(uid).map(|entry| volume(entry, &state, notes)).collect(),
            ports: state
                .ports
                .of(uid)
                .map(|entry| port(entry, attempt, &state, notes, from.as_ref()))
                .collect(),
            fresh: PerKind::from_fn(|kind| state.ledger(kind).is_fresh(uid, born)),
            settled: PerKind::from_fn(|kind| state.ledger(kind).is_settled(uid, suspect)),
            overdue: overdue(&state, uid, delete_timeout),
            servers_gone: state.servers.graves(uid).map(|(_, attempt)| *attempt).collect(),
            ..CloudView::empty(Standing::Seen)
        };
        hints(&mut view, &state, uid, node, memory, &handle.name);
        if let Some(attempt) = attempt {
            clocks(&mut view, &state, attempt, ctx.started, now);
            // Seen just now, and not yet written.
            let since = view.servers.iter().find_map(|server| notes.active_since.get(&server.id));
            if let (None, Some(since)) = (&attempt.server_active_at, since) {
                view.booting_for = state.watched_for(*since, Instant::now());
            }
        }
        view
    })
}

/// Whether something goes for longer than it may; the clock stands while we cannot look.
fn overdue(state: &State, uid: &str, delete_timeout: Duration) -> bool {
    let servers = state.servers.of(uid).filter_map(|entry| entry.first_deleted);
    let volumes = state.volumes.of(uid).filter_map(|entry| entry.first_deleted.or(entry.goes_along));
    let ports = state.ports.of(uid).filter_map(|entry| entry.first_deleted);
    let oldest = servers.chain(volumes).chain(ports).min();
    oldest.is_some_and(|oldest| state.watched_for(oldest, Instant::now()) > delete_timeout)
}

/// Each clock stands while we could not look; for this process that is all the time before it began.
fn clocks(view: &mut CloudView, state: &State, attempt: &Attempt, started: Instant, now: Timestamp) {
    let instant = Instant::now();
    let watched = |since: &Option<Time>| {
        let ago = since.as_ref().map(|since| now.duration_since(since.0));
        let ago = ago.and_then(|ago| Duration::try_from(ago).ok()).unwrap_or_default();
        let since = instant.checked_sub(ago).unwrap_or(started).max(started);
        state.watched_for(since, instant)
    };
    view.launching_for = watched(&attempt.opened_at);
    view.booting_for = if attempt.server_active_at.is_some() {
        watched(&attempt.server_active_at)
    } else {
        view.booting_for
    };
}

/// After a restart: what the status shows and no list does is asked for by its id.
fn hints(view: &mut CloudView, state: &State, uid: &str, node: &TestNode, memory: &Memory, cloud: &str) {
    let shown = node.status.as_ref().and_then(|status| status.cloud.as_deref()) == Some(cloud);
    let Some(attempt) = memory.last().filter(|_| shown && view.standing == Standing::Seen) else { return };
    let missing = |kind: Kind, id: &str| {
        let known = match kind {
            Kind::Server => {
                state.servers.entry(id).is_some() || state.servers.graves(uid).any(|(gone, _)| gone == id)
            }
            Kind::Volume => {
                state.volumes.entry(id).is_some() || state.volumes.graves(uid).any(|(gone, _)| gone == id)
            }
            Kind::Port => {
                state.ports.entry(id).is_some() || state.ports.graves(uid).any(|(gone, _)| gone == id)
            }
        };
        !known
    };
    if let Some(id) = memory.hints.server.as_ref().filter(|id| missing(Kind::Server, id)) {
        view.servers.push(Server {
            id: id.clone(),
            attempt: attempt.number,
            presence: Presence::Missing,
            state: ServerState::Other,
            fault: None,
            created: None,
            facts: ServerFacts { id: id.clone(), ..ServerFacts::default() },
        });
    }
    for id in memory.hints.volumes.iter().filter(|id| missing(Kind::Volume, id)) {
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
            device: None,
        });
    }
    for id in memory.hints.ports.iter().filter(|id| missing(Kind::Port, id)) {
        view.ports.push(Port {
            id: id.clone(),
            attempt: attempt.number,
            index: usize::MAX,
            presence: Presence::Missing,
            device: None,
            binding: Binding::Sound,
            address: None,
            addresses: Vec::new(),
            network: String::new(),
        });
    }
}

fn presence<T>(entry: &Entry<T>, leaving: bool) -> Presence {
    if entry.missing {
        Presence::Missing
    } else if entry.deleted.is_some() || leaving {
        Presence::Going
    } else {
        Presence::There
    }
}

fn server(entry: &Entry<compute::Server>, notes: &Notes) -> Server {
    let found = &entry.object;
    let state = match &found.status {
        ServerStatus::Build => ServerState::Building,
        ServerStatus::Active => ServerState::Active,
        ServerStatus::Error => ServerState::Error,
        ServerStatus::Stopped(_) => ServerState::Stopped,
        ServerStatus::SoftDeleted => ServerState::SoftDeleted,
        ServerStatus::Deleted | ServerStatus::Unknown | ServerStatus::Other(_) => ServerState::Other,
    };
    let presence = match state {
        // Deleted once already: now it must be for good.
        ServerState::SoftDeleted if entry.missing => Presence::Missing,
        ServerState::SoftDeleted if notes.forced.contains(&found.id.0) => Presence::Going,
        ServerState::SoftDeleted => Presence::There,
        ServerState::Building
        | ServerState::Active
        | ServerState::Error
        | ServerState::Stopped
        | ServerState::Other => presence(entry, found.deleting || found.status == ServerStatus::Deleted),
    };
    Server {
        id: found.id.0.clone(),
        attempt: entry.owner.attempt,
        presence,
        state,
        fault: found.fault.as_ref().map(|text| fault(text)),
        created: found.created,
        facts: ServerFacts {
            id: found.id.0.clone(),
            name: found.name.clone(),
            status: found.status.to_string(),
            host_id: Some(found.host_id.clone()).filter(|id| !id.is_empty()),
            availability_zone: Some(found.availability_zone.clone()).filter(|zone| !zone.is_empty()),
            created_at: found.created.map(Time),
        },
    }
}

fn fault(text: &str) -> Fault {
    let verdict = match classify::fault(text) {
        Class::Quota => Verdict::Quota,
        Class::Capacity => Verdict::Capacity,
        Class::Invalid | Class::NotFound => Verdict::Invalid,
        Class::Busy | Class::Auth | Class::Unreachable | Class::Conflict => Verdict::Passing,
    };
    Fault { verdict, message: text.to_owned() }
}

/// A volume, as the last list of volumes showed it, and as its ACTIVE server shows it: that list may be newer.
fn volume(entry: &Entry<block_storage::Volume>, all: &State, notes: &Notes) -> Volume {
    let found = &entry.object;
    let on = all.servers.of(&entry.owner.uid).find(|server| {
        server.object.status == ServerStatus::Active && server.object.attached_volumes.contains(&found.id)
    });
    let state = match &found.status {
        VolumeStatus::Creating => VolumeState::Creating,
        VolumeStatus::Available => VolumeState::Available,
        VolumeStatus::Reserved => VolumeState::Reserved,
        VolumeStatus::Attaching | VolumeStatus::InUse | VolumeStatus::Detaching => VolumeState::Attached,
        VolumeStatus::Deleting => VolumeState::Deleting,
        VolumeStatus::Error => VolumeState::Error,
        VolumeStatus::ErrorDeleting => VolumeState::ErrorDeleting,
        VolumeStatus::Other(_) => VolumeState::Other,
    };
    let coming =
        matches!(found.status, VolumeStatus::Available | VolumeStatus::Reserved | VolumeStatus::Attaching);
    let on = on.filter(|server| {
        coming && server.sightings.last().map(|(began, _)| began) > entry.last_told().as_ref()
    });
    if let Some(server) = on {
        return Volume {
            state: VolumeState::Attached,
            servers: vec![server.object.id.0.clone()],
            status: VolumeStatus::InUse.to_string(),
            ..listed(entry, state, notes)
        };
    }
    listed(entry, state, notes)
}

fn listed(entry: &Entry<block_storage::Volume>, state: VolumeState, notes: &Notes) -> Volume {
    let found = &entry.object;
    Volume {
        id: found.id.0.clone(),
        attempt: entry.owner.attempt,
        key: found.metadata.get(mark::VOLUME).cloned().unwrap_or_default(),
        presence: presence(entry, state == VolumeState::Deleting),
        state,
        servers: found.attached_to.iter().map(|server| server.0.clone()).collect(),
        created: found.created,
        reservations: notes.reservations.get(&found.id.0).cloned().unwrap_or_default(),
        status: found.status.to_string(),
        device: found.device.clone(),
    }
}

fn port(
    entry: &Entry<network::Port>,
    attempt: Option<&Attempt>,
    state: &State,
    notes: &Notes,
    from: Option<&AddressFrom>,
) -> Port {
    let found = &entry.object;
    let index = mark::parse_port_name(&found.name).map_or(usize::MAX, |(_, _, index)| index);
    let network =
        attempt.and_then(|a| a.resolved.as_ref()).into_iter().flat_map(|resolved| &resolved.networks);
    let network = network
        .into_iter()
        .find(|network| network.id == found.network.0)
        .map(|network| network.name.as_str());
    let server = state.servers.of(&entry.owner.uid).find(|server| {
        server.owner.attempt == entry.owner.attempt
            && server.object.status == ServerStatus::Active
            && server.deleted.is_none()
    });
    Port {
        id: found.id.0.clone(),
        attempt: entry.owner.attempt,
        index,
        presence: presence(entry, false),
        device: found.device_id.clone(),
        binding: server.map_or(Binding::Sound, |server| {
            binding(entry, &server.object.id.0, notes.active_since.get(&server.object.id.0).copied())
        }),
        address: address(&found.addresses, network, from),
        addresses: found.addresses.clone(),
        network: found.network.0.clone(),
    }
}

/// Only lists that began after the server was seen ACTIVE tell: another server, or none in two lists.
fn binding(entry: &Entry<network::Port>, server: &str, active_since: Option<Instant>) -> Binding {
    let Some(active_since) = active_since else { return Binding::Sound };
    let mut told = entry.sightings.iter().filter(|(began, _)| *began > active_since).rev();
    match told.next().map(|(_, port)| port.device_id.as_deref()) {
        None => Binding::Sound,
        Some(Some(device)) if device == server => Binding::Sound,
        Some(Some(_)) => Binding::Lost,
        Some(None) => match told.next() {
            Some((_, port)) if port.device_id.is_none() => Binding::Lost,
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
