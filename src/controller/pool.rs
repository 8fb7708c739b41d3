//! One turn of a pool: makes a node, drops one, or says how the pool stands.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::runtime::controller::Action;
use tokio::time::Instant;
use tracing::{info, instrument, warn};

use super::pools::{LOOK, OVERTAKEN, Pools, UNLISTED, View};
use crate::api::{PoolRef, TestNode, TestNodePool, TestNodeSpec};
use crate::kubernetes::conditions::news;
use crate::kubernetes::delete::delete;
use crate::kubernetes::error::{is_conflict, is_gone, is_taken, said};
use crate::kubernetes::events::Severity;
use crate::kubernetes::status::Reported;
use crate::pool::desk::Turn;
use crate::pool::keep::{Move, SURPLUS_FOR, keep};
use crate::pool::status;
use crate::reason::Reason;

/// The status is written at most this often.
const TOLD: Duration = Duration::from_secs(5);

/// One turn.
///
/// # Errors
/// If the API server refuses what is not decided by who was quicker.
#[instrument(name = "pool", skip_all, fields(namespace = pool.namespace(), pool = pool.name_any()))]
pub async fn reconcile(pool: Arc<TestNodePool>, pools: Arc<Pools>) -> Result<Action, kube::Error> {
    if pool.metadata.deletion_timestamp.is_some() {
        // Its nodes see that it is gone, once it is.
        return Ok(Action::await_change());
    }
    if !pools.is_listed() {
        return Ok(Action::requeue(UNLISTED));
    }
    let view = pools.view(&pool);
    let uid = pool.uid().unwrap_or_default();
    pools.ctx.gate.wants(&uid, &view.stock.for_claims()).iter().for_each(|node| pools.ctx.waker.wake(node));
    // Whoever is given something does not wait until there is nothing to make.
    for wish in &view.wishes {
        if matches!(view.turns.get(&wish.claim.uid), Some(Turn::Now(_))) {
            pools.bells.claim(&wish.claim);
        }
    }
    let done = match keep(&view.stock) {
        Move::Make(number) => make(&pool, number, &pools).await,
        Move::Drop { uid: node, why } => {
            if view.stock.gives_way.as_ref() == Some(&node) {
                let slot = view.stock.slots.iter().find(|slot| slot.uid == node);
                let cloud = slot.and_then(|slot| slot.cloud.clone()).unwrap_or_default();
                let mut memory = pools.memory();
                memory.gave_way.insert(uid, Instant::now());
                memory.gave_way_in.insert(cloud, Instant::now());
                drop(memory);
                pools.ctx.metrics.gave_way(format!(
                    "{}/{}",
                    pool.namespace().unwrap_or_default(),
                    pool.name_any()
                ));
            }
            drop_node(&pool, &view, &node, &why, &pools).await
        }
        Move::Rest => return tell(&pool, &view, None, &pools).await,
    };
    match done {
        Ok(()) => Ok(Action::requeue(Duration::ZERO)),
        // Its own watch is behind, or another process was quicker.
        Err(error) if is_conflict(&error) || is_taken(&error) || is_gone(&error) => {
            Ok(Action::requeue(OVERTAKEN))
        }
        Err(error) => {
            let message = format!("the API server does not let this pool go on: {}", said(&error));
            publish(Severity::Warning, Reason::KubernetesAPI, &message, &pool, &pools).await;
            if let Err(other) = tell(&pool, &view, Some(&message), &pools).await {
                warn!(error = said(&other), "the status cannot be written");
            }
            Err(error)
        }
    }
}

