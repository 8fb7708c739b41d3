//! Who uses what: places, quota and names, over all nodes of this process. Taken in the turn that opens an attempt,
//! before the write that remembers it, so that two nodes never take the same.
//!
//! Begin with [`Gate::room`]. Whose turn it is says `queue`, what the clouds have left `figures`.

mod adaptive;
mod amounts;
mod building;
mod cooling;
mod figures;
mod line;
mod names;
mod queue;
mod refusals;
mod room;
mod sums;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::age::Age;
use crate::api::Kind;
use crate::api::cloud::{Limits, Usage};
use crate::reconcile::state::{Room, Turn};
use adaptive::Adaptive;
use cooling::Cooling;
use figures::Figures;
use line::Line;
use refusals::Refusal;
use sums::Uses;

pub use amounts::{Amounts, Quantity, count};
pub use cooling::Place;
pub use figures::{Count, FIGURES_LAST, Quota};
pub use line::Short;
pub use names::{Rank, named_in};

/// What one node uses, or is about to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Use {
    /// `namespace/name`.
    pub node: String,
    /// The cloud.
    pub cloud: String,
    /// What it takes.
    pub need: Amounts,
    /// What of it was seen in the cloud.
    pub made: Amounts,
    /// How far its machine is.
    pub stage: Stage,
    /// The full name it holds.
    pub fqdn: Option<String>,
    /// Ids of ports and volumes that exist, and that it uses.
    pub existing: BTreeSet<String>,
    /// Orders nodes that hold one name: recorded addresses, then age, then UID.
    pub rank: Rank,
}

impl Use {
    /// What it uses of a cloud's quotas, or is about to.
    fn share(&self) -> Amounts {
        match self.stage {
            Stage::Preparing | Stage::Building => self.need,
            Stage::Made | Stage::Ending => self.made,
        }
    }
}

/// How far a machine is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Stage {
    /// An attempt is open, and no server is there yet: volumes and ports are made, or it waits for its turn.
    Preparing,
    /// Its server is being made.
    #[default]
    Building,
    /// It runs, or ran.
    Made,
    /// Its attempt failed, or its node goes: it is being ended.
    Ending,
}

impl Stage {
    /// It is on its way to a machine.
    fn is_under_construction(self) -> bool {
        matches!(self, Self::Preparing | Self::Building)
    }
}

/// Bounds of one cloud.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    /// The Cloud's own limits.
    pub limits: Limits,
    /// Servers that are made at once; none if that is to be found out.
    pub concurrent_creates: Option<i64>,
    /// The most that may be found out.
    pub max_concurrent_creates: i64,
}

#[derive(Debug, Default)]
struct State {
    uses: Uses,
    /// When the running attempts of this process were let in.
    let_in: HashMap<String, Instant>,
    /// Since when this process lets servers be made, by the node's UID, and what the rule said then.
    building: HashMap<String, (Instant, u64)>,
    /// Nodes that wait for room, and in which clouds.
    queue: HashMap<String, Queued>,
    /// Nodes that pools made and that nobody has.
    pooled: BTreeSet<String>,
    /// Those of them that claims wait for, by the pool's UID.
    wanted: HashMap<String, BTreeSet<String>>,
    /// Nodes that wait for what one node at a time can have, by its name or id.
    for_one: HashMap<String, BTreeSet<String>>,
    /// Nodes for which such a thing was released.
    released: BTreeSet<String>,
    accounts: HashMap<String, Account>,
    cooling: Cooling,
}

/// A node that waits for room.
#[derive(Debug)]
struct Queued {
    age: Age,
    clouds: BTreeSet<String>,
    /// Nobody waits for it.
    is_idle: bool,
}

/// Those of a cloud of which nothing is known: nothing is made there.
impl Default for Bounds {
    fn default() -> Self {
        Self { limits: Limits::default(), concurrent_creates: Some(0), max_concurrent_creates: 0 }
    }
}

/// What is known of one cloud's quotas.
#[derive(Debug, Default)]
struct Account {
    figures: BTreeMap<Kind, Figures>,
    refusal: Option<Refusal>,
    /// When somebody last waited for something of this kind.
    short: BTreeMap<Kind, Instant>,
    /// Who waits for room.
    line: Line,
    /// Those that nobody waits for: they have their turn where no other waits.
    idle: Line,
    /// Nodes that have all that their server needs, and wait until it may be made.
    ready: BTreeSet<Age>,
    /// How many servers may be made at once, and the most that may be found out for that.
    adaptive: Adaptive,
    most: i64,
}

