//! Writes of the object itself: its finalizers, its status, its end. Each names the UID and the `resourceVersion` it was
//! planned from: 409 ends the turn, and nothing is written.

use std::sync::Arc;

use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::events::{Event, EventType};
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::debug;

use super::context::Context;
use super::error::Error;
use crate::api::testnode_status::TestNodeStatus;
use crate::api::{MANAGER, TestNode};

/// Sets the finalizers.
///
/// # Errors
/// With 409 if somebody wrote the object since it was read.
pub(super) async fn set_finalizers(
    node: &Arc<TestNode>,
    names: Vec<String>,
    ctx: &Context,
) -> Result<(), Error> {
    let metadata = identity(node, &json!({ "finalizers": names }));
    let patch = Patch::Merge(json!({ "metadata": metadata }));
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let written = api(node, ctx).patch(&node.name_any(), &params, &patch).await?;
    keep(written, ctx);
    Ok(())
}

/// Writes a status, by server-side apply under our one field manager.
///
/// # Errors
/// With 409 if somebody wrote the object since it was read.
pub(super) async fn write_status(
    node: &Arc<TestNode>,
    status: TestNodeStatus,
    ctx: &Context,
) -> Result<(), Error> {
    let metadata = identity(node, &json!({ "name": node.name_any(), "namespace": node.namespace() }));
    let body = json!({
        "apiVersion": TestNode::api_version(&()),
        "kind": TestNode::kind(&()),
        "metadata": metadata,
        "status": status,
    });
    let params = PatchParams::apply(MANAGER).force();
    let written = api(node, ctx).patch_status(&node.name_any(), &params, &Patch::Apply(body)).await?;
    ctx.told.wrote(&node.uid().unwrap_or_default(), &written.status);
    tell(node, &written, ctx).await;
    keep(written, ctx);
    Ok(())
}

/// Deletes the object because its time is over, tells why, and says whether it is gone at once: nobody held it.
///
/// # Errors
/// With 409 if somebody wrote the object since it was read.
pub(super) async fn expire(node: &Arc<TestNode>, why: &str, ctx: &Context) -> Result<bool, Error> {
    let preconditions = Preconditions { uid: node.uid(), resource_version: node.resource_version() };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    let held = api(node, ctx).delete(&node.name_any(), &params).await?.left();
    publish(EventType::Normal, "Expired", why, "Reconcile", node, ctx).await;
    let gone = held.is_none();
    if let Some(going) = held {
        keep(going, ctx);
    }
    Ok(gone)
}

fn identity(node: &TestNode, more: &Value) -> Value {
    let mut metadata = json!({ "uid": node.uid(), "resourceVersion": node.resource_version() });
    if let (Some(all), Some(more)) = (metadata.as_object_mut(), more.as_object()) {
        all.extend(more.clone());
    }
    metadata
}

/// The answer stands for the object until the watch is past it.
fn keep(written: TestNode, ctx: &Context) {
    let uid = written.uid().unwrap_or_default();
    ctx.note(&uid, |notes| {
        notes.written = Some(Arc::new(written));
        notes.told = Some(Instant::now());
    });
}

fn api(node: &TestNode, ctx: &Context) -> Api<TestNode> {
    Api::namespaced(ctx.client.clone(), &node.namespace().unwrap_or_default())
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

/// An event where the reason changed.
async fn tell(before: &TestNode, after: &TestNode, ctx: &Context) {
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
    publish(type_, reason, message, action, after, ctx).await;
}

/// An event. One that cannot be written (the namespace is being deleted) never fails a turn.
async fn publish(type_: EventType, reason: &str, text: &str, action: &str, node: &TestNode, ctx: &Context) {
    let event = Event {
        type_,
        reason: reason.to_owned(),
        note: Some(text.chars().take(1000).collect()),
        action: action.to_owned(),
        secondary: None,
    };
    if let Err(error) = ctx.recorder.publish(&event, &node.object_ref(&())).await {
        debug!(%error, reason, "an event could not be written");
    }
}
