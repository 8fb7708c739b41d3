//! Conditions and phase.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::Outcome;
use crate::api::testnode_status::KeySource;
use crate::kubernetes::conditions::Conditions;
use crate::reason::Reason;
use crate::reconcile::plan::{is_published, reported, target_address};
use crate::reconcile::state::{Desired, Observed, Problem, Resolution, ServerState, Standing};

/// Every phase there is.
pub const PHASES: &[&str] = &[
    "Pending",
    "Provisioning",
    "Booting",
    "Ready",
    "Rebuilding",
    "Retrying",
    "Held",
    "Failed",
    "Paused",
    "Deleting",
];

/// One word for people.
pub(super) fn phase(desired: &Desired, seen: &Observed, outcome: &Outcome) -> &'static str {
    let active = || seen.machine_booting().is_some_and(|machine| machine.is_active());
    if seen.deleting {
        return "Deleting";
    }
    match outcome {
        Outcome::Stalled(problem) if problem.reason == Reason::HeldAfterFailure => "Held",
        Outcome::Stalled(_) => "Failed",
        Outcome::Ready => "Ready",
        Outcome::Progressing(_) if desired.paused => "Paused",
        Outcome::Progressing(_) if was_ready(seen) => "Ready",
        Outcome::Progressing(_) if active() => "Booting",
        Outcome::Progressing(_) if seen.memory.rebuild().is_some() => "Rebuilding",
        Outcome::Progressing(_) if seen.memory.open().is_some() => "Provisioning",
        Outcome::Progressing(_) if seen.memory.to_end().is_some() => "Retrying",
        Outcome::Progressing(_) => "Pending",
    }
}

pub(super) fn was_ready(seen: &Observed) -> bool {
    seen.memory.is_made()
}

pub(super) fn conditions(
    old: &[Condition],
    desired: &Desired,
    seen: &Observed,
    outcome: &Outcome,
) -> Vec<Condition> {
    let mut list = Conditions::new(old, Some(desired.generation), seen.now);
    let can_look = can_look(seen);
    let booted = if can_look { booted(old, desired, seen) } else { None };
    overall(&mut list, desired, seen, outcome, booted.as_ref());
    if let Some(cut) = desired.expiry.as_ref().and_then(|expiry| expiry.cut.as_ref()) {
        list.say_also("Ready", cut);
    }
    if let Some(hold) = desired.held(seen.now) {
        let cut = hold.cut.as_ref().map(|cut| format!("; {cut}")).unwrap_or_default();
        list.say_also("Ready", &format!("held until {} ({}){cut}", hold.until, hold.reason));
    }
    if can_look {
        resolved(&mut list, seen);
        server(&mut list, seen);
        volumes(&mut list, seen);
        name(&mut list, seen);
        match booted {
            Some(Booted::As(status, reason, message)) => list.put("Booted", status, reason, message),
            Some(Booted::AsBefore(_)) => drop(list.keep("Booted")),
            None => {}
        }
    } else {
        for kind in ["Resolved", "ServerReady", "VolumesAttached", "DNSReady", "Booted"] {
            list.keep(kind);
        }
    }
    list.into_vec()
}

/// Whether the cloud of the current attempt was looked at. If not, what was said of it stands.
fn can_look(seen: &Observed) -> bool {
    let view = seen.memory.current().and_then(|attempt| seen.clouds.get(&attempt.cloud));
    view.is_none_or(|view| view.standing == Standing::Seen)
}

/// `Ready`, and `Reconciling` or `Stalled` or `Paused`.
fn overall(
    list: &mut Conditions<'_>,
    desired: &Desired,
    seen: &Observed,
    outcome: &Outcome,
    booted: Option<&Booted<'_>>,
) {
    match outcome {
        Outcome::Ready => list.put("Ready", "True", Reason::Ready, ready_message(seen, booted)),
        Outcome::Stalled(problem) => {
            list.put("Ready", "False", problem.reason, &*problem.message);
            list.put("Stalled", "True", problem.reason, &*problem.message);
        }
        // Paused leaves a machine that is Ready as it was; so does a new process that has not looked yet.
        Outcome::Progressing(problem) if desired.paused && !seen.deleting => {
            if was_ready(seen) {
                list.keep("Ready");
            } else {
                list.put("Ready", "False", problem.reason, &*problem.message);
            }
            list.put("Paused", "True", problem.reason, &*problem.message);
        }
        Outcome::Progressing(Problem { reason: Reason::LookingAround, .. })
            if was_ready(seen) && !seen.deleting =>
        {
            list.keep("Ready");
        }
        Outcome::Progressing(problem) if was_ready(seen) && !seen.deleting => {
            list.put("Ready", "Unknown", problem.reason, &*problem.message);
            list.put("Reconciling", "True", problem.reason, &*problem.message);
        }
        Outcome::Progressing(problem) => {
            list.put("Ready", "False", problem.reason, &*problem.message);
            list.put("Reconciling", "True", problem.reason, &*problem.message);
        }
    }
}

fn ready_message(seen: &Observed, booted: Option<&Booted<'_>>) -> String {
    let address = target_address(seen).map(|address| address.to_string());
    let mut message = match (seen.memory.dns.as_ref().map(|dns| &dns.name), address) {
        (Some(name), Some(address)) => format!("{name} is ready at {address}"),
        (None, Some(address)) => format!("ready at {address}"),
        (_, None) => "ready".into(),
    };
    if let Some(command) = lost_marks(seen) {
        message.extend(["; somebody removed marks by which it is known: run `", &command, "`"]);
    }
    match seen.host_keys() {
        ([], _) => message.push_str("; no SSH host keys are known"),
        (_, KeySource::Console) => {}
        (_, KeySource::FirstSeen) => {
            message.push_str(
                "; its SSH host key was not on its console: it is the first that was seen in the network",
            );
        }
    }
    match booted {
        Some(Booted::As(_, Reason::BootedWithFailures, said)) => message.extend(["; ", said]),
        Some(Booted::AsBefore(before)) if before.reason == Reason::BootedWithFailures.as_str() => {
            message.extend(["; ", &before.message]);
        }
        Some(_) | None => {}
    }
    message
}

