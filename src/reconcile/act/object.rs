//! Changes of the object itself: finalizers, and what is remembered in its status.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use tokio::time::Instant;

use crate::api::testnode_status::{Outcome as AttemptOutcome, TestNodeStatus};
use crate::api::{FINALIZER_PREFIX, TestNode, finalizer};
use crate::gate::{self, Amounts, Place, Use};
use crate::metrics::Phase;
use crate::reason::Reason;
use crate::reconcile::context::Context;
use crate::reconcile::error::Error;
use crate::reconcile::memory;
use crate::reconcile::object::{self, set_finalizers, write_status};
use crate::reconcile::observe::{Look, age, path};
use crate::reconcile::plan::{Closing, MemoryChange};
use crate::reconcile::state::{Observed, RequestKey};
use crate::reconcile::status::{self, Outcome};

/// Keeps the object until this cloud is empty.
pub(super) async fn add_finalizer(
    cloud: &str,
    node: &Arc<TestNode>,
    look: &Look,
    ctx: &Context,
) -> Result<(), Error> {
    let first = !node.finalizers().iter().any(|name| name.starts_with(FINALIZER_PREFIX));
    let names = node.finalizers().iter().cloned().chain([finalizer(cloud)]).collect();
    let handle = ctx.clouds.find(cloud).ok_or(Error::Overtaken)?;
    let _taking = handle.taking.read().await;
    if !ctx.clouds.find(cloud).is_some_and(|now| Arc::ptr_eq(&now, &handle)) {
        // The Cloud was released meanwhile: no node needed it.
        return Err(Error::Overtaken);
    }
    set_finalizers(node, names, ctx).await?;
    // The first of all, on an object without attempts: nothing of it can be anywhere.
    if first && look.seen.memory.attempts.is_empty() {
        ctx.note(&node.uid().unwrap_or_default(), |notes| notes.born.insert(cloud.to_owned()));
    }
    Ok(())
}

/// Releases the object, for these clouds.
pub(super) async fn remove_finalizers(
    clouds: &BTreeSet<String>,
    node: &Arc<TestNode>,
    look: &Look,
    ctx: &Context,
) -> Result<(), Error> {
    let uid = node.uid().unwrap_or_default();
    let gone: BTreeSet<String> = clouds.iter().map(|cloud| finalizer(cloud)).collect();
    let names: Vec<String> = node.finalizers().iter().filter(|name| !gone.contains(*name)).cloned().collect();
    let last = look.seen.deleting && !names.iter().any(|name| name.starts_with(FINALIZER_PREFIX));
    set_finalizers(node, names, ctx).await?;
    ctx.note(&uid, |notes| notes.born.retain(|cloud| !clouds.contains(cloud)));
    if last {
        let asked = node.metadata.deletion_timestamp.as_ref();
        let took = asked.and_then(|asked| Duration::try_from(look.seen.now.duration_since(asked.0)).ok());
        ctx.metrics.phase_ended(Phase::Delete, took.unwrap_or_default());
        is_over(&uid, ctx);
    }
    Ok(())
}

/// Deletes the object. Clouds that hold it are torn down next.
pub(super) async fn delete(
    reason: Reason,
    why: &str,
    node: &Arc<TestNode>,
    ctx: &Context,
) -> Result<(), Error> {
    if object::delete(node, reason, why, ctx).await? {
        is_over(&node.uid().unwrap_or_default(), ctx);
    }
    Ok(())
}

/// The object is gone, though the watch may show it for a while.
fn is_over(uid: &str, ctx: &Context) {
    ctx.forget(uid);
    ctx.note(uid, |notes| notes.over = Some(Instant::now()));
}

