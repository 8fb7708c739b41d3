//! Pace: what a node that waits waits for, when it looks again, and when it says something new.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;
use tokio::time::Instant;

use super::context::Context;
use super::look::{in_motion, to_settle};
use super::observe::{self, Look};
use super::plan::{Step, Waiting, console_due_in, queues_at};
use super::state::{Problem, Resolution};
use super::status::Outcome;
use crate::api::TestNode;
use crate::gate::Amounts;
use crate::reason::Reason;

/// A step that takes less than this is not worth a write, nor an event.
pub(super) const SHORT: Duration = Duration::from_secs(4);

/// Where one step follows another, each that lasts longer than this is told, and what was told last is never older than
/// [`NEWS`]. In a crowd a node takes dozens of short steps, and a write for each would cost more than the machine.
const LATE: Duration = Duration::from_secs(6);

/// A request that must wait longer for its turn says so.
pub(super) const WORTH_TELLING: Duration = Duration::from_secs(3);

/// News of one step is written at most this often, and less and less often the longer it lasts.
const NEWS: Duration = Duration::from_secs(20);

/// A node that waits looks at least this often, even if nothing wakes it.
const WAITING: Duration = Duration::from_secs(15);

/// Nodes that wait for room are served oldest first, and called when it is their turn. Nodes that wait for a name, a port or
/// a volume that another node has are called when it is released.
pub(super) fn queue(step: &Step, node: &TestNode, look: &Look, ctx: &Context) {
    let uid = node.uid().unwrap_or_default();
    let reason = if let Step::Wait(waiting) = step { Some(waiting.reason) } else { None };
    let for_room = matches!(reason, Some(Reason::Queued | Reason::QuotaExceeded));
    let is_prepared = reason == Some(Reason::Prepared);
    if let Some(open) = look.seen.memory.open() {
        ctx.gate.awaits_server(&observe::age(node), &open.cloud, is_prepared);
    }
    let awaited = match reason {
        Some(Reason::NameConflict) => held_names(look),
        Some(Reason::PortInUse | Reason::VolumeInUse) => existing(look),
        Some(_) | None => BTreeSet::new(),
    };
    let before = ctx.note(&uid, |notes| std::mem::replace(&mut notes.awaits, awaited.clone()));
    if before != awaited {
        ctx.gate.wait_for_one(&uid, &before, &awaited);
    }
    // Called when it may go on.
    let mut queued = is_prepared;
    if for_room {
        let wishes: BTreeMap<_, _> = queues_at(&look.desired, &look.seen)
            .into_iter()
            .map(|(cloud, resolved, told)| (cloud, (Amounts::of_machine(resolved), told)))
            .collect();
        // Where a cloud is away, say, nobody calls it when that is over.
        let everywhere = wishes.len() == look.seen.offers.len();
        let leads = ctx.gate.wait(&observe::age(node), wishes);
        queued = everywhere && !leads;
    } else if ctx.gate.leave(&uid) {
        ctx.wake_queue();
    }
    ctx.note(&uid, |notes| notes.queued = queued);
}

/// Names that this node would have, and that others hold.
fn held_names(look: &Look) -> BTreeSet<String> {
    let held = look.seen.offers.iter().filter(|offer| offer.holder.is_some());
    held.filter_map(|offer| offer.fqdn.clone()).collect()
}

/// Ids of ports and volumes that exist and that this node would use, where one of them cannot be had.
fn existing(look: &Look) -> BTreeSet<String> {
    let taken = look.seen.offers.iter().filter(|offer| offer.taken.is_some());
    let resolved = taken.filter_map(|offer| match &offer.resolution {
        Resolution::Can(resolved) => Some(resolved),
        Resolution::Unread | Resolution::Cannot(_) => None,
    });
    resolved.flat_map(|resolved| resolved.existing().cloned()).collect()
}

/// When a node that waits, and has just told so, looks again: one that is called when it is its turn, only to tell its new
/// place.
pub(super) fn until_news(uid: &str, ctx: &Context) -> Duration {
    ctx.note(uid, |notes| match (notes.step, notes.told) {
        (Some((_, since)), Some(told)) if notes.queued => {
            let due = told + NEWS.max(3 * told.saturating_duration_since(since));
            due.saturating_duration_since(Instant::now()).max(WAITING)
        }
        _ => WAITING,
    })
}

