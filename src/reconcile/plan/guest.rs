//! Whether the guest is ready: the checks of `readiness`, in their order.
//!
//! A check that has not passed yet is asked for again, or waited for. A check that cannot pass until somebody edits
//! something is *blocked*: no time passes for it (see `observe`), so that no attempt ends because of it.

use std::time::Duration;

use super::{Question, Step, Waiting};
use crate::api::common::{CheckKind, Period, ReadinessCheck};
use crate::reason::Reason;
use crate::reconcile::state::{Desired, Kind, Machine, Observed, Problem, Server, SshTrouble};

/// What to do where the console cannot tell.
const USE_TCP: &str = "set readiness: [{type: tcp, port: 22}] in the node's spec or in its MachineType";

/// Ready is what the tester means by it.
pub(super) fn await_guest(desired: &Desired, seen: &Observed) -> Option<Step> {
    let open = seen.machine_booting()?;
    let server = open.server?;
    let guest = &seen.guest;
    let check = unpassed(desired, seen)?;
    let question = match check.kind {
        CheckKind::Console => guest.console_due.then(|| console(&open, server)),
        CheckKind::Tcp => open.address().filter(|_| guest.tcp_due).map(|address| Question::Tcp {
            boot: server.boot(),
            address,
            port: port(check),
        }),
        CheckKind::Ssh => open.address().filter(|_| guest.ssh_due).map(|address| Question::Ssh {
            boot: server.boot(),
            address,
            check: Box::new(check.clone()),
            known: seen.host_keys().0.to_vec(),
        }),
    };
    if let Some(question) = question {
        return Some(Step::Ask(question));
    }
    let blocked = obstacle(check, seen, &open);
    Some(
        blocked.map_or_else(|| waiting(check, seen, &open), |problem| Step::Wait(blocked_by(problem, &open))),
    )
}

/// It waits for somebody. An address may also come by itself: Neutron adds those of IPv6 when it likes.
pub(super) fn blocked_by(problem: Problem, open: &Machine<'_>) -> Waiting {
    let addressed = problem.reason == Reason::NoAddress;
    let looks = addressed.then(|| (open.attempt.cloud.clone(), Kind::Port)).into_iter().collect();
    Waiting { looks, ..Waiting::stalled(problem.reason, problem.message) }
}

/// The check that is waited for cannot pass until somebody edits something.
#[must_use]
pub fn is_blocked(desired: &Desired, seen: &Observed) -> bool {
    seen.machine_booting().is_some_and(|open| {
        unpassed(desired, seen).is_some_and(|check| obstacle(check, seen, &open).is_some())
    })
}

/// What is waited for, for people, and how long that may take if the check says it.
pub(super) fn awaited(desired: &Desired, seen: &Observed) -> Option<(String, Option<Duration>)> {
    let open = seen.machine_booting()?;
    let check = unpassed(desired, seen)?;
    match waiting(check, seen, &open) {
        Step::Wait(waiting) => Some((waiting.message, check.timeout.as_ref().and_then(Period::length))),
        Step::Do(_) | Step::Ask(_) | Step::Rest => None,
    }
}

/// The question for the console of a server.
pub(super) fn console(open: &Machine<'_>, server: &Server) -> Question {
    Question::Console { cloud: open.attempt.cloud.clone(), boot: server.boot() }
}

/// The first check that has not passed.
fn unpassed<'a>(desired: &'a Desired, seen: &Observed) -> Option<&'a ReadinessCheck> {
    desired.readiness.iter().find(|check| match check.kind {
        CheckKind::Console => !seen.guest.finished,
        CheckKind::Tcp => !seen.guest.open_ports.contains(&port(check)),
        CheckKind::Ssh => !seen.guest.ssh_passed.contains(check),
    })
}

fn port(check: &ReadinessCheck) -> i32 {
    check.port.unwrap_or(22)
}

