//! The rules of `BRING_UP` for an attempt that cannot become Ready: why, and what comes of it.

use super::bring_up::await_guest;
use super::choice::REFUSED;
use super::open::Open;
use super::place::NO_VALID_HOST;
use super::surplus::drop_beside;
use super::{Closing, MemoryChange, Question, Step, TEAR_DOWN, Waiting};
use crate::api::testnode::OnFailure;
use crate::api::testnode_status::Outcome;
use crate::reconcile::state::{Binding, Desired, Observed, ServerState, Verdict, VolumeState};

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
        .or(Some(Step::Do(MemoryChange::SettleAttempt { number: attempt.number }.into())))
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
    let closing = Closing {
        number: open.attempt.number,
        outcome,
        reason,
        message,
        console_tail: seen.guest.tail.clone(),
        settled: false,
    };
    Some(Step::Do(MemoryChange::CloseAttempt(Box::new(closing)).into()))
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
    if open.ports.iter().any(|port| port.binding == Binding::Lost) {
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
        Verdict::Capacity => (Outcome::Failed, NO_VALID_HOST),
        Verdict::Invalid => (Outcome::Failed, REFUSED),
        Verdict::Passing => (Outcome::Failed, reason),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::testnode_status::{Attempt, Resolved, ServerFacts};
    use crate::reconcile::plan::CloudChange;
    use crate::reconcile::state::{CloudView, GuestView, Memory, NameView, Presence, Server, Standing};

    fn server(id: &str) -> Server {
        Server {
            id: id.into(),
            attempt: 1,
            presence: Presence::There,
            state: ServerState::Error,
            fault: None,
            created: None,
            facts: ServerFacts::default(),
        }
    }

    #[test]
    fn of_two_servers_of_an_attempt_that_is_held_one_is_kept() {
        let closed_at = Some(Time(jiff::Timestamp::UNIX_EPOCH));
        let attempt = Attempt {
            number: 1,
            cloud: "lab".into(),
            resolved: Some(Resolved::default()),
            outcome: Some(Outcome::Failed),
            closed_at,
            ..Attempt::default()
        };
        let mut view = CloudView::empty(Standing::Seen);
        view.servers = vec![server("a"), server("b")];
        let mut seen = Observed {
            now: jiff::Timestamp::UNIX_EPOCH,
            deleting: false,
            held: ["lab".to_owned()].into(),
            memory: Memory { attempts: vec![attempt], ..Memory::default() },
            clouds: BTreeMap::from([("lab".to_owned(), view)]),
            offers: Vec::new(),
            name: NameView::default(),
            guest: GuestView::default(),
            troubles: Vec::new(),
        };
        let desired = Desired::any();

        let delete = CloudChange::DeleteServer { id: "b".into() }.in_cloud("lab");
        assert_eq!(end_failed_attempt(&desired, &seen), Some(Step::Do(delete)));

        seen.clouds.get_mut("lab").unwrap().servers.pop();
        assert!(matches!(end_failed_attempt(&desired, &seen), Some(Step::Wait(_))));
    }
}
