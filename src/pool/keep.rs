//! What a pool does next: one node made, or one dropped. The first rule of [`KEEP`] that speaks decides. Pure.
//!
//! A node that a claim has is never dropped here: see `reconcile::plan::release`.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::slot::{Slot, State};

#[cfg(test)]
mod tests;

/// A machine that broke is looked at for so long before it is dropped: somebody may start it again.
const BROKEN_FOR: Duration = Duration::from_mins(2);

/// What is too much is dropped only after that: a claim that comes back finds it.
pub const SURPLUS_FOR: Duration = Duration::from_mins(5);

/// A pool, as it is seen.
#[derive(Clone, Debug)]
pub struct Stock {
    /// When that is.
    pub now: Timestamp,
    /// Idle nodes to keep Ready.
    pub min_ready: usize,
    /// The most nodes.
    pub max: usize,
    /// An idle node that has been Ready for longer is replaced.
    pub max_ready_age: Duration,
    /// Nothing is made or dropped.
    pub paused: bool,
    /// Its nodes.
    pub slots: Vec<Slot>,
    /// Numbers whose names are taken, whoever has them.
    pub taken: BTreeSet<usize>,
    /// Nodes that claims wait for.
    pub awaited: usize,
    /// So many of those are not Ready in a cloud where a claim could have them: see [`lacks`](super::desk::lacks).
    pub lacks: usize,
    /// How many nodes its clouds build at once.
    pub wave: usize,
    /// How long there have been more idle nodes than anybody wants.
    pub surplus_for: Duration,
    /// The idle node that gives its room to others, who wait for it in its cloud, by UID.
    pub gives_way: Option<String>,
    /// Others wait for the room of its clouds, or did until a moment ago.
    pub held_back: bool,
    /// An older pool makes nodes of the same names: which, for people.
    pub rival: Option<String>,
}

/// What to do next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Move {
    /// Make the node with this number.
    Make(usize),
    /// Delete an idle node.
    Drop {
        /// Its UID.
        uid: String,
        /// Why, for people.
        why: String,
    },
    /// Nothing.
    Rest,
}

/// A rule of [`KEEP`].
pub type Rule = fn(&Stock) -> Option<Move>;

/// All rules of a pool.
pub const KEEP: &[Rule] = &[
    wait_while_paused,
    drop_rejected,
    drop_broken,
    one_probe,
    drop_failed_outdated,
    drop_outdated,
    give_way,
    make_room,
    drop_surplus,
    leave_names,
    make_wanted,
    refill,
    drop_aged,
];

/// Chooses the next move. Total and deterministic.
#[must_use]
pub fn keep(stock: &Stock) -> Move {
    keep_by(KEEP, stock)
}

/// [`keep`], with a list of one's own: the tests leave rules out.
#[must_use]
pub fn keep_by(rules: &[Rule], stock: &Stock) -> Move {
    rules.iter().find_map(|rule| rule(stock)).unwrap_or(Move::Rest)
}

#[cfg(test)]
impl Stock {
    /// Nothing, of a pool that keeps two of at most four.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            now,
            min_ready: 2,
            max: 4,
            max_ready_age: Duration::MAX,
            paused: false,
            slots: Vec::new(),
            taken: BTreeSet::new(),
            awaited: 0,
            lacks: 0,
            wave: 3,
            surplus_for: Duration::ZERO,
            gives_way: None,
            held_back: false,
            rival: None,
        }
    }
}

impl Stock {
    fn idle(&self, state: State, current: bool) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(move |slot| slot.is(state) && slot.is_current == current)
    }

    /// A node of the present template has been Ready.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.slots.iter().any(|slot| slot.is_current && slot.ready_at.is_some())
    }

    /// Idle nodes that a claim may have: of an earlier template only until the present one is proven.
    pub fn usable(&self) -> impl Iterator<Item = &Slot> {
        let proven = self.is_proven();
        let wanted = move |slot: &&Slot| !slot.is_rejected && (slot.is_current || !proven);
        self.slots.iter().filter(|slot| slot.is(State::Ready)).filter(wanted)
    }

    /// Nodes of the present template that cannot be made, or not yet.
    pub fn failing(&self) -> impl Iterator<Item = &Slot> {
        self.idle(State::Failing, true)
    }

    /// Nodes that are being made.
    #[must_use]
    pub fn coming(&self) -> usize {
        self.idle(State::Coming, true).count() + self.failing().count()
    }

    /// Nodes that are being made and that claims wait for, by UID: the oldest of all that are coming.
    #[must_use]
    pub fn for_claims(&self) -> BTreeSet<String> {
        let coming =
            |slot: &&Slot| slot.is(State::Coming) || slot.is(State::Failing) || slot.is(State::Taken);
        let mut coming: Vec<&Slot> = self.slots.iter().filter(coming).collect();
        coming.sort_by_key(|slot| (slot.created, &slot.name));
        coming.into_iter().take(self.lacks).map(|slot| slot.uid.clone()).collect()
    }

    /// Idle nodes of an earlier template.
    pub fn outdated(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| slot.is_idle() && !slot.is_current)
    }

    /// Nodes whose host name another node has.
    pub fn named_by_others(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| slot.is(State::Taken))
    }

    /// How many idle nodes there are that nobody wants. While a claim lacks some it cannot be told which.
    #[must_use]
    pub fn surplus(&self) -> usize {
        if self.lacks > 0 && self.coming() <= self.lacks {
            return 0;
        }
        let wanted = |slot: &&Slot| slot.is_idle() && slot.is_current && slot.state != State::Taken;
        let idle = self.slots.iter().filter(wanted).count();
        idle.saturating_sub(self.min_ready.saturating_add(self.awaited))
    }

    /// Whether one more may be made while so many are coming. While one fails no other is begun, and with a new template
    /// the first must be Ready before there is a second.
    fn may_make(&self, at_once: usize) -> bool {
        let canary = self.outdated().next().is_some() && !self.is_proven();
        let at_once = if canary { 1 } else { at_once.max(1) };
        self.failing().next().is_none() && self.coming() < at_once
    }

    /// The lowest free number, if there may be one node more.
    fn free(&self) -> Option<usize> {
        let number = (1..=self.max).find(|number| !self.taken.contains(number));
        number.filter(|_| self.slots.len() < self.max)
    }
}