fn obstacle(check: &ReadinessCheck, seen: &Observed, open: &Machine<'_>) -> Option<Problem> {
    let guest = &seen.guest;
    let cloud = &open.attempt.cloud;
    match check.kind {
        CheckKind::Console => {
            if let Some(words) = &guest.no_console {
                return Some(Problem {
                    reason: Reason::NoConsole,
                    message: format!(
                        "cloud {cloud} has no console for us, so the readiness check \"console\" cannot be made: {words}; \
                         {USE_TCP}"
                    ),
                });
            }
            guest.no_cloud_init.then(|| Problem {
                reason: Reason::NoCloudInit,
                message: format!(
                    "the machine is up, but its console shows no cloud-init, whose end the readiness check \"console\" \
                     waits for; for an image without cloud-init, {USE_TCP}"
                ),
            })
        }
        CheckKind::Tcp => no_address(open),
        CheckKind::Ssh => match &guest.ssh_trouble {
            Some(SshTrouble::NoKey(problem)) => Some(problem.clone()),
            Some(SshTrouble::NotYet(_)) | None => no_address(open),
        },
    }
}

/// No port has an address that `addressFrom` chooses, though there are addresses.
fn no_address(open: &Machine<'_>) -> Option<Problem> {
    let awaited = open.pool().is_some() && open.floating_ip.is_none();
    if open.address().is_some() || awaited {
        return None;
    }
    let networks = open.attempt.resolved.iter().flat_map(|resolved| &resolved.networks);
    let name = |id: &str| {
        networks
            .clone()
            .find(|network| network.id == id)
            .map_or(id.to_owned(), |network| network.name.clone())
    };
    let addresses: Vec<String> = open
        .ports
        .iter()
        .flat_map(|port| {
            port.addresses.iter().map(|address| format!("{address} (network {})", name(&port.network)))
        })
        .collect();
    (!addresses.is_empty()).then(|| Problem {
        reason: Reason::NoAddress,
        message: format!(
            "the machine has no address that spec.addressFrom of Cloud {} chooses; it has {}; change addressFrom, or \
             networks or floatingIP of the node or its MachineType",
            open.attempt.cloud,
            addresses.join(", ")
        ),
    })
}

/// No name can be set without an address.
pub(super) fn no_address_to_name(seen: &Observed) -> Option<Problem> {
    let open = seen.machine_booting()?;
    no_address(&open)
}

fn waiting(check: &ReadinessCheck, seen: &Observed, open: &Machine<'_>) -> Step {
    let guest = &seen.guest;
    match check.kind {
        CheckKind::Console => {
            let shown = match &guest.stage {
                Some(stage) => format!("last: {stage}"),
                None if guest.tail.as_ref().is_some_and(|tail| !tail.is_empty()) => {
                    "nothing of cloud-init there yet".into()
                }
                None => format!("nothing on the console yet; if this image writes nothing there, {USE_TCP}"),
            };
            let failures = reported(&guest.failures).map(|said| format!("; {said}")).unwrap_or_default();
            let message =
                format!("waiting for cloud-init to end, as the console shows it; {shown}{failures}");
            Step::Wait(Waiting::new(Reason::Booting, message))
        }
        CheckKind::Tcp | CheckKind::Ssh => {
            let (port, what) =
                (port(check), if check.kind == CheckKind::Ssh { "sshd at port" } else { "TCP port" });
            match (open.address(), &guest.ssh_trouble) {
                (Some(_), Some(SshTrouble::NotYet(problem))) if check.kind == CheckKind::Ssh => {
                    Step::Wait(Waiting::new(problem.reason, problem.message.clone()))
                }
                (Some(address), _) => Step::Wait(Waiting::new(
                    Reason::Booting,
                    format!("waiting for {what} {port} of {address} to answer"),
                )),
                (None, _) => Step::look(
                    Reason::Booting,
                    format!("waiting for the machine to have an address, to try {what} {port}"),
                    &open.attempt.cloud,
                    Kind::Port,
                ),
            }
        }
    }
}