/// When to look again if nothing wakes the node before.
pub(super) fn next(step: &Step, uid: &str, look: &Look, ctx: &Context, at_most: Duration) -> Action {
    let pause = match step {
        Step::Wait(_) if ctx.note(uid, |notes| notes.queued) => at_most.min(ctx.resync),
        Step::Wait(Waiting { until: Some(until), .. }) => {
            let pause = Duration::try_from(until.duration_since(look.seen.now)).unwrap_or_default();
            pause.clamp(Duration::from_millis(100), at_most.max(Duration::from_millis(100)))
        }
        Step::Wait(waiting) if matches!(waiting.reason, Reason::Booting | Reason::HostKeyDiffers) => {
            guest_pause(uid, ctx).min(at_most)
        }
        Step::Wait(_) => at_most,
        Step::Do(_) | Step::Ask(_) | Step::Rest => ctx.resync,
    };
    let (expiry, now) = (look.desired.expiry.as_ref(), look.seen.now);
    let held =
        look.desired.held(now).and_then(|hold| Duration::try_from(hold.until.duration_since(now)).ok());
    let console = console_due_in(&look.desired, &look.seen).filter(|due| !due.is_zero());
    let due = [
        expiry.and_then(|expiry| expiry.left(now)),
        expiry.and_then(|expiry| expiry.unwarned(now)),
        held,
        console,
    ];
    Action::requeue(due.into_iter().flatten().fold(pause, Duration::min))
}

/// How long news of progress that has lasted `so_far` must wait. Success, and what somebody must act on, is written at
/// once; so is the first status of a node.
pub(super) fn told_later(
    outcome: &Outcome,
    so_far: Duration,
    node: &TestNode,
    uid: &str,
    ctx: &Context,
) -> Option<Duration> {
    let Outcome::Progressing(Problem { reason, .. }) = outcome else {
        ctx.note(uid, |notes| notes.step = None);
        return None;
    };
    let queues = matches!(reason, Reason::Queued | Reason::QuotaExceeded);
    let now = Instant::now();
    let first = node.own_status().is_none_or(|status| status.observed_generation.is_none());
    ctx.note(uid, |notes| {
        let since = match notes.step {
            Some((step, since)) if step == *reason => since,
            before => {
                if before.is_none() {
                    // What was told while it rested is not old.
                    notes.told = None;
                }
                let since = now - so_far;
                notes.step = Some((*reason, since));
                since
            }
        };
        let failed = notes.troubles.iter().any(|f| f.trouble.reason == *reason && f.trouble.failures > 0);
        let due = match notes.told {
            None => since + SHORT,
            Some(told) if told <= since && failed => since + SHORT,
            // Something else was told last.
            Some(told) if told <= since => (since + LATE).min(told + NEWS),
            // A place in a queue is soon another, above all in the first seconds. It is told with the time at which it held.
            Some(told) if queues => told + NEWS.max(3 * (told - since)),
            Some(told) => told + NEWS.max(told - since),
        };
        (due > now && !first).then(|| due - now)
    })
}

/// When the console, or a port, is next due.
fn guest_pause(uid: &str, ctx: &Context) -> Duration {
    let now = Instant::now();
    ctx.note(uid, |notes| {
        let due =
            notes.guests.values().flat_map(|guest| [guest.console.next, guest.tcp_next, guest.ssh.next]);
        let next = due.flatten().filter(|next| *next > now).min();
        next.map_or(Duration::from_secs(1), |next| next - now)
    })
}

/// Tells the pollers what this node waits for. At rest that is only what is being deleted, or is in doubt.
pub(super) fn look_out(step: &Step, uid: &str, look: &Look, ctx: &Context) {
    if let Step::Wait(waiting) = step {
        for (cloud, kind) in &waiting.looks {
            let Some(handle) = ctx.clouds.find(cloud) else { continue };
            if waiting.settling {
                handle.inventory.want_settled(uid, *kind, Some(ctx.started));
            } else {
                handle.inventory.want_news(uid, *kind);
            }
        }
    }
    if let Some((cloud, kind)) = to_settle(&look.seen)
        && let Some(handle) = ctx.clouds.find(&cloud)
    {
        handle.inventory.want_settled(uid, kind, Some(ctx.started));
    }
    for (cloud, kind) in in_motion(&look.seen) {
        if let Some(handle) = ctx.clouds.find(&cloud) {
            handle.inventory.want_news(uid, kind);
        }
    }
}
