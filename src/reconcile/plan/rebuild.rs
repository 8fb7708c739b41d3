//! The rules of `BRING_UP` that make the system of a machine anew that was Ready: in place, by Nova's rebuild.
//!
//! A rebuild has no fence: asked for twice, it is done twice. So it is written down before it is asked for, under a number
//! that the request writes into the server's metadata together with the new image; a server that bears the number was asked.
//! One that does not is asked again only once nothing that was sent before can take effect any longer.

mod failure;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::listed::await_list;
use super::tear_down::unsettled;
use super::{CloudChange, MemoryChange, Question, RebuildClosing, Step, Waiting};
use crate::api::testnode_status::{Outcome, Rebuild};
use crate::reason::Reason;
use crate::reconcile::state::{
    Desired, Kind, Machine, Observed, Presence, Server, ServerState, WishedSystem,
};
use failure::{failure, unattached};

/// The spec of a machine that was Ready asks for another system: what that comes to is written down first.
pub(super) fn open_rebuild(_: &Desired, seen: &Observed) -> Option<Step> {
    let wish = seen.wish.as_ref().filter(|_| seen.memory.rebuild().is_none())?;
    let machine = seen.machine().filter(|machine| machine.attempt.closed_at.is_some())?;
    // What became of a server that is gone is told as of any node that was Ready.
    let server = machine.server.filter(|server| server.presence == Presence::There)?;
    if let Some(step) = obstacle(&machine, server) {
        return Some(step);
    }
    let system = match &wish.system {
        WishedSystem::Unread => {
            return Some(Step::Ask(Question::Catalogue { cloud: machine.attempt.cloud.clone() }));
        }
        WishedSystem::Cannot(problem) => {
            let message =
                format!("the machine cannot be rebuilt as asked, and is as it was: {}", problem.message);
            return Some(Step::Wait(Waiting::stalled(problem.reason, message)));
        }
        WishedSystem::Can(system) => (**system).clone(),
    };
    let pinned = machine.attempt.resolved.as_ref().and_then(|resolved| resolved.server.as_ref());
    let pinned = pinned.map(|server| server.metadata.clone()).unwrap_or_default();
    let tried = machine.attempt.rebuild.as_ref().map_or(1, |tried| tried.number);
    let rebuild = Rebuild {
        number: server.boot.max(tried).saturating_add(1),
        asked: wish.asked.clone(),
        image: system.image,
        os: system.os,
        metadata: system.metadata.filter(|metadata| *metadata != pinned),
        why: system.why,
        opened_at: Some(Time(seen.now)),
        ..Rebuild::default()
    };
    Some(Step::Do(MemoryChange::OpenRebuild(Box::new(rebuild)).into()))
}

/// Why a machine is not rebuilt now.
fn obstacle(machine: &Machine<'_>, server: &Server) -> Option<Step> {
    let cloud = &machine.attempt.cloud;
    if machine.boots_from_volume() {
        let message = "the machine boots from a volume, which Nova does not make anew: with the same image it would only start \
                       again, and another it refuses; take the change back, or delete the node and make another";
        return Some(Step::Wait(Waiting::stalled(Reason::RebuildRefused, message)));
    }
    if machine.attempt.resolved.as_ref().is_some_and(|resolved| !resolved.existing_volumes.is_empty()) {
        let message = "the machine uses volumes that exist by themselves, and nothing shows whether Nova gives them back to it; \
                       take the change back, or delete the node and make another";
        return Some(Step::Wait(Waiting::stalled(Reason::RebuildRefused, message)));
    }
    let step = match server.state {
        ServerState::Active | ServerState::Error => None,
        ServerState::Stopped => {
            let message = format!(
                "the server is {}, and a rebuild would leave it so; start it, and it is rebuilt",
                server.facts.status
            );
            Some(Step::Wait(Waiting {
                looks: vec![(cloud.clone(), Kind::Server)],
                ..Waiting::stalled(Reason::ServerStopped, message)
            }))
        }
        ServerState::Building | ServerState::Rebuilding | ServerState::SoftDeleted | ServerState::Other => {
            let message = format!("the server is {}; it is rebuilt once it is ACTIVE", server.facts.status);
            Some(Step::look(Reason::Rebuilding, message, cloud, Kind::Server))
        }
    };
    if step.is_some() {
        return step;
    }
    // A request of the time before it was Ready may still do something.
    let unsettled_kind = Kind::ALL.into_iter().find(|kind| !machine.view.settled.of(*kind));
    match (machine.attempt.settled, unsettled_kind) {
        (true, _) => None,
        (false, None) => {
            Some(Step::Do(MemoryChange::SettleAttempt { number: machine.attempt.number }.into()))
        }
        (false, Some(kind)) => Some(Step::Wait(Waiting::settling(unsettled(kind, cloud), cloud, kind))),
    }
}