/// Makes the node with a number. Its name is the fence: whoever asks for it a second time is told that it is there.
async fn make(pool: &TestNodePool, number: usize, pools: &Pools) -> Result<(), kube::Error> {
    let namespace = pool.namespace().unwrap_or_default();
    let metadata = ObjectMeta {
        name: Some(pool.slot(number)),
        namespace: Some(namespace.clone()),
        ..ObjectMeta::default()
    };
    let owner = PoolRef { name: pool.name_any(), uid: pool.uid().unwrap_or_default() };
    let spec = TestNodeSpec { pool_ref: Some(owner), ..pool.spec.template.clone() };
    let node = TestNode { metadata, spec, status: None };
    let _permit = pools.ctx.api_server.take(&namespace).await;
    let made =
        Api::namespaced(pools.ctx.client.clone(), &namespace).create(&PostParams::default(), &node).await?;
    info!(node = made.name_any(), "made");
    pools.wrote(made);
    Ok(())
}

/// Deletes an idle node, unless it was written since it was seen idle: somebody may have it now.
async fn drop_node(
    pool: &TestNodePool,
    view: &View,
    uid: &str,
    why: &str,
    pools: &Pools,
) -> Result<(), kube::Error> {
    let Some(node) = view.nodes.iter().find(|node| node.metadata.uid.as_deref() == Some(uid)) else {
        return Ok(());
    };
    let namespace = pool.namespace().unwrap_or_default();
    let _permit = pools.ctx.api_server.take(&namespace).await;
    let nodes = Api::<TestNode>::namespaced(pools.ctx.client.clone(), &namespace);
    let held = delete(&nodes, &**node).await?;
    let text = format!("node {} was deleted: {why}", node.name_any());
    publish(Severity::Normal, Reason::Dropped, &text, pool, pools).await;
    // One that is gone at once the watch tells of; until then its number is taken.
    if let Some(held) = held {
        pools.wrote(held);
    }
    Ok(())
}

/// Nothing can be made or dropped: says how the pool stands. `refused` are the words of the API server.
async fn tell(
    pool: &TestNodePool,
    view: &View,
    refused: Option<&str>,
    pools: &Pools,
) -> Result<Action, kube::Error> {
    let again = if view.stock.surplus() > 0 {
        SURPLUS_FOR.saturating_sub(view.stock.surplus_for).clamp(UNLISTED, LOOK)
    } else {
        LOOK
    };
    let waiting = view.turns.values().filter(|turn| matches!(turn, Turn::Waits { .. })).count();
    let before = pool.status.as_ref();
    let status = status::project(before, pool.metadata.generation, &view.stock, waiting, refused);
    let uid = pool.uid().unwrap_or_default();
    if before == Some(&status) {
        return Ok(Action::requeue(again));
    }
    let last = pools.memory().told.get(&uid).map(|(_, last)| *last);
    if let Some(left) = last.and_then(|last| TOLD.checked_sub(last.elapsed())).filter(|left| !left.is_zero())
    {
        return Ok(Action::requeue(left.min(again)));
    }
    let api =
        Api::<TestNodePool>::namespaced(pools.ctx.client.clone(), &pool.namespace().unwrap_or_default());
    match pools.ctx.statuses.report(&api, pool, &status).await {
        Ok(Reported::Unchanged) => Ok(Action::requeue(again)),
        Ok(Reported::Written(_)) => {
            let now = Instant::now();
            pools.memory().told.insert(uid, (now, now));
            let old = before.map(|before| before.conditions.as_slice()).unwrap_or_default();
            if let Some(ready) = news(old, &status.conditions, "Ready")
                && let Some(reason) = Reason::from_word(&ready.reason)
            {
                let fails =
                    matches!(reason, Reason::LaunchesFail | Reason::PrefixTaken | Reason::KubernetesAPI);
                let severity = if fails { Severity::Warning } else { Severity::Normal };
                publish(severity, reason, &ready.message, pool, pools).await;
            }
            Ok(Action::requeue(again))
        }
        Ok(Reported::Later(pause)) => Ok(Action::requeue(pause)),
        Err(error) if is_conflict(&error) || is_gone(&error) => Ok(Action::requeue(OVERTAKEN)),
        Err(error) => Err(error),
    }
}

async fn publish(severity: Severity, reason: Reason, note: &str, pool: &TestNodePool, pools: &Pools) {
    pools.publish(pool, "Keep", severity, reason, note).await;
}
