//! The clouds that are known: for each its session, its inventory and its pollers, its catalogue and its DNS. The Cloud
//! controller configures them; a node's turn finds them here by name.

pub mod abandoned;
pub mod ask;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};

use abandoned::Records;
use arc_swap::{ArcSwap, ArcSwapOption};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::api::cloud::CloudSpec;
use crate::api::orphans::Orphans;
use crate::api::{Cloud, FormerMachine, Kind, TestNode};
use crate::catalogue::Catalogue;
use crate::dns::Dns;
use crate::dns::pace::Paces;
use crate::gate::{Bounds, Gate};
use crate::inventory::ledger::Born;
use crate::inventory::poller::{self, Pace};
use crate::inventory::shelf::AnyShelf;
use crate::inventory::{Inventory, State, Wake};
use crate::metrics::Metrics;
use crate::openstack::Session;
use crate::reason::Reason;
use crate::reconcile::state::{Pins, Problem, Standing};
use crate::supervision::{Pulse, Supervisor};

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

/// What a cloud's DNS driver may do to names.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Rights {
    /// Not asked, or this driver cannot be asked.
    #[default]
    Unasked,
    /// All that is needed, in words.
    Granted(String),
    /// Something that is needed is not granted.
    Refused(Problem, Instant),
    /// Nobody answered.
    Silent(Problem, Instant),
}

/// A cloud as it is configured now.
#[derive(Clone)]
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
    /// What may be done to names.
    pub rights: Rights,
    /// What is to become of machines whose object was restored.
    pub former: Option<FormerMachine>,
}

impl Config {
    /// Nothing new is to be made there.
    #[must_use]
    pub fn drains(&self) -> bool {
        self.spec.as_ref().is_some_and(|spec| spec.drain)
    }
}

/// One cloud.
pub struct Handle {
    /// Its name.
    pub name: String,
    /// What is ours in it.
    pub inventory: Arc<Inventory>,
    /// What it offers.
    pub catalogue: Catalogue,
    /// Nodes that were released while it could not be asked.
    pub abandoned: Records,
    /// What the last sweep found that belongs to no node; empty until there was one.
    pub orphans: ArcSwapOption<Orphans>,
    /// Shared while a node adds its finalizer for this cloud; held alone while it is decided whether any node needs it.
    pub taking: tokio::sync::RwLock<()>,
    /// Held while its quotas are being read, so that one does it for all who wait.
    pub figures: tokio::sync::Mutex<()>,
    config: ArcSwap<Config>,
    supervisor: Supervisor,
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

    /// No node may begin here any longer: the Cloud is being deleted.
    pub fn close(&self) {
        let config = self.config();
        if !config.going {
            self.configure(Config { going: true, ..Config::clone(&config) });
        }
    }

    /// Whether what is seen in this cloud of a node can be believed.
    #[must_use]
    pub fn standing(&self, born: Born) -> Standing {
        let state = self.inventory.lock();
        standing(&self.config().login, &state, born, state.floating_ips.has_things())
    }

    /// A listing that has stopped moving, in words: a defect of ours, and what is known of the cloud is old.
    #[must_use]
    pub fn stuck(&self) -> Option<String> {
        Kind::ALL.into_iter().find_map(|kind| self.supervisor.complaint(&listing_task(kind, &self.name)))
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
            max_concurrent_creates: spec.rate.max_concurrent_creates,
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
        let rare = gate.usage(&self.name).1.floating_ips > 0;
        Some((session.clone(), Pace { idle, rare, ..pace }))
    }
}

/// Whether what is known of a cloud can be believed. Floating IPs count only for who has some.
#[must_use]
pub fn standing(login: &Login, state: &State, born: Born, floats: bool) -> Standing {
    let kinds = || Kind::ALL.into_iter().filter(|kind| floats || *kind != Kind::FloatingIp);
    match login {
        Login::Pending => return Standing::Unseen,
        Login::Refused(problem) => return Standing::Away(problem.clone()),
        Login::In(_) => {}
    }
    if let Some(failing) = kinds().find_map(|kind| state.ledger(kind).away()) {
        let message = format!("{} ({} times in a row)", failing.message, failing.failures);
        return Standing::Away(Problem { reason: failing.reason, message });
    }
    let unseen = kinds().any(|kind| state.ledger(kind).last().is_none());
    if unseen && born == Born::Before { Standing::Unseen } else { Standing::Seen }
}

impl Drop for Handle {
    fn drop(&mut self) {
        for poller in self.pollers.get_mut().unwrap_or_else(PoisonError::into_inner) {
            poller.abort();
        }
    }
}

