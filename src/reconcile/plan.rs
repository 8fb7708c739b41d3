//! What happens next to a node. Two lists of small rules tell its whole life; the first that speaks decides. Pure.
//!
//! Begin with [`BRING_UP`] and [`TEAR_DOWN`].

mod abandon;
mod bring_up;
mod change;
mod choice;
mod expire;
mod failed;
mod name;
mod open;
mod place;
mod step;
mod surplus;
mod tear_down;

use super::state::{Desired, Observed, Trouble};

pub use change::{Change, Closing, CloudChange, MemoryChange};
pub use choice::{REST_BETWEEN_ROUNDS, claimed, queues_at, remembered};
pub use name::{is_published, target_address};
pub use place::NO_VALID_HOST;
pub use step::{Question, Step, Waiting};
pub use surplus::{kept_ports, kept_server, kept_volumes};

/// A rule of [`BRING_UP`].
pub type Rule = fn(&Desired, &Observed) -> Option<Step>;

/// A rule of [`TEAR_DOWN`]: for one cloud, whatever the spec says.
pub type TearDownRule = fn(&Observed, &str) -> Option<Step>;

/// From nothing to a machine that is Ready, and stays.
pub const BRING_UP: &[Rule] = &[
    bring_up::wait_while_paused,
    expire::expire,
    bring_up::wait_for_clouds,
    bring_up::confirm_missing,
    bring_up::hold_what_was_found,
    bring_up::record_what_was_found,
    failed::end_failed_attempt,
    surplus::drop_surplus,
    choice::open_attempt,
    failed::close_failed,
    bring_up::create_volumes,
    bring_up::create_ports,
    name::publish_name,
    bring_up::await_volumes,
    bring_up::create_server,
    bring_up::await_active,
    bring_up::await_guest,
    name::await_name,
    bring_up::close_ready,
    bring_up::settle_ready,
    bring_up::release_other_clouds,
];

/// From whatever there is in one cloud to nothing. The name goes first: nobody may resolve a host that is about to
/// lose its address. An attempt that failed is ended by the same list, but for its last rule.
pub const TEAR_DOWN: &[TearDownRule] = &[
    tear_down::await_cloud,
    tear_down::confirm_missing,
    name::withdraw_name,
    tear_down::delete_servers,
    tear_down::await_servers,
    tear_down::free_volumes,
    tear_down::delete_volumes,
    tear_down::await_volumes,
    name::await_withdrawal,
    tear_down::delete_ports,
    tear_down::await_ports,
    tear_down::await_settled,
    name::await_name_gone,
    tear_down::release,
];

/// Chooses the next step. Total and deterministic.
#[must_use]
pub fn plan(desired: &Desired, seen: &Observed) -> Step {
    plan_by(BRING_UP, TEAR_DOWN, desired, seen)
}

/// [`plan`], with lists of one's own: the tests leave rules out.
#[must_use]
pub fn plan_by(bring_up: &[Rule], tear_down: &[TearDownRule], desired: &Desired, seen: &Observed) -> Step {
    let step = if seen.deleting {
        tear_down::everywhere(tear_down, seen)
    } else {
        bring_up.iter().find_map(|rule| rule(desired, seen))
    };
    held_back(step.unwrap_or(Step::Rest), seen)
}

/// A request that failed is not sent again before its time.
fn held_back(step: Step, seen: &Observed) -> Step {
    let key = match &step {
        Step::Do(change) => change.key(),
        Step::Ask(question) => question.key(),
        Step::Wait(_) | Step::Rest => return step,
    };
    match blocked(seen, &key) {
        Some(trouble) => Step::Wait(Waiting {
            until: Some(trouble.retry_at),
            ..Waiting::new(trouble.reason, format!("{} (tried {} times)", trouble.message, trouble.failures))
        }),
        None => step,
    }
}

/// The trouble that forbids a request now.
fn blocked<'a>(seen: &'a Observed, key: &str) -> Option<&'a Trouble> {
    seen.troubles.iter().find(|trouble| trouble.key == key && seen.now < trouble.retry_at)
}
