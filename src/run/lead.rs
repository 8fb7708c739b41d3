//! From the Lease to the work, and back: what is done as the leader ends before the Lease is released.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::stranger::Stranger;
use super::{Error, bootstrap};
use crate::controller::Stop;
use crate::lease::{self, Leadership, Lease};
use crate::metrics::Metrics;
use crate::reconcile::context::Seams;
use crate::supervision::{Health, Supervisor};
use crate::{cli, controller};

/// Works while it leads, until told to stop.
///
/// # Errors
///
/// When it may not go on.
pub(super) async fn lead(
    options: cli::Run,
    client: kube::Client,
    seams: Seams,
    supervisor: Supervisor,
    metrics: Metrics,
    stop: Stop,
) -> Result<(), Error> {
    let health = supervisor.health().clone();
    let known = bootstrap::kinds_are_known(client.clone(), &health);
    let settings = options.lease();
    let stranger = settings.as_ref().map(|settings| Stranger::new(settings, &client, &seams, &health));
    let beside = move |leadership: &Receiver<Leadership>| {
        if let Some(stranger) = stranger {
            tokio::spawn(stranger.watch(leadership.clone()));
        }
    };
    let work = work(options, client.clone(), seams, supervisor, metrics.clone(), known, stop.clone());
    while_leading(settings, client, &health, &metrics, stop, beside, work).await
}

/// Does some work while this process holds a Lease; at once, where there is no election. `beside` is shown who leads.
///
/// # Errors
///
/// When it may not go on.
pub(super) async fn while_leading(
    settings: Option<lease::Settings>,
    client: kube::Client,
    health: &Health,
    metrics: &Metrics,
    stop: Stop,
    beside: impl FnOnce(&Receiver<Leadership>),
    work: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let Some(settings) = settings else {
        metrics.leads();
        work.await;
        return Ok(());
    };
    let looked = health.awaits("a look at the Lease");
    let (lease, mut leadership) = Lease::new(client, settings)?;
    let seen = leadership.clone();
    metrics.before_scrape(move |metrics| {
        if seen.borrow().leads(Instant::now()) { metrics.leads() } else { metrics.follows() }
    });
    beside(&leadership);
    let led = async move {
        let leads = async {
            let known = |leadership: &Leadership| {
                if let Leadership::Unknown(Some(why)) = leadership {
                    looked.because(why);
                }
                leadership.is_known()
            };
            if leadership.wait_for(known).await.is_ok() {
                looked.met();
            }
            drop(leadership.wait_for(|leadership| matches!(leadership, Leadership::Leading { .. })).await);
        };
        tokio::select! {
            () = leads => {}
            () = stop => return,
        }
        work.await;
    };
    Ok(Box::pin(lease.hold(led)).await?)
}

/// Looks after everything until told to stop; what is under way ends first, within the grace.
async fn work(
    options: cli::Run,
    client: kube::Client,
    seams: Seams,
    supervisor: Supervisor,
    metrics: Metrics,
    known: impl Future<Output = ()>,
    stop: Stop,
) {
    let ready = async {
        known.await;
        bootstrap::begin(&options, &client, seams, supervisor, metrics).await
    };
    let (world, calls) = tokio::select! {
        begun = ready => begun,
        () = stop.clone() => return,
    };
    info!(cluster_id = world.ctx.clouds.cluster_id(), "lead");
    let all: BoxFuture<'_, ()> = calls.beside(controller::run(Arc::new(world), stop.clone())).boxed();
    let ended = async {
        stop.await;
        sleep(options.shutdown_grace).await;
    };
    tokio::select! {
        () = all => {}
        () = ended => warn!("work under way did not end within the grace; the next leader takes it up"),
    }
}
