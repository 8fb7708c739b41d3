//! One turn of a claim: gives it a node, says that it has all, ends it, or says how it stands.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;
use tracing::{info, instrument};

use super::output;
use super::pools::{LOOK, OVERTAKEN, Pools, UNLISTED, View, reference, serves};
use crate::api::{MANAGER, TestNode, TestNodeClaim, TestNodeClaimStatus, TestNodePool, TestNodeSpec};
use crate::claim::serve::{Hold, Move, Pool, Saying, Seen, serve};
use crate::claim::status::{is_news, project};
use crate::kubernetes::conditions::news;
use crate::kubernetes::delete::delete;
use crate::kubernetes::error::{is_conflict, is_gone, said};
use crate::kubernetes::events::Severity;
use crate::kubernetes::status::Reported;
use crate::pool::slot::{Slot, State};
use crate::reason::Reason;

/// A claim is told so long before it ends.
const WARNED: Duration = Duration::from_hours(24);

/// A place in the queue is told at most this often, and less and less often the longer it lasts.
const TOLD: Duration = Duration::from_secs(20);

/// How long a claim keeps its nodes, and who says so.
struct Length {
    lasts: Duration,
    text: String,
    ends: Timestamp,
}

/// One turn.
///
/// # Errors
/// If the API server refuses what is not decided by who was quicker.
#[instrument(name = "claim", skip_all, fields(namespace = claim.namespace(), claim = claim.name_any()))]
pub async fn reconcile(claim: Arc<TestNodeClaim>, pools: Arc<Pools>) -> Result<Action, kube::Error> {
    if !pools.is_listed() {
        return Ok(Action::requeue(UNLISTED));
    }
    let place = ObjectRef::new(&claim.spec.pool.name).within(claim.pool_namespace());
    let pool = pools.ctx.pools.get(&place).filter(|pool| pool.metadata.deletion_timestamp.is_none());
    let open = pool.as_deref().filter(|pool| serves(pool, &claim));
    let view = open.map(|pool| pools.view(pool));
    let mut mine = pools.of_claim(&claim);
    mine.retain(|node| !claim.dropped(&node.uid().unwrap_or_default()));
    let slots: Vec<Slot> = mine.iter().map(|node| Slot::of(node, &TestNodeSpec::default(), false)).collect();
    let length = length(&claim, pool.as_deref());
    let duration_left = length.as_ref().map(|length| left(&claim, length.lasts, &pools));
    let held = length.as_ref().and_then(|length| held(&claim, length, pool.as_deref()));
    let hold_left = held.as_ref().map(|(_, lasts)| left(&claim, *lasts, &pools));
    let lease_left = lease_left(&claim, hold_left, &pools);
    let seen = Seen {
        now: (pools.ctx.seams.clock)(),
        claim: &claim,
        pool: match (&pool, open) {
            (None, _) => Pool::Missing,
            (Some(_), None) => Pool::Forbidden,
            (Some(_), Some(open)) if open.spec.paused => Pool::Paused,
            (Some(_), Some(open)) => Pool::Open {
                max: count(open.spec.max),
                reserve: count(open.spec.claims.reserve),
                per_namespace: open.spec.claims.max_nodes_per_namespace.map(count),
            },
        },
        mine: slots.iter().collect(),
        begun_for: begun_for(&claim, &slots, &pools),
        turn: view.as_ref().and_then(|view| view.turns.get(&claim.uid().unwrap_or_default()).cloned()),
        output_is_due: pools.output_is_due(&claim),
        output: pools.output_trouble(&claim),
        hold: held.map(|(hold, _)| Hold { is_over: hold_left == Some(Duration::ZERO), ..hold }),
        lease_is_over: lease_left == Some(Duration::ZERO),
        ends: length.map(|length| (length.ends, length.text)),
        duration_is_over: duration_left == Some(Duration::ZERO),
    };
    let chosen = serve(&seen);
    if let Move::Say(Saying::Bound | Saying::Broken(..)) = &chosen
        && let Some(left) = duration_left.max(hold_left)
    {
        warn(&claim, &seen, left, &pools).await;
    }
    let again = [lease_left, duration_left, hold_left]
        .into_iter()
        .flatten()
        .filter(|left| !left.is_zero())
        .fold(LOOK, Duration::min);
    let done = match &chosen {
        Move::Bind(uid) => match &view {
            Some(view) => {
                let bound = bind(&claim, view, uid, &pools).await;
                pools.ctx.metrics.bound(pool_name(&claim), bound.is_ok());
                bound.map(|()| Duration::ZERO)
            }
            None => Ok(again),
        },
        Move::Output => output::write(&claim, &pools).await.map(|()| Duration::ZERO),
        Move::Forget => forget(&claim, &pools).await.map(|()| LOOK),
        Move::Publish(_) | Move::GiveUp(_) | Move::End(..) | Move::Say(_) => {
            let nodes: Vec<&TestNode> = mine.iter().map(|node| &**node).collect();
            match project(&seen, &chosen, &nodes) {
                Some(status) => {
                    let told = tell(&claim, &status, &pools).await;
                    if told.is_ok() && pool.is_some() {
                        count_it(&claim, &chosen, &pools);
                    }
                    told.map(|later| later.unwrap_or(again))
                }
                None => Ok(again),
            }
        }
    };
    match done {
        Ok(pause) => Ok(Action::requeue(pause)),
        Err(error) if is_conflict(&error) || is_gone(&error) || is_refused(&error) => {
            Ok(Action::requeue(OVERTAKEN))
        }
        Err(error) => {
            let message = format!("the API server does not let this claim go on: {}", said(&error));
            publish(Severity::Warning, Reason::KubernetesAPI, &message, &claim, &pools).await;
            Err(error)
        }
    }
}

