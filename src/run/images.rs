//! The process that keeps images: under a Lease of its own, beside the operator.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt as _};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::lead::while_leading;
use super::{Error, PATIENCE, bootstrap, patient, sockets, told_to_stop};
use crate::api::{Cloud, MANAGER, MachineImage, TestNode};
use crate::controller::Stop;
use crate::controller::world::Kept;
use crate::image::allowed::Allowed;
use crate::image::desk::Desk;
use crate::image::transfers::Transfers;
use crate::image::turn;
use crate::image::unpack::Line;
use crate::image::web::Web;
use crate::kubernetes::error::said;
use crate::kubernetes::events::Events;
use crate::kubernetes::rewatch::Rewatch;
use crate::kubernetes::slim::PAGE;
use crate::kubernetes::status::StatusWriter;
use crate::metrics::Metrics;
use crate::reconcile::context::Seams;
use crate::supervision::Health;
use crate::{admin, cli};

/// Runs until SIGTERM or Ctrl-C.
///
/// # Errors
///
/// When it cannot start, or may not go on.
pub async fn run(options: cli::Images) -> Result<(), Error> {
    let stop = told_to_stop()?;
    let client = Client::try_default().await.map_err(Error::Cluster)?;
    let pem = match &options.ca_file {
        Some(file) => Some(
            std::fs::read(file).map_err(|error| Error::Sources(format!("{}: {error}", file.display())))?,
        ),
        None => None,
    };
    let web =
        Web::sockets(Allowed::new(options.allowed_hosts.clone()), pem.as_deref()).map_err(Error::Sources)?;
    let (health, metrics) = (Health::new(), Metrics::new());
    let listener = admin::listen(options.admin_address).await?;
    let (end, ended) = oneshot::channel::<()>();
    let ended = async { drop(ended.await) };
    let admin = tokio::spawn(admin::serve(listener, health.clone(), metrics.clone(), ended));
    Box::pin(operate(options, client, sockets(), web, &health, metrics, stop)).await?;
    // Last, so that probes are answered while work under way ends.
    drop(end);
    drop(admin.await);
    Ok(())
}

/// [`run`] without the admin server, and with the ways out of the process given.
///
/// # Errors
///
/// When it may not go on.
pub async fn operate(
    options: cli::Images,
    client: Client,
    seams: Seams,
    web: Web,
    health: &Health,
    metrics: Metrics,
    told_to_stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let stop = told_to_stop.boxed().shared();
    let client = patient(client, PATIENCE);
    let settings = options.lease();
    let work = work(options, client.clone(), seams, web, health, metrics.clone(), stop.clone());
    while_leading(settings, client, health, &metrics, stop, |_| {}, work).await
}

/// Looks after all MachineImages until told to stop.
async fn work(
    options: cli::Images,
    client: Client,
    seams: Seams,
    web: Web,
    health: &Health,
    metrics: Metrics,
    stop: Stop,
) {
    let known = async {
        match &options.cluster_id {
            Some(id) => id.clone(),
            None => bootstrap::cluster_id(&client, health).await,
        }
    };
    let cluster_id = tokio::select! {
        id = known => id,
        () = stop.clone() => return,
    };
    info!(cluster_id, "lead");
    let (wake, mut woken) = unbounded_channel();
    let images = Kept::<MachineImage>::new();
    let shown = images.store.clone();
    metrics.before_scrape(move |metrics| metrics.show_machine_images(shown.state().iter().map(conditions)));
    let desk = Arc::new(Desk {
        client: client.clone(),
        web,
        line: Line::default(),
        cluster_id,
        namespace: options.namespace.clone(),
        metrics,
        events: Events::new(client.clone(), MANAGER, seams.clock.clone()),
        seams,
        statuses: StatusWriter::default(),
        canaries: options.canary_namespace.clone(),
        transfers: Transfers::new(options.transfers.into(), wake.clone()),
        notes: Mutex::new(BTreeMap::new()),
        clouds: tokio::sync::Mutex::default(),
    });
    let all = images.store.clone();
    let canaries = watch_canaries(desk.clone(), images.store.clone(), wake, stop.clone());
    let controller = images
        .controller(client.clone(), |_| {})
        .reconcile_on(futures::stream::poll_fn(move |task| woken.poll_recv(task)))
        .watches(Api::<Cloud>::all(client), watcher::Config::default(), move |cloud| {
            let name = cloud.name_any();
            let uses = move |image: &Arc<MachineImage>| image.spec.names(&name);
            all.state().into_iter().filter(uses).map(|image| ObjectRef::from_obj(&*image))
        })
        .trigger_backoff(Rewatch::default())
        .graceful_shutdown_on(stop.clone())
        .run(turn::reconcile, failed, desk)
        .for_each(|turn| async move {
            if let Err(error) = turn {
                debug!(%error, "turn");
            }
        });
    let late = async {
        stop.await;
        sleep(options.shutdown_grace).await;
    };
    tokio::select! {
        _ = futures::future::join(controller, canaries) => {}
        () = late => warn!("work under way did not end within the grace; the next process takes it up"),
    }
}

/// What a scrape shows of a MachineImage.
fn conditions(image: &Arc<MachineImage>) -> (String, Vec<Condition>) {
    let status = image.status.as_ref();
    (image.name_any(), status.map(|status| status.conditions.clone()).unwrap_or_default())
}

/// Tells of every change of a TestNode that tests an image, until told to stop. Without it they are read now and then.
async fn watch_canaries(
    desk: Arc<Desk>,
    images: Store<MachineImage>,
    wake: UnboundedSender<ObjectRef<MachineImage>>,
    stop: Stop,
) {
    let Some(namespace) = desk.canaries.clone() else { return };
    // Of a node its name is enough. It is read anew before anything is decided.
    let nodes = Api::<PartialObjectMeta<TestNode>>::namespaced(desk.client.clone(), &namespace);
    let events = watcher(nodes, watcher::Config::default().page_size(PAGE)).backoff(Rewatch::default());
    let mut events = std::pin::pin!(events.take_until(stop));
    while let Some(event) = events.next().await {
        let node = match event {
            Ok(Event::Apply(node) | Event::InitApply(node) | Event::Delete(node)) => node.name_any(),
            Ok(Event::Init | Event::InitDone) => continue,
            Err(error) => {
                warn!(namespace, %error, "TestNodes that test images cannot be watched; they are read now and then");
                continue;
            }
        };
        for image in images.state().iter().filter(|image| desk.saw_canary(image, &node)) {
            // The receiver ends with the process.
            drop(wake.send(ObjectRef::from_obj(&**image)));
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that kube's Controller wants")]
fn failed(image: Arc<MachineImage>, error: &kube::Error, _: Arc<Desk>) -> Action {
    warn!(machine_image = image.name_any(), error = said(error), "the MachineImage cannot be looked after");
    Action::requeue(Duration::from_secs(5))
}
