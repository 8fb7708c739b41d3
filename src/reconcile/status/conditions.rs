//! Conditions and phase.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::Outcome;
use crate::reconcile::plan::{is_published, kept_server, kept_volumes, target_address};
use crate::reconcile::state::{Desired, Observed, Problem, Resolution, ServerState, Standing};

/// A process that has just begun has not looked yet: that says nothing of the node.
const BEFORE_RESTART: &str = "LookingAround";

/// Every phase there is.
pub const PHASES: &[&str] =
    &["Pending", "Provisioning", "Booting", "Ready", "Retrying", "Held", "Failed", "Paused", "Deleting"];

/// One word for people.
pub(super) fn phase(desired: &Desired, seen: &Observed, outcome: &Outcome) -> &'static str {
    let active = || {
        let attempt = seen.memory.open()?;
        let view = seen.clouds.get(&attempt.cloud)?;
        kept_server(seen, view, attempt).filter(|server| server.state == ServerState::Active)
    };
    if seen.deleting {
        return "Deleting";
    }
    match outcome {
        Outcome::Stalled(problem) if problem.reason == "HeldAfterFailure" => "Held",
        Outcome::Stalled(_) => "Failed",
        Outcome::Ready => "Ready",
        Outcome::Progressing(_) if desired.paused => "Paused",
        Outcome::Progressing(_) if was_ready(seen) => "Ready",
        Outcome::Progressing(_) if active().is_some() => "Booting",
        Outcome::Progressing(_) if seen.memory.open().is_some() => "Provisioning",
        Outcome::Progressing(_) if seen.memory.to_end().is_some() => "Retrying",
        Outcome::Progressing(_) => "Pending",
    }
}

pub(super) fn was_ready(seen: &Observed) -> bool {
    seen.memory.current().is_some_and(|attempt| attempt.closed_at.is_some())
}

pub(super) fn conditions(
    old: &[Condition],
    desired: &Desired,
    seen: &Observed,
    outcome: &Outcome,
) -> Vec<Condition> {
    let mut list = List { old, generation: desired.generation, now: seen.now, new: Vec::new() };
    overall(&mut list, desired, seen, outcome);
    if can_look(seen) {
        resolved(&mut list, seen);
        server(&mut list, seen);
        volumes(&mut list, seen);
        name(&mut list, seen);
        booted(&mut list, seen);
    } else {
        for kind in ["Resolved", "ServerReady", "VolumesAttached", "DNSReady", "Booted"] {
            list.keep(kind);
        }
    }
    list.new
}

/// Whether the cloud of the current attempt was looked at. If not, what was said of it stands.
fn can_look(seen: &Observed) -> bool {
    let view = seen.memory.current().and_then(|attempt| seen.clouds.get(&attempt.cloud));
    view.is_none_or(|view| view.standing == Standing::Seen)
}

struct List<'a> {
    old: &'a [Condition],
    generation: i64,
    now: Timestamp,
    new: Vec<Condition>,
}

impl List<'_> {
    /// The time of the last transition stands while the status does.
    fn put(&mut self, kind: &str, status: &str, reason: &str, message: impl Into<String>) {
        let old = self.old.iter().find(|old| old.type_ == kind && old.status == status);
        // What the schema's default says was never a transition.
        let since =
            old.map(|old| old.last_transition_time.clone()).filter(|time| time.0 != Timestamp::UNIX_EPOCH);
        self.new.push(Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: shortened(&message.into()),
            observed_generation: Some(self.generation),
            last_transition_time: since.unwrap_or(Time(self.now)),
        });
    }

    /// A condition stays as it was.
    fn keep(&mut self, kind: &str) -> bool {
        let old = self.old.iter().find(|old| old.type_ == kind);
        self.new.extend(old.cloned());
        old.is_some()
    }
}

/// One line, and no more than a screen of it.
fn shortened(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= 1024 { line } else { line.chars().take(1023).chain(['…']).collect() }
}

