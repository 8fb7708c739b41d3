//! What the guest showed of itself, in the boot that runs now.

use std::net::IpAddr;
use std::time::Duration;

use super::Known;
use crate::api::testnode_status::KeySource;
use crate::clock::Steady;
use crate::guest::host_keys::known_hosts;
use crate::reconcile::notes::ConsoleRefused;
use crate::reconcile::plan::{is_blocked, target_address};
use crate::reconcile::state::{GuestView, Observed};

/// A server that has just begun may have no console yet. After this long, one that is refused will not come.
const NO_CONSOLE_AFTER: Duration = Duration::from_mins(1);

/// What is said of how far cloud-init is, where what machines print must not be shown.
const HIDDEN: &str =
    "cloud-init is at work; its words are not shown, as the MachineType has consoleAccess: Forbidden";

/// Reads what was noted of the boot that runs now.
pub(super) fn view(known: &Known<'_>, seen: &Observed) -> GuestView {
    let Some(server) = seen.machine().and_then(|machine| machine.server) else { return GuestView::default() };
    let boot = server.boot();
    let Some(guest) = known.notes.guests.get(&boot) else {
        return GuestView {
            boot: Some(boot),
            console_due: true,
            tcp_due: true,
            ssh_due: true,
            ..GuestView::default()
        };
    };
    let now = known.now.steady;
    let due = |next: Option<Steady>| next.is_none_or(|next| next <= now);
    let hidden = known.desired.console_forbidden.is_some();
    let reading = guest.console.reading.clone().unwrap_or_default();
    let dns = seen.memory.dns.as_ref().map(|dns| dns.name.as_str());
    let addresses: Vec<IpAddr> = target_address(seen).into_iter().collect();
    // What the console shows counts for more than what was seen in the network, also when it comes later.
    let shown = &reading.host_keys;
    let passed = guest.ssh.passed.iter().filter(|(_, key)| shown.is_empty() || shown.contains(key));
    let first_seen = || guest.ssh.passed.iter().take(1).map(|(_, key)| key.clone()).collect();
    let (host_keys, host_keys_from) = if shown.is_empty() {
        (first_seen(), KeySource::FirstSeen)
    } else {
        (shown.clone(), KeySource::Console)
    };
    GuestView {
        boot: Some(boot),
        console_due: due(guest.console.next),
        no_console: guest.console.refused.as_ref().and_then(|refused| for_good(refused, now)),
        finished: reading.finished.is_some(),
        no_cloud_init: reading.no_cloud_init,
        no_datasource: reading.no_datasource,
        stage: reading.stage.map(|stage| if hidden { HIDDEN.to_owned() } else { stage }),
        failures: if hidden { Vec::new() } else { reading.failures },
        host_keys: known_hosts(dns, &addresses, &host_keys),
        host_keys_from,
        tail: guest.console.tail.clone(),
        open_ports: guest.open_ports.clone(),
        tcp_due: due(guest.tcp_next),
        ssh_passed: passed.map(|(check, _)| check.clone()).collect(),
        ssh_due: due(guest.ssh.next),
        ssh_trouble: guest.ssh.trouble.clone(),
    }
}

fn for_good(refused: &ConsoleRefused, now: Steady) -> Option<String> {
    let lasted = now.duration_since(refused.since) >= NO_CONSOLE_AFTER;
    (refused.for_good || lasted).then(|| refused.words.clone())
}

/// No time passes for the boot while a check is blocked: another machine would do no better, and what is edited then gets
/// the whole time.
pub(super) fn stand_still(known: &Known<'_>, seen: &mut Observed) {
    let now = known.now.steady;
    let noted = || known.notes.guests.get(seen.guest.boot.as_ref()?)?.blocked_at;
    let blocked_at = if is_blocked(known.desired, seen) { Some(now) } else { noted() };
    let cloud = seen.memory.current().map(|attempt| attempt.cloud.clone());
    let view = cloud.and_then(|cloud| seen.clouds.get_mut(&cloud));
    if let (Some(view), Some(blocked_at)) = (view, blocked_at) {
        view.booting_for = view.booting_for.min(now.saturating_duration_since(blocked_at));
    }
}