/// What the guest reported to have failed, in one line.
#[must_use]
pub fn reported(failures: &[String]) -> Option<String> {
    (!failures.is_empty()).then(|| format!("the machine reported: {}", failures.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::state::{GuestView, ServerState};

    const CONSOLE: ReadinessCheck = ReadinessCheck::new(CheckKind::Console);
    const TCP: ReadinessCheck = ReadinessCheck {
        kind: CheckKind::Tcp,
        port: Some(22),
        timeout: None,
        user: None,
        key_secret_ref: None,
        sentinel: None,
    };
    const SSH: ReadinessCheck = ReadinessCheck::new(CheckKind::Ssh);

    fn next(checks: &[ReadinessCheck], guest: GuestView) -> Option<Step> {
        let seen = Observed { guest, ..Observed::with_machine(ServerState::Active) };
        await_guest(&Desired { readiness: checks.to_vec(), ..Desired::any() }, &seen)
    }

    #[test]
    fn without_checks_an_active_server_is_enough() {
        assert_eq!(next(&[], GuestView::default()), None);
    }

    #[test]
    fn the_console_is_read_when_it_is_due_until_cloud_init_has_ended() {
        let due = GuestView { console_due: true, ..GuestView::default() };
        let ended = GuestView { finished: true, ..due.clone() };

        assert!(matches!(next(&[CONSOLE], due), Some(Step::Ask(Question::Console { .. }))));
        assert!(matches!(next(&[CONSOLE], GuestView::default()), Some(Step::Wait(_))));
        assert_eq!(next(&[CONSOLE], ended), None);
    }

    #[test]
    fn a_tcp_port_is_tried_when_it_is_due_until_it_answers() {
        let due = GuestView { tcp_due: true, ..GuestView::default() };
        let open = GuestView { open_ports: [22].into(), ..due.clone() };

        assert!(matches!(next(&[TCP], due), Some(Step::Ask(Question::Tcp { port: 22, .. }))));
        assert!(matches!(next(&[TCP], GuestView::default()), Some(Step::Wait(_))));
        assert_eq!(next(&[TCP], open), None);
    }

    #[test]
    fn sshd_is_tried_when_it_is_due_until_it_passes() {
        let due = GuestView { ssh_due: true, ..GuestView::default() };
        let passed = GuestView { ssh_passed: vec![SSH], ..due.clone() };

        assert!(matches!(next(&[SSH], due), Some(Step::Ask(Question::Ssh { .. }))));
        assert!(matches!(next(&[SSH], GuestView::default()), Some(Step::Wait(_))));
        assert_eq!(next(&[SSH], passed), None);
    }

    #[test]
    fn a_check_that_passed_says_nothing_of_one_that_wants_more() {
        let passed = GuestView { ssh_passed: vec![SSH], ..GuestView::default() };
        let elsewhere = ReadinessCheck { port: Some(2222), ..SSH };

        assert!(next(&[SSH, elsewhere], passed).is_some());
    }

    #[test]
    fn a_key_that_cannot_be_used_stalls_and_another_host_key_does_not() {
        let problem = |reason| Problem { reason, message: String::new() };
        let with = |trouble| GuestView { ssh_trouble: Some(trouble), ..GuestView::default() };
        let no_key = with(SshTrouble::NoKey(problem(Reason::LoginKeyUnusable)));
        let other = with(SshTrouble::NotYet(problem(Reason::HostKeyDiffers)));
        let told = |guest| match next(&[SSH], guest) {
            Some(Step::Wait(waiting)) => (waiting.reason, waiting.stalled),
            step => panic!("{step:?}"),
        };

        assert_eq!(told(no_key), (Reason::LoginKeyUnusable, true));
        assert_eq!(told(other), (Reason::HostKeyDiffers, false));
    }

    #[test]
    fn every_check_must_pass() {
        let guest = GuestView { finished: true, ..GuestView::default() };

        assert!(next(&[CONSOLE, TCP], guest).is_some());
    }
}