/// Changes what is remembered, and tells all whom that concerns.
pub(super) async fn remember(
    change: &MemoryChange,
    node: &Arc<TestNode>,
    look: &Look,
    ctx: &Context,
) -> Result<(), Error> {
    let uid = node.uid().unwrap_or_default();
    match change {
        MemoryChange::OpenAttempt { attempt, fqdn } => {
            let used = Use {
                node: path(node),
                cloud: attempt.cloud.clone(),
                need: attempt.resolved.as_ref().map(Amounts::of_machine).unwrap_or_default(),
                made: Amounts::default(),
                stage: gate::Stage::Preparing,
                fqdn: fqdn.clone(),
                existing: attempt
                    .resolved
                    .as_ref()
                    .map(|resolved| resolved.existing().cloned().collect())
                    .unwrap_or_default(),
                rank: gate::Rank { unset: true, age: age(node) },
            };
            let bounds = ctx.clouds.find(&attempt.cloud).map(|handle| handle.bounds()).unwrap_or_default();
            if !ctx.gate.take(used, &bounds) {
                return Err(Error::Overtaken);
            }
            // Another is the first of its size now, and it may have stood before others elsewhere.
            ctx.wake_queue();
            write(change, node, look, ctx).await?;
            ctx.metrics.attempt_opened(&attempt.cloud);
            ctx.note(&uid, |notes| notes.opens(attempt.number));
            Ok(())
        }
        MemoryChange::CloseAttempt(closing) => {
            write(change, node, look, ctx).await?;
            ctx.note(&uid, |notes| notes.troubles.retain(|failed| !failed.trouble.key.creates()));
            let word = if closing.outcome == AttemptOutcome::Ready { Reason::Ready } else { closing.reason };
            ctx.metrics.attempt_ended(word);
            learn(closing, &uid, look, ctx);
            if closing.outcome == AttemptOutcome::Ready {
                time_phases(node, closing.number, look, ctx);
            }
            Ok(())
        }
        MemoryChange::OpenRebuild(_) => {
            write(change, node, look, ctx).await?;
            let number = look.seen.memory.current().map(|attempt| attempt.number);
            ctx.note(&uid, |notes| {
                // All that was sent before is settled.
                notes.opened.extend(number);
                notes.troubles.retain(|failed| failed.trouble.key != RequestKey::RebuildServer);
            });
            Ok(())
        }
        MemoryChange::CloseRebuild(_) => {
            write(change, node, look, ctx).await?;
            ctx.note(&uid, |notes| {
                notes.troubles.retain(|failed| failed.trouble.key != RequestKey::RebuildServer);
            });
            Ok(())
        }
        MemoryChange::RecordFound(_)
        | MemoryChange::SettleAttempt { .. }
        | MemoryChange::KeepToFixedAddress { .. }
        | MemoryChange::RecordAddress { .. }
        | MemoryChange::RecordConsole(_)
        | MemoryChange::ForgetName => write(change, node, look, ctx).await,
    }
}

/// How an attempt ended tells all nodes of its place.
fn learn(closing: &Closing, uid: &str, look: &Look, ctx: &Context) {
    let attempt = look.seen.memory.attempts.iter().find(|attempt| attempt.number == closing.number);
    let Some(attempt) = attempt else { return };
    let place = || Place {
        cloud: attempt.cloud.clone(),
        zone: attempt.zone.clone(),
        flavor: attempt.resolved.as_ref().map(|resolved| resolved.flavor.name.clone()).unwrap_or_default(),
    };
    match closing.outcome {
        AttemptOutcome::Uncounted if closing.reason == Reason::QuotaExceeded => {
            ctx.gate.refused(uid, &attempt.cloud, closing.message.clone());
        }
        AttemptOutcome::Failed if closing.reason == Reason::NoValidHost => ctx.gate.failed(uid, place()),
        AttemptOutcome::Failed | AttemptOutcome::Uncounted => {}
        AttemptOutcome::Ready => {
            if ctx.gate.worked(&place()) {
                ctx.waker.wake_all();
            }
        }
    }
}

/// How long each phase of a life took that ended as Ready.
fn time_phases(node: &TestNode, number: i64, look: &Look, ctx: &Context) {
    let attempt = look.seen.memory.attempts.iter().find(|attempt| attempt.number == number);
    let created = node.creation_timestamp().map(|time| time.0);
    let opened = attempt.and_then(|attempt| attempt.opened_at.as_ref()).map(|time| time.0);
    let view = attempt.and_then(|attempt| look.seen.clouds.get(&attempt.cloud));
    let active = view.and_then(|view| look.seen.now.checked_sub(view.booting_for).ok());
    let now = Some(look.seen.now);
    for (phase, from, to) in [
        (Phase::Pending, created, opened),
        (Phase::Launch, opened, active),
        (Phase::Boot, active, now),
        (Phase::Ready, created, now),
    ] {
        let took = from.zip(to).and_then(|(from, to)| Duration::try_from(to.duration_since(from)).ok());
        if let Some(took) = took {
            ctx.metrics.phase_ended(phase, took);
        }
    }
}

/// Writes the status as it is after a change of memory, in one write with what that says to people.
async fn write(change: &MemoryChange, node: &Arc<TestNode>, look: &Look, ctx: &Context) -> Result<(), Error> {
    let Some(memory) = memory::after(&look.seen, change) else { return Ok(()) };
    let seen = Observed { memory, ..look.seen.clone() };
    let outcome = Outcome::after(change, &seen);
    let status = match (change, node.own_status()) {
        // Nothing else is news.
        (MemoryChange::RecordConsole(console), Some(before)) => {
            TestNodeStatus { console: Some((**console).clone()), ..before.clone() }
        }
        _ => status::project(node.own_status(), &look.desired, &seen, &outcome),
    };
    write_status(node, status, ctx).await
}
