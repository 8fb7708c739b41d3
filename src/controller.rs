//! The controllers: what wakes whom, and how they end. `CONTROLLERS` and `TASKS` list all there is.

pub mod claim;
pub mod cloud;
pub mod credentials;
mod housekeeping;
mod index;
mod login;
pub mod machine_type;
pub mod naming;
mod orphans;
mod output;
pub mod pool;
pub mod pools;
mod secrets;
mod shown;
pub mod world;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _, Shared, join_all};
use futures::stream::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Resource, ResourceExt};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::api::{Cloud, MachineImage, MachineType, TestNode, TestNodeClaim, TestNodePool, TestNodeSlot};
use crate::kubernetes::error::{is_conflict, is_gone, said};
use crate::kubernetes::rewatch::Rewatch;
use crate::reconcile::context::Context;
use crate::reconcile::error::Error;
use crate::reconcile::reconcile;
use crate::reconcile::state::RequestKey;
use crate::supervision::Pulse;
use pools::Pools;
use world::World;

/// The longest wait for the machine types, pools and claims before nodes have their first turn.
const FIRST_SYNC: Duration = Duration::from_secs(30);

/// Resolves when the process is told to stop.
pub type Stop = Shared<BoxFuture<'static, ()>>;

/// Looks after one kind until told to stop; its turns under way end first.
type Controller = fn(Arc<World>, Stop) -> BoxFuture<'static, ()>;

/// Something that is done again and again beside the turns.
type Task = fn(Arc<World>, Pulse) -> BoxFuture<'static, ()>;

/// All controllers. A new kind is one entry.
const CONTROLLERS: &[Controller] = &[
    |world, stop| clouds(world, stop).boxed(),
    |world, stop| machine_types(world, stop).boxed(),
    |world, stop| nodes(world, stop).boxed(),
    |world, stop| pools(world, stop).boxed(),
    |world, stop| claims(world, stop).boxed(),
    |world, stop| slots(world, stop).boxed(),
    |world, stop| machine_images(world, stop).boxed(),
];

/// What is done beside the turns: the label of its metric, its name, and what it is.
const TASKS: &[(&str, &str, Task)] = &[
    ("sweep", "the search for orphans", |world, pulse| housekeeping::sweep(world, pulse).boxed()),
    ("housekeeping", "forgetting deleted nodes", |world, pulse| {
        housekeeping::forget_nodes(world, pulse).boxed()
    }),
    ("housekeeping", "forgetting deleted pools and claims", |world, pulse| {
        housekeeping::forget_pools(world, pulse).boxed()
    }),
    ("housekeeping", "calling nodes that wait", |world, pulse| housekeeping::call(world, pulse).boxed()),
    ("housekeeping", "releasing Secrets that no Cloud needs", |world, pulse| {
        housekeeping::release_secrets(world, pulse).boxed()
    }),
    ("housekeeping", "forgetting deleted Clouds", |world, pulse| {
        housekeeping::forget_clouds(world, pulse).boxed()
    }),
];

/// Runs everything until told to stop; turns under way end first.
pub async fn run(world: Arc<World>, stop: Stop) {
    let controllers = CONTROLLERS.iter().map(|controller| controller(world.clone(), stop.clone()));
    let tasks = TASKS.iter().map(|(kind, name, task)| {
        let world = world.clone();
        async move { world.supervisor.keep(kind, name, |pulse| task(world.clone(), pulse)).await }
    });
    tokio::select! {
        _ = join_all(controllers) => {}
        _ = join_all(tasks) => {}
    }
}

/// Looks after nodes until told to stop.
async fn nodes(world: Arc<World>, stop: Stop) {
    let ctx = world.ctx.clone();
    tokio::select! {
        () = first_lists(&world) => {}
        () = stop.clone() => return,
    }
    let (shown, types, clock) = (world.nodes.store.clone(), world.machine_types.store.clone(), ctx.clone());
    ctx.metrics.before_scrape(move |metrics| {
        metrics.show_nodes(shown::nodes(&shown.state(), &types.state(), (clock.seams.clock)()));
    });
    let Some(mut woken) = world.woken.take() else { return };
    let wakes = futures::stream::poll_fn(move |task| woken.poll_recv(task));
    let stock = world.stock.clone();
    let (there, left) = (world.nodes.store.clone(), ctx.clone());
    // One that waited for room and is gone holds up nobody.
    let seen = move |node: &TestNode| {
        stock.saw_node(node);
        if has_left(&there, node) && left.gate.leave(&node.uid().unwrap_or_default()) {
            left.wake_queue();
        }
    };
    world
        .nodes
        .controller(ctx.client.clone(), seen)
        .reconcile_on(wakes)
        .trigger_backoff(Rewatch::default())
        .graceful_shutdown_on(stop)
        .run(reconcile, node_failed, ctx)
        .for_each(|turn| async move { ended(turn) })
        .await;
}

