//! The rules of `BRING_UP` that make the machine and watch over it.

use super::surplus::{drop_beside, kept_ports, kept_server, kept_volumes};
use super::tear_down::{missing, unseen};
use super::{Change, Closing, Question, Step, TEAR_DOWN, Waiting};
use crate::api::common::CheckKind;
use crate::api::testnode::OnFailure;
use crate::api::testnode_status::{Attempt, Outcome};
use crate::reconcile::state::{
    CloudView, Desired, Kind, Observed, Port, Presence, Resolution, Server, ServerState, Standing, Verdict,
    Volume, VolumeState,
};

/// Everything about the attempt that is under way.
struct Open<'a> {
    attempt: &'a Attempt,
    view: &'a CloudView,
    server: Option<&'a Server>,
    volumes: Vec<&'a Volume>,
    ports: Vec<&'a Port>,
}

impl<'a> Open<'a> {
    fn of(seen: &'a Observed) -> Option<Self> {
        let attempt = seen.memory.open()?;
        let view = seen.clouds.get(&attempt.cloud)?;
        let server = kept_server(seen, view, attempt);
        let (volumes, ports) = (kept_volumes(view, attempt, server), kept_ports(view, attempt, server));
        Some(Self { attempt, view, server, volumes, ports })
    }

    fn look(&self, reason: &'static str, message: impl Into<String>, kind: Kind) -> Step {
        Step::Wait(Waiting::look(reason, message, &self.attempt.cloud, kind))
    }
}

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
    Some(Step::Do(Change::RecordFound(Box::new(found))))
}

/// A failed attempt is ended whole, by `TEAR_DOWN` without its last rule, before another is opened.
pub(super) fn end_failed_attempt(desired: &Desired, seen: &Observed) -> Option<Step> {
    let attempt = seen.memory.to_end()?;
    let last = seen.memory.last().is_some_and(|last| last.number == attempt.number);
    if last && desired.on_failure == OnFailure::Hold && attempt.outcome == Some(Outcome::Failed) {
        let (reason, message) = (attempt.reason.as_deref(), attempt.message.as_deref().unwrap_or_default());
        let held = Step::Wait(Waiting::stalled(
            "HeldAfterFailure",
            format!(
                "attempt {} failed ({}: {message}) and is kept for you to look at; set spec.onFailure to Retry, or delete \
                 the node",
                attempt.number,
                reason.unwrap_or("Failed"),
            ),
        ));
        return drop_beside(seen, attempt).or(Some(held));
    }
    let rules = TEAR_DOWN.split_last().map_or(TEAR_DOWN, |(_, rules)| rules);
    rules
        .iter()
        .find_map(|rule| rule(seen, &attempt.cloud))
        .or(Some(Step::Do(Change::SettleAttempt { number: attempt.number })))
}

/// An attempt that cannot become Ready is closed. What it leaves is ended next.
pub(super) fn close_failed(desired: &Desired, seen: &Observed) -> Option<Step> {
    let open = Open::of(seen)?;
    let (outcome, reason, message) = failure(desired, seen, &open)?;
    let broken = open.server.is_some_and(|server| server.state != ServerState::Building);
    let unread = seen.guest.tail.is_none() && seen.guest.console_due;
    if let (true, true, Some(server)) = (broken, unread, open.server) {
        let question = Question::Console { cloud: open.attempt.cloud.clone(), server: server.id.clone() };
        // One try; a console that cannot be read is no reason to keep the attempt.
        if !seen.troubles.iter().any(|trouble| trouble.key == question.key()) {
            return Some(Step::Ask(question));
        }
    }
    Some(Step::Do(Change::CloseAttempt(Box::new(Closing {
        number: open.attempt.number,
        outcome,
        reason,
        message,
        console_tail: seen.guest.tail.clone(),
        settled: false,
    }))))
}

fn failure(desired: &Desired, seen: &Observed, open: &Open<'_>) -> Option<(Outcome, &'static str, String)> {
    let failed = |reason, message: String| Some((Outcome::Failed, reason, message));
    if let Some(holder) = &seen.name.holder {
        let name = seen.memory.dns.as_ref().map(|dns| dns.name.clone()).unwrap_or_default();
        return failed("NameConflict", format!("TestNode {holder} holds the name {name}"));
    }
    if let Some(server) = open.server {
        match (server.state, &server.fault) {
            (ServerState::Error, Some(fault)) => {
                let (outcome, reason) = judged(fault.verdict, "ServerError");
                return Some((outcome, reason, fault.message.clone()));
            }
            (ServerState::Error, None) => {
                return failed("ServerError", "the server is in ERROR; Nova gave no fault".into());
            }
            (ServerState::Stopped, _) => {
                return failed("ServerStopped", "the server stopped before it was Ready".into());
            }
            (ServerState::SoftDeleted, _) => {
                return failed("ServerLost", "somebody deleted the server".into());
            }
            (ServerState::Building | ServerState::Active | ServerState::Other, _) => {}
        }
    } else if open.view.servers_gone.contains(&open.attempt.number) {
        return failed("ServerLost", "the server is gone; somebody or something deleted it".into());
    }
    if let Some(trouble) = seen.troubles.iter().find(|t| t.creating && t.verdict != Verdict::Passing) {
        let (outcome, reason) = judged(trouble.verdict, trouble.reason);
        return Some((outcome, reason, trouble.message.clone()));
    }
    if let Some(volume) = open.volumes.iter().find(|volume| volume.state == VolumeState::Error) {
        let message = format!("volume {} ({}) is in error; Cinder does not say why", volume.key, volume.id);
        return failed("VolumeError", message);
    }
    let wanted = open.attempt.resolved.as_ref().map_or(0, |resolved| resolved.volumes.len());
    if open.server.is_some() && open.volumes.len() < wanted {
        return failed(
            "VolumeLost",
            "a volume of the server is gone; somebody or something deleted it".into(),
        );
    }
    let wanted = open.attempt.resolved.as_ref().map_or(0, |resolved| resolved.networks.len());
    if open.server.is_some() && open.ports.len() < wanted {
        return failed("PortLost", "a port of the server is gone; somebody or something deleted it".into());
    }
    let active = open.server.is_some_and(|server| server.state == ServerState::Active);
    let loose = open.volumes.iter().find(|volume| volume.state == VolumeState::Available);
    if let (true, true, Some(volume)) = (active, open.view.fresh.volume, loose) {
        return failed("VolumeLost", format!("the server is ACTIVE without its volume {}", volume.key));
    }
    let reserved = open.volumes.iter().find(|volume| volume.state == VolumeState::Reserved);
    if let (None, Some(volume), true, true) =
        (open.server, reserved, open.view.settled.server, open.view.is_fresh())
    {
        let message = format!("volume {} is reserved for a server that was never made", volume.key);
        return failed("VolumeStuck", message);
    }
    if open.ports.iter().any(|port| port.binding == crate::reconcile::state::Binding::Lost) {
        return failed("PortLost", "a port of the server is bound to it no more".into());
    }
    too_long(desired, seen, open)
}

