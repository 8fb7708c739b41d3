//! What is said of progress, beside what the rules say: after which failure, and since when.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::testnode_status::{Outcome, TestNodeStatus, Times};
use crate::kubernetes::conditions::LONGEST;
use crate::reconcile::plan::MemoryChange;
use crate::reconcile::state::{Observed, is_failed};

/// What a node that has not had its machine yet does after an attempt that failed.
pub(super) fn after_failure(seen: &Observed, message: String) -> String {
    let failed = seen.memory.last().filter(|last| is_failed(last) && !seen.deleting);
    let Some(attempt) = failed else { return message };
    let reason = attempt.reason.map(|reason| reason.to_string()).unwrap_or_default();
    let said = attempt.message.as_deref().unwrap_or_default();
    if message.contains(said) && !said.is_empty() {
        return message;
    }
    let verb = if attempt.outcome == Some(Outcome::Uncounted) { "ended" } else { "failed" };
    let then = if attempt.settled { "" } else { "cleaning up before the next: " };
    format!("attempt {} {verb} ({reason}: {said}); {then}{message}", attempt.number)
}

/// A change of what is remembered, for people. The next report says what is waited for.
pub(super) fn memory(change: &MemoryChange, seen: &Observed) -> String {
    let name = || seen.memory.dns.as_ref().map_or("the name", |dns| dns.name.as_str());
    match change {
        MemoryChange::OpenAttempt { attempt, .. } => {
            let zone = attempt.zone.as_ref().map(|zone| format!(", zone {zone}")).unwrap_or_default();
            let flavor = attempt
                .resolved
                .as_ref()
                .map(|resolved| format!(": flavor {}, image {}", resolved.flavor.name, resolved.image.name));
            format!(
                "attempt {} begins in cloud {}{zone}{}",
                attempt.number,
                attempt.cloud,
                flavor.unwrap_or_default()
            )
        }
        MemoryChange::RecordFound(attempt) => format!(
            "the status was lost; what was found in cloud {} is recorded as attempt {}",
            attempt.cloud, attempt.number
        ),
        MemoryChange::SettleAttempt { number } => format!("nothing is left of attempt {number}"),
        MemoryChange::RecordAddress { address } => format!("{} is about to be set to {address}", name()),
        MemoryChange::KeepToFixedAddress { why, .. } => format!("the machine has no floating IP: {why}"),
        MemoryChange::RecordConsole(_) => "spec.consoleRequest is answered".into(),
        MemoryChange::ForgetName => "the name was withdrawn".into(),
        MemoryChange::CloseAttempt(closing) => closing.message.clone(),
        MemoryChange::OpenRebuild(rebuild) => format!("the machine is rebuilt with image {}", rebuild.why),
        MemoryChange::CloseRebuild(closing) => closing.message.clone(),
    }
}

/// A message and what follows it, in as many characters as a condition may have.
fn with_end(message: &str, end: &str) -> String {
    let room = LONGEST - end.chars().count();
    if message.chars().count() <= room {
        return format!("{message}{end}");
    }
    let begin: String = message.chars().take(room - 1).collect();
    format!("{}…{end}", begin.trim_end_matches('…'))
}

/// Since when the node says what its condition `Ready` says: since the status first had that reason, or since this process
/// saw that. All conditions with that message say so too.
pub(super) fn since(status: &mut TestNodeStatus, before: Option<&TestNodeStatus>, seen: &Observed) {
    let ready = |status: &TestNodeStatus| {
        let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready")?;
        Some((ready.status.clone(), ready.reason.clone(), ready.message.clone()))
    };
    let Some((value, reason, message)) = ready(status) else { return };
    let same =
        before.and_then(ready).is_some_and(|(was, why, _)| (was, why) == (value.clone(), reason.clone()));
    let known = before.filter(|_| same).and_then(|before| before.times.as_ref()?.since.clone());
    let noted = seen.step.as_ref().filter(|(step, _)| step.as_str() == reason).map(|(_, since)| Time(*since));
    let since = known.or(noted).unwrap_or(Time(seen.now));
    if value != "True" {
        let at = since.0.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        for condition in status.conditions.iter_mut().filter(|condition| condition.message == message) {
            if !condition.message.contains(&at) {
                condition.message = with_end(&message, &format!(" (since {at})"));
            }
        }
    }
    status.times.get_or_insert_with(Times::default).since = Some(since);
}
