//! Tells people what a turn came to: the status where it differs, an event where the reason changed.

use std::sync::Arc;

use kube::Resource;
use kube::runtime::events::{Event, EventType};
use tracing::debug;

use super::act::write_status;
use super::context::Context;
use super::error::Error;
use super::observe::Look;
use super::status::{self, Outcome};
use crate::api::TestNode;
use crate::api::testnode_status::TestNodeStatus;

/// Writes the status, if it says something new.
///
/// # Errors
/// If the API server refuses it.
pub async fn report(
    node: &Arc<TestNode>,
    look: &Look,
    outcome: &Outcome,
    ctx: &Context,
) -> Result<(), Error> {
    let status = status::project(node.status.as_ref(), &look.desired, &look.seen, outcome);
    if node.status.as_ref().is_some_and(|before| same(before, &status)) {
        return Ok(());
    }
    write_status(node, status, ctx).await
}

/// Times are written in whole seconds: what differs by less is the same.
fn same(before: &TestNodeStatus, after: &TestNodeStatus) -> bool {
    match (serde_json::to_value(before), serde_json::to_value(after)) {
        (Ok(before), Ok(after)) => before == after,
        (Err(_), _) | (_, Err(_)) => false,
    }
}

fn ready(node: &TestNode) -> Option<(&str, &str, &str)> {
    let conditions = &node.status.as_ref()?.conditions;
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready")?;
    Some((&ready.status, &ready.reason, &ready.message))
}

fn has(node: &TestNode, kind: &str) -> bool {
    node.status
        .as_ref()
        .is_some_and(|status| status.conditions.iter().any(|condition| condition.type_ == kind))
}

/// An event where the reason changed. One that cannot be written (the namespace is being deleted) never fails a turn.
pub(super) async fn tell(before: &TestNode, after: &TestNode, ctx: &Context) {
    let (old, new) = (ready(before), ready(after));
    let Some((status, reason, message)) = new else { return };
    if old.is_some_and(|(was, why, _)| was == status && why == reason) {
        return;
    }
    let failed = after
        .status
        .as_ref()
        .and_then(|status| status.attempts.last())
        .is_some_and(|attempt| attempt.reason.as_deref() == Some(reason) && attempt.closed_at.is_some());
    let type_ = if has(after, "Stalled") || failed { EventType::Warning } else { EventType::Normal };
    let action = if status == "True" { "Report" } else { "Reconcile" };
    let event = Event {
        type_,
        reason: reason.to_owned(),
        note: Some(message.chars().take(1000).collect()),
        action: action.to_owned(),
        secondary: None,
    };
    if let Err(error) = ctx.recorder.publish(&event, &after.object_ref(&())).await {
        debug!(%error, reason, "an event could not be written");
    }
}
