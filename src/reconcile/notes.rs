//! What this process noted of each node. Notes are never needed for safety: a new process begins without them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use secrecy::SecretSlice;
use tokio::time::Instant;

use super::plan::{Step, is_blocked};
use super::state::{BootId, Desired, Observed, Problem, RequestKey, ServerState, SshTrouble, Trouble};
use crate::api::TestNode;
use crate::api::common::ReadinessCheck;
use crate::api::testnode::UserDataRef;
use crate::api::testnode_status::ConsoleFacts;
use crate::clock::Now;
use crate::dns::record::Record;
use crate::guest::console::Reading;
use crate::reason::Reason;
use crate::ssh_key::PublicKey;

/// A change that was made.
#[derive(Clone, Debug)]
pub struct Done {
    /// Which.
    pub key: RequestKey,
    /// When.
    pub at: Instant,
    /// Since when it was made again and again, with nothing else between.
    pub since: Instant,
}

/// A change that somebody undoes.
#[derive(Clone, Copy, Debug)]
pub struct Undone {
    /// How long it waits until it is made again.
    pub pause: Duration,
    /// How long that goes on.
    pub lasts: Duration,
}

/// What this process noted of a node.
#[derive(Debug, Default)]
pub struct Notes {
    /// The object as our last write left it, until the watch is past it.
    pub written: Option<Arc<TestNode>>,
    /// Clouds whose first finalizer this process added.
    pub born: BTreeSet<String>,
    /// Attempts that this process opened.
    pub opened: BTreeSet<i64>,
    /// What the status remembers by the wall clock, by the steady one: from the first look on, whatever the wall clock does
    /// later.
    pub steady: BTreeMap<Timestamp, Instant>,
    /// Requests that failed, or that may not be sent yet; see [`Notes::troubles`].
    pub troubles: Vec<Failed>,
    /// What the authority last said of the name, and when.
    pub found: Option<(Instant, Record)>,
    /// The last request about the name that was answered.
    pub sent: Option<SentName>,
    /// When the last request to publish the name was given up that nobody answered.
    pub unanswered: Option<Instant>,
    /// By boot of a server: what it showed.
    pub guests: BTreeMap<BootId, GuestNotes>,
    /// By volume: attachments whose server does not exist.
    pub reservations: BTreeMap<String, Vec<String>>,
    /// Clouds for which the wish to abandon them was answered: `true` if it was honoured.
    pub abandon: BTreeMap<String, bool>,
    /// Servers that were deleted for good.
    pub forced: BTreeSet<String>,
    /// User data that stands in an object of its own.
    pub user_data: Option<UserDataNotes>,
    /// What the API server said of what the node is kept for.
    pub keeper: Option<KeeperNotes>,
    /// The console as it was read for somebody, until that is written.
    pub console: Option<ConsoleFacts>,
    /// What was changed last.
    pub done: Option<Done>,
    /// It waits only for room, and others look for it: until it is called, nothing it does helps.
    pub queued: bool,
    /// Since when its launch stands still, as it waits for its turn to have its server made.
    stands_since: Option<Instant>,
    /// For how long it stood still before.
    stood: Duration,
    /// Names, ports and volumes that other nodes have, and for one of which it waits.
    pub awaits: BTreeSet<String>,
    /// What it does or waits for, and since when.
    pub step: Option<(Reason, Instant)>,
    /// When that was last told.
    pub told: Option<Instant>,
    /// The end that people were warned of.
    pub warned: Option<Timestamp>,
    /// When its last finalizer was removed.
    pub over: Option<Instant>,
    /// A request of it that is in flight.
    pub in_flight: Option<InFlight>,
    /// When it is to look again after its last request, unless something happens before.
    pub again: Option<Again>,
}

/// A request that failed. How long that lasts is measured on the monotonic clock; the times in the trouble itself are
/// not to be read.
#[derive(Debug)]
pub struct Failed {
    /// What failed.
    pub trouble: Trouble,
    /// When its streak of failures began.
    pub since: Instant,
    /// When it may be sent again.
    pub retry_at: Instant,
}

/// A request that is in flight.
#[derive(Debug)]
pub struct InFlight {
    /// Since when.
    pub since: Instant,
    /// What is said of it while it is not answered; nothing if it goes to the API server, to which that would be said.
    pub told: Option<Problem>,
}

/// When a node is to look again after a request.
#[derive(Debug)]
pub struct Again {
    /// Not before this.
    pub at: Instant,
    /// The object as the request was planned from; a newer one is looked at immediately.
    pub version: Option<String>,
}

/// A request about a name that was answered.
#[derive(Clone, Copy, Debug)]
pub struct SentName {
    /// When it was answered.
    pub at: Instant,
    /// The address that the name was published at; none if it was withdrawn.
    pub address: Option<IpAddr>,
    /// The zone has it.
    pub proved: bool,
}

/// What was found where user data is to be.
#[derive(Debug)]
pub struct UserDataNotes {
    /// Where that is.
    pub place: UserDataRef,
    /// When it was read.
    pub at: Instant,
    /// What was there, while a server is made with it, or why it cannot be used.
    pub found: Result<Option<Arc<SecretSlice<u8>>>, Problem>,
}

