//! What a turn came to, as conditions and facts for people. Pure.
//!
//! Conditions follow kstatus: `Ready` always; `Reconciling` or `Stalled` only while true, never both.

mod conditions;
mod facts;
mod health;
mod told;

use super::plan::{Change, MemoryChange, Step, Waiting, failed_rebuild};
use super::state::{Desired, Observed, Problem};
use crate::api::testnode_status::{Outcome as AttemptOutcome, TestNodeStatus};
use crate::reason::Reason;
use conditions::was_ready;

pub use conditions::PHASES;
pub use health::health;

/// What a turn came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Something was, or is being, done.
    Progressing(Problem),
    /// Nothing can be done until somebody acts.
    Stalled(Problem),
    /// All is as it should be.
    Ready,
}

impl Outcome {
    /// What a step says of a node.
    #[must_use]
    pub fn of(step: &Step, seen: &Observed) -> Self {
        let progressing = |reason, message: String| {
            Self::Progressing(Problem { reason, message: told::after_failure(seen, message) })
        };
        match step {
            Step::Do(change) => progressing(change.reason(), change.to_string()),
            Step::Ask(question) => progressing(Reason::LookingAround, question.to_string()),
            Step::Wait(Waiting { reason, message, stalled: false, .. }) => {
                progressing(*reason, message.clone())
            }
            Step::Wait(Waiting { reason, message, stalled: true, .. }) => {
                Self::Stalled(Problem { reason: *reason, message: message.clone() })
            }
            Step::Rest => health(seen).map_or(Self::Ready, Self::Stalled),
        }
    }

    /// What a change of memory says of a node, as it is seen after it.
    #[must_use]
    pub fn after(change: &MemoryChange, seen: &Observed) -> Self {
        match change {
            MemoryChange::CloseAttempt(closing) if closing.outcome == AttemptOutcome::Ready => Self::Ready,
            MemoryChange::CloseAttempt(closing) => Self::Progressing(Problem {
                reason: closing.reason,
                message: format!(
                    "attempt {} failed: {}; what it made is removed, or kept if spec.onFailure is Hold",
                    closing.number, closing.message
                ),
            }),
            MemoryChange::CloseRebuild(closing) if closing.outcome == AttemptOutcome::Ready => Self::Ready,
            MemoryChange::CloseRebuild(_) => match seen.memory.failed_rebuild() {
                Some(rebuild) => {
                    let (reason, message) = (Reason::RebuildFailed, failed_rebuild(rebuild));
                    Self::Stalled(Problem { reason, message })
                }
                None => Self::of(&Step::Rest, seen),
            },
            // A node at rest whose attempt is only marked as settled stays at rest. One whose attempt failed never was.
            MemoryChange::SettleAttempt { .. }
            | MemoryChange::RecordFound(_)
            | MemoryChange::RecordConsole(_)
                if was_ready(seen) =>
            {
                Self::of(&Step::Rest, seen)
            }
            MemoryChange::OpenAttempt { .. }
            | MemoryChange::RecordFound(_)
            | MemoryChange::SettleAttempt { .. }
            | MemoryChange::KeepToFixedAddress { .. }
            | MemoryChange::RecordAddress { .. }
            | MemoryChange::RecordConsole(_)
            | MemoryChange::OpenRebuild(_)
            | MemoryChange::ForgetName => Self::Progressing(Problem {
                reason: Change::from(change.clone()).reason(),
                message: told::after_failure(seen, told::memory(change, seen)),
            }),
        }
    }
}

/// The status after a turn: what is remembered, what is seen, and what it came to.
#[must_use]
pub fn project(
    before: Option<&TestNodeStatus>,
    desired: &Desired,
    seen: &Observed,
    outcome: &Outcome,
) -> TestNodeStatus {
    let mut status = facts::facts(before, desired, seen);
    status.observed_generation = Some(desired.generation);
    status.phase = Some(conditions::phase(desired, seen, outcome).into());
    let old = before.map(|before| before.conditions.as_slice()).unwrap_or_default();
    status.conditions = conditions::conditions(old, desired, seen, outcome);
    told::since(&mut status, before, seen);
    status
}
