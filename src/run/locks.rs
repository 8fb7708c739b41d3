//! The process of the lock server: it is up when the operator is not, and it ends after those who were sent here were answered.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;
use tracing::info;

use super::{Error, patient, told_to_stop};
use crate::lock_server::{DRAIN, LockServer, STILL_ASKED, Settings};
use crate::metrics::Metrics;
use crate::supervision::Health;
use crate::transport::{TlsOptions, Transport};
use crate::{admin, cli};

/// How long the API server may take: everything is answered in 5 s.
const PATIENCE: Duration = Duration::from_secs(4);

/// Answers teuthology until SIGTERM or Ctrl-C.
///
/// # Errors
///
/// When it cannot start.
pub async fn lock_server(options: cli::LockServer) -> Result<(), Error> {
    let told_to_stop = told_to_stop()?;
    let client = kube::Client::try_default().await.map_err(Error::Cluster)?;
    let transport = Transport::reqwest(&TlsOptions::default());
    let transport = transport.map_err(|failure| Error::Upstream(failure.text.to_string()))?;
    let (health, metrics) = (Health::new(), Metrics::new());
    let admin_listener = admin::listen(options.admin_address).await?;
    let listener = admin::listen(options.address).await?;
    let (stop_admin, admin_stopped) = oneshot::channel::<()>();
    let admin_stopped = async { drop(admin_stopped.await) };
    let admin = tokio::spawn(admin::serve(admin_listener, health.clone(), metrics, admin_stopped));
    let settings = Settings {
        namespace: options.namespace,
        zone: options.zone,
        upstream: options.upstream,
        tokens: options.tokens,
        tokens_for_all: options.tokens_for_all,
    };
    let client = patient(client, PATIENCE);
    let server = LockServer::begin(&client, settings, transport, Arc::new(jiff::Timestamp::now), &health);
    if let Ok(address) = listener.local_addr() {
        info!(%address, "answer teuthology");
    }
    let stopped = async {
        told_to_stop.await;
        // Not ready from now on; and never again.
        drop(health.awaits("the end: this process was told to stop"));
        server.end();
        sleep(STILL_ASKED).await;
    };
    admin::answer(listener, server.router(), stopped, DRAIN).await;
    drop(stop_admin);
    drop(admin.await);
    Ok(())
}
