//! One turn of a node: observe, plan, act, report.
//!
//! Nothing sleeps in a turn and nothing is carried to the next: [`observe`](observe::observe) reads memory,
//! [`plan`](plan::plan) is pure, [`act`] sends exactly one request, [`report`] says what it came to. A turn does not
//! wait for the answer to its request: `in_flight` wakes the node when it has ended.

pub mod act;
pub mod backoff;
pub mod calls;
pub mod context;
pub mod error;
pub mod fair;
mod in_flight;
pub mod look;
pub mod memory;
#[cfg(test)]
mod model;
pub mod notes;
mod object;
pub mod observe;
mod pace;
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
use tracing::{debug, info, instrument, warn};

use crate::api::TestNode;
use crate::metrics::Turn;
use context::{Context, Readiness};
use error::Error;
use observe::{Look, observe, take_note};
use plan::{Question, Step, Whom, plan};
use state::{Problem, RequestKey};
use status::Outcome;

/// People are told of a change that was undone for so long.
const UNDONE: Duration = Duration::from_secs(10);

/// A write that lost a race is planned anew from the object as the watch brings it.
const AFTER_CONFLICT: Duration = Duration::from_millis(250);

/// One turn. It ends when its request has been started, not when that is answered: see `in_flight`.
///
/// # Errors
/// If the status could not be written; everything else that fails is the node's trouble, and reported.
#[instrument(name = "reconcile", skip_all, fields(namespace = node.namespace(), node = node.name_any()))]
pub async fn reconcile(node: Arc<TestNode>, ctx: Arc<Context>) -> Result<Action, Error> {
    ctx.meet(&observe::path(&node), &node.uid().unwrap_or_default());
    if let Some(rest) = ctx.over_for(&node) {
        return Ok(Action::requeue(rest));
    }
    let node = ctx.newest(&node);
    match ctx.readiness(&node) {
        Readiness::Ready => {}
        Readiness::InFlight(since, told) => return unanswered(since, told, &node, &ctx).await,
        Readiness::Later(pause) => return Ok(Action::requeue(pause)),
    }
    let running = ctx.metrics.turn_begins();
    let is_idle = node.spec.pool_ref.is_some() && node.spec.claim_ref.is_none();
    ctx.gate.pooled(&node.uid().unwrap_or_default(), is_idle);
    let look = observe(&node, &ctx);
    take_note(&node, &look, &ctx);
    let step = plan(&look.desired, &look.seen);
    ctx.note(&node.uid().unwrap_or_default(), |notes| notes.planned(&step, look.now.steady));
    let (Step::Do(_) | Step::Ask(_)) = &step else {
        let turn = rest(&step, &node, &look, &ctx).await;
        running.ends(match (&turn, &step) {
            (Err(_), _) => Turn::Failed,
            (Ok(_), Step::Rest) => Turn::Rested,
            (Ok(_), Step::Do(_) | Step::Ask(_) | Step::Wait(_)) => Turn::Waited,
        });
        return turn;
    };
    let (uid, version) = (node.uid().unwrap_or_default(), node.resource_version());
    if let Some(undone) = lasting(&step).and_then(|key| ctx.is_undone(&uid, &key)) {
        debug!("later: what was done last is to be done again");
        if undone.lasts > UNDONE {
            let what = match &step {
                Step::Do(change) => change.to_string(),
                Step::Ask(question) => question.to_string(),
                Step::Wait(_) | Step::Rest => String::new(),
            };
            object::warn_of_undone(&what, &node, &ctx).await;
        }
        return Ok(Action::requeue(undone.pause));
    }
    let shared = ctx.clone();
    let told = asked(&step, &look, &ctx);
    let again = if told.is_some() { Action::requeue(pace::SHORT) } else { Action::await_change() };
    in_flight::start(&ctx, uid, version, told, async move {
        let (again, outcome) = send(&step, &node, &look, &shared).await;
        running.ends(outcome);
        again
    });
    Ok(again)
}

/// What is said of a request that takes its time. A machine that is Ready stays Ready, whatever is asked meanwhile.
fn asked(step: &Step, look: &Look, ctx: &Context) -> Option<Problem> {
    let at_rest = !look.seen.deleting && look.seen.memory.is_made();
    let request = step.request().filter(|_| !at_rest)?;
    let dns = || ctx.clouds.find(look.seen.name.cloud.as_ref()?)?.config().dns.clone();
    let whom = match request.whom {
        Whom::Service(cloud, service) => format!("{service} of cloud {cloud}"),
        Whom::Cloud(cloud) => format!("cloud {cloud}"),
        Whom::Dns => dns().map_or_else(|| "DNS".into(), |dns| dns.driver_name().to_owned()),
        Whom::Authority => "the name server spec.dns.verify.server".into(),
        Whom::Guest => "the machine".into(),
    };
    let at = look.seen.now.strftime("%H:%M:%SZ");
    Some(Problem {
        reason: request.reason,
        message: format!("{}: asked at {at}, and {whom} has not answered yet", request.what),
    })
}

