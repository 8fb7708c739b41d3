//! Changes of the object itself: finalizers, and what is remembered in its status.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use tokio::time::Instant;

use crate::api::testnode_status::Outcome as AttemptOutcome;
use crate::api::{FINALIZER_PREFIX, TestNode, finalizer};
use crate::gate::{self, Amounts, Claim, Place};
use crate::metrics::Phase;
use crate::reconcile::context::Context;
use crate::reconcile::error::Error;
use crate::reconcile::memory;
use crate::reconcile::object::{set_finalizers, write_status};
use crate::reconcile::observe::{Look, age, path};
use crate::reconcile::plan::{Change, Closing, NO_VALID_HOST, Step};
use crate::reconcile::state::{Observed, Problem};
use crate::reconcile::status::{self, Outcome};

/// Writes a change of the object.
pub(super) async fn write(
    change: &Change,
    node: &Arc<TestNode>,
    look: &Look,
    ctx: &Context,
) -> Result<(), Error> {
    let uid = node.uid().unwrap_or_default();
    match change {
        Change::AddFinalizer { cloud } => {
            let first = !node.finalizers().iter().any(|name| name.starts_with(FINALIZER_PREFIX));
            let names = node.finalizers().iter().cloned().chain([finalizer(cloud)]).collect();
            set_finalizers(node, names, ctx).await?;
            // The first of all, on an object without attempts: nothing of it can be anywhere.
            if first && look.seen.memory.attempts.is_empty() {
                ctx.note(&uid, |notes| notes.born.insert(cloud.clone()));
            }
            Ok(())
        }
        Change::RemoveFinalizer { cloud } => {
            let gone = finalizer(cloud);
            let names: Vec<String> =
                node.finalizers().iter().filter(|name| **name != gone).cloned().collect();
            let last = look.seen.deleting && !names.iter().any(|name| name.starts_with(FINALIZER_PREFIX));
            set_finalizers(node, names, ctx).await?;
            ctx.note(&uid, |notes| notes.born.remove(cloud));
            if last {
                let asked = node.metadata.deletion_timestamp.as_ref();
                let took =
                    asked.and_then(|asked| Duration::try_from(look.seen.now.duration_since(asked.0)).ok());
                ctx.metrics.phase_ended(Phase::Delete, took.unwrap_or_default());
                ctx.forget(&uid);
                ctx.note(&uid, |notes| notes.over = Some(Instant::now()));
            }
            Ok(())
        }
        Change::OpenAttempt { attempt, fqdn } => {
            let claim = Claim {
                node: path(node),
                cloud: attempt.cloud.clone(),
                need: attempt.resolved.as_ref().map(Amounts::of_machine).unwrap_or_default(),
                made: Amounts::default(),
                stage: gate::Stage::Building,
                fqdn: fqdn.clone(),
                rank: gate::Rank { unset: true, age: age(node) },
            };
            let bounds = ctx.clouds.find(&attempt.cloud).map(|handle| handle.bounds()).unwrap_or_default();
            if !ctx.gate.take(claim, &bounds) {
                return Err(Error::Overtaken);
            }
            if look.seen.offers.len() > 1 {
                // It may have stood before others elsewhere.
                ctx.wake_queue();
            }
            remember(change, node, look, ctx).await?;
            ctx.note(&uid, |notes| {
                notes.opened.insert(attempt.number);
                notes.troubles.clear();
            });
            Ok(())
        }
        Change::CloseAttempt(closing) => {
            remember(change, node, look, ctx).await?;
            ctx.note(&uid, |notes| notes.troubles.retain(|trouble| !trouble.creating));
            let word = if closing.outcome == AttemptOutcome::Ready { "Ready" } else { closing.reason };
            ctx.metrics.attempt_ended(word);
            learn(closing, &uid, look, ctx);
            if closing.outcome == AttemptOutcome::Ready {
                time_phases(node, closing.number, look, ctx);
            }
            Ok(())
        }
        Change::AnswerAbandon { .. }
        | Change::RecordFound(_)
        | Change::SettleAttempt { .. }
        | Change::RecordAddress { .. }
        | Change::ForgetName
        | Change::SetName { .. }
        | Change::ParkName { .. }
        | Change::CreateVolume { .. }
        | Change::CreatePort { .. }
        | Change::CreateServer { .. }
        | Change::DeleteServer { .. }
        | Change::ForceDeleteServer { .. }
        | Change::FreeVolume { .. }
        | Change::DeleteVolume { .. }
        | Change::DeletePort { .. } => remember(change, node, look, ctx).await,
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
        AttemptOutcome::QuotaExceeded => ctx.gate.refused(uid, &attempt.cloud, closing.message.clone()),
        AttemptOutcome::Failed if closing.reason == NO_VALID_HOST => ctx.gate.failed(place()),
        AttemptOutcome::Failed => {}
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
async fn remember(change: &Change, node: &Arc<TestNode>, look: &Look, ctx: &Context) -> Result<(), Error> {
    let Some(memory) = memory::after(&look.seen, change) else { return Ok(()) };
    let seen = Observed { memory, ..look.seen.clone() };
    let outcome = match change {
        Change::CloseAttempt(closing) if closing.outcome == AttemptOutcome::Ready => Outcome::Ready,
        Change::CloseAttempt(closing) => Outcome::Progressing(Problem {
            reason: closing.reason,
            message: format!("attempt {} failed: {}", closing.number, closing.message),
        }),
        Change::AddFinalizer { .. }
        | Change::RemoveFinalizer { .. }
        | Change::AnswerAbandon { .. }
        | Change::OpenAttempt { .. }
        | Change::RecordFound(_)
        | Change::SettleAttempt { .. }
        | Change::RecordAddress { .. }
        | Change::ForgetName
        | Change::SetName { .. }
        | Change::ParkName { .. }
        | Change::CreateVolume { .. }
        | Change::CreatePort { .. }
        | Change::CreateServer { .. }
        | Change::DeleteServer { .. }
        | Change::ForceDeleteServer { .. }
        | Change::FreeVolume { .. }
        | Change::DeleteVolume { .. }
        | Change::DeletePort { .. } => Outcome::of(&settled_step(change, &seen), &seen),
    };
    let mut status = status::project(node.status.as_ref(), &look.desired, &seen, &outcome);
    if let Change::CloseAttempt(closing) = change
        && closing.console_tail.is_some()
    {
        status.console_tail.clone_from(&closing.console_tail);
    }
    write_status(node, status, ctx).await
}

/// A node at rest whose attempt is only marked as settled stays at rest. One whose attempt failed never was.
fn settled_step(change: &Change, seen: &Observed) -> Step {
    let rests = seen.memory.current().is_some_and(|attempt| attempt.closed_at.is_some());
    if rests && matches!(change, Change::SettleAttempt { .. } | Change::RecordFound(_)) {
        Step::Rest
    } else {
        Step::Do(change.clone())
    }
}
