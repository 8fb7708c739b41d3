//! Rebuilds, rule by rule.

use super::*;
use crate::api::testnode_status::{AskedSystem, ExistingVolume, Resolved, ResolvedImage, ResolvedVolume};
use crate::reconcile::plan::{Change, plan};
use crate::reconcile::state::examples::{LAB, attached, ready, server, trouble, volume};
use crate::reconcile::state::{Fault, Problem, RequestKey, Verdict, VolumeState, Wish};
use crate::select::System;

fn asked(value: &str) -> AskedSystem {
    AskedSystem { rebuild: Some(value.into()), ..AskedSystem::default() }
}

fn image(id: &str) -> ResolvedImage {
    ResolvedImage { id: id.into(), name: id.into(), ..ResolvedImage::default() }
}

/// A machine that was Ready, on which this server and its volumes are.
fn made(server: Server) -> Observed {
    let seen = Observed::with_machine(ServerState::Active).with_attempt(ready(1));
    seen.in_lab(|view| view.servers = vec![server])
}

/// The node asks for another system, which comes to this.
fn wishing(system: WishedSystem) -> Observed {
    let wish = Wish { asked: asked("a"), system };
    Observed { wish: Some(wish), ..made(server("s", ServerState::Active)) }
}

fn system() -> WishedSystem {
    let system = System { image: image("new"), os: None, metadata: None, why: String::new() };
    WishedSystem::Can(Box::new(system))
}

/// Rebuild 2 was written down.
fn under_way(server: Server) -> Observed {
    let rebuild = Rebuild { number: 2, asked: asked("a"), image: image("new"), ..Rebuild::default() };
    made(server).with_attempt(crate::api::testnode_status::Attempt { rebuild: Some(rebuild), ..ready(1) })
}

/// The server that Nova was asked to rebuild.
fn asked_for(state: ServerState) -> Server {
    Server { boot: 2, image: Some("new".into()), ..server("s", state) }
}

fn desired() -> Desired {
    Desired { system: asked("a"), ..Desired::any() }
}

fn next(seen: &Observed) -> Step {
    plan(&desired(), seen)
}

fn asks() -> Step {
    let ask = CloudChange::RebuildServer { id: "s".into(), number: 2, image: "new".into() };
    Step::Do(ask.in_cloud(LAB))
}

fn waits(seen: &Observed) -> Reason {
    if let Step::Wait(waiting) = next(seen) { waiting.reason } else { panic!("{:?}", next(seen)) }
}

fn closed(seen: &Observed) -> (Outcome, Reason, bool) {
    let Step::Do(Change::Memory(MemoryChange::CloseRebuild(closing))) = next(seen) else {
        panic!("{:?}", next(seen))
    };
    (closing.outcome, closing.reason, closing.applied)
}

#[test]
fn a_wish_is_written_down_under_a_number_of_its_own_before_anything_is_asked_for() {
    let opened = |seen: &Observed| match next(seen) {
        Step::Do(Change::Memory(MemoryChange::OpenRebuild(rebuild))) => rebuild.number,
        other @ (Step::Do(_) | Step::Ask(_) | Step::Wait(_) | Step::Rest) => panic!("{other:?}"),
    };
    assert_eq!(opened(&wishing(system())), 2);

    let fifth = wishing(system()).in_lab(|view| view.servers[0].boot = 5);
    assert_eq!(opened(&fifth), 6);
    let mut tried = wishing(system());
    tried.memory.attempts[0].rebuild =
        Some(Rebuild { number: 7, closed_at: Some(Time(tried.now)), ..Rebuild::default() });
    assert_eq!(opened(&tried), 8, "the number of one that failed is not used again");
}

#[test]
fn what_stands_in_the_way_is_told_and_nothing_is_written_down() {
    let problem = Problem { reason: Reason::ImageNotFound, message: "none".into() };
    assert_eq!(waits(&wishing(WishedSystem::Cannot(problem))), Reason::ImageNotFound);
    assert!(matches!(next(&wishing(WishedSystem::Unread)), Step::Ask(Question::Catalogue { .. })));

    let with = |state| wishing(system()).in_lab(|view| view.servers[0].state = state);
    assert_eq!(waits(&with(ServerState::Stopped)), Reason::ServerStopped);
    assert_eq!(waits(&with(ServerState::Rebuilding)), Reason::Rebuilding);
    let mut boots = wishing(system());
    boots.memory.attempts[0].resolved.as_mut().unwrap().volumes[0].boot_index = Some(0);
    assert_eq!(waits(&boots), Reason::RebuildRefused);
}

#[test]
fn what_the_way_to_ready_left_unknown_is_settled_first() {
    let mut seen = wishing(system());
    seen.memory.attempts[0].settled = false;
    assert_eq!(next(&seen), Step::Do(MemoryChange::SettleAttempt { number: 1 }.into()));

    let unsettled = seen.in_lab(|view| view.settled.volume = false);
    assert_eq!(waits(&unsettled), Reason::SettlingAttempt);
}

#[test]
fn a_server_that_does_not_bear_the_number_is_asked_once_nothing_else_can_come() {
    let seen = under_way(server("s", ServerState::Active));
    assert_eq!(next(&seen), asks());
    assert_eq!(next(&under_way(server("s", ServerState::Error))), asks(), "it mends one in ERROR");

    let stale = seen.clone().in_lab(|view| view.fresh.server = false);
    assert_ne!(next(&stale), asks());
    let lost = seen.clone().in_lab(|view| view.settled.server = false);
    assert_eq!(waits(&lost), Reason::SettlingAttempt);
    let busy = under_way(server("s", ServerState::Rebuilding));
    assert_eq!(waits(&busy), Reason::Rebuilding, "somebody else's must end first");
}

