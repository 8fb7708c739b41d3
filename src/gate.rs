//! Who uses what: places, quota and names, over all nodes of this process. Taken in the turn that opens an attempt,
//! before the write that remembers it, so that two nodes never take the same.
//!
//! Begin with [`Gate::room`]. Whose turn it is says `queue`, what the clouds have left `figures`.

mod amounts;
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

use crate::api::Kind;
use crate::api::cloud::{Limits, Usage};
use crate::reconcile::state::{Room, Turn};
use cooling::Cooling;
use figures::Figures;
use line::Line;
use refusals::Refusal;
use sums::Uses;

pub use amounts::{Amounts, Quantity, count};
pub use cooling::Place;
pub use figures::{Count, FIGURES_LAST, Quota};
pub use names::{Age, Rank, named_in};

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
            Stage::Building => self.need,
            Stage::Made | Stage::Ending => self.made,
        }
    }
}

/// How far a machine is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Stage {
    /// Under construction.
    #[default]
    Building,
    /// It runs, or ran.
    Made,
    /// Its attempt failed, or its node goes: it is being ended.
    Ending,
}

/// Bounds of one cloud.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    /// The Cloud's own limits.
    pub limits: Limits,
    /// Nodes under construction at once.
    pub concurrent_creates: i64,
}

#[derive(Debug, Default)]
struct State {
    uses: Uses,
    /// When the running attempts of this process were let in.
    let_in: HashMap<String, Instant>,
    /// Nodes that wait for room, and in which clouds.
    queue: HashMap<String, (Age, BTreeSet<String>)>,
    /// Nodes that wait for a name, by the name.
    for_names: HashMap<String, BTreeSet<String>>,
    /// Nodes whose name was released.
    named: BTreeSet<String>,
    accounts: HashMap<String, Account>,
    cooling: Cooling,
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
        state.let_in.insert(age.uid.clone(), now);
        state.uses.put(&age.uid, Some(used));
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
        if let Some((_, before)) = state.queue.insert(age.uid.clone(), (age.clone(), clouds.clone())) {
            for cloud in before.difference(&clouds) {
                state.account(cloud).line.remove(age);
            }
        }
        let mut leads = false;
        for (cloud, (need, told)) in wishes {
            let line = &mut state.account(&cloud).line;
            line.put(age, need, told, now);
            leads |= line.leads(age, now);
        }
        leads
    }

    /// A node waits until one of these names is released, or for none any more.
    pub fn wait_for_names(&self, uid: &str, before: &BTreeSet<String>, names: &BTreeSet<String>) {
        let mut state = self.lock();
        for name in before.difference(names) {
            if let Some(waiting) = state.for_names.get_mut(name) {
                waiting.remove(uid);
                if waiting.is_empty() {
                    state.for_names.remove(name);
                }
            }
        }
        for name in names {
            state.for_names.entry(name.clone()).or_default().insert(uid.to_owned());
        }
    }

    /// Who is to look, by UID, because there is room for it in a cloud or because it is now the first of its size there.
    #[must_use]
    pub fn call(&self, cloud: &str, bounds: &Bounds) -> Vec<String> {
        self.lock().call(cloud, bounds, Instant::now())
    }

    /// Who waited for a name that was released, by UID.
    #[must_use]
    pub fn called_for_names(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.lock().named)
    }

    /// How many nodes wait for room in a cloud.
    #[must_use]
    pub fn waiting(&self, cloud: &str) -> usize {
        self.lock().accounts.get(cloud).map_or(0, |account| account.line.len())
    }

    /// A node does not wait for room any more. Returns whether it did: then those behind it may have their turn.
    pub fn leave(&self, uid: &str) -> bool {
        self.lock().leave(uid)
    }

    /// What the oldest node that waits for room in a cloud was told, and how many wait there.
    #[must_use]
    pub fn shortage(&self, cloud: &str) -> Option<String> {
        let state = self.lock();
        let (node, told, others) = state.accounts.get(cloud)?.line.shortage()?;
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
        account.figures.values_mut().for_each(Figures::outdate);
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

    /// No host was found in a place.
    pub fn failed(&self, place: Place) {
        self.lock().cooling.failed(place, Instant::now());
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
        let Some((age, clouds)) = self.queue.remove(uid) else { return false };
        for cloud in &clouds {
            self.account(cloud).line.remove(&age);
        }
        true
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
            if before.stage == Stage::Building && now.stage == Stage::Made {
                // There was room.
                account.refusal = None;
            }
        }
        let built = before.stage == Stage::Building && now.stage != Stage::Building;
        if built || moved {
            self.let_in.remove(uid);
        }
        let renamed = before.fqdn.as_ref().filter(|before| now.fqdn.as_ref() != Some(*before));
        if let Some(waiting) = renamed.and_then(|name| self.for_names.get(name)) {
            self.named.extend(waiting.iter().cloned());
        }
        shrunk || moved || built || renamed.is_some()
    }
}
