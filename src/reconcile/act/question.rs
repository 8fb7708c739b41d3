//! Questions that no list answers.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tracing::warn;

use crate::api::{Kind, TestNode};
use crate::catalogue::List;
use crate::clouds::Handle;
use crate::error::Class;
use crate::gate::{Quantity, Quota};
use crate::guest::console::Console;
use crate::guest::tcp;
use crate::inventory::shelf::Owner;
use crate::openstack::compute::Usage;
use crate::openstack::ids::ServerId;
use crate::openstack::{self, Session};
use crate::reconcile::context::Context;
use crate::reconcile::error::Error;
use crate::reconcile::observe::Look;

/// Lines of the console that are asked for: all that Nova keeps, on most clouds.
const CONSOLE_LINES: u32 = 2000;
/// The end of a console that is kept, in bytes.
const TAIL: usize = 4096;
/// A console that takes longer is tried again later.
const CONSOLE_PATIENCE: Duration = Duration::from_secs(5);
const CONSOLE_FIRST_PAUSE: Duration = Duration::from_secs(5);
const CONSOLE_LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Figures that take longer keep nobody waiting. Those of three services are read before the first are old.
const FIGURES_PATIENCE: Duration = Duration::from_secs(3);
const TCP_PATIENCE: Duration = Duration::from_secs(3);
const TCP_PAUSE: Duration = Duration::from_secs(3);

/// Reads the next list of a catalogue that this node needs.
pub(super) async fn catalogue(
    node: &TestNode,
    look: &Look,
    handle: &Handle,
    session: &Session,
) -> Result<(), Error> {
    let Some(machine) = &look.machine else { return Ok(()) };
    let wanted = List::wanted(&machine.spec, &node.spec);
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
    session: &Session,
) -> Result<(), Error> {
    let _reading = handle.figures.lock().await;
    let Some(ours) = ctx.gate.count(&handle.name, kind) else { return Ok(()) };
    let quotas = match timeout(FIGURES_PATIENCE, quotas(kind, session)).await {
        Ok(Ok(quotas)) => Some(quotas),
        Ok(Err(error)) if matches!(error.class(), Class::Busy) => return Err(error.into()),
        Ok(Err(error)) => {
            warn!(cloud = handle.name, %error, "quota not read");
            None
        }
        Err(_) => {
            warn!(cloud = handle.name, quota = kind.word(), "quota not read in time");
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
    let attempt = look.seen.memory.last().map_or(0, |attempt| attempt.number);
    let owner = Owner { uid: uid.to_owned(), attempt };
    Ok(handle.confirm(session, kind, id, &owner).await?)
}

/// What claims a volume for a server that does not exist.
pub(super) async fn reservations(
    ctx: &Context,
    uid: &str,
    volume: &str,
    handle: &Handle,
    session: &Session,
) -> Result<(), Error> {
    let loose = handle.loose_attachments(session, volume).await?;
    if loose.is_empty() {
        return Err(Error::Unready(format!(
            "volume {volume} is not free, and Cinder shows no server that is gone and had it"
        )));
    }
    ctx.note(uid, |notes| {
        notes.reservations.insert(volume.to_owned(), loose.into_iter().map(|id| id.0).collect())
    });
    Ok(())
}

/// Reads the console. The first complete block of host keys that the server ever showed counts.
pub(super) async fn console(ctx: &Context, uid: &str, server: &str, session: &Session) -> Result<(), Error> {
    let id = ServerId(server.to_owned());
    let asked = timeout(CONSOLE_PATIENCE, session.compute().console(&id, CONSOLE_LINES)).await;
    let text = match asked {
        Ok(text) => text.map_err(Error::from),
        Err(_) => Err(Error::Unready(format!("no console within {} s", CONSOLE_PATIENCE.as_secs()))),
    };
    ctx.note(uid, |notes| {
        let console = &mut notes.console;
        if console.server != server {
            *console = crate::reconcile::context::ConsoleNotes {
                server: server.to_owned(),
                pause: CONSOLE_FIRST_PAUSE,
                ..Default::default()
            };
        }
        console.next = Some(Instant::now() + console.pause);
        console.pause = (console.pause * 3 / 2).min(CONSOLE_LONGEST_PAUSE);
        if let Ok(text) = &text {
            let mut reading = Console::read(text, None);
            if let Some(before) = console.reading.take().filter(|before| !before.host_keys.is_empty()) {
                reading.host_keys = before.host_keys;
            }
            console.tail = Some(Console::tail(text, TAIL));
            console.reading = Some(reading);
        }
    });
    text.map(drop)
}

/// Whether a port answers. That it does not is no failure.
pub(super) async fn tcp(ctx: &Context, uid: &str, address: IpAddr, port: i32) -> Result<(), Error> {
    let target = SocketAddr::new(address, u16::try_from(port).unwrap_or(22));
    let open = tcp::open(&ctx.seams.dial, target, TCP_PATIENCE).await.is_ok();
    ctx.note(uid, |notes| {
        if open {
            notes.open_ports.insert(port);
            notes.tcp_next = None;
        } else {
            notes.tcp_next = Some(Instant::now() + TCP_PAUSE);
        }
    });
    Ok(())
}
