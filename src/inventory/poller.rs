//! Lists each kind in bulk, as often as somebody waits for it, and wakes whom it concerns. One call that is never
//! answered holds up only its own kind.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use super::Inventory;
use crate::api::{Kind, mark};
use crate::metrics::{Metrics, Poll};
use crate::openstack::block_storage::Volume;
use crate::openstack::compute::{Server, ServerStatus};
use crate::openstack::network::Port;
use crate::openstack::rate::Lane;
use crate::openstack::session::Session;
use crate::openstack::{Error, Service};

/// How often to look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// While somebody waits.
    pub active: Duration,
    /// While nobody does. Volumes and ports are looked at a quarter as often.
    pub idle: Duration,
}

/// Polls one kind for as long as it is let.
pub async fn poll(
    inventory: Arc<Inventory>,
    kind: Kind,
    cloud: String,
    session: impl Fn() -> Option<(Session, Pace)>,
    metrics: Metrics,
) {
    loop {
        let poked = inventory.poked(kind).notified();
        let Some((session, pace)) = session() else {
            poked.await;
            continue;
        };
        let idle = match kind {
            Kind::Server => pace.idle,
            Kind::Volume | Kind::Port => pace.idle * 4,
        };
        let due = inventory.lock().ledger(kind).due(Instant::now(), pace.active, idle);
        tokio::select! {
            () = sleep_until(due) => {}
            () = poked => continue,
        }
        session.limiter().ready(service(kind), Lane::Poll).await;
        let began = Instant::now();
        match list(&inventory, &session, kind, began).await {
            Ok(woken) => {
                metrics.polled(&cloud, kind.word(), Poll::Complete);
                debug!(cloud, kind = kind.word(), took = ?began.elapsed(), "listed");
                for uid in woken {
                    (inventory.wake)(&uid);
                }
            }
            Err(error) => {
                metrics.polled(&cloud, kind.word(), Poll::Failed);
                failed(&inventory, kind, &cloud, &error);
            }
        }
    }
}

fn service(kind: Kind) -> Service {
    match kind {
        Kind::Server => Service::Compute,
        Kind::Volume => Service::BlockStorage,
        Kind::Port => Service::Network,
    }
}

/// An error while looking is never "nothing there".
fn failed(inventory: &Inventory, kind: Kind, cloud: &str, error: &Error) {
    let now = Instant::now();
    let mut state = inventory.lock();
    if kind == Kind::Server {
        state.unseen(now);
    }
    let ledger = state.ledger_mut(kind);
    ledger.failed(now, error.class().reason(), error.to_string(), error.retry_after());
    let failures = ledger.failing().map_or(1, |failing| failing.failures);
    drop(state);
    warn!(cloud, kind = kind.word(), failures, %error, "listing failed");
}

async fn list(
    inventory: &Inventory,
    session: &Session,
    kind: Kind,
    began: Instant,
) -> Result<Vec<String>, Error> {
    let cluster = inventory.cluster_id();
    let ours = |found: Option<&String>| found.is_some_and(|found| found == cluster);
    let tag = mark::tag(mark::CLUSTER, cluster);
    // The cloud's filters are not to be relied on (an unknown one is ignored): what lacks our mark is left out here.
    let mut woken = match kind {
        Kind::Server => {
            let mut servers: Vec<Server> = session.compute().list_servers(&tag).await?;
            servers.retain(|server| ours(server.metadata.get(mark::CLUSTER)));
            find_faults(inventory, session, &mut servers).await?;
            let mut state = inventory.lock();
            state.seen(Instant::now());
            state.servers.listed(began, servers)
        }
        Kind::Volume => {
            let mut volumes: Vec<Volume> =
                session.block_storage().list_volumes(mark::CLUSTER, cluster).await?;
            volumes.retain(|volume| ours(volume.metadata.get(mark::CLUSTER)));
            inventory.lock().volumes.listed(began, volumes)
        }
        Kind::Port => {
            let mut ports: Vec<Port> = session.network().list_ports(&tag).await?;
            ports.retain(|port| port.description == tag);
            inventory.lock().ports.listed(began, ports)
        }
    };
    let mut state = inventory.lock();
    let ledger = state.ledger_mut(kind);
    ledger.took(began.elapsed());
    woken.extend(ledger.satisfied(began));
    drop(state);
    Ok(woken.into_iter().collect())
}

/// Nova's list has the faults of one cell only: those of servers that were never scheduled, or of all others, are only
/// told by their ids. Each is asked for once.
async fn find_faults(inventory: &Inventory, session: &Session, servers: &mut [Server]) -> Result<(), Error> {
    let silent = |server: &&mut Server| server.status == ServerStatus::Error && server.fault.is_none();
    for server in servers.iter_mut().filter(silent) {
        let known = inventory.lock().servers.entry(&server.id.0).map(|entry| entry.object.clone());
        server.fault = match known.filter(|known| known.status == ServerStatus::Error) {
            Some(known) => known.fault,
            None => match session.compute().server(&server.id).await {
                Ok(shown) => shown.fault,
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error),
            },
        };
    }
    Ok(())
}
