//! What the turns of pools and claims share: the nodes and claims of a pool, as they are after our own last writes, and what
//! is measured on the steady clock. Nothing here is needed for safety: a new process begins without it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::Instant;

use super::index::{Index, Place};
use crate::api::pool::From;
use crate::api::{ClaimRef, TestNode, TestNodeClaim, TestNodePool, TestNodeSlot};
use crate::kubernetes::events::{Event, Severity};
use crate::pool::desk::{Terms, Turn, Wish, awaited, hand_out, lacks};
use crate::pool::keep::Stock;
use crate::pool::slot::Slot;
use crate::reason::Reason;
use crate::reconcile::context::{Context, version};

mod memory;
mod way;

use memory::Memory;

/// A pool and a claim are looked at this often though nothing wakes them.
pub(super) const LOOK: Duration = Duration::from_secs(30);
/// Until everything was listed.
pub(super) const UNLISTED: Duration = Duration::from_millis(250);
/// Somebody was quicker: the watch brings what there is now.
pub(super) const OVERTAKEN: Duration = Duration::from_millis(250);

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
    listed: Listed,
    nodes: Index<TestNode>,
    claims: Index<TestNodeClaim>,
    memory: Mutex<Memory>,
}

/// Whether each kind that has to do with pools has been listed.
pub struct Listed {
    /// The nodes.
    pub nodes: watch::Receiver<bool>,
    /// The pools.
    pub pools: watch::Receiver<bool>,
    /// The claims.
    pub claims: watch::Receiver<bool>,
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
    pub fn new(ctx: Arc<Context>, bells: Bells, listed: Listed) -> Self {
        let made_by = |node: &TestNode| {
            node.spec.pool_ref.as_ref().map(|pool| (node.namespace().unwrap_or_default(), pool.name.clone()))
        };
        let asks =
            |claim: &TestNodeClaim| Some((claim.pool_namespace().to_owned(), claim.spec.pool.name.clone()));
        let nodes = Index::new(ctx.nodes.clone(), listed.nodes.clone(), made_by);
        let claims = Index::new(ctx.claims.clone(), listed.claims.clone(), asks);
        Self { ctx, bells, listed, nodes, claims, memory: Mutex::default() }
    }

    /// The watch brought a node: its pool and its claim look.
    pub fn saw_node(&self, node: &TestNode) {
        self.nodes.saw(node);
        self.bells.node(node);
    }

    /// The watch brought a claim.
    pub fn saw_claim(&self, claim: &TestNodeClaim) {
        self.claims.saw(claim);
    }

    /// The claims that ask a pool.
    #[must_use]
    pub fn claims_of(&self, pool: &TestNodePool) -> Vec<Arc<TestNodeClaim>> {
        self.claims.of(&place(pool))
    }