/// Says once in an event that a claim ends: a day before, or at half of its time if that is shorter.
async fn warn(claim: &TestNodeClaim, seen: &Seen<'_>, left: Duration, pools: &Pools) {
    let Some((at, _)) = &seen.ends else { return };
    let Some(bound) = claim.status.as_ref().and_then(|status| status.bound_at.as_ref()) else { return };
    let at = seen.hold.as_ref().map_or(*at, |hold| hold.until.max(*at));
    let lasts = Duration::try_from(at.duration_since(bound.0)).unwrap_or_default();
    if left > WARNED.min(lasts / 2) {
        return;
    }
    let uid = claim.uid().unwrap_or_default();
    if pools.memory().warned.insert(uid, at) == Some(at) {
        return;
    }
    let note = format!(
        "it ends at {at}, and its nodes go then; spec.duration or spec.hold can make it longer, as far as the pool lets it"
    );
    publish(Severity::Warning, Reason::EndsSoon, &note, claim, pools).await;
}

/// Namespace and name of the pool.
fn pool_name(claim: &TestNodeClaim) -> String {
    format!("{}/{}", claim.pool_namespace(), claim.spec.pool.name)
}

/// What was written is counted.
fn count_it(claim: &TestNodeClaim, chosen: &Move, pools: &Pools) {
    match chosen {
        Move::Publish(_) => {
            let created = claim.creation_timestamp().map(|at| at.0);
            let waited = created.map(|created| (pools.ctx.seams.clock)().duration_since(created));
            let waited = waited.and_then(|waited| Duration::try_from(waited).ok()).unwrap_or_default();
            pools.ctx.metrics.claim_served(pool_name(claim), waited);
        }
        Move::End(reason, _) => pools.ctx.metrics.claim_ended(pool_name(claim), *reason),
        Move::Forget | Move::GiveUp(_) | Move::Bind(_) | Move::Output | Move::Say(_) => {}
    }
}

async fn publish(severity: Severity, reason: Reason, note: &str, claim: &TestNodeClaim, pools: &Pools) {
    pools.publish(claim, "Serve", severity, reason, note).await;
}

/// The rule of the definition that a claim's node is never given to another.
fn is_refused(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 422)
}

/// Gives it one node: written once, and only over the object as it was seen Ready and without a claim.
async fn bind(claim: &TestNodeClaim, view: &View, uid: &str, pools: &Pools) -> Result<(), kube::Error> {
    let Some(node) = view.nodes.iter().find(|node| node.metadata.uid.as_deref() == Some(uid)) else {
        return Ok(());
    };
    let namespace = node.namespace().unwrap_or_default();
    let patch =
        node.given_to(&reference(claim), claim.spec.owner.as_deref(), claim.spec.description.as_deref());
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let _permit = pools.ctx.api_server.take(&claim.namespace().unwrap_or_default()).await;
    let nodes = Api::<TestNode>::namespaced(pools.ctx.client.clone(), &namespace);
    let bound = nodes.patch(&node.name_any(), &params, &Patch::Merge(patch)).await?;
    info!(node = bound.name_any(), "bound");
    pools.wrote(bound);
    Ok(())
}

/// Deletes a claim that ended long ago.
async fn forget(claim: &TestNodeClaim, pools: &Pools) -> Result<(), kube::Error> {
    let claims =
        Api::<TestNodeClaim>::namespaced(pools.ctx.client.clone(), &claim.namespace().unwrap_or_default());
    delete(&claims, claim).await.map(drop)
}

/// Writes the status, if it says something new. Returns when to look again, if not as usual.
async fn tell(
    claim: &TestNodeClaim,
    status: &TestNodeClaimStatus,
    pools: &Pools,
) -> Result<Option<Duration>, kube::Error> {
    let before = claim.status.as_ref().filter(|status| status.observed_generation.is_some());
    let uid = claim.uid().unwrap_or_default();
    if before == Some(status) {
        return Ok(None);
    }
    if !is_news(before, status)
        && let Some(left) = told_later(&uid, pools)
    {
        return Ok(Some(left.min(LOOK)));
    }
    let api =
        Api::<TestNodeClaim>::namespaced(pools.ctx.client.clone(), &claim.namespace().unwrap_or_default());
    match pools.ctx.statuses.report(&api, claim, status).await? {
        Reported::Unchanged => Ok(None),
        Reported::Later(pause) => Ok(Some(pause)),
        Reported::Written(_) => {
            let now = Instant::now();
            pools.memory().told.entry(uid).or_insert((now, now)).1 = now;
            let old = before.map(|before| before.conditions.as_slice()).unwrap_or_default();
            if let Some(ready) = news(old, &status.conditions, "Ready")
                && let Some(reason) = Reason::from_word(&ready.reason)
            {
                let stalled = status.conditions.iter().any(|condition| condition.type_ == "Stalled");
                let severity = if stalled { Severity::Warning } else { Severity::Normal };
                publish(severity, reason, &ready.message, claim, pools).await;
            }
            Ok(None)
        }
    }
}

