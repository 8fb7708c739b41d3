//! The clouds that are known: for each its session, its inventory and its pollers, its catalogue and its DNS. The Cloud
//! controller configures them; a node's turn finds them here by name.

pub mod abandoned;
pub mod ask;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use abandoned::Records;
use arc_swap::{ArcSwap, ArcSwapOption};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::api::cloud::CloudSpec;
use crate::api::orphans::Orphans;
use crate::api::{Cloud, Kind, TestNode};
use crate::catalogue::Catalogue;
use crate::dns::lookup::Server;
use crate::dns::nsupdate_web::NsupdateWeb;
use crate::gate::{Bounds, Gate};
use crate::inventory::ledger::Born;
use crate::inventory::poller::{self, Pace};
use crate::inventory::{Inventory, Wake};
use crate::metrics::Metrics;
use crate::openstack::Session;
use crate::reconcile::state::{Pins, Problem, Standing};

/// A listing that failed this often in a row makes its cloud count as away.
const FAILURES_UNTIL_AWAY: u32 = 2;

/// How the login to a cloud stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Login {
    /// Not tried yet.
    Pending,
    /// Logged in, to the right project.
    In(Pins),
    /// Refused, or not to be believed.
    Refused(Problem),
}

/// Where a cloud's machines are named.
#[derive(Clone, Debug)]
pub struct Dns {
    /// The driver.
    pub web: NsupdateWeb,
    /// What a name is left on.
    pub park: IpAddr,
    /// The authority to ask.
    pub verify: Option<Server>,
}

/// A cloud as it is configured now.
pub struct Config {
    /// The object's UID.
    pub uid: Option<String>,
    /// Its spec.
    pub spec: Option<CloudSpec>,
    /// What it was made from.
    pub fingerprint: String,
    /// When that was, if it was.
    pub tried: Option<Instant>,
    /// The Cloud object is being deleted: no new attempts.
    pub going: bool,
    /// Why it cannot take new machines: its DNS cannot be used, say.
    pub unfit: Option<Problem>,
    /// The session, once credentials could be read.
    pub session: Option<Session>,
    /// How the login stands.
    pub login: Login,
    /// Its DNS, if it names machines.
    pub dns: Option<Dns>,
}

/// One cloud.
pub struct Handle {
    /// Its name.
    pub name: String,
    /// What is ours in it.
    pub inventory: Arc<Inventory>,
    /// What it offers.
    pub catalogue: Catalogue,
    /// Nodes that were let go while it could not be asked.
    pub abandoned: Records,
    /// What the last sweep found that belongs to no node; empty until there was one.
    pub orphans: ArcSwapOption<Orphans>,
    /// Held while its quotas are being read, so that one does it for all who wait.
    pub figures: tokio::sync::Mutex<()>,
    config: ArcSwap<Config>,
    pollers: RwLock<Vec<AbortHandle>>,
}

impl Handle {
    /// The configuration.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// Takes a new configuration; pollers follow at once.
    pub fn configure(&self, config: Config) {
        self.config.store(Arc::new(config));
        self.inventory.nudge();
    }

    /// Whether what is seen in this cloud of a node can be believed.
    #[must_use]
    pub fn standing(&self, born: Born) -> Standing {
        match &self.config().login {
            Login::Pending => return Standing::Unseen,
            Login::Refused(problem) => return Standing::Away(problem.clone()),
            Login::In(_) => {}
        }
        let state = self.inventory.lock();
        let failing = Kind::ALL.into_iter().find_map(|kind| {
            let failing =
                state.ledger(kind).failing().filter(|failing| failing.failures >= FAILURES_UNTIL_AWAY)?;
            let message = format!("{} ({} times in a row)", failing.message, failing.failures);
            Some(Problem { reason: failing.reason, message })
        });
        if let Some(problem) = failing {
            return Standing::Away(problem);
        }
        let unseen = Kind::ALL.into_iter().any(|kind| state.ledger(kind).last().is_none());
        if unseen && born == Born::Before { Standing::Unseen } else { Standing::Seen }
    }

