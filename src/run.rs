//! What runs under what: the admin server always, work only under the Lease, and both end in order.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use crate::admin::{self, Health};
use crate::api::{Cloud, MANAGER, MachineType, TestNode, crd};
use crate::clouds::Clouds;
use crate::controller::rewatch::Rewatch;
use crate::dns::exchange::Exchange;
use crate::gate::Gate;
use crate::guest::tcp::Dial;
use crate::inventory::Wake;
use crate::lease::{self, Leadership, Lease};
use crate::metrics::Metrics;
use crate::openstack::Transport;
use crate::reconcile::context::{Context, Seams};
use crate::reconcile::error::said;
use crate::reconcile::waker::Waker;
use crate::reconcile::{memory, observe};
use crate::told::Told;
use crate::{cli, controller};

/// How long the API server may take to begin its answer. Without a limit a write that is never answered would hold its
/// node for ever; what it may have done is sorted out by the `resourceVersion` of the next one.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the API server is asked again for what is not there yet.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Why the program ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No port for probes and metrics.
    #[error(transparent)]
    Admin(#[from] admin::Error),
    /// No cluster to be found, or one that cannot be spoken to.
    #[error("cannot find the cluster")]
    Cluster(#[source] kube::Error),
    /// The system does not tell us when to stop.
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
    /// The times of the Lease do not fit.
    #[error(transparent)]
    Settings(#[from] lease::Invalid),
    /// Another works now.
    #[error(transparent)]
    Lost(#[from] lease::Lost),
}

/// Runs until SIGTERM or Ctrl-C.
///
/// # Errors
///
/// When it cannot start, or may not go on.
pub async fn run(options: cli::Run) -> Result<(), Error> {
    let mut terminated = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    let told_to_stop = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        info!("stop");
    };
    let client = kube::Client::try_default().await.map_err(Error::Cluster)?;
    let seams = Seams {
        http: Arc::new(Transport::reqwest),
        dns: Exchange::sockets(),
        dial: Dial::sockets(),
        clock: Arc::new(jiff::Timestamp::now),
    };
    Box::pin(run_with(options, client, seams, told_to_stop)).await
}

/// [`run`], with the ways out of the process given: the sandbox and the tests bring their own.
///
/// # Errors
///
/// When it cannot start, or may not go on.
pub async fn run_with(
    options: cli::Run,
    client: kube::Client,
    seams: Seams,
    told_to_stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let (health, metrics) = (Health::new(), Metrics::new());
    metrics.allow_turns(options.concurrency);
    let listener = admin::listen(options.admin_address).await?;
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    let admin = tokio::spawn(admin::serve(listener, health.clone(), metrics.clone(), stopped));

    operate(options, client, seams, &health, metrics, told_to_stop).await?;
    // Last, so that probes are answered while work under way ends.
    drop(stop);
    drop(admin.await);
    Ok(())
}

/// [`run_with`] without the admin server: nothing here opens a socket, so time may be paused.
///
/// Works while it leads. What is done as the leader ends before the lease is released.
///
/// # Errors
///
/// When it may not go on.
pub async fn operate(
    options: cli::Run,
    client: kube::Client,
    seams: Seams,
    health: &Health,
    metrics: Metrics,
    told_to_stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let client = patient(client);
    let told_to_stop = told_to_stop.boxed().shared();
    let known = kinds_are_known(client.clone(), health);
    let Some(settings) = options.lease() else {
        metrics.leads();
        work(options, client, seams, metrics, known, told_to_stop).await;
        return Ok(());
    };
    let looked = health.awaits("a look at the Lease");
    let (lease, mut leadership) = Lease::new(client.clone(), settings)?;
    let seen = leadership.clone();
    metrics.before_scrape(move |metrics| {
        if seen.borrow().leads(Instant::now()) { metrics.leads() } else { metrics.follows() }
    });
    let released = async move {
        let leads = async {
            if leadership.wait_for(Leadership::is_known).await.is_ok() {
                looked.met();
            }
            drop(leadership.wait_for(|leadership| matches!(leadership, Leadership::Leading { .. })).await);
        };
        tokio::select! {
            () = leads => {}
            () = told_to_stop.clone() => return,
        }
        work(options, client, seams, metrics, known, told_to_stop).await;
    };
    Ok(Box::pin(lease.hold(released)).await?)
}

/// The same client, that does not wait for ever. A watch begins its answer at once, and may then last.
fn patient(client: kube::Client) -> kube::Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request| {
        let client = client.clone();
        async move {
            let answer = timeout(PATIENCE, client.send(request)).await;
            answer.unwrap_or_else(|_| {
                let late = std::io::Error::new(
                    std::io::ErrorKind::TimedOut,
                    format!("no answer within {} s", PATIENCE.as_secs()),
                );
                Err(kube::Error::Service(late.into()))
            })
        }
    });
    kube::Client::new(service, namespace)
}

/// Waits for the CRDs, whoever leads: a follower without them could not take over.
fn kinds_are_known(client: kube::Client, health: &Health) -> impl Future<Output = ()> + Clone + use<> {
    let known = health.awaits("the CRDs of testnode.dev; apply crds/, or set crds.enabled in the chart");
    let there = async move {
        kinds_are_there(&client).await;
        known.met();
    };
    let there = there.boxed().shared();
    tokio::spawn(there.clone());
    there
}

