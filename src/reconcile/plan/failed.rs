//! The rules of `BRING_UP` for an attempt that cannot become Ready: why, and what comes of it.

use super::cure::cure;
use super::floating;
use super::guest::{awaited, console};
use super::{Closing, MemoryChange, Step, TEAR_DOWN, Waiting};
use crate::api::boot_volume::BOOT;
use crate::api::hold::OnFailure;
use crate::api::testnode_status::Outcome;
use crate::reason::Reason;
use crate::reconcile::state::{
    Binding, Desired, Machine, Observed, ServerState, Trouble, Verdict, VolumeState,
};

/// So much of the last line of a console is told, in characters.
const LAST_LINE: usize = 200;

/// A failed attempt is ended whole, by `TEAR_DOWN` without its last rule, before another is opened.
pub(super) fn end_failed_attempt(desired: &Desired, seen: &Observed) -> Option<Step> {
    let attempt = seen.memory.to_end().filter(|_| desired.held_attempt(seen).is_none())?;
    let rules = TEAR_DOWN.split_last().map_or(TEAR_DOWN, |(_, rules)| rules);
    rules
        .iter()
        .find_map(|rule| rule(seen, &attempt.cloud))
        .or(Some(Step::Do(MemoryChange::SettleAttempt { number: attempt.number }.into())))
}

/// A machine whose launch failed is kept if the node says so, or as long as it is held.
pub(super) fn hold_failed_attempt(desired: &Desired, seen: &Observed) -> Option<Step> {
    let attempt = desired.held_attempt(seen)?;
    let reason = attempt.reason.unwrap_or(Reason::LaunchFailed);
    let message = attempt.message.as_deref().unwrap_or_default();
    let failed =
        format!("attempt {} failed ({reason}: {message}) and is kept for you to look at", attempt.number);
    let hold = desired.held(seen.now).filter(|_| desired.on_failure != OnFailure::Hold);
    let (message, until) = match hold {
        Some(hold) => {
            let why = format!(
                "{failed} until {} (spec.hold: {}); end the hold, or delete the node",
                hold.until, hold.reason
            );
            (why, Some(hold.until))
        }
        None => (format!("{failed}; set spec.onFailure to Retry, or delete the node"), None),
    };
    Some(Step::Wait(Waiting { until, ..Waiting::stalled(Reason::HeldAfterFailure, message) }))
}

/// An attempt that cannot become Ready is closed. What it leaves is ended next.
pub(super) fn close_failed(desired: &Desired, seen: &Observed) -> Option<Step> {
    let open = seen.machine_under_way()?;
    let (outcome, reason, message) = failure(desired, seen, &open)?;
    let broken = open.server.is_some_and(|server| server.state != ServerState::Building);
    let unread = seen.guest.tail.is_none() && seen.guest.console_due;
    if let (true, true, Some(server)) = (broken, unread, open.server) {
        let question = console(&open, server);
        // One try; a console that cannot be read is no reason to keep the attempt.
        if !seen.troubles.iter().any(|trouble| trouble.key == question.key() && trouble.failures > 0) {
            return Some(Step::Ask(question));
        }
    }
    let closing = Closing {
        number: open.attempt.number,
        outcome,
        reason,
        message,
        console_tail: seen.guest.tail.clone().filter(|_| desired.console_forbidden.is_none()),
        settled: false,
    };
    Some(Step::Do(MemoryChange::CloseAttempt(Box::new(closing)).into()))
}

