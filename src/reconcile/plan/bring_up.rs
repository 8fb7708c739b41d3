//! The rules of `BRING_UP` that make the machine and watch over it.

use super::choice::await_user_data;
use super::open::Open;
use super::tear_down::{missing, unseen};
use super::{Change, Closing, CloudChange, MemoryChange, Question, Step, Waiting};
use crate::api::common::CheckKind;
use crate::api::testnode_status::{Attempt, Outcome};
use crate::reconcile::state::{
    CloudView, Desired, Kind, Observed, Presence, Resolution, Server, ServerState, Standing, VolumeState,
};

pub(super) fn wait_while_paused(desired: &Desired, _: &Observed) -> Option<Step> {
    desired.paused.then(|| {
        Step::Wait(Waiting::new(
            "Paused",
            "spec.paused is true: nothing is changed until it is false or the node deleted",
        ))
    })
}

/// The clouds of this node must have been looked at. Another cloud that is away holds up nobody.
pub(super) fn wait_for_clouds(_: &Desired, seen: &Observed) -> Option<Step> {
    seen.clouds.iter().filter(|(cloud, _)| seen.held.contains(*cloud)).find_map(|(cloud, view)| {
        match &view.standing {
            Standing::Seen => None,
            Standing::Unseen => Some(Step::Wait(unseen(cloud))),
            Standing::Away(problem) => {
                Some(Step::Wait(Waiting::new(problem.reason, format!("cloud {cloud}: {}", problem.message))))
            }
        }
    })
}

pub(super) fn confirm_missing(_: &Desired, seen: &Observed) -> Option<Step> {
    seen.clouds.iter().find_map(|(cloud, view)| missing(cloud, view)).map(Step::Ask)
}

/// Something of this node, or an attempt, in a cloud that does not hold it: the object must not go before that is gone.
pub(super) fn hold_what_was_found(_: &Desired, seen: &Observed) -> Option<Step> {
    let attempt = seen.memory.current().or_else(|| seen.memory.to_end());
    let used = |cloud: &String| attempt.is_some_and(|attempt| attempt.cloud == *cloud);
    let unheld = |(cloud, view): &(&String, &CloudView)| {
        !seen.held.contains(*cloud) && (!view.is_empty() || used(cloud))
    };
    let (cloud, _) = seen.clouds.iter().find(unheld)?;
    Some(Step::Do(Change::AddFinalizer { cloud: cloud.clone() }))
}

/// The status was lost (a restore, a careless replace). A server that is ACTIVE was Ready and is adopted; anything
/// else belongs to an attempt nobody knows, which is ended.
pub(super) fn record_what_was_found(desired: &Desired, seen: &Observed) -> Option<Step> {
    if !seen.memory.attempts.is_empty() {
        return None;
    }
    let (cloud, view) = seen.clouds.iter().find(|(_, view)| !view.is_empty())?;
    // One that is on its way out was not to be kept.
    let alive = |server: &&Server| server.state == ServerState::Active && server.presence == Presence::There;
    let alive = view.servers.iter().find(alive);
    let numbers = view.servers.iter().map(|s| s.attempt).chain(view.volumes.iter().map(|v| v.attempt));
    let highest = numbers.chain(view.ports.iter().map(|p| p.attempt)).max().unwrap_or(0);
    let offer = seen.offers.iter().find(|offer| offer.cloud == *cloud);
    if offer.is_some_and(|offer| offer.standing == Standing::Seen && offer.resolution == Resolution::Unread) {
        // What belongs to a machine is known by what it was made from.
        return Some(Step::Ask(Question::Catalogue { cloud: cloud.clone() }));
    }
    let pins = offer.map(|offer| offer.pins.clone()).unwrap_or_default();
    let found = Attempt {
        number: alive.map_or(highest + 1, |server| server.attempt),
        round: 1,
        cloud: cloud.clone(),
        region: pins.region,
        project_id: pins.project_id,
        cluster_id: pins.cluster_id,
        generation: Some(desired.generation),
        machine_type_generation: Some(desired.machine_type_generation),
        resolved: offer.and_then(|offer| match &offer.resolution {
            Resolution::Can(resolved) => Some((**resolved).clone()),
            Resolution::Unread | Resolution::Cannot(_) => None,
        }),
        opened_at: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(seen.now)),
        closed_at: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(seen.now)),
        outcome: Some(if alive.is_some() { Outcome::Ready } else { Outcome::Failed }),
        reason: Some("StatusLost".into()),
        message: Some("the status was lost; this is what was found in the cloud".into()),
        ..Attempt::default()
    };
    Some(Step::Do(MemoryChange::RecordFound(Box::new(found)).into()))
}

