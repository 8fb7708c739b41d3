//! The rules of `BRING_UP` that make the machine and watch over it.

use super::listed::await_list;
use super::tear_down::unsettled;
use super::{Change, Closing, CloudChange, MemoryChange, Question, Step, Waiting};
use crate::api::common::FloatingIpPolicy;
use crate::api::testnode_status::{Attempt, Outcome, Resolved};
use crate::reason::Reason;
use crate::reconcile::state::{
    CloudView, Desired, Kind, Machine, Observed, Presence, Resolution, Server, ServerState, Standing,
    VolumeState,
};

fn look(open: &Machine<'_>, reason: Reason, message: impl Into<String>, kind: Kind) -> Step {
    Step::look(reason, message, &open.attempt.cloud, kind)
}

fn listed(seen: &Observed, open: &Machine<'_>, reason: Reason, kind: Kind) -> Step {
    await_list(seen, open.view, &open.attempt.cloud, kind, reason)
}

pub(super) fn wait_while_paused(desired: &Desired, seen: &Observed) -> Option<Step> {
    let expires = desired.expiry.as_ref().is_some_and(|expiry| expiry.beats_pause(seen.now));
    (desired.paused && !expires).then(|| {
        Step::Wait(Waiting::new(
            Reason::Paused,
            "spec.paused is true: nothing is changed until you set it to false or delete the node",
        ))
    })
}

/// The clouds of this node must have been looked at. Another cloud that is away holds up nobody.
pub(super) fn wait_for_clouds(_: &Desired, seen: &Observed) -> Option<Step> {
    let has_attempt = |cloud: &str| seen.memory.current().is_some_and(|attempt| attempt.cloud == cloud);
    let counts = |(cloud, view): &(&String, &CloudView)| {
        seen.held.contains(*cloud) || (view.is_unknown() && has_attempt(cloud))
    };
    seen.clouds.iter().filter(counts).find_map(|(cloud, view)| match &view.standing {
        Standing::Seen => None,
        Standing::Unseen => Some(Step::Wait(Waiting::first_look(cloud))),
        Standing::Away(problem) => {
            Some(Step::Wait(Waiting::new(problem.reason, format!("cloud {cloud}: {}", problem.message))))
        }
    })
}

pub(super) fn confirm_missing(_: &Desired, seen: &Observed) -> Option<Step> {
    seen.clouds.iter().find_map(|(cloud, view)| Question::about_missing(cloud, view)).map(Step::Ask)
}

/// Something of this node, or an attempt, is in a cloud that does not hold it: the object must stay until that is gone.
pub(super) fn hold_what_was_found(_: &Desired, seen: &Observed) -> Option<Step> {
    Some(Step::Do(Change::AddFinalizer { cloud: seen.cloud_to_hold()?.to_owned() }))
}

/// The status was lost (a restore, a careless replace). A server that is ACTIVE, or that somebody stopped, was Ready and is
/// adopted; anything else belongs to an attempt nobody knows, which is ended.
pub(super) fn record_what_was_found(desired: &Desired, seen: &Observed) -> Option<Step> {
    if !seen.memory.attempts.is_empty() {
        return None;
    }
    let (cloud, view) = seen.clouds.iter().find(|(_, view)| !view.is_empty())?;
    // One that is on its way out was not to be kept.
    let runs = |server: &Server| matches!(server.state, ServerState::Active | ServerState::Stopped);
    let alive = |server: &&Server| runs(server) && server.presence == Presence::There;
    let alive = view.servers.iter().find(alive);
    let rebuilding =
        |server: &&Server| server.state == ServerState::Rebuilding && server.presence == Presence::There;
    if let Some(server) = view.servers.iter().find(rebuilding).filter(|_| alive.is_none()) {
        // It was Ready once: what becomes of it is seen soon.
        let message =
            format!("the status was lost while server {} is rebuilt; waiting for it to be ACTIVE", server.id);
        return Some(Step::look(Reason::Rebuilding, message, cloud, Kind::Server));
    }
    let numbers = view.servers.iter().map(|s| s.attempt).chain(view.volumes.iter().map(|v| v.attempt));
    let numbers = numbers.chain(view.floating_ips.iter().map(|ip| ip.attempt));
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
        spec_digest: Some(desired.asks.clone()),
        asked: Some(desired.system.clone()),
        machine_type_generation: Some(desired.machine_type_generation),
        resolved: offer.and_then(|offer| match &offer.resolution {
            Resolution::Can(resolved) => Some(as_found((**resolved).clone(), view)),
            Resolution::Unread | Resolution::Cannot(_) => None,
        }),
        opened_at: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(seen.now)),
        closed_at: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(seen.now)),
        outcome: Some(if alive.is_some() { Outcome::Ready } else { Outcome::Failed }),
        reason: Some(Reason::StatusLost),
        message: Some("the status was lost; this is what was found in the cloud".into()),
        ..Attempt::default()
    };
    Some(Step::Do(MemoryChange::RecordFound(Box::new(found)).into()))
}