/// Looks after everything until told to stop; what is under way ends first, within the grace.
async fn work(
    options: cli::Run,
    client: kube::Client,
    seams: Seams,
    metrics: Metrics,
    known: impl Future<Output = ()>,
    told_to_stop: impl Future<Output = ()> + Clone + Send + Sync + 'static,
) {
    let ready = async {
        known.await;
        begin(&options, &client, seams, metrics).await
    };
    let (ctx, woken) = tokio::select! {
        begun = ready => begun,
        () = told_to_stop.clone() => return,
    };
    info!(cluster_id = ctx.clouds.cluster_id(), "lead");
    let stop = || told_to_stop.clone();
    let all = async {
        tokio::join!(
            controller::clouds(ctx.clone(), stop()),
            controller::machine_types(ctx.clone(), stop()),
            controller::nodes(ctx.clone(), woken, options.concurrency, stop()),
        )
    };
    let ended = async {
        told_to_stop.clone().await;
        sleep(options.shutdown_grace).await;
    };
    tokio::select! {
        _ = all => {}
        () = ended => warn!("work under way did not end within the grace; the next leader takes it up"),
    }
}

/// Waits until the API server serves our kinds.
async fn kinds_are_there(client: &kube::Client) {
    let few = ListParams::default().limit(1);
    loop {
        let nodes = Api::<TestNode>::all(client.clone()).list_metadata(&few).await.map(drop);
        let types = Api::<MachineType>::all(client.clone()).list_metadata(&few).await.map(drop);
        let clouds = Api::<Cloud>::all(client.clone()).list_metadata(&few).await.map(drop);
        match nodes.and(types).and(clouds) {
            Ok(()) => return,
            Err(error) => warn!(error = said(&error), "our kinds cannot be listed"),
        }
        sleep(ASK_AGAIN).await;
    }
}

type Woken = tokio::sync::mpsc::UnboundedReceiver<reflector::ObjectRef<TestNode>>;

/// Learns what there is before the first turn: the cluster id, the clouds, the machine types, and who uses what.
async fn begin(
    options: &cli::Run,
    client: &kube::Client,
    seams: Seams,
    metrics: Metrics,
) -> (Arc<Context>, Woken) {
    let started = Instant::now();
    let cluster_id = match &options.cluster_id {
        Some(id) => id.clone(),
        None => cluster_id(client).await,
    };
    let (waker, woken) = Waker::new();
    let waker = Arc::new(waker);
    let wake: Wake = {
        let waker = waker.clone();
        Arc::new(move |uid| waker.wake(uid))
    };
    let gate = Arc::<Gate>::default();
    let reporter = Reporter { controller: MANAGER.into(), instance: None };
    let ctx = Arc::new(Context {
        client: client.clone(),
        clouds: Clouds::new(cluster_id, wake, gate.clone(), metrics.clone()),
        gate,
        metrics,
        seams,
        recorder: Recorder::new(client.clone(), reporter),
        machine_types: machine_types(client).await,
        namespace: options.namespace.clone(),
        started,
        resync: options.resync,
        waker,
        told: Told::default(),
        notes: Mutex::default(),
    });
    for cloud in listed::<Cloud>(client).await {
        ctx.clouds.ensure(&cloud.name_any());
    }
    for node in listed::<TestNode>(client).await {
        let memory = memory::read(node.status.as_ref());
        ctx.gate.set(&node.uid().unwrap_or_default(), observe::claim(&node, &memory, None));
    }
    (ctx, woken)
}

/// kube-system's UID: the same for as long as the cluster's etcd is.
async fn cluster_id(client: &kube::Client) -> String {
    let namespaces = Api::<Namespace>::all(client.clone());
    loop {
        match namespaces.get("kube-system").await.map(|namespace| namespace.uid()) {
            Ok(Some(uid)) => return uid,
            Ok(None) => warn!("kube-system has no UID"),
            Err(error) => warn!(error = said(&error), "kube-system's UID cannot be read"),
        }
        sleep(ASK_AGAIN).await;
    }
}

async fn listed<K>(client: &kube::Client) -> Vec<K>
where
    K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    loop {
        match Api::<K>::all(client.clone()).list(&ListParams::default()).await {
            Ok(list) => return list.items,
            Err(error) => warn!(error = said(&error), kind = %K::kind(&()), "cannot be listed"),
        }
        sleep(ASK_AGAIN).await;
    }
}

/// The machine types, kept by a watch of their own.
async fn machine_types(client: &kube::Client) -> Store<MachineType> {
    let (store, writer) = reflector::store();
    let watch = watcher(Api::<MachineType>::all(client.clone()), watcher::Config::default());
    let watch =
        reflector::reflector(writer, watch.backoff(Rewatch::default())).for_each(|_| std::future::ready(()));
    tokio::spawn(watch);
    // A first sync that takes long holds up the nodes, not the program: they wait for their machine types.
    drop(timeout(Duration::from_secs(30), store.wait_until_ready()).await);
    store
}

/// The definitions of our kinds, as YAML.
#[must_use]
pub fn crds() -> String {
    crd::yaml().unwrap_or_default()
}
