//! The rules of `TEAR_DOWN`: for one cloud, from whatever there is to nothing.

use super::{Change, CloudChange, Question, Step, TearDownRule, Waiting, abandon};
use crate::reconcile::state::{
    CloudView, Kind, Observed, Presence, Server, ServerState, Standing, Volume, VolumeState,
};

/// Tears down every cloud that holds the object. One that cannot be asked does not hold up the others.
pub(super) fn everywhere(rules: &[TearDownRule], seen: &Observed) -> Option<Step> {
    let mut waiting = None;
    for cloud in &seen.held {
        match rules.iter().find_map(|rule| rule(seen, cloud)) {
            Some(Step::Wait(wait)) => waiting = waiting.or(Some(Step::Wait(wait))),
            Some(Step::Rest) | None => {}
            step => return step,
        }
    }
    waiting
}

fn view<'a>(seen: &'a Observed, cloud: &str) -> Option<&'a CloudView> {
    seen.clouds.get(cloud)
}

pub(super) fn await_cloud(seen: &Observed, cloud: &str) -> Option<Step> {
    let view = view(seen, cloud);
    if let Some(step) = view.and_then(|view| abandon::answer(seen, cloud, view)) {
        return Some(step);
    }
    match view.map(|view| &view.standing) {
        Some(Standing::Seen) => None,
        Some(Standing::Unseen) | None => Some(Step::Wait(unseen(cloud))),
        Some(Standing::Away(problem)) => {
            let refusal = view.and_then(abandon::refusal).unwrap_or_default();
            let message = format!("cloud {cloud}: {}{refusal}", problem.message);
            Some(Step::Wait(Waiting::new(problem.reason, message)))
        }
    }
}

/// The first complete look at a cloud is not there yet.
pub(super) fn unseen(cloud: &str) -> Waiting {
    let looks = Kind::ALL.map(|kind| (cloud.to_owned(), kind)).to_vec();
    Waiting {
        looks,
        ..Waiting::new("LookingAround", format!("waiting for a first complete look at cloud {cloud}"))
    }
}

pub(super) fn confirm_missing(seen: &Observed, cloud: &str) -> Option<Step> {
    view(seen, cloud).and_then(|view| missing(cloud, view)).map(Step::Ask)
}

/// A list proves presence, never absence: what is left out is asked for by its id.
pub(super) fn missing(cloud: &str, view: &CloudView) -> Option<Question> {
    let servers = view.servers.iter().map(|server| (Kind::Server, server.presence, &server.id));
    let volumes = view.volumes.iter().map(|volume| (Kind::Volume, volume.presence, &volume.id));
    let ports = view.ports.iter().map(|port| (Kind::Port, port.presence, &port.id));
    servers
        .chain(volumes)
        .chain(ports)
        .find(|(_, presence, _)| *presence == Presence::Missing)
        .map(|(kind, _, id)| Question::Presence { cloud: cloud.to_owned(), kind, id: id.clone() })
}

pub(super) fn delete_servers(seen: &Observed, cloud: &str) -> Option<Step> {
    let view = view(seen, cloud)?;
    let server = view.servers.iter().find(|server| server.presence == Presence::There)?;
    match deletion(view, server) {
        Some(delete) => Some(Step::Do(delete.in_cloud(cloud))),
        None => fresh(view, cloud, Kind::Server),
    }
}

/// How a server is deleted. A cloud that keeps what is deleted for a while would keep its volumes and quota too. That
/// it is gone at last only a look can tell.
pub(super) fn deletion(view: &CloudView, server: &Server) -> Option<CloudChange> {
    let id = server.id.clone();
    Some(match server.state {
        ServerState::SoftDeleted if !view.fresh.server => return None,
        ServerState::SoftDeleted => CloudChange::ForceDeleteServer { id },
        ServerState::Building
        | ServerState::Active
        | ServerState::Error
        | ServerState::Stopped
        | ServerState::Other => CloudChange::DeleteServer { id },
    })
}

pub(super) fn await_servers(seen: &Observed, cloud: &str) -> Option<Step> {
    let view = view(seen, cloud)?;
    if let Some(server) = view.servers.first() {
        let what = format!("server {}", server.id);
        return Some(going("DeletingServer", &what, &server.id, view, cloud, Kind::Server));
    }
    fresh(view, cloud, Kind::Server)
}

/// Waits for something to be gone; after `timeouts.delete` an administrator must help.
fn going(reason: &'static str, what: &str, id: &str, view: &CloudView, cloud: &str, kind: Kind) -> Step {
    let message = format!("waiting for {what} in cloud {cloud} to be gone");
    if !view.overdue {
        return Step::Wait(Waiting::look(reason, message, cloud, kind));
    }
    let cure = match kind {
        Kind::Server => format!(
            "look whether its compute host is up, then `openstack server set --state error {id}`, and it is deleted again \
             within a minute or two"
        ),
        Kind::Volume => format!(
            "`openstack volume set --state error {id}`, and it is deleted again within a minute or two"
        ),
        Kind::Port => {
            format!("`openstack port show {id}` says what holds it, `openstack port delete {id}` ends it")
        }
    };
    let message = format!(
        "{message}, for longer than timeouts.delete; an administrator of the cloud must help: {cure}"
    );
    let looks = vec![(cloud.to_owned(), kind)];
    Step::Wait(Waiting { looks, ..Waiting::stalled("DeleteStuck", message) })
}

