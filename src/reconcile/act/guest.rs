//! Questions to the guest: its console, by way of Nova, and its ports.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::StatusCode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::time::{Instant, timeout};

use crate::api::mark;
use crate::api::testnode_status::ConsoleFacts;
use crate::guest::console::Console;
use crate::guest::tcp;
use crate::openstack::ids::ServerId;
use crate::openstack::{self, Service, Session};
use crate::reconcile::context::Context;
use crate::reconcile::error::Error;
use crate::reconcile::notes::{ConsoleNotes, ConsoleRefused};
use crate::reconcile::state::BootId;

/// Lines of the console that are asked for: all that Nova keeps, on most clouds.
const CONSOLE_LINES: u32 = 2000;
/// What so many boots before this one printed is told apart from what it prints.
const EARLIER_BOOTS: usize = 16;
/// The end of a console that is kept, in bytes.
const TAIL: usize = 4096;
/// The end of a console that somebody asked to see, in bytes.
const SHOWN: usize = 16 * 1024;
/// A console that takes longer is tried again later.
const CONSOLE_PATIENCE: Duration = Duration::from_secs(5);
const CONSOLE_FIRST_PAUSE: Duration = Duration::from_secs(5);
const CONSOLE_LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// A cloud that gives no console is asked again this often, in case it does one day.
const CONSOLE_REFUSED_PAUSE: Duration = Duration::from_mins(1);
const TCP_PATIENCE: Duration = Duration::from_secs(3);
const TCP_PAUSE: Duration = Duration::from_secs(3);

/// Reads the console. The first complete block of host keys that a boot ever showed counts: later ones can be anybody's
/// in the guest. That Nova refuses to give the console is an answer.
pub(super) async fn console(ctx: &Context, uid: &str, boot: &BootId, session: &Session) -> Result<(), Error> {
    let id = ServerId(boot.server.clone());
    let asked = timeout(CONSOLE_PATIENCE, session.compute().console(&id, CONSOLE_LINES)).await;
    if let Ok(Err(error @ openstack::Error::Throttled { .. })) = asked {
        // It was not asked: it is as due as before.
        return Err(error.into());
    }
    ctx.note(uid, |notes| {
        let console = &mut notes.guests.entry(boot.clone()).or_default().console;
        let pause = console.pause.max(CONSOLE_FIRST_PAUSE);
        console.next = Some(Instant::now() + pause);
        console.pause = (pause * 3 / 2).min(CONSOLE_LONGEST_PAUSE);
        match asked {
            Ok(Ok(text)) => {
                learn(console, &text, uid, boot.number);
                Ok(())
            }
            Ok(Err(error)) => refused(console, error),
            Err(_) => Err(Error::Unready(format!("no console within {} s", CONSOLE_PATIENCE.as_secs()))),
        }
    })
}

/// Reads the console for somebody who asked for a look at it. That Nova refuses to give it is an answer too.
pub(super) async fn show_console(
    ctx: &Context,
    uid: &str,
    server: &str,
    request: &str,
    session: &Session,
) -> Result<(), Error> {
    let id = ServerId(server.to_owned());
    let asked = timeout(CONSOLE_PATIENCE, session.compute().console(&id, CONSOLE_LINES)).await;
    let (text, problem) = match asked {
        Ok(Ok(text)) => (Console::tail(&text, SHOWN), None),
        Ok(Err(error @ openstack::Error::Throttled { .. })) => return Err(error.into()),
        Ok(Err(error)) => (String::new(), Some(error.to_string())),
        Err(_) => {
            (String::new(), Some(format!("Nova gave no console within {} s", CONSOLE_PATIENCE.as_secs())))
        }
    };
    let at = Time((ctx.seams.clock)());
    let answer = ConsoleFacts { request: request.to_owned(), at, text, problem };
    ctx.note(uid, |notes| notes.console = Some(answer));
    Ok(())
}

fn learn(console: &mut ConsoleNotes, text: &str, uid: &str, boot: i64) {
    // So many rebuilds back no console reaches.
    let earlier: Vec<String> =
        (1..boot).rev().take(EARLIER_BOOTS).map(|earlier| mark::boot(uid, earlier)).collect();
    let marker = mark::boot(uid, boot);
    let text = Console::of_boot(text, &earlier, &marker);
    let mut reading = Console::read(text, Some(&marker));
    if let Some(before) = console.reading.take().filter(|before| !before.host_keys.is_empty()) {
        reading.host_keys = before.host_keys;
    }
    console.tail = Some(Console::tail(text, TAIL));
    console.reading = Some(reading);
    console.refused = None;
}

/// Notes a refusal that another try would meet again. Anything else is trouble that passes.
fn refused(console: &mut ConsoleNotes, error: openstack::Error) -> Result<(), Error> {
    let openstack::Error::Refused { service: Service::Compute, status, .. } = &error else {
        return Err(error.into());
    };
    let for_good = match *status {
        // No such action, forbidden by the cloud's policy, not in this Nova or not with its hypervisor.
        StatusCode::BAD_REQUEST
        | StatusCode::FORBIDDEN
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::GONE
        | StatusCode::NOT_IMPLEMENTED => true,
        // A server that has just begun has none yet.
        StatusCode::NOT_FOUND | StatusCode::CONFLICT => false,
        _ => return Err(error.into()),
    };
    let now = Instant::now();
    let first = console.refused.take().unwrap_or_else(|| ConsoleRefused {
        words: error.to_string(),
        since: now,
        for_good,
    });
    if for_good {
        console.next = Some(now + CONSOLE_REFUSED_PAUSE);
    }
    console.refused = Some(ConsoleRefused { for_good: first.for_good || for_good, ..first });
    Ok(())
}

/// Whether a port answers. That it does not is no failure.
pub(super) async fn tcp(
    ctx: &Context,
    uid: &str,
    boot: &BootId,
    address: IpAddr,
    port: i32,
) -> Result<(), Error> {
    let target = SocketAddr::new(address, u16::try_from(port).unwrap_or(22));
    let open = tcp::open(&ctx.seams.dial, target, TCP_PATIENCE).await.is_ok();
    ctx.note(uid, |notes| {
        let guest = notes.guests.entry(boot.clone()).or_default();
        if open {
            guest.open_ports.insert(port);
            guest.tcp_next = None;
        } else {
            guest.tcp_next = Some(Instant::now() + TCP_PAUSE);
        }
    });
    Ok(())
}