/// A request is in flight. Its end wakes the node; until then it is said what is waited for.
async fn unanswered(
    since: Duration,
    told: Option<Problem>,
    node: &Arc<TestNode>,
    ctx: &Arc<Context>,
) -> Result<Action, Error> {
    let Some(told) = told else { return Ok(Action::await_change()) };
    let left = pace::SHORT.saturating_sub(since);
    if !left.is_zero() {
        return Ok(Action::requeue(left));
    }
    let uid = node.uid().unwrap_or_default();
    let outcome = Outcome::Progressing(told);
    if let Some(pause) = pace::told_later(&outcome, since, node, &uid, ctx) {
        return Ok(Action::requeue(pause));
    }
    match report::report(node, &observe(node, ctx), &outcome, ctx).await {
        Ok(Some(pause)) => Ok(Action::requeue(pause)),
        Err(error) if error.is_conflict() => Ok(Action::requeue(AFTER_CONFLICT)),
        // The request itself tells what became of the object.
        Ok(None) | Err(_) => Ok(Action::await_change()),
    }
}

/// What should be different once it was done: a change, and a question whose answer changes what is seen of a thing. If it
/// is planned again at once, somebody undoes it, or the answer changed nothing; either way there is no hot loop.
fn lasting(step: &Step) -> Option<RequestKey> {
    match step {
        Step::Do(change) => Some(change.key()),
        Step::Ask(question @ (Question::Presence { .. } | Question::Reservations { .. })) => {
            Some(question.key())
        }
        Step::Ask(_) | Step::Wait(_) | Step::Rest => None,
    }
}

/// Sends what was planned, and says when the node is to look again; never, if it is gone.
async fn send(step: &Step, node: &Arc<TestNode>, look: &Look, ctx: &Context) -> (Option<Duration>, Turn) {
    let uid = node.uid().unwrap_or_default();
    let (key, result) = match step {
        Step::Do(change) => {
            let result = act::change(change, node, look, ctx).await;
            if result.is_ok() {
                ctx.metrics.changed(change.reason());
                info!("{change}");
            }
            (change.key(), result)
        }
        Step::Ask(question) => {
            debug!("{question}");
            (question.key(), act::ask(question, node, look, ctx).await)
        }
        Step::Wait(_) | Step::Rest => return (Some(Duration::ZERO), Turn::Waited),
    };
    match result {
        // Answered and folded in: the next look follows at once, and this turn writes no report.
        Ok(()) => {
            ctx.well(&uid, &key);
            if let Some(done) = lasting(step) {
                ctx.done(&uid, done, matches!(step, Step::Do(_)));
            }
            let outcome = if matches!(step, Step::Do(_)) { Turn::Changed } else { Turn::Waited };
            (Some(Duration::ZERO), outcome)
        }
        Err(error) if error.is_object_gone() => {
            ctx.forget(&uid);
            (None, Turn::Waited)
        }
        Err(error) if error.is_conflict() => {
            debug!(%error, "the object was written meanwhile");
            (Some(AFTER_CONFLICT), Turn::Waited)
        }
        // The next look says what it waits for.
        Err(Error::Overtaken) => (Some(AFTER_CONFLICT), Turn::Waited),
        Err(error) if error.throttled().is_some() => {
            debug!(%error, "not sent");
            let wait = error.throttled().unwrap_or_default();
            if wait < pace::WORTH_TELLING {
                return (Some(wait), Turn::Waited);
            }
            ctx.not_yet(&uid, key, &error, wait);
            (Some(Duration::ZERO), Turn::Waited)
        }
        // Failure is reported like success; what comes of it the next look decides.
        Err(error) => {
            let making = look.seen.memory.open().filter(|_| key.creates() && error.is_strain());
            if let Some(attempt) = making {
                ctx.gate.strained(&uid, &attempt.cloud, &error.to_string());
                // It has given its place back.
                ctx.wake_queue();
            }
            let retry_in = ctx.trouble(&uid, key, &error);
            warn!(reason = %error.reason(), class = %error.class(), ?retry_in, %error, "failed");
            (Some(Duration::ZERO), Turn::Failed)
        }
    }
}

/// Nothing to do now: says so, and who is to look at what until then.
async fn rest(step: &Step, node: &Arc<TestNode>, look: &Look, ctx: &Context) -> Result<Action, Error> {
    let uid = node.uid().unwrap_or_default();
    pace::queue(step, node, look, ctx);
    pace::look_out(step, &uid, look, ctx);
    let outcome = Outcome::of(step, &look.seen);
    say(&outcome);
    report::warn(node, look, ctx).await;
    if let Some(pause) = pace::told_later(&outcome, Duration::ZERO, node, &uid, ctx) {
        return Ok(pace::next(step, &uid, look, ctx, pause));
    }
    // A node that holds nothing and goes is not ours to write any more.
    if !(look.seen.deleting && look.seen.held.is_empty()) {
        match report::report(node, look, &outcome, ctx).await {
            Ok(None) => ctx.well(&uid, &RequestKey::WriteObject),
            Ok(Some(pause)) => return Ok(Action::requeue(pause)),
            Err(error) if error.is_conflict() => return Ok(Action::requeue(AFTER_CONFLICT)),
            Err(error) if error.is_object_gone() => return Ok(Action::await_change()),
            Err(error) => return Err(error),
        }
    }
    Ok(pace::next(step, &uid, look, ctx, pace::until_news(&uid, ctx)))
}

fn say(outcome: &Outcome) {
    match outcome {
        Outcome::Ready => debug!("at rest"),
        Outcome::Progressing(Problem { reason, message }) => debug!(%reason, message, "wait"),
        Outcome::Stalled(Problem { reason, message }) => debug!(%reason, message, "stalled"),
    }
}
