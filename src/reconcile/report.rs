//! Tells people what a turn came to, where that is news.

use std::sync::Arc;
use std::time::Duration;

use super::context::Context;
use super::error::Error;
use super::object::{report_status, warn_of_end};
use super::observe::Look;
use super::status::{self, Outcome};
use crate::api::TestNode;
use crate::kubernetes::status::Reported;

/// Warns people that the node expires soon.
pub async fn warn(node: &TestNode, look: &Look, ctx: &Context) {
    let (seen, desired) = (&look.seen, &look.desired);
    let soon = desired.expiry.as_ref().filter(|expiry| {
        let stays = seen.deleting || (desired.paused && !expiry.despite_pause);
        !stays && expiry.unwarned(seen.now).is_none()
    });
    if let Some(expiry) = soon {
        warn_of_end(node, expiry, ctx).await;
    }
}

/// Writes the status, if it says something new. Returns how long that must wait, if another operator has just written
/// another status over ours: two operators that see different things must not contradict each other for ever.
///
/// # Errors
/// If the API server refuses it.
pub async fn report(
    node: &Arc<TestNode>,
    look: &Look,
    outcome: &Outcome,
    ctx: &Context,
) -> Result<Option<Duration>, Error> {
    let status = status::project(node.own_status(), &look.desired, &look.seen, outcome);
    Ok(match report_status(node, &status, ctx).await? {
        Reported::Unchanged | Reported::Written(_) => None,
        Reported::Later(pause) => Some(pause),
    })
}