impl Account {
    /// How many servers may be made at once.
    fn creates(&self, bounds: &Bounds) -> i64 {
        let found = || self.adaptive.figure(bounds.max_concurrent_creates);
        bounds.concurrent_creates.unwrap_or_else(found)
    }

    fn line(&mut self, is_idle: bool) -> &mut Line {
        if is_idle { &mut self.idle } else { &mut self.line }
    }

    fn waiting(&self) -> usize {
        self.line.len() + self.idle.len()
    }
}

/// What all nodes use.
#[derive(Debug, Default)]
pub struct Gate(Mutex<State>);

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what a node uses, as its object remembers it. Returns whether it let go of a name, a place, or a part of
    /// what it had.
    pub fn set(&self, uid: &str, used: Option<Use>) -> bool {
        let mut state = self.lock();
        let used = used.map(|used| Use { stage: state.stage(uid, used.stage), ..used });
        let before = state.uses.put(uid, used.clone());
        let now = used.unwrap_or_default();
        before.is_some_and(|before| state.lets_go(uid, &before, &now))
    }

    /// The UIDs under which other objects of this `namespace/name` use something.
    #[must_use]
    pub fn others_of(&self, node: &str, uid: &str) -> Vec<String> {
        self.lock().uses.of_node(node).filter(|other| *other != uid).cloned().collect()
    }

    /// Takes a place for an attempt. It is refused if another node took it since the look.
    pub fn take(&self, used: Use, bounds: &Bounds) -> bool {
        let (mut state, now) = (self.lock(), Instant::now());
        let age = used.rank.age.clone();
        let free = state.room(&age, &used.cloud, &used.need, bounds, now) == Room::Free;
        let held = used.fqdn.as_ref().is_some_and(|fqdn| state.holder(&age.uid, fqdn, None).is_some());
        let had = state.user(&age.uid, &used.existing).is_some();
        if !free || held || had {
            return false;
        }
        if let Some(refusal) = state.accounts.entry(used.cloud.clone()).or_default().refusal.as_mut() {
            refusal.tries(now);
        }
        state.leave(&age.uid);
        state.uses.put(&age.uid, Some(used));
        state.let_in.insert(age.uid, now);
        true
    }

    /// Whether there is room for what a node needs, and it is its turn.
    #[must_use]
    pub fn room(&self, age: &Age, cloud: &str, need: &Amounts, bounds: &Bounds) -> Room {
        self.lock().room(age, cloud, need, bounds, Instant::now())
    }

    /// A node's place among those that wait for room in a cloud, and how many they are.
    #[must_use]
    pub fn place(&self, age: &Age, cloud: &str) -> Turn {
        self.lock().place(age, cloud)
    }

    /// Another node that holds a name. If this one holds it too, only one of lower rank does.
    #[must_use]
    pub fn holder(&self, uid: &str, fqdn: &str, own: Option<&Rank>) -> Option<String> {
        self.lock().holder(uid, fqdn, own)
    }

    /// Another node that uses one of these ports and volumes: the id, and the node.
    #[must_use]
    pub fn user(&self, uid: &str, existing: &BTreeSet<String>) -> Option<(String, String)> {
        self.lock().user(uid, existing)
    }

    /// A node waits for room in these clouds, in its turn, by age: of each what it needs there, and what it was told.
    /// Returns whether it is the first of its size somewhere, so that nobody else looks for it.
    pub fn wait(&self, age: &Age, wishes: BTreeMap<String, (Amounts, String)>) -> bool {
        let now = Instant::now();
        let mut state = self.lock();
        let clouds: BTreeSet<String> = wishes.keys().cloned().collect();
        let is_idle = state.is_idle(&age.uid);
        let queued = Queued { age: age.clone(), clouds: clouds.clone(), is_idle };
        if let Some(before) = state.queue.insert(age.uid.clone(), queued) {
            for cloud in &before.clouds {
                if before.is_idle != is_idle || !clouds.contains(cloud) {
                    state.account(cloud).line(before.is_idle).remove(age);
                }
            }
        }
        let mut leads = false;
        for (cloud, (need, told)) in wishes {
            let line = state.account(&cloud).line(is_idle);
            line.put(age, need, told, now);
            leads |= line.leads(age, now);
        }
        leads
    }

    /// A node waits until one of these names, ports and volumes is released, or for none any more.
    pub fn wait_for_one(&self, uid: &str, before: &BTreeSet<String>, now: &BTreeSet<String>) {
        let mut state = self.lock();
        for one in before.difference(now) {
            if let Some(waiting) = state.for_one.get_mut(one) {
                waiting.remove(uid);
                if waiting.is_empty() {
                    state.for_one.remove(one);
                }
            }
        }
        for one in now {
            state.for_one.entry(one.clone()).or_default().insert(uid.to_owned());
        }
    }

    /// Who is to look, by UID, because there is room for it in a cloud or because it is now the first of its size there.
    #[must_use]
    pub fn call(&self, cloud: &str, bounds: &Bounds) -> Vec<String> {
        let mut state = self.lock();
        let mut called = state.call(cloud, bounds, Instant::now());
        called.extend(state.next_to_build(cloud, bounds, None).into_iter().map(|age| age.uid.clone()));
        called
    }

    /// Who waited for a name, a port or a volume that was released, by UID.
    #[must_use]
    pub fn called_for_one(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.lock().released)
    }

    /// How many nodes wait for room in a cloud.
    #[must_use]
    pub fn waiting(&self, cloud: &str) -> usize {
        self.lock().accounts.get(cloud).map_or(0, Account::waiting)
    }

    /// Whether a node is one that a pool made and that nobody has. It goes behind all others, and only half as many are made at
    /// once, unless a claim waits for it.
    pub fn pooled(&self, uid: &str, is_pooled: bool) {
        let mut state = self.lock();
        if is_pooled != state.pooled.contains(uid) {
            // It waits in the wrong line, and is about to say so anew.
            state.leave(uid);
            if is_pooled {
                state.pooled.insert(uid.to_owned());
            } else {
                state.pooled.remove(uid);
            }
        }
    }

    /// Which nodes of a pool claims wait for. Returns those of which that is new: they are to look again.
    pub fn wants(&self, pool: &str, wanted: &BTreeSet<String>) -> Vec<String> {
        let mut state = self.lock();
        let before = state.wanted.remove(pool).unwrap_or_default();
        let changed: Vec<String> = before.symmetric_difference(wanted).cloned().collect();
        if !wanted.is_empty() {
            state.wanted.insert(pool.to_owned(), wanted.clone());
        }
        changed.into_iter().filter(|uid| state.leave(uid)).collect()
    }

    /// What is short in a cloud for nodes that were told so, and that would have room there if others of our nodes went.
    #[must_use]
    pub fn short(&self, cloud: &str, bounds: &Bounds) -> Option<Short> {
        self.lock().lacks(cloud, bounds, Instant::now())
    }

    /// Whether a node has any of this.
    #[must_use]
    pub fn has_any(&self, uid: &str, of: &BTreeSet<Quantity>) -> bool {
        self.lock().uses.get(uid).is_some_and(|used| of.iter().any(|of| used.share().of(*of) > 0))
    }

    /// A node does not wait for room any more. Returns whether it did: then those behind it may have their turn.
    pub fn leave(&self, uid: &str) -> bool {
        self.lock().leave(uid)
    }

    /// What the oldest node that waits for room in a cloud was told, and how many wait there.
    #[must_use]
    pub fn shortage(&self, cloud: &str) -> Option<String> {
        let state = self.lock();
        let account = state.accounts.get(cloud)?;
        let (node, told, others) = account.line.shortage().or_else(|| account.idle.shortage())?;
        let others = match others {
            0 => String::new(),
            others => format!(", and {others} more behind it"),
        };
        Some(format!("TestNode {node} waits{others}: {told}"))
    }

    /// A cloud refused a node's create for quota, in these words: its figures are to be read.
    pub fn refused(&self, uid: &str, cloud: &str, said: String) {
        let mut state = self.lock();
        let let_in = state.let_in.get(uid).copied();
        let account = state.account(cloud);
        account.refusal = Some(Refusal::after(account.refusal.as_ref(), said, let_in, Instant::now()));
        account.figures.values_mut().for_each(Figures::refute);
    }

    /// Whether a service's figures are to be read; and if so, what our nodes have there before it is asked.
    #[must_use]
    pub fn count(&self, cloud: &str, kind: Kind) -> Option<Count> {
        let state = self.lock();
        let now = Instant::now();
        let figures = state.accounts.get(cloud).and_then(|account| account.figures.get(&kind));
        let due = figures.is_none_or(|figures| figures.is_old(now, FIGURES_LAST));
        due.then(|| Count::of(state.uses.in_cloud(cloud)))
    }

    /// A service's figures were read; `None` if it did not tell them.
    pub fn read(&self, cloud: &str, kind: Kind, ours: Count, quotas: Option<Vec<Quota>>) {
        let mut state = self.lock();
        let account = state.account(cloud);
        account.figures.insert(kind, Figures::new(Instant::now(), ours, quotas));
    }

    /// No host was found in a place for a node.
    pub fn failed(&self, uid: &str, place: Place) {
        let mut state = self.lock();
        state.strained(uid, &place.cloud, "the cloud had no host for a server");
        state.cooling.failed(place, Instant::now());
    }

    /// A cloud refused a node's create because it has too much to do, in these words.
    pub fn strained(&self, uid: &str, cloud: &str, words: &str) {
        self.lock().strained(uid, cloud, words);
    }

    /// How many servers may be made in a cloud at once, and why.
    pub fn creates(&self, cloud: &str, bounds: &Bounds) -> (i64, String) {
        if let Some(fixed) = bounds.concurrent_creates {
            return (fixed, "spec.rate.concurrentCreates".to_owned());
        }
        let mut state = self.lock();
        let adaptive = &state.account(cloud).adaptive;
        (adaptive.figure(bounds.max_concurrent_creates), adaptive.why().to_owned())
    }

    /// A machine was made in a place. Returns whether it was avoided until now.
    pub fn worked(&self, place: &Place) -> bool {
        self.lock().cooling.worked(place)
    }

    /// How long a place is still to be avoided.
    #[must_use]
    pub fn cools(&self, place: &Place) -> Option<Duration> {
        self.lock().cooling.left(place, Instant::now())
    }

    /// What all nodes use of a cloud, and how many they are.
    #[must_use]
    pub fn usage(&self, cloud: &str) -> (i64, Usage) {
        let usage = self.lock().uses.sums(cloud).need;
        (usage.of(Quantity::Instances), usage.into())
    }
}