fn too_long(desired: &Desired, seen: &Observed, open: &Open<'_>) -> Option<(Outcome, &'static str, String)> {
    let active = open.server.is_some_and(|server| server.state == ServerState::Active);
    if !active && open.view.launching_for > desired.launch_timeout {
        let message =
            format!("no ACTIVE server within timeouts.launch ({} s)", desired.launch_timeout.as_secs());
        return Some((Outcome::Failed, "LaunchTimeout", message));
    }
    // A name that cannot be set is no reason to end a machine whose guest is up.
    let awaited = || await_guest(desired, seen).is_some();
    if active && open.view.booting_for > desired.boot_timeout && awaited() {
        let message =
            format!("ACTIVE, but not usable within timeouts.boot ({} s)", desired.boot_timeout.as_secs());
        return Some((Outcome::Failed, "BootTimeout", message));
    }
    None
}

fn judged(verdict: Verdict, reason: &'static str) -> (Outcome, &'static str) {
    match verdict {
        Verdict::Quota => (Outcome::QuotaExceeded, "QuotaExceeded"),
        Verdict::Capacity => (Outcome::Failed, super::place::NO_VALID_HOST),
        Verdict::Invalid => (Outcome::Failed, super::choice::REFUSED),
        Verdict::Passing => (Outcome::Failed, reason),
    }
}

/// Volumes come before the server, one a turn, so that it has them from its birth.
pub(super) fn create_volumes(_: &Desired, seen: &Observed) -> Option<Step> {
    let open = Open::of(seen).filter(|open| open.server.is_none())?;
    let wanted = open.attempt.resolved.iter().flat_map(|resolved| &resolved.volumes);
    let next = wanted.clone().find(|wanted| !open.volumes.iter().any(|volume| volume.key == wanted.name))?;
    if !open.view.fresh.volume {
        return Some(open.look("CreatingVolumes", "waiting for a fresh look at the volumes", Kind::Volume));
    }
    let (cloud, attempt) = (open.attempt.cloud.clone(), open.attempt.number);
    Some(Step::Do(Change::CreateVolume { cloud, attempt, volume: next.clone() }))
}

pub(super) fn create_ports(_: &Desired, seen: &Observed) -> Option<Step> {
    let open = Open::of(seen).filter(|open| open.server.is_none())?;
    let count = open.attempt.resolved.as_ref().map_or(0, |resolved| resolved.networks.len());
    let index = (0..count).find(|index| !open.ports.iter().any(|port| port.index == *index))?;
    if !open.view.fresh.port {
        return Some(open.look("CreatingPorts", "waiting for a fresh look at the ports", Kind::Port));
    }
    Some(Step::Do(Change::CreatePort {
        cloud: open.attempt.cloud.clone(),
        attempt: open.attempt.number,
        index,
    }))
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
pub(super) fn create_server(_: &Desired, seen: &Observed) -> Option<Step> {
    let open = Open::of(seen).filter(|open| open.server.is_none())?;
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
    Some(Step::Do(Change::CreateServer {
        cloud: open.attempt.cloud.clone(),
        attempt: open.attempt.number,
        volumes: open.volumes.iter().map(|volume| volume.id.clone()).collect(),
        ports: open.ports.iter().map(|port| port.id.clone()).collect(),
    }))
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
    Some(Step::Do(Change::CloseAttempt(Box::new(Closing {
        number: open.attempt.number,
        outcome: Outcome::Ready,
        reason: "Ready",
        message: String::new(),
        console_tail: None,
        settled: open.view.is_settled(),
    }))))
}

/// A reply was lost on the way to Ready: once nothing can come of it, that is remembered, and the node can later go
/// without waiting.
pub(super) fn settle_ready(_: &Desired, seen: &Observed) -> Option<Step> {
    let current = seen.memory.current().filter(|attempt| attempt.closed_at.is_some() && !attempt.settled)?;
    let view = seen.clouds.get(&current.cloud)?;
    view.is_settled().then_some(Step::Do(Change::SettleAttempt { number: current.number }))
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