/// `Ready`, and `Reconciling` or `Stalled` or `Paused`.
fn overall(list: &mut List<'_>, desired: &Desired, seen: &Observed, outcome: &Outcome) {
    match outcome {
        Outcome::Ready => list.put("Ready", "True", "Ready", ready_message(seen)),
        Outcome::Stalled(problem) => {
            list.put("Ready", "False", problem.reason, &*problem.message);
            list.put("Stalled", "True", problem.reason, &*problem.message);
        }
        // Paused leaves Ready as it was; so does a new process that has not looked yet.
        Outcome::Progressing(problem) if desired.paused && !seen.deleting => {
            if !list.keep("Ready") {
                list.put("Ready", "Unknown", problem.reason, &*problem.message);
            }
            list.put("Paused", "True", problem.reason, &*problem.message);
        }
        Outcome::Progressing(Problem { reason: BEFORE_RESTART, .. }) if was_ready(seen) && !seen.deleting => {
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

fn ready_message(seen: &Observed) -> String {
    let address = target_address(seen).map(|address| address.to_string());
    match (seen.memory.dns.as_ref().map(|dns| &dns.name), address) {
        (Some(name), Some(address)) => format!("{name} is ready at {address}"),
        (None, Some(address)) => format!("ready at {address}"),
        (_, None) => "ready".into(),
    }
}

fn resolved(list: &mut List<'_>, seen: &Observed) {
    let attempt = seen.memory.current().or(seen.memory.last());
    if let Some(resolved) = attempt.and_then(|attempt| attempt.resolved.as_ref()) {
        list.put("Resolved", "True", "Resolved", resolved.why.clone().unwrap_or_default());
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

fn server(list: &mut List<'_>, seen: &Observed) {
    let Some(attempt) = seen.memory.current() else { return };
    let Some(view) = seen.clouds.get(&attempt.cloud) else { return };
    match kept_server(seen, view, attempt) {
        Some(server) if server.state == ServerState::Active => {
            list.put("ServerReady", "True", "Active", format!("server {} is ACTIVE", server.id));
        }
        Some(server) => {
            let fault = server.fault.as_ref().map(|fault| format!(": {}", fault.message)).unwrap_or_default();
            let message = format!("server {} is {}{fault}", server.id, server.facts.status);
            list.put("ServerReady", "False", "NotActive", message);
        }
        None => list.put("ServerReady", "False", "NoServer", "there is no server"),
    }
}

fn volumes(list: &mut List<'_>, seen: &Observed) {
    let Some(attempt) = seen.memory.current() else { return };
    let wanted = attempt.resolved.as_ref().map_or(0, |resolved| resolved.volumes.len());
    let Some(view) = seen.clouds.get(&attempt.cloud).filter(|_| wanted > 0) else { return };
    let server = kept_server(seen, view, attempt);
    // In one create with the server: what is mapped is attached when the server is ACTIVE.
    let active = server.is_some_and(|server| server.state == ServerState::Active);
    let there = kept_volumes(view, attempt, server).len();
    if active && there == wanted {
        list.put("VolumesAttached", "True", "Attached", format!("{wanted} volumes are on the server"));
    } else {
        list.put("VolumesAttached", "False", "NotAttached", format!("{there} of {wanted} volumes are made"));
    }
}

fn name(list: &mut List<'_>, seen: &Observed) {
    let Some(dns) = &seen.memory.dns else { return };
    if is_published(seen) {
        let checked = if seen.name.verifiable { "as its authority says" } else { "and nothing can check it" };
        list.put("DNSReady", "True", "Set", format!("{} is set, {checked}", dns.name));
    } else {
        let trouble = seen.troubles.iter().find(|trouble| trouble.reason == "DNSUpdateFailed");
        let message =
            trouble.map_or_else(|| format!("{} is not set", dns.name), |trouble| trouble.message.clone());
        list.put("DNSReady", "False", trouble.map_or("NotSet", |trouble| trouble.reason), message);
    }
}

fn booted(list: &mut List<'_>, seen: &Observed) {
    if was_ready(seen) {
        let message = if seen.guest.no_datasource {
            "cloud-init found no metadata: user data, keys and host name were not applied"
        } else {
            "all readiness checks passed"
        };
        if !list.keep("Booted") || list.new.last().is_some_and(|booted| booted.status != "True") {
            list.new.retain(|condition| condition.type_ != "Booted");
            list.put("Booted", "True", "Booted", message);
        }
    } else if seen.memory.open().is_some() {
        let stage = seen.guest.stage.clone().unwrap_or_else(|| "the guest has shown nothing yet".into());
        list.put("Booted", "False", "Booting", stage);
    }
}
