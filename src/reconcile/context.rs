//! What every turn shares: clients, clouds, and what this process noted of each node. Notes are never needed for
//! safety: a new process begins without them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::events::Recorder;
use kube::runtime::reflector::{ObjectRef, Store};
use secrecy::SecretSlice;
use tokio::time::Instant;

use super::backoff::backoff;
use super::error::Error;
use super::state::{Problem, Trouble};
use super::waker::Waker;
use crate::api::testnode::UserDataRef;
use crate::api::{MachineType, TestNode};
use crate::clouds::Clouds;
use crate::dns::exchange::Exchange;
use crate::gate::Gate;
use crate::guest::console::Reading;
use crate::guest::tcp::Dial;
use crate::metrics::Metrics;
use crate::openstack::Transport;
use crate::openstack::transport::{Failure, TlsOptions};
use crate::told::Told;

/// A change that was undone is made again no sooner.
const AGAIN: Duration = Duration::from_secs(1);

/// A name server is not asked again sooner after a failure.
const DNS_PAUSE: Duration = Duration::from_secs(5);

/// So late the watch brings the end of an object at most.
const GONE_BY: Duration = Duration::from_mins(1);

/// Everything a turn needs.
pub struct Context {
    /// The API server.
    pub client: kube::Client,
    /// The clouds.
    pub clouds: Clouds,
    /// Who uses what.
    pub gate: Arc<Gate>,
    /// Counters.
    pub metrics: Metrics,
    /// How the world is reached.
    pub seams: Seams,
    /// Writes events.
    pub recorder: Recorder,
    /// The machine types.
    pub machine_types: Store<MachineType>,
    /// Where Secrets are.
    pub namespace: String,
    /// When this process took the lease: requests of earlier ones are unknown since then.
    pub started: Instant,
    /// How often a node at rest is looked at.
    pub resync: Duration,
    /// Wakes nodes.
    pub waker: Arc<Waker>,
    /// The statuses that were written last.
    pub told: Told,
    /// Notes by UID.
    pub notes: Mutex<HashMap<String, Notes>>,
}

/// Makes the way to an HTTP service.
pub type MakeTransport = Arc<dyn Fn(&TlsOptions) -> Result<Transport, Failure> + Send + Sync>;

/// The ways out of the process; tests put others in.
#[derive(Clone)]
pub struct Seams {
    /// Makes the way to an OpenStack cloud or to nsupdate-web.
    pub http: MakeTransport,
    /// The way to name servers.
    pub dns: Exchange,
    /// The way to guests.
    pub dial: Dial,
    /// The time.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
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
    /// Requests that failed, and when their streak began.
    pub troubles: Vec<Trouble>,
    /// What the authority last said.
    pub found: Option<(Instant, BTreeSet<IpAddr>)>,
    /// What was last sent for the name: when, what, and whether it was `no-change`.
    pub sent: Option<(Instant, IpAddr, bool)>,
    /// The console.
    pub console: ConsoleNotes,
    /// TCP ports that answered, and when to try the others.
    pub open_ports: BTreeSet<i32>,
    /// See `open_ports`.
    pub tcp_next: Option<Instant>,
    /// By volume: attachments whose server does not exist.
    pub reservations: BTreeMap<String, Vec<String>>,
    /// By server: since when it is known to be ACTIVE.
    pub active_since: BTreeMap<String, Instant>,
    /// Clouds for which the wish to abandon them was answered: `true` if it was honoured.
    pub abandon: BTreeMap<String, bool>,
    /// Servers that were deleted for good.
    pub forced: BTreeSet<String>,
    /// User data that stands in an object of its own.
    pub user_data: Option<UserDataNotes>,
    /// What was changed last, and when.
    pub done: Option<(String, Instant)>,
    /// It waits for a place or a name.
    pub queued: bool,
    /// What it does or waits for, and since when.
    pub step: Option<(&'static str, Instant)>,
    /// When that was last told.
    pub told: Option<Instant>,
    /// When its last finalizer was removed.
    pub over: Option<Instant>,
}

/// What was found where user data is to be.
#[derive(Debug)]
pub struct UserDataNotes {
    /// Where that is.
    pub place: UserDataRef,
    /// When it was read.
    pub at: Instant,
    /// What was there, or why nothing.
    pub found: Result<Arc<SecretSlice<u8>>, Problem>,
}

/// What was read on a console.
#[derive(Debug, Default)]
pub struct ConsoleNotes {
    /// The server it is of.
    pub server: String,
    /// What it says.
    pub reading: Option<Reading>,
    /// Its last lines.
    pub tail: Option<String>,
    /// When to read it again.
    pub next: Option<Instant>,
    /// The pause before the next reading.
    pub pause: Duration,
}

impl Context {
    /// The notes of all nodes, for a short while.
    pub fn notes(&self) -> MutexGuard<'_, HashMap<String, Notes>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Alters the notes of a node.
    pub fn note<R>(&self, uid: &str, alter: impl FnOnce(&mut Notes) -> R) -> R {
        alter(self.notes().entry(uid.to_owned()).or_default())
    }

