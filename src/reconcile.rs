//! One turn of a node: observe, plan, act, report.
//!
//! Nothing sleeps in a turn and nothing is carried to the next: [`observe`](observe::observe) reads memory,
//! [`plan`](plan::plan) is pure, [`act`] sends exactly one request, [`report`] says what it came to.

pub mod act;
pub mod backoff;
pub mod context;
pub mod error;
pub mod memory;
#[cfg(test)]
mod model;
mod object;
pub mod observe;
pub mod plan;
pub mod report;
pub mod state;
pub mod status;
pub mod userdata;
pub mod waker;

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;
use tokio::time::Instant;
use tracing::{debug, info, instrument, warn};

use crate::api::TestNode;
use crate::gate::{Amounts, Waiter};
use crate::metrics::Turn;
use context::Context;
use error::Error;
use observe::{Look, observe};
use plan::{Step, Waiting, plan, queues_at};
use state::{Problem, Trouble};
use status::Outcome;

/// A write that lost a race is planned anew from the object as the watch brings it.
const AFTER_CONFLICT: Duration = Duration::from_millis(250);

/// What takes less than this is not worth a write, nor an event.
const SHORT: Duration = Duration::from_secs(4);

/// News of one and the same step is told this often at most, and ever more seldom the longer it lasts.
const NEWS: Duration = Duration::from_secs(20);

/// While a node waits, it looks at least this often, should nothing wake it.
const WAITING: Duration = Duration::from_secs(15);

/// One turn.
///
/// # Errors
/// If the API server could not be written; everything else that fails is the node's trouble, and reported.
#[instrument(name = "reconcile", skip_all, fields(namespace = node.namespace(), node = node.name_any()))]
pub async fn reconcile(node: Arc<TestNode>, ctx: Arc<Context>) -> Result<Action, Error> {
    if let Some(rest) = ctx.over_for(&node) {
        return Ok(Action::requeue(rest));
    }
    let running = ctx.metrics.turn_begins();
    let node = ctx.newest(&node);
    let look = observe(&node, &ctx);
    let step = plan(&look.desired, &look.seen);
    let turn = take(&step, &node, &look, &ctx).await;
    running.ends(match (&turn, &step) {
        (Err(_), _) => Turn::Failed,
        (Ok(_), Step::Do(_)) => Turn::Changed,
        (Ok(_), Step::Ask(_) | Step::Wait(_)) => Turn::Waited,
        (Ok(_), Step::Rest) => Turn::Rested,
    });
    turn
}

/// Does what was planned, and says when to look again.
async fn take(step: &Step, node: &Arc<TestNode>, look: &Look, ctx: &Context) -> Result<Action, Error> {
    let uid = node.uid().unwrap_or_default();
    let result = match step {
        Step::Do(change) => {
            if let Some(pause) = ctx.is_undone(&uid, &change.key()) {
                debug!("{change}, later: somebody undid it");
                return Ok(Action::requeue(pause));
            }
            let result = act::change(change, node, look, ctx).await;
            if result.is_ok() {
                ctx.note(&uid, |notes| notes.done = Some((change.key(), Instant::now())));
                ctx.metrics.changed(change.reason());
                info!("{change}");
            }
            result.map_err(|error| (change.key(), change.creates(), error))
        }
        Step::Ask(question) => {
            debug!("{question}");
            let result = act::ask(question, node, look, ctx).await;
            result.map_err(|error| (question.key(), false, error))
        }
        Step::Wait(_) | Step::Rest => return rest(step, node, look, ctx).await,
    };
    match result {
        // Answered and folded in: the next look follows at once, and this turn writes no report.
        Ok(()) => {
            if let Some(key) = key(step) {
                ctx.well(&uid, &key);
            }
            Ok(Action::requeue(Duration::ZERO))
        }
        Err((_, _, error)) if error.is_object_gone() => {
            ctx.forget(&uid);
            Ok(Action::await_change())
        }
        Err((_, _, error)) if error.is_conflict() => {
            debug!(%error, "the object was written meanwhile");
            Ok(Action::requeue(AFTER_CONFLICT))
        }
        // The next look says what it waits for.
        Err((_, _, Error::Overtaken)) => Ok(Action::requeue(Duration::ZERO)),
        Err((_, _, error)) if error.throttled().is_some() => {
            debug!(%error, "not sent");
            Ok(Action::requeue(error.throttled().unwrap_or(AFTER_CONFLICT)))
        }
        Err((_, _, error @ Error::Kube(_))) => Err(error),
        Err((key, creating, error)) => failed(key, creating, &error, node, look, ctx).await,
    }
}

fn key(step: &Step) -> Option<String> {
    match step {
        Step::Do(change) => Some(change.key()),
        Step::Ask(question) => Some(question.key()),
        Step::Wait(_) | Step::Rest => None,
    }
}

/// Failure is reported like success; what comes of it the next look decides.
async fn failed(
    key: String,
    creating: bool,
    error: &Error,
    node: &Arc<TestNode>,
    look: &Look,
    ctx: &Context,
) -> Result<Action, Error> {
    let uid = node.uid().unwrap_or_default();
    let trouble = ctx.trouble(&uid, key, creating, error);
    let retry_in = until(&trouble, look);
    warn!(reason = trouble.reason, class = %error.class(), ?retry_in, %error, "failed");
    let now = observe(node, ctx);
    let step = plan(&now.desired, &now.seen);
    if matches!(step, Step::Do(_) | Step::Ask(_)) {
        // Another rule has something to do meanwhile.
        return Ok(Action::requeue(Duration::ZERO));
    }
    rest(&step, node, &now, ctx).await
}