/// Volumes come before the server, one a turn, so that it has them from its birth.
pub(super) fn create_volumes(_: &Desired, seen: &Observed) -> Option<Step> {
    let open = Open::of(seen).filter(|open| open.server.is_none())?;
    let wanted = open.attempt.resolved.iter().flat_map(|resolved| &resolved.volumes);
    let next = wanted.clone().find(|wanted| !open.volumes.iter().any(|volume| volume.key == wanted.name))?;
    if !open.view.fresh.volume {
        return Some(open.look("CreatingVolumes", "waiting for a fresh look at the volumes", Kind::Volume));
    }
    let create = CloudChange::CreateVolume { attempt: open.attempt.number, volume: next.clone() };
    Some(Step::Do(create.in_cloud(&open.attempt.cloud)))
}

pub(super) fn create_ports(_: &Desired, seen: &Observed) -> Option<Step> {
    let open = Open::of(seen).filter(|open| open.server.is_none())?;
    let count = open.attempt.resolved.as_ref().map_or(0, |resolved| resolved.networks.len());
    let index = (0..count).find(|index| !open.ports.iter().any(|port| port.index == *index))?;
    if !open.view.fresh.port {
        return Some(open.look("CreatingPorts", "waiting for a fresh look at the ports", Kind::Port));
    }
    let create = CloudChange::CreatePort { attempt: open.attempt.number, index };
    Some(Step::Do(create.in_cloud(&open.attempt.cloud)))
}

pub(super) fn await_volumes(_: &Desired, seen: &Observed) -> Option<Step> {
    let open = Open::of(seen).filter(|open| open.server.is_none())?;
    let ready = open.volumes.iter().filter(|volume| volume.state == VolumeState::Available).count();
    let all = open.volumes.len();
    let message = format!("{ready} of {all} volumes are available");
    (ready < all).then(|| open.look("CreatingVolumes", message, Kind::Volume))
}

/// The one request that must not be sent twice. Either no earlier one can take effect any more, or every volume is
/// a fence: Nova reserves mapped volumes inside the request, so that a second one is refused.
pub(super) fn create_server(desired: &Desired, seen: &Observed) -> Option<Step> {
    let open = Open::of(seen).filter(|open| open.server.is_none())?;
    if let Some(step) = await_user_data(desired) {
        return Some(step);
    }
    for kind in Kind::ALL {
        if !open.view.fresh.of(kind) {
            let message = format!("waiting for a fresh look at the {}s", kind.word());
            return Some(open.look("CreatingServer", message, kind));
        }
    }
    if let Some(port) = open.ports.iter().find(|port| port.device.is_some()) {
        let message = format!("port {} is bound to a server that is not to be seen yet", port.id);
        return Some(Step::Wait(Waiting {
            looks: [Kind::Server, Kind::Port].map(|kind| (open.attempt.cloud.clone(), kind)).to_vec(),
            ..Waiting::new("CreatingServer", message)
        }));
    }
    if !open.view.settled.server && !is_fenced(&open) {
        let message = "the fate of an earlier request is unknown; waiting until it can take effect no more";
        return Some(open.look("CreatingServer", message, Kind::Server));
    }
    let create = CloudChange::CreateServer {
        attempt: open.attempt.number,
        volumes: open.volumes.iter().map(|volume| volume.id.clone()).collect(),
        ports: open.ports.iter().map(|port| port.id.clone()).collect(),
    };
    Some(Step::Do(create.in_cloud(&open.attempt.cloud)))
}