/// Waits, not for ever, until what turns of nodes read first is there.
async fn first_lists(world: &World) {
    // Until they are there, every node would seem to have a machine type that does not exist.
    if timeout(FIRST_SYNC, world.machine_types.ready()).await.is_err() {
        warn!("the MachineTypes cannot be listed yet; nodes wait for theirs");
    }
    // Until they are there, the API server is asked for each of them, and nobody knows which slots are down.
    let of_pools = async { tokio::join!(world.pools.ready(), world.claims.ready(), world.slots.ready()) };
    if timeout(FIRST_SYNC, of_pools).await.is_err() {
        warn!("TestNodePools, TestNodeClaims or TestNodeSlots cannot be listed yet");
    }
}

/// The status could not be written. The pause is half as long as that has lasted.
#[expect(clippy::needless_pass_by_value, reason = "the signature that kube's Controller wants")]
fn node_failed(node: Arc<TestNode>, error: &Error, ctx: Arc<Context>) -> Action {
    let uid = node.uid().unwrap_or_default();
    let retry_in = ctx.trouble(&uid, RequestKey::WriteObject, error);
    warn!(namespace = node.namespace(), node = node.name_any(), ?retry_in, %error, "the object cannot be written");
    Action::requeue(retry_in)
}

/// Looks after clouds until told to stop.
async fn clouds(world: Arc<World>, stop: Stop) {
    let ctx = world.ctx.clone();
    let secrets = Api::<PartialObjectMeta<Secret>>::namespaced(ctx.client.clone(), &ctx.namespace);
    let (shown, gate) = (world.clouds.store.clone(), ctx.gate.clone());
    ctx.metrics.before_scrape(move |metrics| metrics.show_clouds(shown::clouds(&shown.state(), &gate)));
    let clouds = world.clouds.store.clone();
    let Some(mut news) = world.cloud_news.take() else { return };
    let news = futures::stream::poll_fn(move |task| news.poll_recv(task));
    world
        .clouds
        .controller(ctx.client.clone(), |_| {})
        .reconcile_on(news)
        .watches(secrets, watcher::Config::default(), move |secret| {
            let name = secret.name_any();
            clouds
                .state()
                .into_iter()
                .filter(move |c| credentials::uses(c, &name))
                .map(|c| ObjectRef::from_obj(&*c))
        })
        .trigger_backoff(Rewatch::default())
        .graceful_shutdown_on(stop)
        .run(cloud::reconcile, cloud_failed, ctx)
        .for_each(|turn| async move { ended(turn) })
        .await;
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that kube's Controller wants")]
fn cloud_failed(cloud: Arc<Cloud>, error: &kube::Error, _: Arc<Context>) -> Action {
    if is_conflict(error) || is_gone(error) {
        // Somebody was quicker: the watch brings what there is now.
        return Action::requeue(Duration::from_secs(1));
    }
    warn!(cloud = cloud.name_any(), error = said(error), "the Cloud cannot be read or written");
    Action::requeue(Duration::from_secs(5))
}

/// Looks after machine types until told to stop, and wakes the nodes of one that changed.
async fn machine_types(world: Arc<World>, stop: Stop) {
    let ctx = world.ctx.clone();
    let (nodes, waker) = (world.nodes.store.clone(), ctx.waker.clone());
    let changed = move |machine: &MachineType| {
        let name = machine.name_any();
        for node in nodes.state().iter().filter(|node| node.spec.machine_type == name) {
            waker.wake(&node.uid().unwrap_or_default());
        }
    };
    let types = world.machine_types.store.clone();
    world
        .machine_types
        .controller(ctx.client.clone(), changed)
        .watches(Api::<Cloud>::all(ctx.client.clone()), watcher::Config::default(), move |cloud| {
            let name = cloud.name_any();
            let serves = move |machine: &Arc<MachineType>| {
                machine.spec.clouds.iter().any(|choice| choice.name == name)
            };
            types.state().into_iter().filter(serves).map(|machine| ObjectRef::from_obj(&*machine))
        })
        .trigger_backoff(Rewatch::default())
        .graceful_shutdown_on(stop)
        .run(machine_type::reconcile, type_failed, ctx)
        .for_each(|turn| async move { ended(turn) })
        .await;
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that kube's Controller wants")]
fn type_failed(machine: Arc<MachineType>, error: &kube::Error, _: Arc<Context>) -> Action {
    warn!(machine_type = machine.name_any(), error = said(error), "the MachineType cannot be written");
    Action::requeue(Duration::from_secs(5))
}

/// Keeps what MachineImages say until told to stop, and wakes the nodes of those that changed, with their pools. They are looked
/// after by another process.
async fn machine_images(world: Arc<World>, stop: Stop) {
    let ctx = world.ctx.clone();
    if !ctx.machine_images.enabled {
        return stop.await;
    }
    let (nodes, types) = (world.nodes.store.clone(), world.machine_types.store.clone());
    let (waker, bells) = (ctx.waker.clone(), world.stock.bells.clone());
    let changed = move |image: &MachineImage| {
        let name = image.name_any();
        let names = |machine: &&Arc<MachineType>| {
            machine.spec.images.iter().any(|rule| rule.machine_image.as_ref() == Some(&name))
        };
        let types: BTreeSet<String> =
            types.state().iter().filter(names).map(|machine| machine.name_any()).collect();
        for node in nodes.state().iter().filter(|node| types.contains(&node.spec.machine_type)) {
            waker.wake(&node.uid().unwrap_or_default());
            bells.node(node);
        }
    };
    world.machine_images.keep(ctx.client.clone(), changed, stop).await;
}

/// Looks after pools until told to stop, and wakes the idle nodes of one that changed: it may be gone.
async fn pools(world: Arc<World>, stop: Stop) {
    let ctx = world.ctx.clone();
    let (nodes, waker) = (world.nodes.store.clone(), ctx.waker.clone());
    let (known, stock) = (world.pools.store.clone(), world.stock.clone());
    let changed = move |pool: &TestNodePool| {
        let uid = pool.uid().unwrap_or_default();
        if has_left(&known, pool) {
            let own =
                |node: &&Arc<TestNode>| node.spec.pool_ref.as_ref().is_some_and(|owner| owner.uid == uid);
            nodes.state().iter().filter(own).for_each(|node| waker.wake(&node.uid().unwrap_or_default()));
            stock.forget(&uid);
        }
        stock.claims_of(pool).iter().for_each(|claim| stock.bells.claim(&pools::reference(claim)));
    };
    let (shown, of_them) = (world.pools.store.clone(), world.claims.store.clone());
    ctx.metrics.before_scrape(move |metrics| {
        metrics.show_pools(shown::pools(&shown.state(), &of_them.state()));
    });
    let Some(mut woken) = world.woken_pools.take() else { return };
    let news = futures::stream::poll_fn(move |task| woken.poll_recv(task));
    world
        .pools
        .controller(ctx.client.clone(), changed)
        .reconcile_on(news)
        .trigger_backoff(Rewatch::default())
        .graceful_shutdown_on(stop)
        .run(pool::reconcile, pool_failed, world.stock.clone())
        .for_each(|turn| async move { ended(turn) })
        .await;
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that kube's Controller wants")]
fn pool_failed(pool: Arc<TestNodePool>, error: &kube::Error, _: Arc<Pools>) -> Action {
    warn!(
        namespace = pool.namespace(),
        pool = pool.name_any(),
        error = said(error),
        "the pool cannot be looked after"
    );
    Action::requeue(Duration::from_secs(5))
}

/// Looks after claims until told to stop, and wakes the pool and the nodes of one that changed.
async fn claims(world: Arc<World>, stop: Stop) {
    let ctx = world.ctx.clone();
    let waker = ctx.waker.clone();
    let (known, stock) = (world.claims.store.clone(), world.stock.clone());
    let changed = move |claim: &TestNodeClaim| {
        stock.saw_claim(claim);
        let uid = claim.uid().unwrap_or_default();
        stock.of_claim(claim).iter().for_each(|node| waker.wake(&node.uid().unwrap_or_default()));
        let gone = has_left(&known, claim);
        if gone {
            stock.forget(&uid);
        }
        if gone || claim.status.as_ref().is_none_or(|status| status.bound_at.is_none()) {
            stock.bells.pool(claim.pool_namespace(), &claim.spec.pool.name);
        }
    };
    let Some(mut woken) = world.woken_claims.take() else { return };
    let news = futures::stream::poll_fn(move |task| woken.poll_recv(task));
    world
        .claims
        .controller(ctx.client.clone(), changed)
        .reconcile_on(news)
        .trigger_backoff(Rewatch::default())
        .graceful_shutdown_on(stop)
        .run(claim::reconcile, claim_failed, world.stock.clone())
        .for_each(|turn| async move { ended(turn) })
        .await;
}

/// Learns of marks on slots until told to stop, and wakes the pool and the node of one that changed.
async fn slots(world: Arc<World>, stop: Stop) {
    let ctx = world.ctx.clone();
    let (nodes, waker, bells) = (world.nodes.store.clone(), ctx.waker.clone(), world.stock.bells.clone());
    let changed = move |slot: &TestNodeSlot| {
        let namespace = slot.namespace().unwrap_or_default();
        bells.pool(&namespace, &slot.spec.pool);
        if let Some(node) = nodes.get(&ObjectRef::new(&slot.name_any()).within(&namespace)) {
            waker.wake(&node.uid().unwrap_or_default());
        }
    };
    world.slots.keep(ctx.client.clone(), changed, stop).await;
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that kube's Controller wants")]
fn claim_failed(claim: Arc<TestNodeClaim>, error: &kube::Error, _: Arc<Pools>) -> Action {
    warn!(
        namespace = claim.namespace(),
        claim = claim.name_any(),
        error = said(error),
        "the claim cannot be served"
    );
    Action::requeue(Duration::from_secs(5))
}

/// The object that an event of the watch shows is there no more, or is another under its name.
fn has_left<K>(known: &Store<K>, object: &K) -> bool
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    known.get(&ObjectRef::from_obj(object)).is_none_or(|now| now.uid() != object.uid())
}

/// Failures of turns were logged where they happened; what is left is the queue's own.
fn ended<T, E: std::fmt::Display>(turn: Result<T, E>) {
    if let Err(error) = turn {
        debug!(%error, "turn");
    }
}
