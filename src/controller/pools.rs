//! What the turns of pools and claims share: the nodes and claims of a pool, as they are after our own last writes, and what
//! is measured on the steady clock. Nothing here is needed for safety: a new process begins without it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::api::pool::From;
use crate::api::{ClaimRef, TestNode, TestNodeClaim, TestNodePool};
use crate::pool::desk::{Turn, Wish, hand_out, held_by, lacks};
use crate::pool::keep::Stock;
use crate::pool::slot::Slot;
use crate::reconcile::context::Context;

/// The answer to a write counts as the object for so long, if the watch does not show it.
const BELIEVED: Duration = Duration::from_secs(30);

/// Pools that are to be looked at.
pub type WokenPools = UnboundedReceiver<ObjectRef<TestNodePool>>;
/// Claims that are to be looked at.
pub type WokenClaims = UnboundedReceiver<ObjectRef<TestNodeClaim>>;

/// Wakes pools and claims.
#[derive(Clone)]
pub struct Bells {
    pools: UnboundedSender<ObjectRef<TestNodePool>>,
    claims: UnboundedSender<ObjectRef<TestNodeClaim>>,
}

impl Bells {
    /// Bells, and the queues that they fill.
    #[must_use]
    pub fn new() -> (Self, WokenPools, WokenClaims) {
        let ((pools, woken_pools), (claims, woken_claims)) = (unbounded_channel(), unbounded_channel());
        (Self { pools, claims }, woken_pools, woken_claims)
    }

    /// Has a pool look again. The receivers end with the process.
    pub fn pool(&self, namespace: &str, name: &str) {
        drop(self.pools.send(ObjectRef::new(name).within(namespace)));
    }

    /// Has a claim look again.
    pub fn claim(&self, claim: &ClaimRef) {
        drop(self.claims.send(ObjectRef::new(&claim.name).within(&claim.namespace)));
    }

    /// Something of a node changed: its pool and its claim look.
    pub fn node(&self, node: &TestNode) {
        if let Some(pool) = &node.spec.pool_ref {
            self.pool(&node.namespace().unwrap_or_default(), &pool.name);
        }
        if let Some(claim) = &node.spec.claim_ref {
            self.claim(claim);
        }
    }
}

/// What the turns of pools and claims share.
pub struct Pools {
    /// What every turn needs.
    pub ctx: Arc<Context>,
    /// Wakes pools and claims.
    pub bells: Bells,
    /// Whether nodes, claims and pools have been listed.
    pub listed: [watch::Receiver<bool>; 3],
    memory: Mutex<Memory>,
}

/// What is remembered of each pool or claim, by UID.
#[derive(Default)]
pub struct Memory {
    /// Nodes as our last write left them.
    written: BTreeMap<String, (Arc<TestNode>, Instant)>,
    /// Since when a pool has more than anybody wants.
    pub surplus: BTreeMap<String, Instant>,
    /// When the present `renewTime` of a lease was first seen.
    pub heard: BTreeMap<String, (Option<String>, Instant)>,
    /// When a claim got its nodes.
    pub bound: BTreeMap<String, Instant>,
    /// Since when a claim has had some of its nodes and not all.
    pub begun: BTreeMap<String, Instant>,
    /// Since when a claim waits or a pool is told about, and when that was last told.
    pub told: BTreeMap<String, (Instant, Instant)>,
}

impl Memory {
    /// Objects of which something is remembered, and that are not there any more.
    fn gone(&self, living: &BTreeSet<String>) -> BTreeSet<String> {
        let known = self.surplus.keys().chain(self.heard.keys()).chain(self.bound.keys());
        let known = known.chain(self.begun.keys()).chain(self.told.keys());
        known.filter(|uid| !living.contains(*uid)).cloned().collect()
    }

    /// The object is gone.
    fn forget(&mut self, uid: &str) {
        self.surplus.remove(uid);
        self.heard.remove(uid);
        self.bound.remove(uid);
        self.begun.remove(uid);
        self.told.remove(uid);
    }
}

/// A pool, with all that has to do with it.
pub struct View {
    /// What it has and wants.
    pub stock: Stock,
    /// Its nodes.
    pub nodes: Vec<Arc<TestNode>>,
    /// What each claim that waits is told, by UID.
    pub turns: BTreeMap<String, Turn>,
    /// The claims that wait.
    pub wishes: Vec<Wish>,
}

impl Pools {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(ctx: Arc<Context>, bells: Bells, listed: [watch::Receiver<bool>; 3]) -> Self {
        Self { ctx, bells, listed, memory: Mutex::default() }
    }