/// Every request of this attempt maps the same volumes: there are some, and no second one of any name. None of them
/// is freed or deleted while the attempt is open and without a server (see `surplus`).
fn is_fenced(open: &Open<'_>) -> bool {
    let in_attempt = open.view.volumes.iter().filter(|volume| volume.attempt == open.attempt.number).count();
    !open.volumes.is_empty() && in_attempt == open.volumes.len()
}

pub(super) fn await_active(_: &Desired, seen: &Observed) -> Option<Step> {
    let open = Open::of(seen)?;
    let server = open.server.filter(|server| server.state != ServerState::Active)?;
    let message = format!("waiting for server {} to be ACTIVE", server.id);
    Some(open.look("Launching", message, Kind::Server))
}

/// Ready is what the tester means by it.
pub(super) fn await_guest(desired: &Desired, seen: &Observed) -> Option<Step> {
    let open = Open::of(seen)?;
    let server = open.server?;
    let guest = &seen.guest;
    desired.readiness.iter().find_map(|check| match check.kind {
        CheckKind::Console if guest.finished => None,
        CheckKind::Console if guest.console_due => Some(Step::Ask(Question::Console {
            cloud: open.attempt.cloud.clone(),
            server: server.id.clone(),
        })),
        CheckKind::Console => {
            let message = match &guest.stage {
                Some(stage) => {
                    format!("waiting for cloud-init's final message on the console; last: {stage}")
                }
                None => {
                    "waiting for cloud-init's final message on the console; nothing of cloud-init there yet"
                        .into()
                }
            };
            Some(Step::Wait(Waiting::new("Booting", message)))
        }
        CheckKind::Tcp => {
            let port = check.port.unwrap_or(22);
            let address = open.ports.iter().find_map(|port| port.address)?;
            if guest.open_ports.contains(&port) {
                None
            } else if guest.tcp_due {
                Some(Step::Ask(Question::Tcp { address, port }))
            } else {
                Some(Step::Wait(Waiting::new(
                    "Booting",
                    format!("waiting for TCP port {port} of {address} to answer"),
                )))
            }
        }
    })
}

pub(super) fn close_ready(_: &Desired, seen: &Observed) -> Option<Step> {
    let open = Open::of(seen)?;
    open.server?;
    let closing = Closing {
        number: open.attempt.number,
        outcome: Outcome::Ready,
        reason: "Ready",
        message: String::new(),
        console_tail: None,
        settled: open.view.is_settled(),
    };
    Some(Step::Do(MemoryChange::CloseAttempt(Box::new(closing)).into()))
}

/// A reply was lost on the way to Ready: once nothing can come of it, that is remembered, and the node can later go
/// without waiting.
pub(super) fn settle_ready(_: &Desired, seen: &Observed) -> Option<Step> {
    let current = seen.memory.current().filter(|attempt| attempt.closed_at.is_some() && !attempt.settled)?;
    let view = seen.clouds.get(&current.cloud)?;
    view.is_settled().then_some(Step::Do(MemoryChange::SettleAttempt { number: current.number }.into()))
}

pub(super) fn release_other_clouds(_: &Desired, seen: &Observed) -> Option<Step> {
    let current = seen.memory.current()?;
    let cloud = seen.held.iter().find(|cloud| {
        let view = seen.clouds.get(*cloud);
        **cloud != current.cloud
            && view.is_some_and(|view| view.is_empty() && view.is_fresh() && view.is_settled())
    })?;
    Some(Step::Do(Change::RemoveFinalizer { cloud: cloud.clone() }))
}