/// Before anything is deleted that a server may still get, the look at servers must show every change.
fn fresh(view: &CloudView, cloud: &str, kind: Kind) -> Option<Step> {
    let message = format!("waiting for a fresh look at the {}s in cloud {cloud}", kind.word());
    (!view.fresh.of(kind)).then(|| Step::Wait(Waiting::look("LookingAround", message, cloud, kind)))
}

/// A create that failed halfway leaves volumes reserved for a server that does not exist, and a server that went while
/// Cinder was away leaves them in use. Only once no server can appear any more may they be freed: freed under a POST in
/// flight they would let a twin be made.
pub(super) fn free_volumes(seen: &Observed, cloud: &str) -> Option<Step> {
    let view = view(seen, cloud)?;
    // They went along with their server; only what a fresh look still shows is ours to free and to delete.
    if let (false, Some(step)) = (view.volumes.is_empty(), fresh(view, cloud, Kind::Volume)) {
        return Some(step);
    }
    let volume = view
        .volumes
        .iter()
        .find(|volume| is_claimed(volume, view) && volume.presence != Presence::Missing)?;
    if !view.settled.server {
        let message = format!(
            "volume {} is {}; waiting until no server can appear any more",
            volume.key, volume.status
        );
        return Some(Step::Wait(Waiting::settling(message, cloud, Kind::Server)));
    }
    let id = volume.id.clone();
    Some(match volume.reservations.first().cloned() {
        Some(attachment) => Step::Do(CloudChange::FreeVolume { id, attachment }.in_cloud(cloud)),
        None => Step::Ask(Question::Reservations { cloud: cloud.to_owned(), id }),
    })
}

/// What a stranger's server has does not come free by asking: after its time an administrator is told.
fn is_claimed(volume: &Volume, view: &CloudView) -> bool {
    volume.state == VolumeState::Reserved || (volume.state == VolumeState::Attached && !view.overdue)
}

pub(super) fn delete_volumes(seen: &Observed, cloud: &str) -> Option<Step> {
    let view = view(seen, cloud)?;
    let volume = view.volumes.iter().find(|volume| {
        matches!(volume.state, VolumeState::Available | VolumeState::Error | VolumeState::Creating)
            && volume.presence == Presence::There
    })?;
    Some(Step::Do(CloudChange::DeleteVolume { id: volume.id.clone() }.in_cloud(cloud)))
}

pub(super) fn await_volumes(seen: &Observed, cloud: &str) -> Option<Step> {
    let view = view(seen, cloud)?;
    if let Some(volume) = view.volumes.iter().find(|volume| volume.state == VolumeState::ErrorDeleting) {
        let message = format!(
            "volume {} ({id}) in cloud {cloud} is in error_deleting, which only an administrator of the cloud can end: \
             `openstack volume set --state error {id}`, and it is deleted again within a minute or two",
            volume.key,
            id = volume.id
        );
        let looks = vec![(cloud.to_owned(), Kind::Volume)];
        return Some(Step::Wait(Waiting { looks, ..Waiting::stalled("VolumeStuck", message) }));
    }
    if let Some(volume) = view.volumes.first() {
        let what = format!("volume {} ({})", volume.key, volume.id);
        return Some(going("DeletingVolumes", &what, &volume.id, view, cloud, Kind::Volume));
    }
    fresh(view, cloud, Kind::Volume)
}

pub(super) fn delete_ports(seen: &Observed, cloud: &str) -> Option<Step> {
    let port = view(seen, cloud)?.ports.iter().find(|port| port.presence == Presence::There)?;
    Some(Step::Do(CloudChange::DeletePort { id: port.id.clone() }.in_cloud(cloud)))
}

pub(super) fn await_ports(seen: &Observed, cloud: &str) -> Option<Step> {
    let view = view(seen, cloud)?;
    if let Some(port) = view.ports.first() {
        let what = format!("port {}", port.id);
        return Some(going("DeletingPorts", &what, &port.id, view, cloud, Kind::Port));
    }
    fresh(view, cloud, Kind::Port)
}

/// A create whose reply was lost may still take effect.
pub(super) fn await_settled(seen: &Observed, cloud: &str) -> Option<Step> {
    let view = view(seen, cloud)?;
    let kind = Kind::ALL.into_iter().find(|kind| !view.settled.of(*kind))?;
    let message = format!(
        "the fate of a request for a {} in cloud {cloud} is unknown; waiting until it can take effect no more",
        kind.word()
    );
    Some(Step::Wait(Waiting::settling(message, cloud, kind)))
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of every rule")]
pub(super) fn release(_: &Observed, cloud: &str) -> Option<Step> {
    Some(Step::Do(Change::RemoveFinalizer { cloud: cloud.to_owned() }))
}
