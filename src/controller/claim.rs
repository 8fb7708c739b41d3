//! One turn of a claim: gives it a node, says that it has all, ends it, or says how it stands.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};
use tokio::time::Instant;
use tracing::{info, instrument};

use super::pools::{Pools, View, reference, serves};
use crate::api::{MANAGER, TestNode, TestNodeClaim, TestNodeClaimStatus, TestNodePool, TestNodeSpec};
use crate::claim::serve::{Move, Pool, Seen, serve};
use crate::claim::status::{is_news, project};
use crate::kubernetes::conditions::news;
use crate::kubernetes::error::{is_conflict, is_gone, said};
use crate::kubernetes::events::{Event, Severity};
use crate::kubernetes::status::Reported;
use crate::pool::slot::{Slot, State};
use crate::reason::Reason;

/// A claim is looked at this often though nothing wakes it.
const LOOK: Duration = Duration::from_secs(30);
/// Until everything was listed.
const UNLISTED: Duration = Duration::from_millis(250);
/// Somebody was quicker: the watch brings what there is now.
const OVERTAKEN: Duration = Duration::from_millis(250);
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
    let mut mine = pools.of_claim(claim.pool_namespace(), &reference(&claim));
    mine.retain(|node| !claim.dropped(&node.uid().unwrap_or_default()));
    let slots: Vec<Slot> = mine.iter().map(|node| Slot::of(node, &TestNodeSpec::default())).collect();
    let length = length(&claim, pool.as_deref());
    let (lease_left, duration_left) =
        (lease_left(&claim, &pools), length.as_ref().map(|length| left(&claim, length, &pools)));
    let seen = Seen {
        now: (pools.ctx.seams.clock)(),
        claim: &claim,
        pool: match (&pool, open) {
            (None, _) => Pool::Missing,
            (Some(_), None) => Pool::Forbidden,
            (Some(_), Some(open)) if open.spec.paused => Pool::Paused,
            (Some(_), Some(open)) => Pool::Open(usize::try_from(open.spec.max).unwrap_or(0)),
        },
        mine: slots.iter().collect(),
        begun_for: begun_for(&claim, &slots, &pools),
        turn: view.as_ref().and_then(|view| view.turns.get(&claim.uid().unwrap_or_default()).cloned()),
        lease_is_over: lease_left == Some(Duration::ZERO),
        ends: length.map(|length| (length.ends, length.text)),
        duration_is_over: duration_left == Some(Duration::ZERO),
    };
    let chosen = serve(&seen);
    let again = [lease_left, duration_left]
        .into_iter()
        .flatten()
        .filter(|left| !left.is_zero())
        .fold(LOOK, Duration::min);
    let done = match &chosen {
        Move::Bind(uid) => match &view {
            Some(view) => bind(&claim, view, uid, &pools).await.map(|()| Duration::ZERO),
            None => Ok(again),
        },
        Move::Forget => forget(&claim, &pools).await.map(|()| LOOK),
        Move::Publish(_) | Move::GiveUp(_) | Move::End(..) | Move::Say(_) => {
            let nodes: Vec<&TestNode> = mine.iter().map(|node| &**node).collect();
            match project(&seen, &chosen, &nodes) {
                Some(status) => tell(&claim, &status, &pools).await.map(|later| later.unwrap_or(again)),
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

async fn publish(severity: Severity, reason: Reason, note: &str, claim: &TestNodeClaim, pools: &Pools) {
    let regarding = claim.object_ref(&());
    pools
        .ctx
        .events
        .publish(Event { severity, reason, action: "Serve", note, regarding, related: None })
        .await;
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
    let preconditions = Preconditions { uid: claim.uid(), resource_version: claim.resource_version() };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    let claims =
        Api::<TestNodeClaim>::namespaced(pools.ctx.client.clone(), &claim.namespace().unwrap_or_default());
    claims.delete(&claim.name_any(), &params).await.map(drop)
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
    let whole = claim.status.as_ref().is_some_and(|status| status.bound_at.is_some());
    let mut memory = pools.memory();
    if whole || !slots.iter().any(|slot| slot.state != State::Going) {
        memory.begun.remove(&uid);
        return Duration::ZERO;
    }
    memory.begun.entry(uid).or_insert_with(Instant::now).elapsed()
}

/// How long the lease lasts, by our own steady clock: from when this process first saw the present `renewTime`.
fn lease_left(claim: &TestNodeClaim, pools: &Pools) -> Option<Duration> {
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
    if heard.0 != lease.renew_time {
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

/// How much is left of that, by our own steady clock: nobody who sets the wall clock ends a claim.
fn left(claim: &TestNodeClaim, length: &Length, pools: &Pools) -> Duration {
    let now = pools.ctx.now();
    let bound = claim.status.as_ref().and_then(|status| status.bound_at.as_ref()).map_or(now.wall, |at| at.0);
    let mut memory = pools.memory();
    let since = memory.bound.entry(claim.uid().unwrap_or_default());
    let since = *since.or_insert_with(|| now.steady_at(bound).unwrap_or(now.steady));
    length.lasts.saturating_sub(since.elapsed())
}
