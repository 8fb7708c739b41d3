//! Why a rebuild cannot be done.

use super::super::failed::{judged, late_boot};
use crate::api::testnode_status::Rebuild;
use crate::reason::Reason;
use crate::reconcile::state::{
    Binding, Desired, Machine, Observed, RequestKey, Server, ServerState, Trouble, Verdict, VolumeState,
};

/// The reason, and what was said.
pub(super) fn failure(
    desired: &Desired,
    seen: &Observed,
    machine: &Machine<'_>,
    rebuild: &Rebuild,
) -> Option<(Reason, String)> {
    let Some(server) = machine.server else {
        let gone = machine.view.servers_gone.contains(&machine.attempt.number);
        return gone
            .then(|| (Reason::ServerLost, "the server is gone; somebody or something deleted it".into()));
    };
    if server.state == ServerState::SoftDeleted {
        return Some((Reason::ServerLost, "somebody deleted the server".into()));
    }
    if server.boot == rebuild.number {
        return rebuilt_badly(desired, seen, machine, rebuild, server);
    }
    let ends = |t: &&Trouble| t.key == RequestKey::RebuildServer && t.verdict != Verdict::Passing;
    if let Some(trouble) = seen.troubles.iter().find(ends) {
        return Some((judged(trouble.verdict, trouble.reason).1, trouble.message.clone()));
    }
    let late = machine.view.launching_for > desired.launch_timeout && machine.view.settled.server;
    late.then(|| {
        let seconds = desired.launch_timeout.as_secs();
        let last = seen.troubles.iter().find(|trouble| trouble.key == RequestKey::RebuildServer);
        let last = last.map(|trouble| format!(": {}", trouble.message)).unwrap_or_default();
        (Reason::LaunchTimeout, format!("it could not be begun within timeouts.launch ({seconds} s){last}"))
    })
}

/// What went wrong with a rebuild that Nova began.
fn rebuilt_badly(
    desired: &Desired,
    seen: &Observed,
    machine: &Machine<'_>,
    rebuild: &Rebuild,
    server: &Server,
) -> Option<(Reason, String)> {
    match (server.state, &server.fault) {
        (ServerState::Error, Some(fault)) => {
            return Some((judged(fault.verdict, Reason::ServerError).1, fault.message.clone()));
        }
        (ServerState::Error, None) if server.unexplained => return None,
        (ServerState::Error, None) => {
            return Some((Reason::ServerError, "the server is in ERROR; Nova gave no fault".into()));
        }
        (ServerState::Stopped, _) => {
            return Some((Reason::ServerStopped, "the server stopped before it was Ready".into()));
        }
        (ServerState::Active, _) => {}
        (
            ServerState::Building | ServerState::Rebuilding | ServerState::SoftDeleted | ServerState::Other,
            _,
        ) => {
            let late = machine.view.launching_for > desired.launch_timeout;
            let seconds = desired.launch_timeout.as_secs();
            let message = format!("the server was not ACTIVE again within timeouts.launch ({seconds} s)");
            return late.then_some((Reason::LaunchTimeout, message));
        }
    }
    if let Some(other) = server.image.as_ref().filter(|image| **image != rebuild.image.id) {
        let message =
            format!("the server is ACTIVE again, and still has image {other}, not {}", rebuild.image.id);
        return Some((Reason::ServerError, message));
    }
    if machine.volumes.len() < machine.volumes_wanted() {
        return Some((Reason::VolumeLost, "a volume of the server is gone".into()));
    }
    let broken = machine.volumes.iter().find(|volume| volume.state == VolumeState::Error);
    if let Some(volume) = broken {
        let message = format!("volume {} ({}) is in error; Cinder does not say why", volume.key, volume.id);
        return Some((Reason::VolumeError, message));
    }
    let loose = machine.volumes.iter().find(|volume| volume.state == VolumeState::Available);
    if let Some(volume) = loose.filter(|_| machine.view.volumes_since_active) {
        return Some((
            Reason::VolumeLost,
            format!("the server is ACTIVE again without its volume {}", volume.key),
        ));
    }
    if machine.ports.len() < machine.ports_wanted()
        || machine.ports.iter().any(|port| port.binding == Binding::Lost)
    {
        return Some((Reason::PortLost, "a port is gone, or no longer on the server".into()));
    }
    let Some(loose) = unattached(machine, server) else { return late_boot(desired, seen, machine) };
    let late = machine.view.launching_for > desired.launch_timeout;
    late.then(|| (Reason::VolumeStuck, format!("the server is ACTIVE again, but {loose}")))
}

/// A volume that is not on the server, for people.
pub(super) fn unattached(machine: &Machine<'_>, server: &Server) -> Option<String> {
    let loose = machine
        .volumes
        .iter()
        .find(|volume| volume.state != VolumeState::Attached || !volume.is_on(Some(server)))?;
    Some(format!("volume {} ({}) is {}", loose.key, loose.id, loose.status))
}
