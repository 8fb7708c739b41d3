//! A request that failed is not sent again before its time; what else there is to do goes on meanwhile.

use super::{Change, Step, Waiting};
use crate::reconcile::state::{Observed, RequestKey, Trouble};

/// The step, or the wait until its request may be sent again.
pub(super) fn held_back(step: Step, seen: &Observed) -> Step {
    match step.key().and_then(|key| trouble(seen, &key)) {
        Some(trouble) => Step::Wait(Waiting {
            until: Some(trouble.retry_at),
            ..Waiting::new(trouble.reason, told(trouble))
        }),
        None => step,
    }
}

/// What was said, and when it is tried again.
fn told(trouble: &Trouble) -> String {
    let cure = super::cure::cure(trouble).map(|cure| format!("; {cure}")).unwrap_or_default();
    let said = format!("{}{cure}", trouble.message);
    match trouble.failures {
        0 => said,
        1 => format!("{said}; tried again at {}", clock(trouble.retry_at)),
        n => format!("{said}; tried {n} times, and again at {}", clock(trouble.retry_at)),
    }
}

/// A time of this day, for people.
pub(super) fn clock(at: jiff::Timestamp) -> jiff::fmt::strtime::Display<'static> {
    at.strftime("%H:%M:%SZ")
}

/// The first change that did not fail a moment ago: what is refused for one thing holds up no other.
pub(super) fn first(mut changes: impl Iterator<Item = Change>, seen: &Observed) -> Option<Step> {
    changes.find(|change| !is_paused(seen, &change.key())).map(Step::Do)
}

/// Whether a request may not be sent now.
pub(super) fn is_paused(seen: &Observed, key: &RequestKey) -> bool {
    trouble(seen, key).is_some()
}

/// The failure that forbids a request now.
fn trouble<'a>(seen: &'a Observed, key: &RequestKey) -> Option<&'a Trouble> {
    seen.troubles.iter().find(|trouble| trouble.key == *key && seen.now < trouble.retry_at)
}