    /// Nothing of it answers: neither servers nor volumes nor ports can be listed.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        let state = self.inventory.lock();
        Kind::ALL.into_iter().all(|kind| {
            state.ledger(kind).failing().is_some_and(|failing| failing.failures >= FAILURES_UNTIL_AWAY)
        })
    }

    /// What new attempts are pinned to.
    #[must_use]
    pub fn pins(&self) -> Pins {
        match &self.config().login {
            Login::In(pins) => pins.clone(),
            Login::Pending | Login::Refused(_) => Pins::default(),
        }
    }

    /// How much may be used.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        let config = self.config();
        config.spec.as_ref().map_or_else(Bounds::default, |spec| Bounds {
            limits: spec.limits.clone(),
            concurrent_creates: spec.rate.concurrent_creates,
        })
    }

    /// While a node waits for room, quotas are read, and the lists of what nobody waits for make way for that.
    fn session_and_pace(&self, gate: &Gate) -> Option<(Session, Pace)> {
        let config = self.config();
        let (Login::In(_), Some(session), Some(spec)) = (&config.login, &config.session, &config.spec) else {
            return None;
        };
        let pace = pace(spec);
        let idle = if gate.shortage(&self.name).is_some() { pace.idle * 4 } else { pace.idle };
        Some((session.clone(), Pace { idle, ..pace }))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        for poller in self.pollers.get_mut().unwrap_or_else(PoisonError::into_inner) {
            poller.abort();
        }
    }
}

/// The pace of a Cloud's spec.
fn pace(spec: &CloudSpec) -> Pace {
    let seconds = std::time::Duration::from_secs;
    Pace { active: spec.poll.active.or(seconds(2)), idle: spec.poll.idle.or(seconds(30)) }
}

/// All clouds by name.
pub struct Clouds {
    known: RwLock<BTreeMap<String, Arc<Handle>>>,
    cluster_id: String,
    wake: Wake,
    gate: Arc<Gate>,
    metrics: Metrics,
}

impl Clouds {
    /// None yet.
    #[must_use]
    pub fn new(cluster_id: String, wake: Wake, gate: Arc<Gate>, metrics: Metrics) -> Self {
        Self { known: RwLock::default(), cluster_id, wake, gate, metrics }
    }

    /// The mark of everything that is ours.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// A cloud by its name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<Handle>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All clouds.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Handle>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// A cloud by its name; one that is new is looked at as soon as it is configured.
    pub fn ensure(&self, name: &str) -> Arc<Handle> {
        if let Some(handle) = self.find(name) {
            return handle;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(name.to_owned()).or_insert_with(|| self.start(name)).clone()
    }

    fn start(&self, name: &str) -> Arc<Handle> {
        let config = Config {
            uid: None,
            spec: None,
            fingerprint: String::new(),
            tried: None,
            going: false,
            unfit: None,
            session: None,
            login: Login::Pending,
            dns: None,
        };
        let handle = Arc::new(Handle {
            name: name.to_owned(),
            inventory: Inventory::new(self.cluster_id.clone(), self.wake.clone()),
            catalogue: Catalogue::new(),
            abandoned: Records::default(),
            orphans: ArcSwapOption::empty(),
            figures: tokio::sync::Mutex::default(),
            config: ArcSwap::from_pointee(config),
            pollers: RwLock::default(),
        });
        let pollers = Kind::ALL.map(|kind| {
            let (watched, inventory) = (Arc::downgrade(&handle), handle.inventory.clone());
            let gate = self.gate.clone();
            let session = move || watched.upgrade().and_then(|handle| handle.session_and_pace(&gate));
            tokio::spawn(poller::poll(inventory, kind, name.to_owned(), session, self.metrics.clone()))
                .abort_handle()
        });
        *handle.pollers.write().unwrap_or_else(PoisonError::into_inner) = pollers.to_vec();
        handle
    }

    /// The Cloud object is gone.
    pub fn remove(&self, name: &str) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.metrics.forget_cloud(name);
    }
}

/// The Cloud object, for an event on it, whether or not it is there.
#[must_use]
pub fn object_ref(name: &str, handle: Option<&Handle>) -> ObjectReference {
    ObjectReference {
        api_version: Some(Cloud::api_version(&()).into_owned()),
        kind: Some(Cloud::kind(&()).into_owned()),
        name: Some(name.to_owned()),
        uid: handle.and_then(|handle| handle.config().uid.clone()),
        ..ObjectReference::default()
    }
}

/// The full name a node would have in a cloud.
#[must_use]
pub fn fqdn(config: &Config, node: &TestNode) -> Option<String> {
    let hostname = node.hostname().parse().ok()?;
    Some(config.dns.as_ref()?.web.fqdn(&hostname).ok()?.to_string())
}
