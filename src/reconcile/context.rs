//! What every turn shares: clients, clouds, and the notes of every node.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};
use tokio::sync::watch;
use tokio::time::Instant;

use super::backoff::backoff;
use super::calls::Calls;
use super::error::Error;
use super::fair::{Fair, Permit};
use super::notes::{Done, Failed, Notes, Undone};
use super::state::{Problem, RequestKey, Trouble, Verdict};
use super::waker::Waker;
use crate::api::machine_type::MachineTypeSpec;
use crate::api::{MachineImage, MachineType, TestNode, TestNodeClaim, TestNodePool, TestNodeSlot};
use crate::clock::Now;
use crate::clouds::Clouds;
use crate::dns::exchange::Exchange;
use crate::gate::Gate;
use crate::guest::dial::Dial;
use crate::guest::ssh::PrivateKey;
use crate::kubernetes::events::Events;
use crate::kubernetes::status::StatusWriter;
use crate::metrics::Metrics;
use crate::reason::Reason;
use crate::select::{self, Published};
use crate::transport::{Failure, TlsOptions, Transport};

/// The longest pause before a failed request is sent again, even if the service asks for more.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// A name server is not asked again sooner after a failure.
const DNS_PAUSE: Duration = Duration::from_secs(5);

/// Requests for nodes that the API server gets at once.
pub const API_SERVER_AT_ONCE: usize = 32;

/// Ports of guests that are tried at once. A guest that drops packets holds one for some seconds.
pub const PROBES_AT_ONCE: usize = 1024;

/// Requests for names that one cloud's DNS gets at once.
const DNS_AT_ONCE: usize = 16;

/// The longest time we wait for the watch to report a deletion.
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
    /// Publishes events.
    pub events: Events,
    /// The machine types.
    pub machine_types: Store<MachineType>,
    /// Whether they have been listed.
    pub machine_types_listed: watch::Receiver<bool>,
    /// The images that machine types may name, as their watch last told of them.
    pub machine_images: MachineImages,
    /// The nodes, as the watch last told of them.
    pub nodes: Store<TestNode>,
    /// The pools.
    pub pools: Store<TestNodePool>,
    /// The claims.
    pub claims: Store<TestNodeClaim>,
    /// What people say of the slots of pools.
    pub slots: Store<TestNodeSlot>,
    /// Whether that has been listed.
    pub slots_listed: watch::Receiver<bool>,
    /// Where Secrets are.
    pub namespace: String,
    /// When this process took the lease: requests of earlier ones are unknown since then.
    pub started: Instant,
    /// What the wall clock said then.
    pub started_at: Timestamp,
    /// How often a node at rest is looked at.
    pub resync: Duration,
    /// Wakes nodes.
    pub waker: Arc<Waker>,
    /// Writes statuses.
    pub statuses: StatusWriter,
    /// Runs requests.
    pub calls: Calls,
    /// Who may write to the API server, or read from it, for a node.
    pub api_server: Fair,
    /// Who may try a port of a guest.
    pub probes: Fair,
    /// Keys that readiness checks log in with.
    pub login_keys: LoginKeys,
    /// Who may ask the DNS of each cloud.
    pub dns_lines: Mutex<BTreeMap<String, Arc<Fair>>>,
    /// Notes by UID.
    pub notes: Mutex<HashMap<String, Notes>>,
}

/// The MachineImages.
#[derive(Clone)]
pub struct MachineImages {
    /// They are looked at: the chart's `images.enabled`.
    pub enabled: bool,
    /// All that there are.
    pub store: Store<MachineImage>,
    /// Whether they have been listed.
    pub listed: watch::Receiver<bool>,
}