/// What the API server said of what a node is kept for.
#[derive(Clone, Debug)]
pub struct KeeperNotes {
    /// The UID of that.
    pub uid: String,
    /// It is gone; a UID never comes back.
    pub gone: bool,
    /// When it was asked.
    pub at: Instant,
}

/// What one boot of a server showed.
#[derive(Debug, Default)]
pub struct GuestNotes {
    /// Since when the server is known to be ACTIVE.
    pub active_since: Option<Instant>,
    /// When a readiness check was last seen that cannot pass until somebody edits something.
    pub blocked_at: Option<Instant>,
    /// The console.
    pub console: ConsoleNotes,
    /// TCP ports that answered.
    pub open_ports: BTreeSet<i32>,
    /// When to try the other ports again.
    pub tcp_next: Option<Instant>,
    /// sshd.
    pub ssh: SshNotes,
}

/// What was seen of a guest's sshd.
#[derive(Debug, Default)]
pub struct SshNotes {
    /// Checks that passed, each with the host key that was shown.
    pub passed: Vec<(ReadinessCheck, PublicKey)>,
    /// Why the last try did not pass.
    pub trouble: Option<SshTrouble>,
    /// When to try again.
    pub next: Option<Instant>,
}

/// What was read on a console.
#[derive(Debug, Default)]
pub struct ConsoleNotes {
    /// What it says.
    pub reading: Option<Reading>,
    /// Its last lines.
    pub tail: Option<String>,
    /// Nova refuses to give it.
    pub refused: Option<ConsoleRefused>,
    /// When to read it again.
    pub next: Option<Instant>,
    /// The pause before the next reading.
    pub pause: Duration,
}

/// Nova's refusal to give a console.
#[derive(Clone, Debug)]
pub struct ConsoleRefused {
    /// What Nova said at first.
    pub words: String,
    /// When it did.
    pub since: Instant,
    /// It says so of the whole cloud: waiting does not help.
    pub for_good: bool,
}

impl Notes {
    /// An attempt is opened: what befell an earlier one says nothing of it.
    pub fn opens(&mut self, attempt: i64) {
        self.opened.insert(attempt);
        self.troubles.clear();
        (self.stands_since, self.stood) = (None, Duration::ZERO);
    }

    /// What was planned. The launch stands still while the node waits for its turn to have its server made.
    pub fn planned(&mut self, step: &Step, now: Instant) {
        if matches!(step, Step::Wait(waiting) if waiting.reason == Reason::Prepared) {
            self.stands_since.get_or_insert(now);
        } else if let Some(since) = self.stands_since.take() {
            self.stood += now.saturating_duration_since(since);
        }
    }

    /// For how long the launch has stood still.
    #[must_use]
    pub fn stood_for(&self, now: Instant) -> Duration {
        let stands = self.stands_since.map(|since| now.saturating_duration_since(since));
        self.stood + stands.unwrap_or_default()
    }

    /// The requests that failed, in the time of the wall clock as it is `now`. That clock may have been set since: what was
    /// measured is told from now on.
    #[must_use]
    pub fn troubles(&self, now: Now) -> Vec<Trouble> {
        let told = |failed: &Failed| {
            let lasted = now.steady.saturating_duration_since(failed.since);
            let left = failed.retry_at.saturating_duration_since(now.steady);
            Trouble {
                since: now.wall.checked_sub(lasted).unwrap_or(now.wall),
                retry_at: now.wall.checked_add(left).unwrap_or(now.wall),
                ..failed.trouble.clone()
            }
        };
        self.troubles.iter().map(told).collect()
    }

    /// When something was that the status remembers; never before this process `started`.
    #[must_use]
    pub fn steady_at(&self, wall: Timestamp, started: Instant, now: Now) -> Instant {
        let noted = self.steady.get(&wall).copied().or_else(|| now.steady_at(wall));
        noted.map_or(started, |at| at.max(started))
    }

    /// Notes what was seen: since when a boot is ACTIVE, and when a check of it was last blocked. Boots of servers that no
    /// longer exist are forgotten.
    pub fn saw(&mut self, desired: &Desired, seen: &Observed, started: Instant, now: Now) {
        let attempts = &seen.memory.attempts;
        let rebuilds = attempts.iter().filter_map(|attempt| attempt.rebuild.as_ref());
        let rebuilds = rebuilds.flat_map(|rebuild| [&rebuild.opened_at, &rebuild.server_active_at]);
        let instants = attempts.iter().flat_map(|attempt| [&attempt.opened_at, &attempt.server_active_at]);
        let instants = instants.chain(rebuilds);
        let noted = |at: &Time| (at.0, self.steady_at(at.0, started, now));
        self.steady = instants.flatten().map(noted).collect();
        let servers = || seen.clouds.values().flat_map(|view| &view.servers);
        self.guests.retain(|boot, _| servers().any(|server| server.boot() == *boot));
        for server in servers().filter(|server| server.state == ServerState::Active) {
            self.guests.entry(server.boot()).or_default().active_since.get_or_insert(now.steady);
        }
        let guest = seen.guest.boot.as_ref().and_then(|boot| self.guests.get_mut(boot));
        if let Some(guest) = guest.filter(|_| is_blocked(desired, seen)) {
            guest.blocked_at = Some(now.steady);
        }
    }
}
