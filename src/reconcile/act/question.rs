//! Questions that no list answers.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tracing::warn;

use crate::api::{Kind, TestNode};
use crate::catalogue::List;
use crate::clouds::Handle;
use crate::clouds::ask::Whose;
use crate::error::Class;
use crate::gate::{Quantity, Quota};
use crate::openstack::compute::Usage;
use crate::openstack::{self, Session};
use crate::reconcile::context::Context;
use crate::reconcile::error::Error;
use crate::reconcile::observe::Look;
use crate::select;
use crate::things::Owner;

/// Figures that take longer keep nobody waiting. Those of three services are read before the first are old.
const FIGURES_PATIENCE: Duration = Duration::from_secs(3);

/// Reads the next list of a catalogue that this node needs.
pub(super) async fn catalogue(
    node: &TestNode,
    look: &Look,
    handle: &Handle,
    session: &Session,
) -> Result<(), Error> {
    let Some(machine) = &look.machine else { return Ok(()) };
    let machine = select::in_cloud(&machine.spec, &handle.name);
    let mut wanted = List::wanted(&machine, &node.spec);
    if look.seen.memory.current().is_some() && look.seen.wish.is_some() {
        // Of a machine that is rebuilt everything else stays.
        wanted.retain(List::is_of_images);
    }
    match handle.catalogue.missing_for_blocked(&wanted, Instant::now()) {
        Some(list) => Ok(handle.catalogue.load(session, list).await?),
        None => Ok(()),
    }
}

/// Reads what the quotas of one service leave, for all who wait. A service that does not tell them keeps nobody
/// waiting: what is short it will say when it is asked for it.
pub(super) async fn limits(
    ctx: &Context,
    handle: &Handle,
    kind: Kind,
    uid: &str,
    session: &Session,
) -> Result<(), Error> {
    let _reading = handle.figures.lock().await;
    let Some(ours) = ctx.gate.count(&handle.name, kind) else { return Ok(()) };
    let quotas = match timeout(FIGURES_PATIENCE, quotas(kind, session)).await {
        Ok(Ok(quotas)) => Some(quotas),
        Ok(Err(error)) if matches!(error.class(), Class::Busy) => return Err(error.into()),
        Ok(Err(error)) => {
            warn!(cloud = handle.name, %error, "quota not read");
            if error.class() == Class::Unreachable {
                // Whether the cloud is away is known by its lists.
                handle.inventory.want_news(uid, kind);
            }
            None
        }
        Err(_) => {
            warn!(cloud = handle.name, quota = kind.word(), "quota not read in time");
            handle.inventory.want_news(uid, kind);
            None
        }
    };
    ctx.gate.read(&handle.name, kind, ours, quotas);
    ctx.wake_queue();
    Ok(())
}

async fn quotas(kind: Kind, session: &Session) -> Result<Vec<Quota>, openstack::Error> {
    let quota = |of, usage: Usage| Quota { of, used: usage.used, limit: usage.limit };
    Ok(match kind {
        Kind::Server => {
            let limits = session.compute().limits().await?;
            vec![
                quota(Quantity::Instances, limits.instances),
                quota(Quantity::Cores, limits.cores),
                quota(Quantity::Ram, limits.ram_mib),
            ]
        }
        Kind::Volume => {
            let limits = session.block_storage().limits().await?;
            vec![quota(Quantity::Volumes, limits.volumes), quota(Quantity::Gigabytes, limits.gigabytes)]
        }
        Kind::FloatingIp => {
            vec![quota(Quantity::FloatingIps, session.network().floating_ip_quota().await?)]
        }
        Kind::Port => vec![quota(Quantity::Ports, session.network().port_quota().await?)],
    })
}

/// Whether something is still there. Only a 404 for its id proves that it is not.
pub(super) async fn presence(
    kind: Kind,
    id: &str,
    uid: &str,
    look: &Look,
    handle: &Handle,
    session: &Session,
) -> Result<(), Error> {
    let attempt = look.seen.memory.last().map(|attempt| attempt.number);
    let owner = Owner { uid: uid.to_owned(), attempt };
    Ok(handle.inventory.confirm(session, kind, id, &owner).await?)
}

/// The servers that a node is known to have, or to have had.
fn servers_of(uid: &str, look: &Look, handle: &Handle) -> BTreeSet<String> {
    let there = look.seen.clouds.values().flat_map(|view| &view.servers).map(|server| server.id.clone());
    let hinted = look.seen.memory.hints.server.clone();
    let state = handle.inventory.lock();
    let gone = state.servers.graves(uid).map(|(id, _)| id.clone());
    there.chain(hinted).chain(gone).collect()
}

/// What claims a volume for a server that does not exist.
pub(super) async fn reservations(
    ctx: &Context,
    uid: &str,
    volume: &str,
    look: &Look,
    handle: &Handle,
    session: &Session,
) -> Result<(), Error> {
    // One that exists by itself need not be claimed; one of ours was asked for because it is.
    let mut used = look.seen.clouds.values().flat_map(|view| &view.existing_volumes);
    let exists = used.any(|used| used.id == volume);
    let servers = servers_of(uid, look, handle);
    let whose = if exists { Whose::Theirs { servers: &servers } } else { Whose::Ours };
    let loose = handle.loose_attachments(session, volume, whose).await?;
    if loose.is_empty() && !exists {
        let words =
            format!("volume {volume} is not free, and Cinder shows no server that is gone and had it");
        handle.inventory.lock().hindered(Kind::Volume, volume, words.clone(), Instant::now());
        return Err(Error::Unready(words));
    }
    ctx.note(uid, |notes| {
        notes.reservations.insert(volume.to_owned(), loose.into_iter().map(|id| id.0).collect())
    });
    Ok(())
}