/// A rebuild that cannot be done is closed, with the cloud's words. The machine stays as it is, for somebody to look at.
pub(super) fn close_failed_rebuild(desired: &Desired, seen: &Observed) -> Option<Step> {
    let (machine, rebuild) = seen.machine_being_rebuilt()?;
    let (reason, message) = failure(desired, seen, &machine, rebuild)?;
    let server = machine.server.filter(|server| server.boot == rebuild.number);
    Some(close(RebuildClosing {
        number: rebuild.number,
        outcome: Outcome::Failed,
        applied: server.is_some_and(|server| server.image.as_ref() == Some(&rebuild.image.id)),
        reason,
        message,
        settled: machine.view.is_settled(),
    }))
}

fn close(closing: RebuildClosing) -> Step {
    Step::Do(MemoryChange::CloseRebuild(Box::new(closing)).into())
}

/// Asks Nova for it, if the server shows that it was not asked yet, and no request that may have asked it can still take
/// effect.
pub(super) fn rebuild_server(desired: &Desired, seen: &Observed) -> Option<Step> {
    let (machine, rebuild) = seen.machine_being_rebuilt()?;
    let cloud = &machine.attempt.cloud;
    let Some(server) = machine.server else {
        let message = "waiting to see what became of the server";
        return Some(Step::look(Reason::Rebuilding, message, cloud, Kind::Server));
    };
    if server.boot == rebuild.number {
        return None;
    }
    if let Some(step) = Step::for_user_data(&desired.user_data) {
        return Some(step);
    }
    if !machine.view.fresh.server {
        return Some(await_list(seen, machine.view, cloud, Kind::Server, Reason::Rebuilding));
    }
    if !machine.view.settled.server {
        let message = unsettled(Kind::Server, cloud);
        return Some(Step::Wait(Waiting::settling(message, cloud, Kind::Server)));
    }
    if !matches!(server.state, ServerState::Active | ServerState::Error) {
        let message = format!(
            "the server is {}; it is rebuilt once it is ACTIVE: if somebody stopped it, start it",
            server.facts.status
        );
        return Some(Step::look(Reason::Rebuilding, message, cloud, Kind::Server));
    }
    let (id, image) = (server.id.clone(), rebuild.image.id.clone());
    let ask = CloudChange::RebuildServer { id, number: rebuild.number, image };
    Some(Step::Do(ask.in_cloud(cloud)))
}

/// Waits until server and volumes are as before. ACTIVE alone says nothing of the volumes: they are taken from the server and
/// given back.
pub(super) fn await_rebuilt(_: &Desired, seen: &Observed) -> Option<Step> {
    let (machine, _) = seen.machine_being_rebuilt()?;
    let (server, cloud) = (machine.server?, &machine.attempt.cloud);
    if server.state != ServerState::Active {
        let message = format!("server {} is {}; waiting for it to be ACTIVE", server.id, server.facts.status);
        return Some(Step::look(Reason::Rebuilding, message, cloud, Kind::Server));
    }
    if machine.volumes_wanted() > 0 && !machine.view.volumes_since_active {
        let message = "the server is ACTIVE again; looking whether its volumes are on it";
        return Some(Step::look(Reason::Rebuilding, message, cloud, Kind::Volume));
    }
    let message = format!("the server is ACTIVE again; {}", unattached(&machine, server)?);
    Some(Step::look(Reason::Rebuilding, message, cloud, Kind::Volume))
}

/// The machine has its new system, and its guest is ready.
pub(super) fn close_rebuilt(_: &Desired, seen: &Observed) -> Option<Step> {
    let (machine, rebuild) = seen.machine_being_rebuilt()?;
    machine.server.filter(|server| server.boot == rebuild.number)?;
    Some(close(RebuildClosing {
        number: rebuild.number,
        outcome: Outcome::Ready,
        applied: true,
        reason: Reason::Ready,
        message: String::new(),
        settled: machine.view.is_settled(),
    }))
}

/// A rebuild that failed is told until something else is asked for. If that is what the machine has, all is well.
pub(super) fn tell_failed_rebuild(desired: &Desired, seen: &Observed) -> Option<Step> {
    let rebuild = seen.memory.failed_rebuild()?;
    if rebuild.asked != desired.system {
        return Some(close(RebuildClosing {
            number: rebuild.number,
            outcome: Outcome::Uncounted,
            applied: false,
            reason: Reason::RebuildFailed,
            message: rebuild.message.clone().unwrap_or_default(),
            settled: true,
        }));
    }
    // That the server is gone is told as of any node that was Ready.
    seen.machine()?.server?;
    Some(Step::Wait(Waiting::stalled(Reason::RebuildFailed, told(rebuild))))
}

/// For people.
#[must_use]
pub fn told(rebuild: &Rebuild) -> String {
    let reason = rebuild.reason.map(|reason| reason.to_string()).unwrap_or_default();
    format!(
        "the rebuild with image {} failed ({reason}: {}); it is tried again once you set spec.rebuild to a new value",
        rebuild.image.name,
        rebuild.message.as_deref().unwrap_or_default()
    )
}

#[cfg(test)]
mod tests;