    /// What is remembered, for a short while.
    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until all was listed once, what is not there cannot be told from what is not known.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.listed.iter().all(|listed| *listed.borrow())
    }

    /// A node as our own write left it.
    pub fn wrote(&self, node: TestNode) {
        let uid = node.uid().unwrap_or_default();
        self.memory().written.insert(uid, (Arc::new(node), Instant::now()));
    }

    /// All nodes of a namespace, with our own last writes laid over what the watch tells.
    fn nodes(&self, namespace: &str) -> Vec<Arc<TestNode>> {
        let mut all = BTreeMap::new();
        for node in self.ctx.nodes.state() {
            if node.metadata.namespace.as_deref() == Some(namespace) {
                all.insert(node.uid().unwrap_or_default(), node);
            }
        }
        let mut memory = self.memory();
        memory.written.retain(|uid, (written, at)| {
            // The watch has caught up with it.
            at.elapsed() < BELIEVED && all.get(uid).is_none_or(|known| version(written) > version(known))
        });
        for (uid, (written, _)) in &memory.written {
            if written.metadata.namespace.as_deref() == Some(namespace) {
                all.insert(uid.clone(), written.clone());
            }
        }
        drop(memory);
        all.into_values().collect()
    }

    /// Nodes that name a claim, held against no template: the claim's pool may be gone.
    #[must_use]
    pub fn of_claim(&self, namespace: &str, claim: &ClaimRef) -> Vec<Arc<TestNode>> {
        let mut nodes = self.nodes(namespace);
        nodes.retain(|node| node.spec.claim_ref.as_ref() == Some(claim));
        nodes
    }

    /// A pool, as it is seen now.
    #[must_use]
    pub fn view(&self, pool: &TestNodePool) -> View {
        let namespace = pool.namespace().unwrap_or_default();
        let mut nodes = self.nodes(&namespace);
        let taken = nodes.iter().filter_map(|node| pool.number_of(&node.name_any())).collect();
        nodes.retain(|node| {
            node.spec.pool_ref.as_ref().is_some_and(|owner| Some(&owner.uid) == pool.metadata.uid.as_ref())
        });
        let slots: Vec<Slot> = nodes.iter().map(|node| Slot::of(node, &pool.spec.template)).collect();
        let max = count(pool.spec.max);
        let claims = self.ctx.claims.state();
        let wishes: Vec<Wish> = claims
            .iter()
            .filter(|claim| waits(claim, pool) && claim.count() <= max)
            .filter_map(|claim| wish(claim))
            .collect();
        let awaited =
            wishes.iter().map(|wish| wish.count.saturating_sub(held_by(&slots, wish).count())).sum();
        let now = self.ctx.now();
        let mut stock = Stock {
            now: now.wall,
            min_ready: count(pool.spec.min_ready),
            max,
            max_ready_age: pool.max_ready_age(),
            paused: pool.spec.paused,
            slots,
            taken,
            awaited,
            lacks: 0,
            wave: self.wave(pool),
            surplus_for: Duration::ZERO,
        };
        stock.lacks = lacks(&stock.slots, stock.usable(), &wishes);
        stock.surplus_for = self.surplus_for(&pool.uid().unwrap_or_default(), stock.surplus() > 0);
        let turns = hand_out(&stock.slots, stock.usable(), &wishes, now.wall);
        View { stock, nodes, turns, wishes }
    }

    fn surplus_for(&self, uid: &str, is_surplus: bool) -> Duration {
        let mut memory = self.memory();
        if !is_surplus {
            memory.surplus.remove(uid);
            return Duration::ZERO;
        }
        memory.surplus.entry(uid.to_owned()).or_insert_with(Instant::now).elapsed()
    }

    /// How many nodes the pool's clouds build at once.
    fn wave(&self, pool: &TestNodePool) -> usize {
        let template = &pool.spec.template;
        let machine = self.ctx.machine_types.get(&ObjectRef::new(&template.machine_type));
        let clouds = machine.iter().flat_map(|machine| &machine.spec.clouds).map(|choice| &choice.name);
        let meant = clouds.filter(|name| template.cloud.as_ref().is_none_or(|pinned| pinned == *name));
        let bounds = meant.filter_map(|name| Some(self.ctx.clouds.find(name)?.bounds().concurrent_creates));
        bounds.map(count).sum::<usize>().max(1)
    }

    /// Forgets a pool or a claim.
    pub fn forget(&self, uid: &str) {
        self.memory().forget(uid);
        self.ctx.statuses.forget(uid);
    }

    /// Forgets all pools and claims but these: a watch that begins anew does not tell what went meanwhile.
    pub fn forget_all_but(&self, living: &BTreeSet<String>) {
        let gone = self.memory().gone(living);
        for uid in &gone {
            self.forget(uid);
        }
    }
}

/// Whether a pool serves a claim.
#[must_use]
pub fn serves(pool: &TestNodePool, claim: &TestNodeClaim) -> bool {
    pool.spec.claims.from == From::All || pool.metadata.namespace == claim.metadata.namespace
}

/// The claim waits for nodes of this pool.
fn waits(claim: &TestNodeClaim, pool: &TestNodePool) -> bool {
    let names_it = pool.metadata.name.as_ref() == Some(&claim.spec.pool.name)
        && pool.metadata.namespace.as_deref() == Some(claim.pool_namespace());
    let served =
        claim.status.as_ref().is_some_and(|status| status.bound_at.is_some() || status.ended.is_some());
    names_it && !served && claim.metadata.deletion_timestamp.is_none() && serves(pool, claim)
}

/// What a claim is to its nodes.
#[must_use]
pub fn reference(claim: &TestNodeClaim) -> ClaimRef {
    ClaimRef {
        namespace: claim.namespace().unwrap_or_default(),
        name: claim.name_any(),
        uid: claim.uid().unwrap_or_default(),
    }
}

fn wish(claim: &TestNodeClaim) -> Option<Wish> {
    Some(Wish {
        claim: reference(claim),
        owner: claim.spec.owner.clone(),
        since: claim.creation_timestamp()?.0,
        count: claim.count(),
        gave_up: claim.status.as_ref().map(|status| status.dropped.clone()).unwrap_or_default(),
    })
}

fn count(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// Orders two states of one object: etcd counts up.
fn version(node: &TestNode) -> u64 {
    node.resource_version().and_then(|version| version.parse().ok()).unwrap_or(0)
}
