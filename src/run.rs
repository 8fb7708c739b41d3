//! What runs under what: the admin server always, work only under the Lease, and both end in order.
//!
//! `lead` goes from the Lease to the work, `bootstrap` learns what there is before the first turn.

mod bootstrap;
pub mod images;
mod lead;
mod locks;
mod stranger;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::info;

use crate::api::crd;
use crate::dns::exchange::Exchange;
use crate::guest::dial::Dial;
use crate::metrics::Metrics;
use crate::reconcile::context::Seams;
use crate::supervision::{Health, Supervisor};
use crate::transport::Transport;
use crate::{admin, cli, lease};

pub use locks::lock_server;

/// How long the API server may take to begin its answer. Without a limit a write that is never answered would hold its
/// node for ever; what it may have done is found out by the `resourceVersion` of the next one.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the program ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No port for probes and metrics.
    #[error(transparent)]
    Admin(#[from] admin::Error),
    /// No cluster to be found, or one that cannot be spoken to.
    #[error("cannot find the cluster")]
    Cluster(#[source] kube::Error),
    /// No way to the lock server behind this one.
    #[error("cannot ask the lock server behind this one: {0}")]
    Upstream(String),
    /// The system does not tell us when to stop.
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
    /// The times of the Lease do not fit.
    #[error(transparent)]
    Settings(#[from] lease::Invalid),
    /// The way to sources cannot be made.
    #[error("--ca-file: {0}")]
    Sources(String),
    /// Another operator works now.
    #[error(transparent)]
    Lost(#[from] lease::Lost),
}

/// Runs until SIGTERM or Ctrl-C.
///
/// # Errors
///
/// When it cannot start, or may not go on.
pub async fn run(options: cli::Run) -> Result<(), Error> {
    let told_to_stop = told_to_stop()?;
    let client = kube::Client::try_default().await.map_err(Error::Cluster)?;
    Box::pin(run_with(options, client, sockets(), told_to_stop)).await
}

/// Resolves at SIGTERM or Ctrl-C.
fn told_to_stop() -> Result<impl Future<Output = ()> + Send + 'static, Error> {
    let mut terminated = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    Ok(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        info!("stop");
    })
}

/// The ways out of the process: sockets.
fn sockets() -> Seams {
    Seams {
        http: Arc::new(Transport::reqwest),
        dns: Exchange::sockets(),
        dial: Dial::sockets(),
        clock: Arc::new(jiff::Timestamp::now),
    }
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
    let supervisor = Supervisor::new(health.clone(), metrics.clone());
    let stop = told_to_stop.boxed().shared();
    lead::lead(options, patient(client, PATIENCE), seams, supervisor, metrics, stop).await
}

/// The same client, that does not wait for ever. A watch begins its answer at once, and may then last.
fn patient(client: kube::Client, patience: Duration) -> kube::Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request| {
        let client = client.clone();
        async move {
            let answer = timeout(patience, client.send(request)).await;
            answer.unwrap_or_else(|_| {
                let late = std::io::Error::new(
                    std::io::ErrorKind::TimedOut,
                    format!("no answer within {} s", patience.as_secs()),
                );
                Err(kube::Error::Service(late.into()))
            })
        }
    });
    kube::Client::new(service, namespace)
}

/// The definitions of our kinds, as YAML.
///
/// # Errors
///
/// If they cannot be written as YAML.
pub fn crds() -> Result<String, Box<dyn std::error::Error>> {
    Ok(crd::yaml()?)
}
