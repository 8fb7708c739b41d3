//! Writes of the TestNode itself: its finalizers, its status, its deletion, and events about it. If somebody wrote the
//! object after it was read, the API server answers 409 and the turn ends.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::Api;
use kube::{Resource, ResourceExt};
use tokio::time::Instant;

use super::context::Context;
use super::error::Error;
use super::fair::Permit;
use super::state::Expiry;
use crate::api::TestNode;
use crate::api::testnode_status::TestNodeStatus;
use crate::kubernetes;
use crate::kubernetes::conditions::news;
use crate::kubernetes::events::{Event, Severity};
use crate::kubernetes::finalizers;
use crate::kubernetes::slim::slim;
use crate::kubernetes::status::Reported;
use crate::reason::Reason;

/// Sets the finalizers.
///
/// # Errors
/// With 409 if somebody wrote the object after it was read.
pub(super) async fn set_finalizers(
    node: &Arc<TestNode>,
    names: Vec<String>,
    ctx: &Context,
) -> Result<(), Error> {
    let _permit = permit(node, ctx).await;
    let metadata = finalizers::set(&api(node, ctx), &**node, names).await?;
    keep(TestNode { metadata, ..TestNode::clone(node) }, ctx);
    Ok(())
}

/// Writes a status.
///
/// # Errors
/// With 409 if somebody wrote the object after it was read.
pub(super) async fn write_status(
    node: &Arc<TestNode>,
    status: TestNodeStatus,
    ctx: &Context,
) -> Result<(), Error> {
    let _permit = permit(node, ctx).await;
    let written = ctx.statuses.write(&api(node, ctx), &**node, &status).await?;
    tell(node, &written, ctx).await;
    keep(written, ctx);
    Ok(())
}

/// Writes a status, if it says something new and no other operator has just written another.
///
/// # Errors
/// With 409 if somebody wrote the object after it was read.
pub(super) async fn report_status(
    node: &Arc<TestNode>,
    status: &TestNodeStatus,
    ctx: &Context,
) -> Result<Reported<TestNode>, Error> {
    let _permit = permit(node, ctx).await;
    let reported = ctx.statuses.report(&api(node, ctx), &**node, status).await?;
    if let Reported::Written(written) = &reported {
        tell(node, written, ctx).await;
        keep(TestNode::clone(written), ctx);
    }
    Ok(reported)
}

/// Deletes the object, and says why in an event. Returns whether it is gone at once, because it had no finalizer.
///
/// # Errors
/// With 409 if somebody wrote the object after it was read.
pub(super) async fn delete(
    node: &Arc<TestNode>,
    reason: Reason,
    why: &str,
    ctx: &Context,
) -> Result<bool, Error> {
    let _permit = permit(node, ctx).await;
    let held = kubernetes::delete::delete(&api(node, ctx), &**node).await?;
    publish(Severity::Normal, reason, why, "Reconcile", node, ctx).await;
    let gone = held.is_none();
    if let Some(going) = held {
        keep(going, ctx);
    }
    Ok(gone)
}

/// Says in an event that the node expires soon, once for each end that it has been given.
pub(super) async fn warn_of_end(node: &TestNode, expiry: &Expiry, ctx: &Context) {
    let uid = node.uid().unwrap_or_default();
    if ctx.note(&uid, |notes| notes.warned.replace(expiry.at)) == Some(expiry.at) {
        return;
    }
    let text = format!(
        "this node will be deleted at {}: it will have {}; to keep it, set a longer spec.expireAfter, or a spec.hold",
        expiry.at, expiry.why
    );
    publish(Severity::Warning, Reason::Expiring, &text, "Report", node, ctx).await;
}

/// The answer counts as the object until the watch has caught up with it.
fn keep(mut written: TestNode, ctx: &Context) {
    slim(&mut written);
    let uid = written.uid().unwrap_or_default();
    ctx.note(&uid, |notes| {
        notes.written = Some(Arc::new(written));
        notes.told = Some(Instant::now());
    });
}

/// One namespace after the other writes: none can fill the way to the API server.
async fn permit(node: &TestNode, ctx: &Context) -> Permit {
    ctx.api_server.take(&node.namespace().unwrap_or_default()).await
}

fn api(node: &TestNode, ctx: &Context) -> Api<TestNode> {
    Api::namespaced(ctx.client.clone(), &node.namespace().unwrap_or_default())
}

fn conditions(node: &TestNode) -> &[Condition] {
    node.own_status().map(|status| status.conditions.as_slice()).unwrap_or_default()
}

/// Publishes an event when the reason of `Ready` changed. A person must look where somebody must act, where an attempt
/// failed, where a request failed, and where a cloud or DNS is in trouble.
async fn tell(before: &TestNode, after: &TestNode, ctx: &Context) {
    let Some(ready) = news(conditions(before), conditions(after), "Ready") else { return };
    let Some(reason) = Reason::from_word(&ready.reason) else { return };
    let stalled = conditions(after).iter().any(|condition| condition.type_ == "Stalled");
    let last = after.status.as_ref().and_then(|status| status.attempts.last());
    let failed = last.is_some_and(|last| last.reason == Some(reason) && last.closed_at.is_some());
    let uid = after.uid().unwrap_or_default();
    let troubled = ctx.note(&uid, |notes| {
        notes.troubles.iter().any(|f| f.trouble.reason == reason && f.trouble.failures > 0)
    });
    let warns = stalled || failed || troubled || reason.is_trouble();
    let severity = if warns { Severity::Warning } else { Severity::Normal };
    let action = if ready.status == "True" { "Report" } else { "Reconcile" };
    publish(severity, reason, &ready.message, action, after, ctx).await;
}

/// Says that something in the cluster or the cloud undoes what we do.
pub(super) async fn warn_of_undone(what: &str, node: &TestNode, ctx: &Context) {
    let text = format!(
        "\"{what}\" is done again and again, and something undoes it each time: look for an admission webhook, a policy or a \
         controller that changes this object, or for somebody who changes its machine; it is tried again less and less often"
    );
    publish(Severity::Warning, Reason::KubernetesAPI, &text, "Reconcile", node, ctx).await;
}

async fn publish(
    severity: Severity,
    reason: Reason,
    text: &str,
    action: &'static str,
    node: &TestNode,
    ctx: &Context,
) {
    let event =
        Event { severity, reason, action, note: text, regarding: node.object_ref(&()), related: None };
    ctx.events.publish(event).await;
}