/// How long another place in the queue must wait until it is told: twice as long as the last time.
fn told_later(uid: &str, pools: &Pools) -> Option<Duration> {
    let memory = pools.memory();
    let (since, last) = memory.told.get(uid)?;
    let due = *last + TOLD.max(*last - *since);
    due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

/// How long the claim has had some of its nodes and not all.
fn begun_for(claim: &TestNodeClaim, slots: &[Slot], pools: &Pools) -> Duration {
    let uid = claim.uid().unwrap_or_default();
    let whole = claim.is_bound();
    let mut memory = pools.memory();
    if whole || !slots.iter().any(|slot| slot.state != State::Going) {
        memory.begun.remove(&uid);
        return Duration::ZERO;
    }
    memory.begun.entry(uid).or_insert_with(Instant::now).elapsed()
}

/// How long the lease lasts, by our own steady clock: from when this process first saw the present `renewTime`, or from the end
/// of a hold.
fn lease_left(claim: &TestNodeClaim, hold_left: Option<Duration>, pools: &Pools) -> Option<Duration> {
    let uid = claim.uid().unwrap_or_default();
    let mut memory = pools.memory();
    let Some((lease, lasts)) =
        claim.spec.lease.as_ref().and_then(|lease| Some((lease, lease.duration.length()?)))
    else {
        memory.heard.remove(&uid);
        return None;
    };
    let now = Instant::now();
    let heard = memory.heard.entry(uid).or_insert_with(|| (lease.renew_time.clone(), now));
    if heard.0 != lease.renew_time || hold_left.is_some_and(|left| !left.is_zero()) {
        *heard = (lease.renew_time.clone(), now);
    }
    Some(lasts.saturating_sub(heard.1.elapsed()))
}

/// How long a claim that has its nodes keeps them. Where the pool is gone, what was told last.
fn length(claim: &TestNodeClaim, pool: Option<&TestNodePool>) -> Option<Length> {
    let status = claim.status.as_ref()?;
    let bound = status.bound_at.as_ref()?.0;
    if let Some(rules) = pool.map(|pool| &pool.spec.claims) {
        let wanted = claim.spec.duration.as_ref().unwrap_or(&rules.duration);
        let (wanted_for, most) = (wanted.length()?, rules.max_duration.length()?);
        let (lasts, text) =
            if wanted_for <= most { (wanted_for, wanted) } else { (most, &rules.max_duration) };
        return Some(Length { lasts, text: text.0.clone(), ends: bound.checked_add(lasts).ok()? });
    }
    let ends = status.ends_at.as_ref()?.0;
    let lasts = Duration::try_from(ends.duration_since(bound)).ok()?;
    Some(Length { lasts, text: format!("{} s", lasts.as_secs()), ends })
}

/// The hold of a claim that has its nodes, and how long after it got them it ends. Where the pool is gone, no later than what was
/// told last.
fn held(claim: &TestNodeClaim, length: &Length, pool: Option<&TestNodePool>) -> Option<(Hold, Duration)> {
    let asked = claim.spec.hold.as_ref()?;
    let bound = claim.status.as_ref()?.bound_at.as_ref()?.0;
    let until: Timestamp = asked.until.parse().ok()?;
    let most = pool.map_or(Some(Duration::ZERO), |pool| pool.spec.claims.max_hold.length())?;
    let latest = length.ends.checked_add(most).ok()?;
    let cut = (latest < until).then(|| {
        format!(
            "spec.hold ({until}) is cut to {latest} by spec.claims.maxHold of TestNodePool {}",
            claim.spec.pool.name
        )
    });
    let until = until.min(latest);
    let lasts = Duration::try_from(until.duration_since(bound)).unwrap_or_default();
    Some((Hold { until, reason: asked.reason.clone(), cut, is_over: false }, lasts))
}

/// How much is left of what began when the claim got its nodes, by our own steady clock: nobody who sets the wall clock ends a
/// claim.
fn left(claim: &TestNodeClaim, lasts: Duration, pools: &Pools) -> Duration {
    let now = pools.ctx.now();
    let bound = claim.status.as_ref().and_then(|status| status.bound_at.as_ref()).map_or(now.wall, |at| at.0);
    let mut memory = pools.memory();
    let since = memory.bound.entry(claim.uid().unwrap_or_default());
    let since = *since.or_insert_with(|| now.steady_at(bound).unwrap_or(now.steady));
    lasts.saturating_sub(since.elapsed())
}

fn count(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}