fn failure(desired: &Desired, seen: &Observed, open: &Machine<'_>) -> Option<(Outcome, Reason, String)> {
    let failed = |reason, message: String| Some((Outcome::Failed, reason, message));
    if let Some(holder) = &seen.name.holder {
        let name = seen.memory.dns.as_ref().map(|dns| dns.name.clone()).unwrap_or_default();
        return failed(Reason::NameConflict, format!("TestNode {holder} holds the name {name}"));
    }
    if let Some(server) = open.server {
        match (server.state, &server.fault) {
            (ServerState::Error, Some(fault)) => {
                let (outcome, reason) = judged(fault.verdict, Reason::ServerError);
                let cure = if reason == Reason::RequestRefused { zone_cure(open) } else { None };
                return Some((outcome, reason, format!("{}{}", fault.message, cure.unwrap_or_default())));
            }
            // Nova is being asked.
            (ServerState::Error, None) if server.unexplained => {}
            (ServerState::Error, None) => {
                return failed(Reason::ServerError, "the server is in ERROR; Nova gave no fault".into());
            }
            (ServerState::Stopped, _) => {
                return failed(Reason::ServerStopped, "the server stopped before it was Ready".into());
            }
            (ServerState::SoftDeleted, _) => {
                return failed(Reason::ServerLost, "somebody deleted the server".into());
            }
            (
                ServerState::Building | ServerState::Active | ServerState::Rebuilding | ServerState::Other,
                _,
            ) => {}
        }
    } else if open.view.servers_gone.contains(&open.attempt.number) {
        return failed(Reason::ServerLost, "the server is gone; somebody or something deleted it".into());
    }
    let ends =
        |t: &&Trouble| t.key.creates() && t.verdict != Verdict::Passing && !floating::is_dispensable(t, open);
    if let Some(trouble) = seen.troubles.iter().find(ends) {
        let (outcome, reason) = judged(trouble.verdict, trouble.reason);
        let zone = if reason == Reason::RequestRefused { zone_cure(open) } else { None };
        let cure = cure(trouble).map(|cure| format!("; {cure}")).or(zone).unwrap_or_default();
        return Some((outcome, reason, format!("{}{cure}", trouble.message)));
    }
    if let Some(volume) = open.volumes.iter().find(|volume| volume.state == VolumeState::Error) {
        let mut message =
            format!("volume {} ({}) is in error; Cinder does not say why", volume.key, volume.id);
        let mut wanted = open.attempt.resolved.iter().flat_map(|resolved| &resolved.volumes);
        let of_image = wanted.any(|wanted| wanted.name == volume.key && wanted.image.is_some());
        if volume.key == BOOT || of_image {
            let field = if volume.key == BOOT { "bootVolume.sizeGiB" } else { "volumeSize" };
            message.push_str(": the image may be larger than the volume; if so, make ");
            message.push_str(field);
            message.push_str(" larger");
        }
        return failed(Reason::VolumeError, message);
    }
    if open.server.is_some() && open.volumes.len() < open.volumes_wanted() {
        return failed(
            Reason::VolumeLost,
            "a volume of the server is gone; somebody or something deleted it".into(),
        );
    }
    if open.server.is_some() && open.ports.len() < open.ports_wanted() {
        return failed(
            Reason::PortLost,
            "a port of the server is gone; somebody or something deleted it".into(),
        );
    }
    let active = open.is_active();
    let loose = open.volumes.iter().find(|volume| volume.state == VolumeState::Available);
    if let (true, true, Some(volume)) = (active, open.view.fresh.volume, loose) {
        return failed(Reason::VolumeLost, format!("the server is ACTIVE without its volume {}", volume.key));
    }
    let reserved = open.volumes.iter().find(|volume| volume.state == VolumeState::Reserved);
    if let (None, Some(volume), true, true) =
        (open.server, reserved, open.view.settled.server, open.view.is_fresh())
    {
        let message = format!("volume {} is reserved for a server that was never made", volume.key);
        return failed(Reason::VolumeStuck, message);
    }
    if open.ports.iter().any(|port| port.binding == Binding::Lost) {
        return failed(Reason::PortLost, "a port of the server is no longer bound to it".into());
    }
    too_long(desired, seen, open)
}

/// Where Nova and Cinder do not mean the same zones, a field helps that no cloud knows of.
fn zone_cure(open: &Machine<'_>) -> Option<String> {
    let zone = open.attempt.zone.as_ref()?;
    let volume = open.attempt.resolved.as_ref()?.volumes.first()?;
    let of = volume.zone.as_deref().unwrap_or("its default");
    let cloud = &open.attempt.cloud;
    Some(format!(
        " (the server was asked for in zone {zone}, its volumes in Cinder's zone {of}; if that is the cause, say under \
         volumeZones of Cloud {cloud} which zone of Cinder's goes with {zone})"
    ))
}

fn too_long(desired: &Desired, seen: &Observed, open: &Machine<'_>) -> Option<(Outcome, Reason, String)> {
    let active = open.is_active();
    if !active && open.view.launching_for > desired.launch_timeout {
        let message =
            format!("no ACTIVE server within timeouts.launch ({} s)", desired.launch_timeout.as_secs());
        return Some((Outcome::Failed, Reason::LaunchTimeout, message));
    }
    let (reason, message) = late_boot(desired, seen, open)?;
    Some((Outcome::Failed, reason, message))
}

