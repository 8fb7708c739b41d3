//! What is remembered in an object's status, and how a change alters it. Everything else in the status is written and
//! never read. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::plan::{MemoryChange, claimed, remembered};
use super::state::{Hints, Memory, Observed};
use crate::api::testnode_status::{Attempt, DnsFacts, Outcome, Rebuild, Resolved, TestNodeStatus};

/// Reads what is remembered.
#[must_use]
pub fn read(status: Option<&TestNodeStatus>) -> Memory {
    let Some(status) = status else { return Memory::default() };
    Memory {
        attempts: status.attempts.clone(),
        dns: status.dns.clone(),
        ready_at: status.times.as_ref().and_then(|times| times.ready_at.as_ref()).map(|time| time.0),
        ssh: status.ssh.clone(),
        console: status.console.clone(),
        hints: Hints {
            server: status.server.as_ref().map(|server| server.id.clone()),
            volumes: status.volumes.iter().map(|volume| volume.id.clone()).collect(),
            floating_ip: status.floating_ip.as_ref().map(|ip| ip.id.clone()),
            ports: status
                .ports
                .iter()
                .map(|port| port.id.clone())
                .filter(|id| !is_used(status, id))
                .collect(),
        },
    }
}

/// An attempt only uses it: no look is for it.
fn is_used(status: &TestNodeStatus, id: &String) -> bool {
    let resolved = status.attempts.iter().filter_map(|attempt| attempt.resolved.as_ref());
    resolved.flat_map(Resolved::existing).any(|used| used == id)
}

/// The memory after a change of it; `None` if what it would alter is not remembered.
#[must_use]
pub fn after(seen: &Observed, change: &MemoryChange) -> Option<Memory> {
    let mut memory = seen.memory.clone();
    match change {
        MemoryChange::OpenAttempt { attempt, fqdn } => {
            memory.attempts = remembered(&memory.attempts, attempt);
            memory.dns = claimed(fqdn.as_ref(), memory.dns.as_ref());
        }
        MemoryChange::RecordFound(attempt) => {
            // A machine that stays has a name, whatever became of the claim.
            let offer = seen.offers.iter().find(|offer| offer.cloud == attempt.cloud);
            if attempt.outcome == Some(Outcome::Ready) && memory.dns.is_none() {
                memory.dns = claimed(offer.and_then(|offer| offer.fqdn.as_ref()), None);
            }
            memory.attempts.push((**attempt).clone());
        }
        MemoryChange::CloseAttempt(closing) => {
            let attempt = memory.attempts.iter_mut().find(|attempt| attempt.number == closing.number)?;
            attempt.closed_at = Some(Time(seen.now));
            attempt.outcome = Some(closing.outcome);
            attempt.settled = closing.settled;
            if closing.outcome == Outcome::Ready {
                memory.ready_at = Some(seen.now);
            } else {
                attempt.reason = Some(closing.reason);
                attempt.message = Some(closing.message.clone());
                attempt.console_tail.clone_from(&closing.console_tail);
            }
        }
        MemoryChange::SettleAttempt { number } => {
            memory.attempts.iter_mut().find(|attempt| attempt.number == *number)?.settled = true;
        }
        MemoryChange::KeepToFixedAddress { number, why } => {
            let attempt = memory.attempts.iter_mut().find(|attempt| attempt.number == *number)?;
            let resolved = attempt.resolved.as_mut()?;
            resolved.floating_ip.as_mut()?.pool = None;
            let before = resolved.why.take().map(|before| format!("{before}; ")).unwrap_or_default();
            resolved.why = Some(format!("{before}{why}"));
        }
        MemoryChange::RecordAddress { address } => memory.dns.as_mut()?.addresses.push(address.to_string()),
        MemoryChange::OpenRebuild(rebuild) => {
            let attempt = current(&mut memory)?;
            attempt.rebuild = Some((**rebuild).clone());
            // What becomes of it a new process cannot know.
            attempt.settled = false;
        }
        MemoryChange::CloseRebuild(closing) => {
            let attempt = current(&mut memory)?;
            let rebuild = attempt.rebuild.as_mut().filter(|rebuild| rebuild.number == closing.number)?;
            rebuild.closed_at = Some(Time(seen.now));
            rebuild.outcome = Some(closing.outcome);
            attempt.settled |= closing.settled;
            if closing.outcome != Outcome::Ready {
                rebuild.reason = Some(closing.reason);
                rebuild.message = Some(closing.message.clone());
            }
            if closing.applied {
                let rebuild = rebuild.clone();
                has_new_system(attempt, &rebuild);
            }
        }
        MemoryChange::RecordConsole(console) => memory.console = Some((**console).clone()),
        MemoryChange::ForgetName => memory.dns = memory.dns.take().and_then(let_go),
    }
    Some(memory)
}

/// The attempt that made the machine.
fn current(memory: &mut Memory) -> Option<&mut Attempt> {
    let number = memory.current()?.number;
    memory.attempts.iter_mut().find(|attempt| attempt.number == number)
}

/// How what was chosen at a rebuild is told, after what was chosen when the machine was made.
const REBUILT: &str = "; rebuilt with image ";

/// What is said of the machine is true of the system that it has now.
fn has_new_system(attempt: &mut Attempt, rebuild: &Rebuild) {
    attempt.asked = Some(rebuild.asked.clone());
    let Some(resolved) = &mut attempt.resolved else { return };
    resolved.image = rebuild.image.clone();
    resolved.os.clone_from(&rebuild.os);
    let why = resolved.why.take().unwrap_or_default();
    let made = why.split(REBUILT).next().unwrap_or_default();
    resolved.why = Some(format!("{made}{REBUILT}{}", rebuild.why));
    if let Some(metadata) = &rebuild.metadata {
        resolved.server.get_or_insert_default().metadata.clone_from(metadata);
    }
}

/// How many withdrawn addresses are remembered.
const WITHDRAWN: usize = 16;

/// What is remembered of a name that was withdrawn.
fn let_go(dns: DnsFacts) -> Option<DnsFacts> {
    let mut withdrawn: Vec<String> = dns.withdrawn;
    withdrawn.retain(|before| !dns.addresses.contains(before));
    withdrawn.extend(dns.addresses);
    withdrawn.drain(..withdrawn.len().saturating_sub(WITHDRAWN));
    (!withdrawn.is_empty()).then_some(DnsFacts { name: dns.name, withdrawn, ..DnsFacts::default() })
}
