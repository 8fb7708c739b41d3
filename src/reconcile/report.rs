//! Tells people what a turn came to, where that is news.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;

use super::context::Context;
use super::error::Error;
use super::object::write_status;
use super::observe::Look;
use super::status::{self, Outcome};
use crate::api::TestNode;
use crate::api::testnode_status::TestNodeStatus;

/// Writes the status, if it says something new. Returns how long that must wait, if somebody else has just written over
/// what we said: two operators that see different things do not contradict each other without end.
///
/// # Errors
/// If the API server refuses it.
pub async fn report(
    node: &Arc<TestNode>,
    look: &Look,
    outcome: &Outcome,
    ctx: &Context,
) -> Result<Option<Duration>, Error> {
    let status = status::project(node.status.as_ref(), &look.desired, &look.seen, outcome);
    if node.status.as_ref().is_some_and(|before| same(before, &status)) {
        return Ok(None);
    }
    let pause = ctx.told.pause(&node.uid().unwrap_or_default(), &node.status);
    if !pause.is_zero() {
        return Ok(Some(pause));
    }
    write_status(node, status, ctx).await?;
    Ok(None)
}

/// Times are written in whole seconds: what differs by less is the same.
fn same(before: &TestNodeStatus, after: &TestNodeStatus) -> bool {
    match (serde_json::to_value(before), serde_json::to_value(after)) {
        (Ok(before), Ok(after)) => before == after,
        (Err(_), _) | (_, Err(_)) => false,
    }
}