impl State {
    fn account(&mut self, cloud: &str) -> &mut Account {
        self.accounts.entry(cloud.to_owned()).or_default()
    }

    fn leave(&mut self, uid: &str) -> bool {
        let Some(queued) = self.queue.remove(uid) else { return false };
        for cloud in &queued.clouds {
            self.account(cloud).line(queued.is_idle).remove(&queued.age);
        }
        true
    }

    fn is_idle(&self, uid: &str) -> bool {
        self.pooled.contains(uid) && !self.wanted.values().any(|wanted| wanted.contains(uid))
    }

    fn lets_go(&mut self, uid: &str, before: &Use, now: &Use) -> bool {
        let moved = before.cloud != now.cloud;
        let left = if moved { Amounts::default() } else { now.made };
        let mut shrunk = false;
        if let Some(account) = self.accounts.get_mut(&before.cloud) {
            for kind in Kind::ALL {
                let less =
                    Quantity::ALL.into_iter().any(|of| of.kind() == kind && left.of(of) < before.made.of(of));
                if let (true, Some(figures)) = (less, account.figures.get_mut(&kind)) {
                    figures.shrinks(uid, kind, &before.made);
                }
                shrunk |= less;
            }
            if before.stage.is_under_construction() && now.stage == Stage::Made {
                // There was room.
                account.refusal = None;
            }
        }
        let built = before.stage == Stage::Building && now.stage != Stage::Building;
        let ended = before.stage.is_under_construction() && !now.stage.is_under_construction();
        if let (Stage::Made, Some((at, epoch))) = (now.stage, self.building.get(uid).copied()) {
            let account = self.account(&before.cloud);
            account.adaptive.made(epoch, at.elapsed(), account.most);
        }
        if ended || moved {
            self.let_in.remove(uid);
            self.building.remove(uid);
        }
        if now.stage != Stage::Preparing || moved {
            self.account(&before.cloud).ready.remove(&before.rank.age);
        }
        let renamed = before.fqdn.as_ref().filter(|before| now.fqdn.as_ref() != Some(*before));
        let left: Vec<&String> =
            renamed.into_iter().chain(before.existing.difference(&now.existing)).collect();
        for waiting in left.iter().filter_map(|one| self.for_one.get(*one)) {
            self.released.extend(waiting.iter().cloned());
        }
        shrunk || moved || built || ended || !left.is_empty()
    }
}