#[test]
fn done_is_the_number_the_image_active_and_every_volume() {
    let done = under_way(asked_for(ServerState::Active));
    assert_eq!(closed(&done), (Outcome::Ready, Reason::Ready, true));

    assert_eq!(waits(&under_way(asked_for(ServerState::Rebuilding))), Reason::Rebuilding);
    let unseen = done.clone().in_lab(|view| view.volumes_since_active = false);
    assert_eq!(waits(&unseen), Reason::Rebuilding);
    let reserved = done.clone().with_volume(volume("osd-0", VolumeState::Reserved));
    assert_eq!(waits(&reserved), Reason::Rebuilding);
    let another = done.clone().with_volume(attached("osd-0", "t"));
    assert_eq!(waits(&another), Reason::Rebuilding, "on another server is not on it");
    let old = done.in_lab(|view| view.servers[0].image = Some("old".into()));
    assert_eq!(closed(&old), (Outcome::Failed, Reason::ServerError, false));
}

#[test]
fn what_cannot_be_done_is_closed_and_says_whether_the_disk_is_the_new_one() {
    let fault = Some(Fault { verdict: Verdict::Capacity, message: "No valid host".into() });
    let error = Server { fault, image: Some("old".into()), ..asked_for(ServerState::Error) };
    assert_eq!(closed(&under_way(error)), (Outcome::Failed, Reason::NoValidHost, false));
    let stopped = under_way(asked_for(ServerState::Stopped));
    assert_eq!(closed(&stopped), (Outcome::Failed, Reason::ServerStopped, true));
    let refused = under_way(server("s", ServerState::Active))
        .with_trouble(trouble(RequestKey::RebuildServer, Verdict::Invalid));
    assert_eq!(closed(&refused), (Outcome::Failed, Reason::RequestRefused, false));
    let gone = under_way(server("s", ServerState::Active)).in_lab(|view| {
        view.servers.clear();
        view.servers_gone.insert(1);
    });
    assert_eq!(closed(&gone), (Outcome::Failed, Reason::ServerLost, false));
    let lost = under_way(asked_for(ServerState::Active)).with_volume(volume("osd-0", VolumeState::Available));
    assert_eq!(closed(&lost).1, Reason::VolumeLost);
}

#[test]
fn one_that_takes_too_long_is_closed_but_not_while_it_may_still_be_begun() {
    let soon = Desired { launch_timeout: std::time::Duration::from_secs(1), ..desired() };
    let late = |seen: Observed| seen.in_lab(|view| view.launching_for = std::time::Duration::from_secs(2));
    let reason = |seen: &Observed| match plan(&soon, seen) {
        Step::Do(Change::Memory(MemoryChange::CloseRebuild(closing))) => closing.reason,
        Step::Wait(waiting) => waiting.reason,
        other @ (Step::Do(_) | Step::Ask(_) | Step::Rest) => panic!("{other:?}"),
    };

    assert_eq!(reason(&late(under_way(server("s", ServerState::Active)))), Reason::LaunchTimeout);
    assert_eq!(reason(&late(under_way(asked_for(ServerState::Rebuilding)))), Reason::LaunchTimeout);
    let unsettled =
        late(under_way(server("s", ServerState::Active))).in_lab(|view| view.settled.server = false);
    assert_eq!(reason(&unsettled), Reason::SettlingAttempt);
}

#[test]
fn one_that_failed_is_told_until_something_else_is_asked_for() {
    let mut seen = under_way(server("s", ServerState::Active));
    let rebuild = seen.memory.attempts[0].rebuild.as_mut().unwrap();
    (rebuild.closed_at, rebuild.outcome) = (Some(Time(seen.now)), Some(Outcome::Failed));

    assert_eq!(waits(&seen), Reason::RebuildFailed);
    let Step::Do(Change::Memory(MemoryChange::CloseRebuild(closing))) = plan(&Desired::any(), &seen) else {
        panic!("it is still told")
    };
    assert_eq!(closing.outcome, Outcome::Uncounted);
    let gone = seen.in_lab(|view| view.servers.clear());
    assert_eq!(next(&gone), Step::Rest, "that the server is gone is told as of any node");
}

/// A machine that was Ready, made from this, whose node asks for another system.
fn wishing_of(resolved: Resolved) -> Observed {
    let attempt = crate::api::testnode_status::Attempt { resolved: Some(resolved), ..ready(1) };
    let wish = Wish { asked: asked("a"), system: system() };
    Observed { wish: Some(wish), ..made(server("s", ServerState::Active)).with_attempt(attempt) }
}

#[test]
fn a_root_disk_in_cinder_is_refused_whatever_it_is_made_of_and_a_data_disk_of_an_image_is_not() {
    let of = |index, image: Option<&str>, snapshot: Option<&str>| Resolved {
        volumes: vec![ResolvedVolume {
            name: "vdb".into(),
            boot_index: Some(index),
            image: image.map(Into::into),
            snapshot: snapshot.map(Into::into),
            ..ResolvedVolume::default()
        }],
        ..Resolved::default()
    };

    assert_eq!(waits(&wishing_of(of(0, Some("i"), None))), Reason::RebuildRefused);
    assert_eq!(waits(&wishing_of(of(0, None, Some("s")))), Reason::RebuildRefused);
    assert!(matches!(next(&wishing_of(of(-1, Some("i"), None))), Step::Do(_)));
}

#[test]
fn a_machine_with_volumes_that_exist_by_themselves_is_not_rebuilt() {
    let volume = ExistingVolume { id: "theirs".into(), device_name: "vdb".into(), boot_index: -1 };
    let resolved = Resolved { existing_volumes: vec![volume], ..Resolved::default() };

    assert_eq!(waits(&wishing_of(resolved)), Reason::RebuildRefused);
}