fn listing_task(kind: Kind, cloud: &str) -> String {
    format!("the listing of {}s in cloud {cloud}", kind.word())
}

/// The pace of a Cloud's spec.
fn pace(spec: &CloudSpec) -> Pace {
    let seconds = std::time::Duration::from_secs;
    Pace { active: spec.poll.active.or(seconds(2)), idle: spec.poll.idle.or(seconds(30)), rare: false }
}

/// All clouds by name.
pub struct Clouds {
    known: RwLock<BTreeMap<String, Arc<Handle>>>,
    /// How often the servers of each zone are asked.
    pub paces: Paces,
    cluster_id: String,
    wake: Wake,
    gate: Arc<Gate>,
    metrics: Metrics,
    supervisor: Supervisor,
    news: UnboundedSender<ObjectRef<Cloud>>,
}

impl Clouds {
    /// None yet. `news` is told of each cloud that can be looked at for the first time, is away, or is back.
    #[must_use]
    pub fn new(
        cluster_id: String,
        wake: Wake,
        gate: Arc<Gate>,
        metrics: Metrics,
        supervisor: Supervisor,
        news: UnboundedSender<ObjectRef<Cloud>>,
    ) -> Self {
        Self {
            known: RwLock::default(),
            paces: Paces::default(),
            cluster_id,
            wake,
            gate,
            metrics,
            supervisor,
            news,
        }
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
            rights: Rights::Unasked,
            former: None,
        };
        let handle = Arc::new(Handle {
            name: name.to_owned(),
            inventory: Inventory::new(self.cluster_id.clone(), self.wake.clone()),
            catalogue: Catalogue::new(),
            abandoned: Records::default(),
            orphans: ArcSwapOption::empty(),
            taking: tokio::sync::RwLock::default(),
            figures: tokio::sync::Mutex::default(),
            config: ArcSwap::from_pointee(config),
            supervisor: self.supervisor.clone(),
            pollers: RwLock::default(),
        });
        let (watched, gate) = (Arc::downgrade(&handle), self.gate.clone());
        let session = move || watched.upgrade().and_then(|handle| handle.session_and_pace(&gate));
        let (inventory, cloud) = (&handle.inventory, name.to_owned());
        let mut pollers: Vec<AbortHandle> = Vec::new();
        for kind in Kind::ALL {
            let (metrics, cloud, session) = (self.metrics.clone(), cloud.clone(), session.clone());
            let (inventory, news) = (inventory.clone(), self.news.clone());
            let poll = move |pulse| {
                let (news, named) = (news.clone(), ObjectRef::new(&cloud));
                // The receiver ends with the process.
                let news = move || drop(news.send(named.clone()));
                let (inventory, session) = (inventory.clone(), session.clone());
                poller::poll(inventory, kind, cloud.clone(), session, metrics.clone(), pulse, news)
            };
            pollers.push(self.keep(listing_task(kind, name), poll));
        }
        let (known, asks) = (inventory.clone(), session.clone());
        let explain = move |pulse| poller::explain(known.clone(), cloud.clone(), asks.clone(), pulse);
        pollers.push(self.keep(format!("the questions after servers in ERROR in cloud {name}"), explain));
        let known = inventory.clone();
        let see_off = move |pulse| poller::see_off(known.clone(), session.clone(), pulse);
        pollers
            .push(self.keep(format!("the looks at servers that are being deleted in cloud {name}"), see_off));
        *handle.pollers.write().unwrap_or_else(PoisonError::into_inner) = pollers;
        handle
    }

    /// Runs a task of one cloud, until it is aborted.
    fn keep<F>(&self, name: String, task: impl Fn(Pulse) -> F + Send + 'static) -> AbortHandle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let supervisor = self.supervisor.clone();
        tokio::spawn(async move { supervisor.keep("poller", &name, task).await }).abort_handle()
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
    Some(config.dns.as_ref()?.fqdn(&hostname).ok()?.to_string())
}

/// Why a node cannot have its name in a cloud: the Cloud does not allow it.
#[must_use]
pub fn unnamable(config: &Config, node: &TestNode, cloud: &str) -> Option<Problem> {
    let hostname = node.hostname();
    let allowed = config.dns.as_ref()?.forbids(hostname)?;
    let message = format!(
        "Cloud {cloud} does not allow the hostname {hostname}, only what matches spec.dns.allowHostnames: {allowed}; \
         delete the node and make it with another spec.hostname"
    );
    Some(Problem { reason: Reason::HostnameNotAllowed, message })
}