/// A floating IP that was only wanted if it could be had, and is not there, could not be had.
fn as_found(mut resolved: Resolved, view: &CloudView) -> Resolved {
    let floating = resolved.floating_ip.as_mut().filter(|_| view.floating_ips.is_empty());
    if let Some(floating) = floating.filter(|floating| floating.policy == FloatingIpPolicy::IfNeeded) {
        floating.pool = None;
    }
    resolved
}

/// Volumes come before the server, one a turn, so that it has them from its birth.
pub(super) fn create_volumes(_: &Desired, seen: &Observed) -> Option<Step> {
    let open = seen.machine_under_way().filter(|open| open.server.is_none())?;
    let wanted = open.attempt.resolved.iter().flat_map(|resolved| &resolved.volumes);
    let next = wanted.clone().find(|wanted| !open.volumes.iter().any(|volume| volume.key == wanted.name))?;
    if !open.view.fresh.volume {
        return Some(listed(seen, &open, Reason::CreatingVolumes, Kind::Volume));
    }
    let create = CloudChange::CreateVolume { attempt: open.attempt.number, volume: next.clone() };
    Some(Step::Do(create.in_cloud(&open.attempt.cloud)))
}

pub(super) fn create_ports(_: &Desired, seen: &Observed) -> Option<Step> {
    let open = seen.machine_under_way().filter(|open| open.server.is_none())?;
    let index = (0..open.ports_wanted()).find(|index| !open.ports.iter().any(|port| port.index == *index))?;
    if !open.view.fresh.port {
        return Some(listed(seen, &open, Reason::CreatingPorts, Kind::Port));
    }
    let create = CloudChange::CreatePort { attempt: open.attempt.number, index };
    Some(Step::Do(create.in_cloud(&open.attempt.cloud)))
}

pub(super) fn await_volumes(_: &Desired, seen: &Observed) -> Option<Step> {
    let open = seen.machine_under_way().filter(|open| open.server.is_none())?;
    let ready = open.volumes.iter().filter(|volume| volume.state == VolumeState::Available).count();
    let all = open.volumes.len();
    let others: Vec<String> = open
        .volumes
        .iter()
        .filter(|volume| volume.state != VolumeState::Available)
        .map(|volume| format!("{} ({}) is {}", volume.key, volume.id, volume.status))
        .collect();
    let message = format!("{ready} of {all} volumes are available; {}", others.join(", "));
    (ready < all).then(|| look(&open, Reason::CreatingVolumes, message, Kind::Volume))
}