    /// What is remembered, for a short while.
    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until all was listed once, what is not there cannot be told from what is not known.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        let Listed { nodes, pools, claims } = &self.listed;
        [nodes, pools, claims, &self.ctx.slots_listed].iter().all(|listed| *listed.borrow())
    }

    /// Says something of a pool or a claim in an event.
    pub async fn publish<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        action: &'static str,
        severity: Severity,
        reason: Reason,
        note: &str,
    ) {
        let regarding = object.object_ref(&());
        self.ctx.events.publish(Event { severity, reason, action, note, regarding, related: None }).await;
    }

    /// A node as our own write left it.
    pub fn wrote(&self, node: TestNode) {
        let uid = node.uid().unwrap_or_default();
        self.memory().written.insert(uid, (Arc::new(node), Instant::now()));
    }

    /// All nodes that pools of this name made, with our own last writes laid over what the watch tells.
    fn nodes(&self, pool: &Place) -> Vec<Arc<TestNode>> {
        let there = self.nodes.of(pool).into_iter();
        let mut all: BTreeMap<String, Arc<TestNode>> =
            there.map(|node| (node.uid().unwrap_or_default(), node)).collect();
        let mut memory = self.memory();
        memory.written.retain(|uid, (written, at)| {
            // The watch has caught up with it.
            at.elapsed() < BELIEVED
                && all.get(uid).is_none_or(|known| version(&**written) > version(&**known))
        });
        for (uid, (written, _)) in &memory.written {
            let owner = written.spec.pool_ref.as_ref().map(|pool| &pool.name);
            if written.metadata.namespace.as_ref() == Some(&pool.0) && owner == Some(&pool.1) {
                all.insert(uid.clone(), written.clone());
            }
        }
        drop(memory);
        all.into_values().collect()
    }

    /// Nodes that name a claim, held against no template: the claim's pool may be gone.
    #[must_use]
    pub fn of_claim(&self, claim: &TestNodeClaim) -> Vec<Arc<TestNode>> {
        let mut nodes = self.nodes(&(claim.pool_namespace().to_owned(), claim.spec.pool.name.clone()));
        let claim = reference(claim);
        nodes.retain(|node| node.spec.claim_ref.as_ref() == Some(&claim));
        nodes
    }

    /// What people say of the slots of a pool, by name.
    fn marks(&self, pool: &TestNodePool) -> BTreeMap<String, Arc<TestNodeSlot>> {
        let marks = self.ctx.slots.state().into_iter().filter(|slot| slot.spec.down && slot.is_of(pool));
        marks.map(|slot| (slot.name_any(), slot)).collect()
    }

    /// Numbers of which no node can be made: those of its nodes, those that are marked as down, and names that somebody else
    /// has. Nobody asks for more than the first that is free.
    fn taken(
        &self,
        pool: &TestNodePool,
        nodes: &[Arc<TestNode>],
        marks: &BTreeMap<String, Arc<TestNodeSlot>>,
    ) -> BTreeSet<usize> {
        let own = nodes.iter().map(|node| node.name_any());
        let down = marks.iter().filter(|(_, mark)| mark.is_down(None)).map(|(name, _)| name.clone());
        let mut taken: BTreeSet<usize> = own.chain(down).filter_map(|name| pool.number_of(&name)).collect();
        let namespace = pool.namespace().unwrap_or_default();
        for number in 1..=count(pool.spec.max) {
            if taken.contains(&number) {
                continue;
            }
            let name = ObjectRef::new(&pool.slot(number)).within(&namespace);
            if self.ctx.nodes.get(&name).is_none() {
                break;
            }
            taken.insert(number);
        }
        taken
    }

    /// A pool, as it is seen now.
    #[must_use]
    pub fn view(&self, pool: &TestNodePool) -> View {
        let mut nodes = self.nodes(&place(pool));
        let marks = self.marks(pool);
        let taken = self.taken(pool, &nodes, &marks);
        nodes.retain(|node| {
            node.spec.pool_ref.as_ref().is_some_and(|owner| Some(&owner.uid) == pool.metadata.uid.as_ref())
        });
        let is_down = |node: &TestNode| {
            marks.get(&node.name_any()).is_some_and(|mark| mark.is_down(node.metadata.uid.as_deref()))
        };
        let slot = |node: &Arc<TestNode>| Slot {
            is_rejected: self.ctx.machine_images.rejects(node),
            ..Slot::of(node, &pool.spec.template, is_down(node))
        };
        let slots: Vec<Slot> = nodes.iter().map(slot).collect();
        let max = count(pool.spec.max);
        let claims = self.claims_of(pool);
        let terms = terms(pool, &claims);
        let wishes: Vec<Wish> = claims
            .iter()
            .filter(|claim| waits(claim, pool) && fits(claim, &terms))
            .filter_map(|claim| wish(claim))
            .collect();
        let now = self.ctx.now();
        let mut stock = Stock {
            now: now.wall,
            min_ready: count(pool.spec.min_ready),
            max,
            max_ready_age: pool.max_ready_age(),
            paused: pool.spec.paused,
            slots,
            taken,
            awaited: 0,
            lacks: 0,
            wave: self.wave(pool),
            surplus_for: Duration::ZERO,
            gives_way: None,
            held_back: false,
            rival: self.rival(pool),
        };
        let turns = hand_out(&stock.slots, stock.usable(), &wishes, &terms, now.wall);
        stock.awaited = awaited(&stock.slots, &wishes, &turns);
        stock.lacks = lacks(&stock.slots, stock.usable(), &wishes, &turns, &terms);
        stock.surplus_for = self.surplus_for(&pool.uid().unwrap_or_default(), stock.surplus() > 0);
        stock.gives_way = if stock.awaited == 0 { self.gives_way(&nodes, &stock) } else { None };
        stock.held_back = self.is_held_back(pool, &nodes);
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

    /// Forgets a pool or a claim.
    pub fn forget(&self, uid: &str) {
        self.memory().forget(uid);
        self.ctx.gate.wants(uid, &BTreeSet::new()).iter().for_each(|node| self.ctx.waker.wake(node));
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

/// Where a pool is.
fn place(pool: &TestNodePool) -> Place {
    (pool.namespace().unwrap_or_default(), pool.name_any())
}

/// On what terms a pool hands out nodes to these claims.
fn terms(pool: &TestNodePool, claims: &[Arc<TestNodeClaim>]) -> Terms {
    let rules = &pool.spec.claims;
    let interactive = claims.iter().filter(|claim| claim.spec.interactive).filter_map(|claim| claim.uid());
    Terms {
        max: count(pool.spec.max),
        reserve: count(rules.reserve),
        per_namespace: rules.max_nodes_per_namespace.map(count),
        interactive: interactive.collect(),
    }
}

/// Whether the pool could ever give a claim all it asks for.
fn fits(claim: &TestNodeClaim, terms: &Terms) -> bool {
    let most = if claim.spec.interactive { terms.max } else { terms.max.saturating_sub(terms.reserve) };
    claim.count() <= most.min(terms.per_namespace.unwrap_or(most))
}

/// Whether a pool serves a claim.
#[must_use]
pub fn serves(pool: &TestNodePool, claim: &TestNodeClaim) -> bool {
    pool.spec.claims.from == From::All || pool.metadata.namespace == claim.metadata.namespace
}

/// The claim waits for nodes of this pool.
fn waits(claim: &TestNodeClaim, pool: &TestNodePool) -> bool {
    claim.asks(pool) && claim.is_living() && !claim.is_bound() && serves(pool, claim)
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
        named: claim.named().into_iter().map(str::to_owned).collect(),
        is_interactive: claim.spec.interactive,
        gave_up: claim.status.as_ref().map(|status| status.dropped.clone()).unwrap_or_default(),
    })
}

fn count(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}
