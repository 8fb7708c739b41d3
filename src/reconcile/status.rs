//! What a turn came to, as conditions and facts for people. Pure.
//!
//! Conditions follow kstatus: `Ready` always; `Reconciling` or `Stalled` only while true, never both.

mod conditions;
mod facts;
mod health;

use super::plan::{Step, Waiting};
use super::state::{Desired, Observed, Problem};
use crate::api::testnode_status::TestNodeStatus;

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
        let progressing = |reason, message: String| Self::Progressing(Problem { reason, message });
        match step {
            Step::Do(change) => progressing(change.reason(), change.to_string()),
            Step::Ask(question) => progressing("LookingAround", question.to_string()),
            Step::Wait(Waiting { reason, message, stalled: false, .. }) => {
                progressing(reason, message.clone())
            }
            Step::Wait(Waiting { reason, message, stalled: true, .. }) => {
                Self::Stalled(Problem { reason, message: message.clone() })
            }
            Step::Rest => health(seen).map_or(Self::Ready, Self::Stalled),
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
    status
}