/// The one request that must not be sent twice. Either no earlier one can take effect any more, or every volume is
/// a fence: Nova reserves mapped volumes inside the request, so that a second one is refused.
pub(super) fn create_server(desired: &Desired, seen: &Observed) -> Option<Step> {
    let open = seen.machine_under_way().filter(|open| open.server.is_none())?;
    let step = end_if_changed(desired, &open).or_else(|| await_turn(seen, &open));
    if let Some(step) = step.or_else(|| Step::for_user_data(&desired.user_data)) {
        return Some(step);
    }
    for kind in Kind::ALL {
        if !open.view.fresh.of(kind) {
            return Some(listed(seen, &open, Reason::CreatingServer, kind));
        }
    }
    if let Some(port) = open.ports.iter().find(|port| port.device.is_some()) {
        let message = format!(
            "port {} has a server already that no list shows yet: it is not created a second time, but waited for",
            port.id
        );
        return Some(Step::Wait(Waiting {
            looks: [Kind::Server, Kind::Port].map(|kind| (open.attempt.cloud.clone(), kind)).to_vec(),
            ..Waiting::new(Reason::CreatingServer, message)
        }));
    }
    if !open.view.settled.server && !is_fenced(&open) {
        return Some(look(
            &open,
            Reason::SettlingAttempt,
            unsettled(Kind::Server, &open.attempt.cloud),
            Kind::Server,
        ));
    }
    let create = CloudChange::CreateServer {
        attempt: open.attempt.number,
        volumes: open.volumes.iter().map(|volume| volume.id.clone()).collect(),
        ports: open.ports.iter().map(|port| port.id.clone()).collect(),
    };
    Some(Step::Do(create.in_cloud(&open.attempt.cloud)))
}

/// As many servers are being made there as may be at once. What this one needs is there meanwhile.
fn await_turn(seen: &Observed, open: &Machine<'_>) -> Option<Step> {
    let message = || {
        format!(
            "its volumes and ports are there, and its server waits for its turn: cloud {} makes no more servers at once than \
             the Cloud's status.concurrentCreates; namespaces are served in turn, and in each the oldest node first",
            open.attempt.cloud
        )
    };
    (!seen.may_build).then(|| Step::Wait(Waiting::new(Reason::Prepared, message())))
}

/// The machine type's part of the user data is read only now. If it is not what it was when the attempt began, the
/// machine would be made from two states of the machine type: the attempt ends, and does not count.
fn end_if_changed(desired: &Desired, open: &Machine<'_>) -> Option<Step> {
    let pinned = open.attempt.resolved.as_ref()?.machine_type.as_ref()?;
    let message = match &desired.user_data_digest {
        Some(digest) if *digest == pinned.user_data_digest => return None,
        Some(_) => "cloudInit or sshAuthorizedKeys of the machine type changed before the server was created",
        None => "the machine type was deleted before the server was created",
    };
    let closing = Closing {
        number: open.attempt.number,
        outcome: Outcome::Uncounted,
        reason: Reason::MachineTypeChanged,
        message: message.into(),
        console_tail: None,
        settled: false,
    };
    Some(Step::Do(MemoryChange::CloseAttempt(Box::new(closing)).into()))
}

/// Every request of this attempt maps the same volumes: there are some, and no second one of any name. None of them
/// is freed or deleted while the attempt is open and without a server (see `surplus`).
fn is_fenced(open: &Machine<'_>) -> bool {
    let in_attempt = open.view.volumes.iter().filter(|volume| volume.attempt == open.attempt.number).count();
    !open.volumes.is_empty() && in_attempt == open.volumes.len()
}

pub(super) fn await_active(_: &Desired, seen: &Observed) -> Option<Step> {
    let open = seen.machine_under_way()?;
    let server = open.server.filter(|server| server.state != ServerState::Active)?;
    let message = format!("server {} is {}; waiting for it to be ACTIVE", server.id, server.facts.status);
    Some(look(&open, Reason::Launching, message, Kind::Server))
}

pub(super) fn close_ready(_: &Desired, seen: &Observed) -> Option<Step> {
    let open = seen.machine_under_way()?;
    open.server?;
    let closing = Closing {
        number: open.attempt.number,
        outcome: Outcome::Ready,
        reason: Reason::Ready,
        message: String::new(),
        console_tail: None,
        settled: open.view.is_settled(),
    };
    Some(Step::Do(MemoryChange::CloseAttempt(Box::new(closing)).into()))
}