impl MachineImages {
    /// One of them.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<MachineImage>> {
        self.store.get(&ObjectRef::new(name)).filter(|_| self.enabled)
    }

    /// Why none is found, if it is not known whether there is one.
    fn absent(&self) -> Option<select::Problem> {
        if !self.enabled {
            let message = "MachineImages are not looked at: images.enabled is false in the chart; set it, or give the machine \
                           type another rule for the image";
            return Some(select::Problem::new(Reason::MachineImageNotFound, message));
        }
        let message = "the MachineImages have not been listed yet";
        (!*self.listed.borrow()).then(|| select::Problem::new(Reason::ImageNotReady, message))
    }

    /// What those that a machine type names have in a cloud.
    #[must_use]
    pub fn published(&self, machine: &MachineTypeSpec, cloud: &str) -> Published {
        Published::of(machine, cloud, |name| self.find(name), self.absent().as_ref())
    }

    /// Whether a node's machine is of a version that nobody may have any more.
    #[must_use]
    pub fn rejects(&self, node: &TestNode) -> bool {
        let resolved = node.own_status().and_then(|status| status.resolved.as_ref());
        let image = resolved.map(|resolved| &resolved.image);
        let version = image.and_then(|image| image.machine_image.as_deref().zip(image.digest.as_deref()));
        version.is_some_and(|(name, digest)| self.find(name).is_some_and(|image| image.spec.rejects(digest)))
    }

    /// The ids of all images that those that a machine type names keep.
    #[must_use]
    pub fn kept_ids(&self, machine: &MachineTypeSpec) -> BTreeSet<String> {
        select::kept_ids(machine, |name| self.find(name))
    }
}

/// What was found in a Secret of ours, and when; kept for some seconds, as many nodes of a type read the same one.
pub type LoginKeys = tokio::sync::Mutex<BTreeMap<String, (Instant, Result<Arc<PrivateKey>, Problem>)>>;

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

/// Whether a node may be looked at now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Readiness {
    /// It may.
    Ready,
    /// A request of it is in flight, for so long, and this may be said of it. The node is woken when it has ended.
    InFlight(Duration, Option<Problem>),
    /// Its last request said so.
    Later(Duration),
}

impl Context {
    /// The notes of all nodes, for a short while.
    pub fn notes(&self) -> MutexGuard<'_, HashMap<String, Notes>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What both clocks say.
    #[must_use]
    pub fn now(&self) -> Now {
        Now { wall: (self.seams.clock)(), steady: Instant::now() }
    }