    /// How long a node whose last finalizer was removed is not looked at: the watch may still show it as it was. One
    /// that is there after that was brought back.
    #[must_use]
    pub fn over_for(&self, node: &TestNode) -> Option<Duration> {
        let removed = self.notes().get(&node.uid().unwrap_or_default())?.over?;
        (removed + GONE_BY).checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// The newer of the watch's object and the one that our last write left.
    #[must_use]
    pub fn newest(&self, node: &Arc<TestNode>) -> Arc<TestNode> {
        let uid = node.uid().unwrap_or_default();
        self.waker.learn(&uid, ObjectRef::from_obj(&**node));
        self.note(&uid, |notes| match &notes.written {
            Some(written) if version(written) > version(node) => written.clone(),
            Some(_) | None => {
                notes.written = None;
                node.clone()
            }
        })
    }

    /// How long a change waits that was the last one made: somebody undoes what we do, and we are not to race with them.
    #[must_use]
    pub fn is_undone(&self, uid: &str, key: &str) -> Option<Duration> {
        let (_, at) = self.notes().get(uid)?.done.clone().filter(|(done, _)| done == key)?;
        (at + AGAIN).checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// A request failed; it is not sent again before its time.
    pub fn trouble(&self, uid: &str, key: String, creating: bool, error: &Error) -> Trouble {
        let now = (self.seams.clock)();
        self.note(uid, |notes| {
            let before = notes.troubles.iter().position(|trouble| trouble.key == key);
            let before = before.map(|index| notes.troubles.swap_remove(index));
            let since = before.as_ref().map_or(now, |before| before.since);
            let failing_for = Duration::try_from(now.duration_since(since)).unwrap_or_default();
            let least = if matches!(error, Error::Dns(_)) { DNS_PAUSE } else { Duration::ZERO };
            let pause = backoff(failing_for).max(least).max(error.retry_after().unwrap_or_default());
            let trouble = Trouble {
                key,
                creating,
                verdict: error.verdict(),
                reason: error.reason(),
                message: error.to_string(),
                since,
                failures: before.map_or(0, |before| before.failures) + 1,
                retry_at: now.checked_add(pause).unwrap_or(now),
            };
            notes.troubles.push(trouble.clone());
            trouble
        })
    }

    /// A request succeeded: its streak of failures is over.
    pub fn well(&self, uid: &str, key: &str) {
        self.note(uid, |notes| notes.troubles.retain(|trouble| trouble.key != key));
    }

    /// Something was let go of: whoever waits for a place or a name looks again.
    pub fn wake_queue(&self) {
        let notes = self.notes();
        let queued: Vec<String> =
            notes.iter().filter(|(_, n)| n.queued).map(|(uid, _)| uid.clone()).collect();
        drop(notes);
        for uid in &queued {
            self.waker.wake(uid);
        }
    }

    /// Forgets every node that is no more, in case nobody told.
    pub fn forget_all_but(&self, living: &BTreeSet<String>) {
        let gone: Vec<String> = self.notes().keys().filter(|uid| !living.contains(*uid)).cloned().collect();
        for uid in &gone {
            self.forget(uid);
        }
    }

    /// The object is gone; so is everything noted of it.
    pub fn forget(&self, uid: &str) {
        self.notes().remove(uid);
        self.told.forget(uid);
        self.waker.forget(uid);
        for cloud in self.clouds.all() {
            cloud.inventory.lock().forget(uid);
        }
        let (let_go, left) = (self.gate.set(uid, None), self.gate.leave(uid));
        if let_go || left {
            self.wake_queue();
        }
    }
}

/// Orders two states of one object: etcd counts up.
fn version(node: &TestNode) -> u64 {
    node.resource_version().and_then(|version| version.parse().ok()).unwrap_or(0)
}