/// A reply was lost on the way to Ready: once nothing can come of it, that is remembered, and the node can later go
/// without waiting.
pub(super) fn settle_ready(_: &Desired, seen: &Observed) -> Option<Step> {
    let current = seen.memory.current().filter(|attempt| attempt.closed_at.is_some() && !attempt.settled);
    let current = current.filter(|_| seen.memory.rebuild().is_none())?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testnode::{UserDataKind, UserDataRef};
    use crate::reconcile::plan::plan;
    use crate::reconcile::state::examples::{away, bound, port, server, volume};
    use crate::reconcile::state::{Problem, UserData};

    fn next(seen: &Observed) -> Step {
        plan(&Desired::any(), seen)
    }

    fn does(change: CloudChange) -> Step {
        Step::Do(change.in_cloud("lab"))
    }

    fn reason(step: &Step) -> Option<Reason> {
        if let Step::Wait(waiting) = step { Some(waiting.reason) } else { None }
    }

    #[test]
    fn an_attempt_in_a_cloud_that_there_is_not_waits_and_says_so() {
        let problem = Problem { reason: Reason::CloudNotFound, message: "there is no such Cloud".into() };
        let mut seen = Observed::with_parts();
        seen.held.clear();
        seen.clouds.insert("lab".into(), CloudView::empty(Standing::Away(problem)));

        assert_eq!(reason(&next(&seen)), Some(Reason::CloudNotFound));
    }

    #[test]
    fn a_paused_node_waits_whatever_it_has() {
        let desired = Desired { paused: true, ..Desired::any() };

        assert_eq!(reason(&plan(&desired, &Observed::with_parts())), Some(Reason::Paused));
    }

    #[test]
    fn a_cloud_of_the_node_that_cannot_be_asked_holds_it_up() {
        let seen = Observed::with_parts().in_lab(|view| view.standing = away());

        assert_eq!(reason(&next(&seen)), Some(Reason::CloudUnreachable));
    }

    #[test]
    fn what_a_list_left_out_is_asked_for_by_its_id() {
        let missing = Server { presence: Presence::Missing, ..server("s", ServerState::Active) };
        let seen = Observed::under_way().with_server(missing);

        let asks = Question::Presence { cloud: "lab".into(), kind: Kind::Server, id: "s".into() };
        assert_eq!(next(&seen), Step::Ask(asks));
    }

    #[test]
    fn something_found_in_a_cloud_that_does_not_hold_the_node_adds_its_finalizer() {
        let seen = Observed::nothing().with_server(server("s", ServerState::Active));

        assert_eq!(next(&seen), Step::Do(Change::AddFinalizer { cloud: "lab".into() }));
    }

    #[test]
    fn a_running_server_without_a_recorded_attempt_is_adopted_as_ready() {
        let seen = Observed::held().with_server(server("s", ServerState::Active));

        let Step::Do(Change::Memory(MemoryChange::RecordFound(found))) = next(&seen) else {
            panic!("{:?}", next(&seen))
        };
        assert_eq!(
            (found.number, found.outcome, found.reason),
            (1, Some(Outcome::Ready), Some(Reason::StatusLost))
        );
    }

    #[test]
    fn volumes_are_created_one_a_turn_then_the_port() {
        let none = Observed::under_way();
        let one = none.clone().with_volume(volume("osd-0", VolumeState::Creating));
        let both = one.clone().with_volume(volume("osd-1", VolumeState::Creating));

        let created = |seen: &Observed| {
            let step = next(seen);
            let Step::Do(Change::Cloud { change, .. }) = step else { panic!("{step:?}") };
            change.to_string()
        };
        assert_eq!(created(&none), "create volume osd-0");
        assert_eq!(created(&one), "create volume osd-1");
        assert_eq!(created(&both), "create port 0");
    }

    #[test]
    fn the_server_waits_until_every_volume_is_available() {
        let seen = Observed::with_parts().with_volume(volume("osd-1", VolumeState::Creating));

        assert_eq!(reason(&next(&seen)), Some(Reason::CreatingVolumes));
    }

    #[test]
    fn the_server_is_created_with_all_volumes_and_ports() {
        let volumes = vec!["osd-0".to_owned(), "osd-1".to_owned()];

        let create = CloudChange::CreateServer { attempt: 1, volumes, ports: vec!["p".into()] };
        assert_eq!(next(&Observed::with_parts()), does(create));
    }

    #[test]
    fn a_server_that_is_not_next_waits_and_no_user_data_is_read_for_it() {
        let seen = Observed { may_build: false, ..Observed::with_parts() };
        let place =
            UserDataRef { kind: UserDataKind::Secret, name: "first-boot".into(), key: "script".into() };
        let desired = Desired { user_data: UserData::Checked(place), ..Desired::any() };

        assert_eq!(reason(&plan(&desired, &seen)), Some(Reason::Prepared));
        let Step::Ask(Question::UserData(_)) = plan(&desired, &Observed { may_build: true, ..seen.clone() })
        else {
            panic!("it is read when the server is next")
        };
        let failed = seen.in_lab(|view| view.launching_for = std::time::Duration::MAX);
        let desired = Desired { launch_timeout: std::time::Duration::from_secs(1), ..desired };
        assert_eq!(reason(&plan(&desired, &failed)), None, "timeouts.launch is over");
    }

    #[test]
    fn after_a_lost_reply_volumes_are_a_fence_and_without_them_it_waits() {
        let lost = |seen: Observed| seen.in_lab(|view| view.settled.server = false);
        assert!(matches!(next(&lost(Observed::with_parts())), Step::Do(_)));

        let mut bare = lost(Observed::under_way().with_port(port("p")));
        bare.memory.attempts[0].resolved.as_mut().unwrap().volumes.clear();
        assert_eq!(reason(&next(&bare)), Some(Reason::SettlingAttempt));
    }

    #[test]
    fn a_port_that_is_bound_already_means_that_a_server_is_on_its_way() {
        let seen = Observed::with_parts().with_port(bound("p", "unseen"));

        assert_eq!(reason(&next(&seen)), Some(Reason::CreatingServer));
    }

    #[test]
    fn a_server_that_is_being_built_is_waited_for_and_an_active_one_is_ready() {
        assert_eq!(reason(&next(&Observed::with_machine(ServerState::Building))), Some(Reason::Launching));

        let Step::Do(Change::Memory(MemoryChange::CloseAttempt(closing))) =
            next(&Observed::with_machine(ServerState::Active))
        else {
            panic!("it is not closed")
        };
        assert_eq!((closing.outcome, closing.reason), (Outcome::Ready, Reason::Ready));
    }

    #[test]
    fn a_machine_type_that_changed_before_the_create_ends_the_attempt_uncounted() {
        let mut seen = Observed::with_parts();
        let pinned = |digest: &str| crate::api::testnode_status::ResolvedMachineType {
            readiness: Vec::new(),
            on_failure: crate::api::hold::OnFailure::Retry,
            timeouts: crate::api::common::Timeouts::default(),
            launch_retries: 1,
            user_data_digest: digest.into(),
        };
        seen.memory.attempts[0].resolved.as_mut().unwrap().machine_type = Some(pinned("before"));
        let with =
            |digest: Option<&str>| Desired { user_data_digest: digest.map(Into::into), ..Desired::any() };

        assert!(matches!(plan(&with(Some("before")), &seen), Step::Do(Change::Cloud { .. })));
        for digest in [Some("after"), None] {
            let Step::Do(Change::Memory(MemoryChange::CloseAttempt(closing))) = plan(&with(digest), &seen)
            else {
                panic!("{digest:?}: it goes on")
            };
            assert_eq!((closing.outcome, closing.reason), (Outcome::Uncounted, Reason::MachineTypeChanged));
        }
    }

    #[test]
    fn a_ready_node_rests() {
        let seen = Observed::with_machine(ServerState::Active)
            .with_attempt(crate::reconcile::state::examples::ready(1));

        assert_eq!(next(&seen), Step::Rest);
    }
}
