//! The controllers: what wakes whom, how many at once, and how they end.

pub mod cloud;
pub mod conditions;
pub mod credentials;
mod guards;
mod login;
pub mod machine_type;
mod orphans;
pub mod rewatch;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{Controller, watcher};
use tokio::sync::mpsc::UnboundedReceiver;
use tracing::{debug, warn};

use crate::api::{Cloud, MachineType, TestNode};
use crate::reconcile::context::Context;
use crate::reconcile::error::{Error, said};
use crate::reconcile::reconcile;
use crate::reconcile::status::PHASES;
use crate::sweep;
use rewatch::Rewatch;

/// How often what went without our doing is forgotten.
const FORGET: Duration = Duration::from_mins(1);

/// Looks after nodes until told to stop; turns under way end first.
pub async fn nodes(
    ctx: Arc<Context>,
    mut woken: UnboundedReceiver<ObjectRef<TestNode>>,
    at_once: u16,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let client = ctx.client.clone();
    let wakes = futures::stream::poll_fn(move |task| woken.poll_recv(task));
    let controller = Controller::new(Api::<TestNode>::all(client.clone()), watcher::Config::default());
    let nodes = controller.store();
    let counted = nodes.clone();
    ctx.metrics.before_scrape(move |metrics| metrics.count_nodes(standings(&counted.state())));
    let (known, shared) = (nodes.clone(), ctx.clone());
    let orphans = sweep::run(ctx.clone(), nodes.clone());
    let forgetting = async move {
        loop {
            tokio::time::sleep(FORGET).await;
            shared.forget_all_but(&known.state().iter().filter_map(|node| node.uid()).collect());
        }
    };
    let turns = controller
        .with_config(Config::default().concurrency(at_once))
        .watches(Api::<MachineType>::all(client), watcher::Config::default(), move |machine| {
            let name = machine.name_any();
            nodes
                .state()
                .into_iter()
                .filter(move |node| node.spec.machine_type == name)
                .map(|n| ObjectRef::from_obj(&*n))
        })
        .reconcile_on(wakes)
        .trigger_backoff(Rewatch::default())
        .graceful_shutdown_on(stop)
        .run(reconcile, node_failed, ctx)
        .for_each(|turn| async move { ended(turn) });
    tokio::select! {
        () = turns => {}
        () = forgetting => {}
        () = orphans => {}
    }
}

/// Phase and reason of each node, as its status says; `Pending` where nothing is said yet.
fn standings(nodes: &[Arc<TestNode>]) -> impl Iterator<Item = (&'static str, String)> {
    nodes.iter().map(|node| {
        let status = node.status.as_ref();
        let said = status.and_then(|status| status.phase.as_deref()).unwrap_or_default();
        let phase = PHASES.iter().copied().find(|known| *known == said).unwrap_or("Pending");
        let ready = status.and_then(|status| status.conditions.iter().find(|c| c.type_ == "Ready"));
        (phase, ready.map_or_else(|| "Pending".to_owned(), |condition| condition.reason.clone()))
    })
}

/// Half as long as the API server has not let itself be written.
#[expect(clippy::needless_pass_by_value, reason = "the signature that kube's Controller wants")]
fn node_failed(node: Arc<TestNode>, error: &Error, ctx: Arc<Context>) -> Action {
    let uid = node.uid().unwrap_or_default();
    let trouble = ctx.trouble(&uid, "write the object".into(), false, error);
    let pause = trouble.retry_at.duration_since((ctx.seams.clock)());
    let retry_in = Duration::try_from(pause).unwrap_or_default();
    warn!(namespace = node.namespace(), node = node.name_any(), ?retry_in, %error, "the object cannot be written");
    Action::requeue(retry_in)
}

/// Looks after clouds until told to stop.
pub async fn clouds(ctx: Arc<Context>, stop: impl Future<Output = ()> + Send + Sync + 'static) {
    let client = ctx.client.clone();
    let secrets = Api::<PartialObjectMeta<Secret>>::namespaced(client.clone(), &ctx.namespace);
    let controller = Controller::new(Api::<Cloud>::all(client), watcher::Config::default());
    let clouds = controller.store();
    let forgetting = forget_clouds(ctx.clone(), clouds.clone());
    let turns = controller
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
        .for_each(|turn| async move { ended(turn) });
    tokio::select! {
        () = turns => {}
        () = forgetting => {}
    }
}

/// Forgets clouds whose object went without a turn: somebody took its finalizer. Their credentials are not ours any
/// more, as they would not be after a restart.
async fn forget_clouds(ctx: Arc<Context>, known: Store<Cloud>) {
    if known.wait_until_ready().await.is_err() {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(FORGET).await;
        for cloud in ctx.clouds.all() {
            if known.get(&ObjectRef::new(&cloud.name)).is_none() {
                warn!(cloud = cloud.name, "the Cloud is gone without its finalizer's leave");
                ctx.clouds.remove(&cloud.name);
                ctx.waker.wake_all();
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that kube's Controller wants")]
fn cloud_failed(cloud: Arc<Cloud>, error: &kube::Error, _: Arc<Context>) -> Action {
    if let kube::Error::Api(status) = error
        && (status.is_conflict() || status.is_not_found())
    {
        // Somebody was quicker: the watch brings what there is now.
        return Action::requeue(Duration::from_secs(1));
    }
    warn!(cloud = cloud.name_any(), error = said(error), "the Cloud cannot be read or written");
    Action::requeue(Duration::from_secs(5))
}

/// Looks after machine types until told to stop.
pub async fn machine_types(ctx: Arc<Context>, stop: impl Future<Output = ()> + Send + Sync + 'static) {
    let client = ctx.client.clone();
    let controller = Controller::new(Api::<MachineType>::all(client.clone()), watcher::Config::default());
    let types = controller.store();
    controller
        .watches(Api::<Cloud>::all(client), watcher::Config::default(), move |cloud| {
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

/// Failures of turns were told where they happened; what is left is the queue's own.
fn ended<T, E: std::fmt::Display>(turn: Result<T, E>) {
    if let Err(error) = turn {
        debug!(%error, "turn");
    }
}
