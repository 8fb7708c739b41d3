//! Servers, volumes and ports as a look shows them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::process::{Books, Process};
use super::things;
use super::world::UID;
use crate::api::testnode_status::{ServerFacts, TestNodeStatus};
use crate::inventory::shelf::Entry;
use crate::reconcile::state::{
    Binding, CloudView, Kind, Memory, Port, Presence, Server, ServerState, Standing, Volume, VolumeState,
};

fn presence<T>(entry: &Entry<T>, leaving: bool) -> Presence {
    if entry.missing {
        Presence::Missing
    } else if entry.deleted.is_some() || leaving {
        Presence::Going
    } else {
        Presence::There
    }
}

pub fn server(entry: &Entry<things::Server>, process: &Process) -> Server {
    let found = &entry.object;
    let presence = match found.state {
        ServerState::SoftDeleted if entry.missing => Presence::Missing,
        ServerState::SoftDeleted if process.forced.contains(&found.id) => Presence::Going,
        ServerState::SoftDeleted => Presence::There,
        ServerState::Building
        | ServerState::Active
        | ServerState::Error
        | ServerState::Stopped
        | ServerState::Other => presence(entry, found.deleting),
    };
    Server {
        id: found.id.clone(),
        attempt: entry.owner.attempt,
        presence,
        state: found.state,
        fault: found.fault.clone(),
        created: found.created.map(|at| Timestamp::from_millisecond(i64::try_from(at).unwrap()).unwrap()),
        facts: ServerFacts {
            id: found.id.clone(),
            status: format!("{:?}", found.state),
            ..ServerFacts::default()
        },
    }
}

/// As the last list of volumes showed it, and as its ACTIVE server shows it: that list may be newer.
pub fn volume(
    entry: &Entry<things::Volume>,
    books: &Books,
    reservations: &BTreeMap<String, Vec<String>>,
) -> Volume {
    let found = &entry.object;
    let free = matches!(found.state, VolumeState::Available | VolumeState::Reserved);
    let on = books.servers.of(UID).find(|server| {
        server.object.state == ServerState::Active
            && server.object.volumes.contains(&found.id)
            && server.sightings.last().map(|(began, _)| began) > entry.last_told().as_ref()
    });
    if let (Some(server), true) = (on, free) {
        let (state, servers) = (VolumeState::Attached, vec![server.object.id.clone()]);
        return Volume { state, servers, ..listed(entry, reservations) };
    }
    listed(entry, reservations)
}

fn listed(entry: &Entry<things::Volume>, reservations: &BTreeMap<String, Vec<String>>) -> Volume {
    let found = &entry.object;
    Volume {
        id: found.id.clone(),
        attempt: entry.owner.attempt,
        key: found.key.clone(),
        presence: presence(entry, found.state == VolumeState::Deleting),
        state: found.state,
        servers: found.servers.clone(),
        created: Some(Timestamp::from_millisecond(i64::try_from(found.created).unwrap()).unwrap()),
        reservations: reservations.get(&found.id).cloned().unwrap_or_default(),
        status: format!("{:?}", found.state),
        device: None,
    }
}

pub fn port(entry: &Entry<things::Port>, active: Option<(&str, tokio::time::Instant)>) -> Port {
    let found = &entry.object;
    let binding = active.map_or(Binding::Sound, |(server, since)| {
        let mut told = entry.sightings.iter().filter(|(began, _)| *began > since).rev();
        match told.next().map(|(_, port)| port.device.as_deref()) {
            None => Binding::Sound,
            Some(Some(device)) if device == server => Binding::Sound,
            Some(Some(_)) => Binding::Lost,
            Some(None) => match told.next() {
                Some((_, port)) if port.device.is_none() => Binding::Lost,
                Some(_) | None => Binding::Doubtful,
            },
        }
    });
    Port {
        id: found.id.clone(),
        attempt: entry.owner.attempt,
        index: found.index,
        presence: presence(entry, false),
        device: found.device.clone(),
        binding,
        address: Some(found.address),
        addresses: vec![found.address],
        network: format!("net{}", found.index),
    }
}

/// What the status shows and no list does.
pub fn hints(
    view: &mut CloudView,
    books: &Books,
    status: Option<&TestNodeStatus>,
    memory: &Memory,
    cloud: &str,
) {
    let shown = status.and_then(|status| status.cloud.as_deref()) == Some(cloud);
    let Some(attempt) = memory.last().filter(|_| shown && view.standing == Standing::Seen) else { return };
    let known = |kind: Kind, id: &str| match kind {
        Kind::Server => books.servers.entry(id).is_some() || books.servers.graves(UID).any(|(g, _)| g == id),
        Kind::Volume => books.volumes.entry(id).is_some() || books.volumes.graves(UID).any(|(g, _)| g == id),
        Kind::Port => books.ports.entry(id).is_some() || books.ports.graves(UID).any(|(g, _)| g == id),
    };
    let hints = &memory.hints;
    for id in hints.server.iter().filter(|id| !known(Kind::Server, id)) {
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
    for id in hints.volumes.iter().filter(|id| !known(Kind::Volume, id)) {
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
    for id in hints.ports.iter().filter(|id| !known(Kind::Port, id)) {
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