    /// What the wall clock would say if nobody had set it since the start. Between two of these lies what has passed.
    #[must_use]
    pub fn unset_clock(&self) -> Timestamp {
        self.started_at.checked_add(self.started.elapsed()).unwrap_or(self.started_at)
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
            Some(written) if version(&**written) > version(&**node) => written.clone(),
            Some(_) | None => {
                notes.written = None;
                node.clone()
            }
        })
    }

    /// Whether the node may be looked at now. A pause after a request holds for the turn that the request itself woke;
    /// whatever else wakes the node, or writes the object, may have changed what there is to do.
    #[must_use]
    pub fn readiness(&self, node: &TestNode) -> Readiness {
        self.note(&node.uid().unwrap_or_default(), |notes| {
            if let Some(request) = &notes.in_flight {
                return Readiness::InFlight(request.since.elapsed(), request.told.clone());
            }
            let Some(again) = notes.again.take() else { return Readiness::Ready };
            let pause = again.at.saturating_duration_since(Instant::now());
            if pause.is_zero() || again.version != node.resource_version() {
                Readiness::Ready
            } else {
                Readiness::Later(pause)
            }
        })
    }

    /// The right to ask name servers and nsupdate-web for a cloud.
    pub async fn may_ask_dns(&self, cloud: &str, namespace: &str) -> Permit {
        let line = {
            let mut lines = self.dns_lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.entry(cloud.to_owned()).or_insert_with(|| Arc::new(Fair::new(DNS_AT_ONCE))).clone()
        };
        line.take(namespace).await
    }

    /// A change that was the last one made is to be made again: somebody undoes what we do, and we are not to race with
    /// them. The longer that goes on the longer it waits.
    #[must_use]
    pub fn is_undone(&self, uid: &str, key: &RequestKey) -> Option<Undone> {
        let done = self.notes().get(uid)?.done.clone().filter(|done| done.key == *key)?;
        let lasts = done.at - done.since;
        let pause = (done.at + backoff(lasts)).checked_duration_since(Instant::now())?;
        (!pause.is_zero()).then_some(Undone { pause, lasts })
    }

    /// A change was made, or a question answered. A question may have to be asked again and again, a change not.
    pub fn done(&self, uid: &str, key: RequestKey, changes: bool) {
        let at = Instant::now();
        self.note(uid, |notes| {
            let again =
                |before: &Done| changes && before.key == key && at < before.at + 2 * backoff(Duration::MAX);
            let since = notes.done.take().filter(again).map_or(at, |before| before.since);
            notes.done = Some(Done { key, at, since });
        });
    }

    /// A request failed; it is not sent again before its time. Returns how long that is.
    pub fn trouble(&self, uid: &str, key: RequestKey, error: &Error) -> Duration {
        let Now { wall: clock, steady: now } = self.now();
        self.note(uid, |notes| {
            let before = notes.troubles.iter().position(|failed| failed.trouble.key == key);
            let before = before.map(|index| notes.troubles.swap_remove(index));
            // One that was only not sent is no failure.
            let before = before.filter(|before| before.trouble.failures > 0);
            let since = before.as_ref().map_or(now, |before| before.since);
            let least = if matches!(error, Error::Dns(_)) { DNS_PAUSE } else { Duration::ZERO };
            let pause = backoff(now - since).max(least).max(error.retry_after().unwrap_or_default());
            let pause = pause.min(LONGEST_PAUSE);
            let trouble = Trouble {
                key,
                verdict: error.verdict(),
                reason: error.reason(),
                message: error.to_string(),
                since: clock,
                failures: before.map_or(0, |before| before.trouble.failures) + 1,
                retry_at: clock,
            };
            notes.troubles.push(Failed { trouble, since, retry_at: now + pause });
            pause
        })
    }

    /// A request may not be sent yet: nothing failed, and the node does something else meanwhile.
    pub fn not_yet(&self, uid: &str, key: RequestKey, error: &Error, wait: Duration) {
        let Now { wall, steady } = self.now();
        let at = wall.checked_add(wait).unwrap_or(wall).strftime("%H:%M:%SZ").to_string();
        self.note(uid, |notes| {
            let failed = |failed: &&mut Failed| failed.trouble.key == key && failed.trouble.failures > 0;
            if let Some(failed) = notes.troubles.iter_mut().find(failed) {
                failed.retry_at = failed.retry_at.max(steady + wait);
                return;
            }
            notes.troubles.retain(|failed| failed.trouble.key != key);
            let trouble = Trouble {
                key,
                verdict: Verdict::Passing,
                reason: error.reason(),
                message: error.until(&at),
                since: wall,
                failures: 0,
                retry_at: wall,
            };
            notes.troubles.push(Failed { trouble, since: steady, retry_at: steady + wait });
        });
    }

    /// A request succeeded: its streak of failures is over.
    pub fn well(&self, uid: &str, key: &RequestKey) {
        self.note(uid, |notes| notes.troubles.retain(|failed| failed.trouble.key != *key));
    }

    /// Something was released, or taken: those look that can go now, and who is next.
    pub fn wake_queue(&self) {
        let clouds = self.clouds.all();
        let called = clouds.iter().flat_map(|cloud| self.gate.call(&cloud.name, &cloud.bounds()));
        for uid in called.chain(self.gate.called_for_one()) {
            self.waker.wake(&uid);
        }
    }

    /// Forgets the earlier object of this `namespace/name`, when the first turn of another begins: a restore can be so quick
    /// that nobody saw the end of the one before.
    pub fn meet(&self, node: &str, uid: &str) {
        if self.notes().contains_key(uid) {
            return;
        }
        for before in self.gate.others_of(node, uid) {
            // What a sweep holds for a moment is no node of ours.
            if self.notes().contains_key(&before) {
                self.forget(&before);
            }
        }
    }

    /// Forgets every node that no longer exists, in case its deletion was not reported.
    pub fn forget_all_but(&self, living: &BTreeSet<String>) {
        let gone: Vec<String> = self.notes().keys().filter(|uid| !living.contains(*uid)).cloned().collect();
        for uid in &gone {
            self.forget(uid);
        }
    }

    /// The object is gone; so is everything noted of it.
    pub fn forget(&self, uid: &str) {
        let notes = self.notes().remove(uid);
        let awaited = notes.map(|notes| notes.awaits).unwrap_or_default();
        self.gate.wait_for_one(uid, &awaited, &BTreeSet::new());
        self.statuses.forget(uid);
        self.waker.forget(uid);
        for cloud in self.clouds.all() {
            cloud.inventory.lock().forget(uid);
        }
        let (let_go, left) = (self.gate.set(uid, None), self.gate.leave(uid));
        self.gate.pooled(uid, false);
        if let_go || left {
            self.wake_queue();
        }
    }
}

/// Orders two states of one object: etcd counts up.
#[must_use]
pub fn version(object: &impl ResourceExt) -> u64 {
    object.resource_version().and_then(|version| version.parse().ok()).unwrap_or(0)
}
