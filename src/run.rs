//! What runs under what: the admin server always, work only under the Lease, and both end in order.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::info;

use crate::admin::{self, Health};
use crate::cli;
use crate::lease::{self, Leadership, Lease};
use crate::metrics::Metrics;

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

    options.lease().as_ref().map_or(Ok(()), lease::Settings::check)?;
    let (health, metrics) = (Health::new(), Metrics::new());
    metrics.allow_turns(options.concurrency);
    let listener = admin::listen(options.admin_address).await?;
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    let admin = tokio::spawn(admin::serve(listener, health.clone(), metrics.clone(), stopped));

    work(&options, &health, &metrics, told_to_stop).await?;
    // Last, so that probes are answered while work under way ends.
    drop(stop);
    drop(admin.await);
    Ok(())
}

/// What is done as the leader ends before the lease is released.
async fn work(
    options: &cli::Run,
    health: &Health,
    metrics: &Metrics,
    told_to_stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    let client = kube::Client::try_default().await.map_err(Error::Cluster)?;
    let Some(settings) = options.lease() else {
        metrics.leads();
        told_to_stop.await;
        return Ok(());
    };
    let looked = health.awaits("a look at the Lease");
    let (lease, mut leadership) = Lease::new(client, settings)?;
    let seen = leadership.clone();
    metrics.before_scrape(move |metrics| {
        if seen.borrow().leads(Instant::now()) { metrics.leads() } else { metrics.follows() }
    });
    tokio::spawn(async move {
        if leadership.wait_for(Leadership::is_known).await.is_ok() {
            looked.met();
        }
    });
    Ok(lease.hold(told_to_stop).await?)
}

/// The definitions of our kinds, as YAML.
#[must_use]
pub fn crds() -> String {
    String::new()
}