/// A readiness check did not pass in time.
pub(super) fn late_boot(
    desired: &Desired,
    seen: &Observed,
    machine: &Machine<'_>,
) -> Option<(Reason, String)> {
    // A name that cannot be set is no reason to end a machine whose guest is up. While a check is blocked no time passes.
    let (awaited, own) = awaited(desired, seen)?;
    let bound = own.map_or(desired.boot_timeout, |own| own.min(desired.boot_timeout));
    let late = machine.is_active() && machine.view.booting_for > bound;
    let awaited = Some(awaited).filter(|_| late)?;
    let whose = if bound < desired.boot_timeout { "its timeout" } else { "timeouts.boot" };
    let bound = bound.as_secs();
    let shown = seen.guest.tail.as_ref().filter(|_| desired.console_forbidden.is_none());
    let last = shown.and_then(|tail| tail.lines().rfind(|line| !line.trim().is_empty()));
    let last = last.map(|line| {
        let line: String = line.trim().chars().take(LAST_LINE).collect();
        format!("; the last line on the console: {line}")
    });
    let message = format!(
        "the server is ACTIVE, but a readiness check did not pass within {whose} ({bound} s): {awaited}{}",
        last.unwrap_or_default()
    );
    Some((Reason::BootTimeout, message))
}

pub(super) fn judged(verdict: Verdict, reason: Reason) -> (Outcome, Reason) {
    match verdict {
        Verdict::Quota => (Outcome::Uncounted, Reason::QuotaExceeded),
        Verdict::Capacity => (Outcome::Failed, Reason::NoValidHost),
        Verdict::Invalid => (Outcome::Failed, Reason::RequestRefused),
        Verdict::Passing => (Outcome::Failed, reason),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::reconcile::plan::{Change, CloudChange, Question};
    use crate::reconcile::state::examples::{ago, bound, failed, server, volume};
    use crate::reconcile::state::{Fault, Hold, RequestKey, Server, Trouble};

    /// How an attempt is closed that looks like this.
    fn closed(desired: &Desired, seen: &Observed) -> Option<(Outcome, Reason)> {
        let step = close_failed(desired, seen)?;
        let Step::Do(Change::Memory(MemoryChange::CloseAttempt(closing))) = step else { panic!("{step:?}") };
        Some((closing.outcome, closing.reason))
    }

    fn fault(verdict: Verdict) -> Observed {
        let fault = Some(Fault { verdict, message: "the cloud's words".into() });
        Observed::with_parts().with_server(Server { fault, ..server("s", ServerState::Error) })
    }

    fn refused(key: RequestKey, verdict: Verdict) -> Observed {
        Observed::with_parts().with_trouble(Trouble {
            key,
            verdict,
            reason: Reason::RequestRefused,
            message: "no".into(),
            since: ago(1),
            failures: 1,
            retry_at: ago(0),
        })
    }

    #[test]
    fn an_attempt_without_trouble_goes_on() {
        assert_eq!(closed(&Desired::any(), &Observed::with_parts()), None);
        assert_eq!(closed(&Desired::any(), &Observed::with_machine(ServerState::Active)), None);
    }

    #[test]
    fn a_fault_of_the_server_says_whether_the_attempt_counts() {
        for (verdict, outcome, reason) in [
            (Verdict::Passing, Outcome::Failed, Reason::ServerError),
            (Verdict::Capacity, Outcome::Failed, Reason::NoValidHost),
            (Verdict::Invalid, Outcome::Failed, Reason::RequestRefused),
            (Verdict::Quota, Outcome::Uncounted, Reason::QuotaExceeded),
        ] {
            assert_eq!(closed(&Desired::any(), &fault(verdict)), Some((outcome, reason)));
        }
    }

    #[test]
    fn the_console_of_a_broken_server_is_read_once_before_the_attempt_is_closed() {
        let mut seen = fault(Verdict::Passing);
        seen.guest.console_due = true;

        assert!(matches!(close_failed(&Desired::any(), &seen), Some(Step::Ask(Question::Console { .. }))));
        seen.guest.tail = Some("kernel panic".into());
        assert_eq!(closed(&Desired::any(), &seen), Some((Outcome::Failed, Reason::ServerError)));
    }

    #[test]
    fn a_create_that_is_refused_ends_the_attempt_and_a_delete_does_not() {
        let quota = (Outcome::Uncounted, Reason::QuotaExceeded);

        assert_eq!(closed(&Desired::any(), &refused(RequestKey::CreateServer, Verdict::Quota)), Some(quota));
        assert_eq!(closed(&Desired::any(), &refused(RequestKey::CreateServer, Verdict::Passing)), None);
        assert_eq!(closed(&Desired::any(), &refused(RequestKey::Console, Verdict::Invalid)), None);
    }

    #[test]
    fn what_the_server_had_and_lost_ends_the_attempt() {
        let machine = || Observed::with_machine(ServerState::Active);
        let without_volume = machine().in_lab(|view| drop(view.volumes.pop()));
        let without_port = machine().in_lab(|view| drop(view.ports.pop()));
        let mut loose = bound("p", "s");
        loose.binding = Binding::Lost;

        let lost = |seen: &Observed| closed(&Desired::any(), seen).map(|(_, reason)| reason);
        assert_eq!(lost(&without_volume), Some(Reason::VolumeLost));
        assert_eq!(lost(&without_port), Some(Reason::PortLost));
        assert_eq!(lost(&machine().with_port(loose)), Some(Reason::PortLost));
        assert_eq!(
            lost(&machine().with_volume(volume("osd-0", VolumeState::Error))),
            Some(Reason::VolumeError)
        );
    }

    #[test]
    fn a_phase_that_takes_too_long_ends_the_attempt() {
        let minute = Duration::from_mins(1);
        let desired = Desired { launch_timeout: minute, boot_timeout: minute, ..Desired::any() };
        let long = |seen: Observed| {
            seen.in_lab(|view| (view.launching_for, view.booting_for) = (minute * 2, minute * 2))
        };
        let console = crate::api::common::ReadinessCheck::new(crate::api::common::CheckKind::Console);
        let checked = Desired { readiness: vec![console], ..desired.clone() };

        let building = long(Observed::with_machine(ServerState::Building));
        let active = long(Observed::with_machine(ServerState::Active));
        assert_eq!(closed(&desired, &building), Some((Outcome::Failed, Reason::LaunchTimeout)));
        assert_eq!(closed(&desired, &active), None, "nothing is waited for");
        assert!(close_failed(&checked, &active).is_some());
    }

    #[test]
    fn what_a_failed_attempt_left_is_deleted_and_then_the_attempt_is_settled() {
        let retry = Desired { on_failure: OnFailure::Retry, ..Desired::any() };
        let left = Observed::with_machine(ServerState::Error).with_attempt(failed(1, Reason::ServerError));

        let delete = CloudChange::DeleteServer { id: "s".into() }.in_cloud("lab");
        assert_eq!(end_failed_attempt(&retry, &left), Some(Step::Do(delete)));
        let nothing = Observed::held().with_attempt(failed(1, Reason::ServerError));
        let settle = MemoryChange::SettleAttempt { number: 1 };
        assert_eq!(end_failed_attempt(&retry, &nothing), Some(Step::Do(settle.into())));
    }

    #[test]
    fn a_machine_whose_launch_failed_is_held_if_the_node_says_so() {
        let hold = Desired { on_failure: OnFailure::Hold, ..Desired::any() };
        let seen = Observed::with_machine(ServerState::Error).with_attempt(failed(1, Reason::ServerError));

        assert_eq!(end_failed_attempt(&hold, &seen), None);
        let Some(Step::Wait(waiting)) = hold_failed_attempt(&hold, &seen) else { panic!("it is not held") };
        assert_eq!((waiting.reason, waiting.stalled), (Reason::HeldAfterFailure, true));
    }

    #[test]
    fn a_machine_whose_launch_failed_is_kept_as_long_as_the_node_is_held() {
        let seen = Observed::with_machine(ServerState::Error).with_attempt(failed(1, Reason::ServerError));
        let held = |until| Desired {
            on_failure: OnFailure::Retry,
            hold: Some(Hold { until, reason: "a look".into(), cut: None }),
            ..Desired::any()
        };

        let Some(Step::Wait(waiting)) = hold_failed_attempt(&held(ago(-1)), &seen) else {
            panic!("it is not held")
        };
        assert_eq!((waiting.reason, waiting.until), (Reason::HeldAfterFailure, Some(ago(-1))));
        assert_eq!(end_failed_attempt(&held(ago(-1)), &seen), None);
        assert_eq!(hold_failed_attempt(&held(ago(0)), &seen), None);
        assert!(end_failed_attempt(&held(ago(0)), &seen).is_some());
    }
}