fn drop(slot: &Slot, why: impl Into<String>) -> Move {
    Move::Drop { uid: slot.uid.clone(), why: why.into() }
}

/// Whoever edits a pool in two steps pauses it.
fn wait_while_paused(stock: &Stock) -> Option<Move> {
    stock.paused.then_some(Move::Rest)
}

/// Nobody may have a machine of a version that was rejected.
fn drop_rejected(stock: &Stock) -> Option<Move> {
    let rejected = stock.slots.iter().find(|slot| slot.is_idle() && slot.is_rejected)?;
    Some(drop(rejected, "it was made from a version of its MachineImage that is rejected"))
}

/// A machine that stopped or was lost serves nobody.
fn drop_broken(stock: &Stock) -> Option<Move> {
    let broken = stock.slots.iter().find(|slot| {
        let State::Broken(since) = slot.state else { return false };
        let lasts = Duration::try_from(stock.now.duration_since(since)).unwrap_or_default();
        slot.is_idle() && lasts >= BROKEN_FOR
    })?;
    Some(drop(broken, format!("its machine broke ({})", broken.said)))
}

/// Of nodes that fail, the oldest tries again by itself; the others take its room.
fn one_probe(stock: &Stock) -> Option<Move> {
    let mut failing: Vec<&Slot> = stock.failing().collect();
    failing.sort_by_key(|slot| (slot.created, &slot.name));
    let other = failing.get(1)?;
    Some(drop(other, "another node of the pool fails too, and one is enough to try again"))
}

/// The template was edited: what the old one failed to make is not wanted any more.
fn drop_failed_outdated(stock: &Stock) -> Option<Move> {
    let failed = stock.idle(State::Failing, false).next()?;
    Some(drop(failed, "it failed, and is of an earlier template"))
}

/// A node of the present template has been Ready: idle ones of before go.
fn drop_outdated(stock: &Stock) -> Option<Move> {
    let outdated = stock.outdated().next().filter(|_| stock.is_proven())?;
    Some(drop(outdated, "it is of an earlier template, and a node of the present one has been Ready"))
}

/// Who waits for a machine goes before whoever may want one.
fn give_way(stock: &Stock) -> Option<Move> {
    let uid = stock.gives_way.as_ref()?;
    let idle = stock.slots.iter().find(|slot| slot.uid == *uid && slot.is_idle())?;
    Some(drop(idle, "another node waits for room in its cloud, and nobody waits for this one"))
}

/// The pool is full of nodes of before: one gives its place to the first of the present template.
fn make_room(stock: &Stock) -> Option<Move> {
    let none = !stock.slots.iter().any(|slot| slot.is_current && slot.claim.is_none());
    let full = stock.slots.len() >= stock.max && !stock.slots.iter().any(|slot| slot.state == State::Going);
    let oldest = stock.outdated().min_by_key(|slot| (slot.created, &slot.name))?;
    (none && full && stock.min_ready + stock.awaited > 0).then(|| {
        drop(oldest, "it is of an earlier template, and the pool has no room for one of the present")
    })
}

/// More than anybody wants: first what fails, then the newest that is coming, then the oldest that is Ready.
fn drop_surplus(stock: &Stock) -> Option<Move> {
    if stock.surplus() == 0 || stock.surplus_for < SURPLUS_FOR {
        return None;
    }
    let newest = |state| stock.idle(state, true).max_by_key(|slot| (slot.created, &slot.name));
    let oldest = || stock.idle(State::Ready, true).min_by_key(|slot| (slot.created, &slot.name));
    let too_much = newest(State::Failing).or_else(|| newest(State::Coming)).or_else(oldest)?;
    Some(drop(too_much, "the pool has more idle nodes than its minReady, and nobody waits for it"))
}

/// Of two pools whose nodes would have the same names, the older makes them.
fn leave_names(stock: &Stock) -> Option<Move> {
    stock.rival.is_some().then_some(Move::Rest)
}

/// Claims wait.
fn make_wanted(stock: &Stock) -> Option<Move> {
    let lacks = stock.coming() < stock.lacks;
    (lacks && stock.may_make(2 * stock.wave)).then(|| stock.free().map(Move::Make)).flatten()
}

/// Nobody waits, and there are fewer idle nodes than there should be.
fn refill(stock: &Stock) -> Option<Move> {
    let ready = stock.idle(State::Ready, true).count();
    let lacks = stock.awaited == 0 && !stock.held_back && ready + stock.coming() < stock.min_ready;
    (lacks && stock.may_make(stock.wave)).then(|| stock.free().map(Move::Make)).flatten()
}

/// Old machines have old packages and old images: the oldest goes, once all others are there.
fn drop_aged(stock: &Stock) -> Option<Move> {
    let oldest = stock.idle(State::Ready, true).min_by_key(|slot| (slot.ready_at, &slot.name))?;
    let age = Duration::try_from(stock.now.duration_since(oldest.ready_at?)).unwrap_or_default();
    let whole = stock.coming() == 0 && stock.idle(State::Ready, true).count() >= stock.min_ready;
    (whole && age > stock.max_ready_age)
        .then(|| drop(oldest, "it has been Ready for longer than the pool's maxReadyAge"))
}
