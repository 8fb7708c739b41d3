//! What is done again and again beside the turns.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use tracing::warn;

use super::secrets;
use super::world::World;
use crate::reconcile::state::Keeper;
use crate::supervision::Pulse;
use crate::sweep as orphans;

/// How often what was deleted without our doing is forgotten.
const FORGET: Duration = Duration::from_mins(1);
/// What is done in memory takes no longer.
const AT_ONCE: Duration = Duration::from_mins(1);

/// How often nodes that wait for room are called, in case one that was called does not come.
const CALL: Duration = Duration::from_secs(5);

/// Looks for things without a node.
pub(super) async fn sweep(world: Arc<World>, pulse: Pulse) {
    orphans::run(world.ctx.clone(), world.nodes.store.clone(), &pulse).await;
}

/// Forgets nodes that are no longer there, in case nobody told.
pub(super) async fn forget_nodes(world: Arc<World>, pulse: Pulse) {
    loop {
        pulse.beat(FORGET + AT_ONCE);
        tokio::time::sleep(FORGET).await;
        let living = world.nodes.store.state().iter().filter_map(|node| node.uid()).collect();
        world.ctx.forget_all_but(&living);
    }
}

/// Forgets pools and claims that are no longer there, and wakes nodes whose pool or claim is not: a watch that begins anew
/// does not tell what went meanwhile.
pub(super) async fn forget_pools(world: Arc<World>, pulse: Pulse) {
    loop {
        pulse.beat(FORGET + AT_ONCE);
        tokio::time::sleep(FORGET).await;
        if world.stock.is_listed() {
            let (pools, claims) = (world.pools.store.state(), world.claims.store.state());
            let pools = pools.iter().filter_map(|pool| pool.uid());
            let living = pools.chain(claims.iter().filter_map(|claim| claim.uid())).collect();
            world.stock.forget_all_but(&living);
            for node in world.nodes.store.state() {
                if Keeper::of(&node).is_some_and(|keeper| !living.contains(&keeper.uid)) {
                    world.ctx.waker.wake(&node.uid().unwrap_or_default());
                }
            }
        }
    }
}

/// Calls nodes that wait for room and can go, where others were called before and do not come.
pub(super) async fn call(world: Arc<World>, pulse: Pulse) {
    loop {
        pulse.beat(CALL + AT_ONCE);
        tokio::time::sleep(CALL).await;
        world.ctx.wake_queue();
    }
}

/// Releases Secrets that no Cloud needs any longer.
pub(super) async fn release_secrets(world: Arc<World>, pulse: Pulse) {
    world.clouds.ready().await;
    secrets::release_unneeded(world.ctx.clone(), world.clouds.store.clone(), &pulse).await;
}

/// Forgets clouds whose object was deleted although our finalizer was on it. Their credentials are no longer ours, as
/// they would not be after a restart.
pub(super) async fn forget_clouds(world: Arc<World>, pulse: Pulse) {
    let known = &world.clouds.store;
    world.clouds.ready().await;
    loop {
        pulse.beat(FORGET + AT_ONCE);
        tokio::time::sleep(FORGET).await;
        for cloud in world.ctx.clouds.all() {
            if known.get(&ObjectRef::new(&cloud.name)).is_none() {
                warn!(cloud = cloud.name, "the Cloud was deleted although our finalizer was on it");
                world.ctx.clouds.remove(&cloud.name);
                world.ctx.waker.wake_all();
            }
        }
    }
}
