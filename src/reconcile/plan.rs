//! What happens next to a node. Two lists of small rules tell its whole life; the first that speaks decides. Pure.
//!
//! Begin with [`BRING_UP`] and [`TEAR_DOWN`].

mod abandon;
mod bring_up;
mod change;
mod choice;
mod console;
mod cure;
mod expire;
mod failed;
mod floating;
mod former;
mod guest;
mod listed;
mod name;
mod obstacle;
mod pause;
mod place;
mod rebuild;
mod release;
mod step;
mod surplus;
mod tear_down;

use super::state::{Desired, Observed};

pub use change::{Change, Closing, CloudChange, Mark, MemoryChange, RebuildClosing};
pub use choice::{claimed, remembered};
pub use console::console_due_in;
pub use guest::{is_blocked, reported};
pub use name::{is_published, target_address};
pub use obstacle::{REST_BETWEEN_ROUNDS, queues_at};
pub use rebuild::told as failed_rebuild;
pub use step::{Question, Request, Step, Waiting, Whom};

/// A rule of [`BRING_UP`].
pub type Rule = fn(&Desired, &Observed) -> Option<Step>;

/// A rule of [`TEAR_DOWN`]: for one cloud, whatever the spec says.
pub type TearDownRule = fn(&Observed, &str) -> Option<Step>;

/// From nothing to a machine that is Ready, and stays.
pub const BRING_UP: &[Rule] = &[
    console::answer_console_request,
    bring_up::wait_while_paused,
    expire::expire,
    release::release_unneeded,
    bring_up::wait_for_clouds,
    bring_up::confirm_missing,
    former::adopt_or_wait,
    bring_up::hold_what_was_found,
    bring_up::record_what_was_found,
    failed::end_failed_attempt,
    surplus::drop_surplus,
    failed::hold_failed_attempt,
    choice::open_attempt,
    failed::close_failed,
    bring_up::create_volumes,
    bring_up::create_ports,
    floating::create_floating_ip,
    name::publish_name,
    bring_up::await_volumes,
    bring_up::create_server,
    bring_up::await_active,
    rebuild::open_rebuild,
    rebuild::close_failed_rebuild,
    rebuild::rebuild_server,
    rebuild::await_rebuilt,
    guest::await_guest,
    name::await_name,
    bring_up::close_ready,
    rebuild::close_rebuilt,
    bring_up::settle_ready,
    bring_up::release_other_clouds,
    rebuild::tell_failed_rebuild,
];

/// From whatever there is in one cloud to nothing. The name goes first: nobody may resolve a host that is about to
/// lose its address. An attempt that failed is ended by the same list, but for its last rule.
pub const TEAR_DOWN: &[TearDownRule] = &[
    name::withdraw_abandoned_name,
    abandon::answer_abandon,
    tear_down::await_cloud,
    tear_down::confirm_missing,
    name::withdraw_name,
    tear_down::delete_servers,
    tear_down::await_servers,
    tear_down::free_volumes,
    tear_down::delete_volumes,
    name::await_withdrawal,
    floating::delete_floating_ips,
    tear_down::delete_ports,
    tear_down::await_volumes,
    floating::await_floating_ips,
    tear_down::await_ports,
    tear_down::await_settled,
    tear_down::free_existing_volumes,
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
    pause::held_back(step.unwrap_or(Step::Rest), seen)
}