fn until(trouble: &Trouble, look: &Look) -> Duration {
    Duration::try_from(trouble.retry_at.duration_since(look.seen.now)).unwrap_or_default()
}

/// Nothing to do now: says so, and who is to look at what until then.
async fn rest(step: &Step, node: &Arc<TestNode>, look: &Look, ctx: &Context) -> Result<Action, Error> {
    let uid = node.uid().unwrap_or_default();
    queue(step, node, look, ctx);
    look_out(step, &uid, look, ctx);
    let outcome = Outcome::of(step, &look.seen);
    say(&outcome);
    if let Some(pause) = told_later(&outcome, node, &uid, ctx) {
        return Ok(next(step, &uid, look, ctx, pause));
    }
    // A node that holds nothing and goes is not ours to write any more.
    if !(look.seen.deleting && look.seen.held.is_empty()) {
        match report::report(node, look, &outcome, ctx).await {
            Ok(None) => {}
            Ok(Some(pause)) => return Ok(Action::requeue(pause)),
            Err(error) if error.is_conflict() => return Ok(Action::requeue(AFTER_CONFLICT)),
            Err(error) if error.is_object_gone() => return Ok(Action::await_change()),
            Err(error) => return Err(error),
        }
    }
    Ok(next(step, &uid, look, ctx, WAITING))
}

/// Who waits for room has its turn by age; who waits for a name looks again when one is let go of.
fn queue(step: &Step, node: &TestNode, look: &Look, ctx: &Context) {
    let uid = node.uid().unwrap_or_default();
    let reason = if let Step::Wait(waiting) = step { waiting.reason } else { "" };
    let for_room = matches!(reason, "Queued" | "QuotaExceeded");
    ctx.note(&uid, |notes| notes.queued = for_room || reason == "NameConflict");
    if for_room {
        let wishes = queues_at(&look.desired, &look.seen);
        let wishes =
            wishes.into_iter().map(|(cloud, resolved, told)| (cloud, (Amounts::of_machine(resolved), told)));
        ctx.gate.wait(observe::age(node), Waiter { node: observe::path(node), wishes: wishes.collect() });
    } else if ctx.gate.leave(&uid) {
        ctx.wake_queue();
    }
}

/// When to look again, should nothing wake the node before.
fn next(step: &Step, uid: &str, look: &Look, ctx: &Context, at_most: Duration) -> Action {
    let pause = match step {
        Step::Wait(Waiting { until: Some(until), .. }) => {
            let pause = Duration::try_from(until.duration_since(look.seen.now)).unwrap_or_default();
            pause.clamp(Duration::from_millis(100), at_most.max(Duration::from_millis(100)))
        }
        Step::Wait(waiting) if waiting.reason == "Booting" => guest_pause(uid, ctx).min(at_most),
        Step::Wait(_) => at_most,
        Step::Do(_) | Step::Ask(_) | Step::Rest => ctx.resync,
    };
    let left = look.desired.expiry.as_ref().and_then(|expiry| expiry.left(look.seen.now));
    Action::requeue(left.map_or(pause, |left| left.min(pause)))
}

/// How long progress must wait until it is told. Success, and what needs somebody, is told at once; so is the first
/// word about a node.
fn told_later(outcome: &Outcome, node: &TestNode, uid: &str, ctx: &Context) -> Option<Duration> {
    let Outcome::Progressing(Problem { reason, .. }) = outcome else {
        ctx.note(uid, |notes| notes.step = None);
        return None;
    };
    let now = Instant::now();
    let first = node.status.as_ref().is_none_or(|status| status.observed_generation.is_none());
    ctx.note(uid, |notes| {
        let since = match notes.step {
            Some((step, since)) if step == *reason => since,
            Some(_) | None => {
                notes.step = Some((reason, now));
                notes.told = None;
                now
            }
        };
        let due = notes.told.map_or(since + SHORT, |told| told + NEWS.max(told - since));
        (due > now && !first).then(|| due - now)
    })
}

fn say(outcome: &Outcome) {
    match outcome {
        Outcome::Ready => debug!("at rest"),
        Outcome::Progressing(Problem { reason, message }) => debug!(reason, message, "wait"),
        Outcome::Stalled(Problem { reason, message }) => debug!(reason, message, "stalled"),
    }
}

/// When the console, or a port, is next due.
fn guest_pause(uid: &str, ctx: &Context) -> Duration {
    let now = Instant::now();
    ctx.note(uid, |notes| {
        let next =
            [notes.console.next, notes.tcp_next].into_iter().flatten().filter(|next| *next > now).min();
        next.map_or(Duration::from_secs(1), |next| next - now)
    })
}

/// Tells the pollers what this node waits for. At rest that is only what goes, or is in doubt.
fn look_out(step: &Step, uid: &str, look: &Look, ctx: &Context) {
    if let Step::Wait(waiting) = step {
        for (cloud, kind) in &waiting.looks {
            let Some(handle) = ctx.clouds.find(cloud) else { continue };
            if waiting.settling {
                handle.inventory.want_settled(uid, *kind, Some(ctx.started));
            } else {
                handle.inventory.want_news(uid, *kind);
            }
        }
    }
    for (cloud, kind) in observe::in_motion(&look.seen) {
        if let Some(handle) = ctx.clouds.find(&cloud) {
            handle.inventory.want_news(uid, kind);
        }
    }
}