/// The commands that give back what somebody removed of our marks.
fn lost_marks(seen: &Observed) -> Option<String> {
    let view = seen.clouds.get(&seen.memory.current()?.cloud)?;
    let servers = view.servers.iter().map(|server| &server.remark);
    let volumes = view.volumes.iter().map(|volume| &volume.remark);
    let floating = view.floating_ips.iter().map(|ip| &ip.remark);
    let ports = view.ports.iter().map(|port| &port.remark).chain(floating);
    let commands: Vec<&str> = servers.chain(volumes).chain(ports).flatten().map(String::as_str).collect();
    (!commands.is_empty()).then(|| commands.join(" && "))
}

fn resolved(list: &mut Conditions<'_>, seen: &Observed) {
    let attempt = seen.memory.current().or(seen.memory.last());
    if let Some(resolved) = attempt.and_then(|attempt| attempt.resolved.as_ref()) {
        list.put("Resolved", "True", Reason::Resolved, resolved.why.clone().unwrap_or_default());
        return;
    }
    let problems = seen.offers.iter().filter_map(|offer| match &offer.resolution {
        Resolution::Cannot(problem) => Some((&offer.cloud, problem)),
        Resolution::Can(_) | Resolution::Unread => None,
    });
    if let Some((cloud, problem)) = problems.into_iter().next() {
        list.put("Resolved", "False", problem.reason, format!("cloud {cloud}: {}", problem.message));
    }
}

fn server(list: &mut Conditions<'_>, seen: &Observed) {
    let Some(machine) = seen.machine() else { return };
    match machine.server {
        Some(server) if server.state == ServerState::Active => {
            list.put("ServerReady", "True", Reason::Active, format!("server {} is ACTIVE", server.id));
        }
        Some(server) => {
            let fault = server.fault.as_ref().map(|fault| format!(": {}", fault.message)).unwrap_or_default();
            let message = format!("server {} is {}{fault}", server.id, server.facts.status);
            list.put("ServerReady", "False", Reason::NotActive, message);
        }
        None => list.put("ServerReady", "False", Reason::NoServer, "there is no server"),
    }
}

fn volumes(list: &mut Conditions<'_>, seen: &Observed) {
    let Some(machine) = seen.machine().filter(|machine| machine.volumes_wanted() > 0) else { return };
    let (wanted, there) = (machine.volumes_wanted(), machine.volumes.len());
    // They are attached in the server's own create: when it is ACTIVE, they are.
    if machine.is_active() && there == wanted {
        list.put("VolumesAttached", "True", Reason::Attached, format!("{wanted} volumes are on the server"));
    } else {
        list.put(
            "VolumesAttached",
            "False",
            Reason::NotAttached,
            format!("{there} of {wanted} volumes are made"),
        );
    }
}

fn name(list: &mut Conditions<'_>, seen: &Observed) {
    let Some(dns) = &seen.memory.dns else { return };
    if is_published(seen) {
        let checked = if seen.name.verifiable { "as its authority says" } else { "and nothing can check it" };
        list.put("DNSReady", "True", Reason::Set, format!("{} is set, {checked}", dns.name));
    } else {
        let trouble = seen.troubles.iter().find(|trouble| trouble.key.is_for_dns());
        let message =
            trouble.map_or_else(|| format!("{} is not set", dns.name), |trouble| trouble.message.clone());
        list.put("DNSReady", "False", trouble.map_or(Reason::NotSet, |trouble| trouble.reason), message);
    }
}

/// What the condition `Booted` says.
enum Booted<'a> {
    /// Status, reason and message.
    As(&'static str, Reason, String),
    /// What it said when the node became Ready stands.
    AsBefore(&'a Condition),
}

fn booted<'a>(old: &'a [Condition], desired: &Desired, seen: &Observed) -> Option<Booted<'a>> {
    if was_ready(seen) {
        let before = old.iter().find(|old| old.type_ == "Booted" && old.status == "True");
        let with_failures = |before: &&Condition| before.reason == Reason::BootedWithFailures.as_str();
        if let (Some(forbidden), Some(_)) = (&desired.console_forbidden, before.filter(with_failures)) {
            let message = format!(
                "the machine reported that something of its set-up failed; what is not shown: {forbidden}"
            );
            return Some(Booted::As("True", Reason::BootedWithFailures, message));
        }
        return Some(before.map_or_else(|| passed(seen), Booted::AsBefore));
    }
    if !seen.memory.is_making() {
        return None;
    }
    let stage =
        seen.guest.stage.clone().unwrap_or_else(|| "the machine has shown nothing of cloud-init".into());
    Some(Booted::As("False", Reason::Booting, stage))
}

fn passed(seen: &Observed) -> Booted<'static> {
    let no_metadata = seen
        .guest
        .no_datasource
        .then(|| "cloud-init found no metadata: user data, keys and host name were not applied".to_owned());
    let said: Vec<String> = no_metadata.into_iter().chain(reported(&seen.guest.failures)).collect();
    if said.is_empty() {
        Booted::As("True", Reason::Booted, "all readiness checks passed".into())
    } else {
        Booted::As("True", Reason::BootedWithFailures, said.join("; "))
    }
}
