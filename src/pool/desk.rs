//! Which claim is next, and which nodes it gets. Pure, and the same whoever asks: a claim's turn binds what it is given
//! here, and the pool makes what is awaited.
//!
//! A claim that has begun to be bound comes first. Then who holds and awaits fewest nodes in the pool (namespace, then
//! owner), then the oldest. A claim gets all its nodes at once, from one cloud, or none. One that names its nodes never waits:
//! it gets these, or is told who has them.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::slot::{Slot, State};
use crate::api::ClaimRef;

mod by_name;
mod order;
mod places;
#[cfg(test)]
mod tests;

pub use places::Terms;

use by_name::by_name;
use order::order;
use places::Places;

/// The first claim that does not fit may be passed for so long.
const PASSED_FOR: Duration = Duration::from_mins(5);

/// Then what becomes Ready is kept for it while something is coming, for so long; then it may be passed again.
const KEPT_FOR: Duration = Duration::from_mins(30);

/// A claim that wants nodes of the pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// Which.
    pub claim: ClaimRef,
    /// For whom.
    pub owner: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// How many nodes in all.
    pub count: usize,
    /// Which, if it names them.
    pub named: Vec<String>,
    /// A person waits: it may have the reserve.
    pub is_interactive: bool,
    /// Nodes that it had and gave up, by UID.
    pub gave_up: Vec<String>,
}

/// What a claim is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Turn {
    /// These nodes are for it, by UID.
    Now(Vec<String>),
    /// It waits.
    Waits {
        /// Its place, from 1.
        place: usize,
        /// How many wait.
        of: usize,
        /// The most nodes that it could have from one cloud now, had it no one before it.
        ready: usize,
        /// Nodes are kept for it as they become Ready.
        kept: bool,
    },
    /// The places that are left are for interactive claims.
    Reserved {
        /// How many the pool keeps for them.
        reserve: usize,
    },
    /// Its namespace has as many nodes as it may have.
    Limited {
        /// How many its claims have.
        has: usize,
        /// How many they may have.
        most: usize,
    },
    /// A node that it names cannot be had, and why.
    NotFree(String),
}

impl Turn {
    /// It waits for nodes that are to be made.
    #[must_use]
    pub fn awaits(&self) -> bool {
        matches!(self, Self::Now(_) | Self::Waits { .. })
    }
}

/// What each claim is told, by UID. `usable` are the nodes that may be handed out, `slots` all.
#[must_use]
pub fn hand_out<'a>(
    slots: &[Slot],
    usable: impl Iterator<Item = &'a Slot>,
    wishes: &[Wish],
    terms: &Terms,
    now: Timestamp,
) -> BTreeMap<String, Turn> {
    let mut usable: Vec<&Slot> = usable.collect();
    let (mut named, counted): (Vec<&Wish>, Vec<&Wish>) =
        wishes.iter().partition(|wish| !wish.named.is_empty());
    let mut places = Places::of(slots, terms);
    let mut turns = BTreeMap::new();
    if !named.is_empty() {
        // What is kept for others is kept from these too.
        let (_, kept) = by_count(slots, &usable, &counted, places.clone(), now);
        named.sort_by_key(|wish| (wish.since, &wish.claim));
        let mut given: BTreeMap<String, &ClaimRef> = kept;
        for wish in named {
            let turn = by_name(slots, wish, &given, &mut places);
            if let Turn::Now(nodes) = &turn {
                given.extend(nodes.iter().map(|uid| (uid.clone(), &wish.claim)));
                usable.retain(|slot| !nodes.contains(&slot.uid));
            }
            turns.insert(wish.claim.uid.clone(), turn);
        }
    }
    turns.append(&mut by_count(slots, &usable, &counted, places, now).0);
    turns
}

/// What claims that name no nodes are told, and which nodes are kept for whom.
fn by_count<'w>(
    slots: &[Slot],
    usable: &[&Slot],
    wishes: &[&'w Wish],
    mut places: Places<'_>,
    now: Timestamp,
) -> (BTreeMap<String, Turn>, BTreeMap<String, &'w ClaimRef>) {
    let mut shelf = shelf(usable);
    let most = shelf.values().map(Vec::len).max().unwrap_or(0);
    // What is being deleted is made again.
    let more = |slot: &Slot| slot.state == State::Going || slot.is(State::Coming);
    let comes = slots.iter().any(more);
    let (mut turns, mut keeps, mut place, mut blocked) = (BTreeMap::new(), BTreeMap::new(), 0, false);
    let mut waiting = Vec::new();
    for wish in order(slots, wishes, places.terms()) {
        let own: Vec<&Slot> = held_by(slots, wish).collect();
        let lacks = wish.count.saturating_sub(own.len());
        if lacks == 0 {
            // It has all, and only does not say so yet.
            turns.insert(wish.claim.uid.clone(), Turn::Now(Vec::new()));
            continue;
        }
        if own.is_empty()
            && let Some(turn) = places.refuses(wish)
        {
            if is_kept(wish, now) {
                // Smaller ones behind it would take every place that is given back.
                places.close(wish, &turn);
            }
            turns.insert(wish.claim.uid.clone(), turn);
            continue;
        }
        let begun = own.first().map(|slot| slot.cloud.as_deref().unwrap_or_default());
        let best = match begun {
            // What it has it keeps, and more of it must be from there.
            Some(cloud) => {
                Some(cloud).filter(|cloud| shelf.get(cloud).is_some_and(|there| !there.is_empty()))
            }
            None => best(&shelf, lacks),
        };
        if let Some(there) = best.and_then(|cloud| shelf.get_mut(&cloud)) {
            let given: Vec<String> =
                there.drain(..lacks.min(there.len())).map(|slot| slot.uid.clone()).collect();
            places.take(&wish.claim, given.len());
            turns.insert(wish.claim.uid.clone(), Turn::Now(given));
            continue;
        }
        place += 1;
        let kept = !blocked && comes && is_kept(wish, now);
        if kept {
            // Others get only what is beyond that.
            let fullest = shelf.values_mut().max_by_key(|there| there.len());
            if let Some(there) = fullest {
                let kept = there.drain(..lacks.min(there.len()));
                keeps.extend(kept.map(|slot| (slot.uid.clone(), &wish.claim)));
            }
        }
        blocked = true;
        waiting.push((wish.claim.uid.clone(), place, kept));
    }
    let of = waiting.len();
    for (uid, place, kept) in waiting {
        turns.insert(uid, Turn::Waits { place, of, ready: most, kept });
    }
    (turns, keeps)
}

/// How many nodes the claims lack that `turns` has wait, if each has the most that it can have from one cloud of what is usable
/// now.
#[must_use]
pub fn lacks<'a>(
    slots: &[Slot],
    usable: impl Iterator<Item = &'a Slot>,
    wishes: &[Wish],
    turns: &BTreeMap<String, Turn>,
    terms: &Terms,
) -> usize {
    let usable: Vec<&Slot> = usable.collect();
    let mut shelf = shelf(&usable);
    let awaiting: Vec<&Wish> = wishes.iter().filter(|wish| awaits(wish, turns)).collect();
    let mut all = 0;
    for wish in order(slots, &awaiting, terms) {
        let own: Vec<&Slot> = held_by(slots, wish).collect();
        let lacks = wish.count.saturating_sub(own.len());
        let there = match own.first() {
            Some(begun) => shelf.get_mut(begun.cloud.as_deref().unwrap_or_default()),
            None => shelf.values_mut().max_by_key(|there| there.len()),
        };
        let given = there.map_or(0, |there| there.drain(..lacks.min(there.len())).len());
        all += lacks - given;
    }
    all
}

/// How many nodes claims wait for, whoever makes them.
#[must_use]
pub fn awaited(slots: &[Slot], wishes: &[Wish], turns: &BTreeMap<String, Turn>) -> usize {
    let awaiting = wishes.iter().filter(|wish| awaits(wish, turns));
    awaiting.map(|wish| wish.count.saturating_sub(held_by(slots, wish).count())).sum()
}

/// Nodes may have to be made for it.
fn awaits(wish: &Wish, turns: &BTreeMap<String, Turn>) -> bool {
    wish.named.is_empty() && turns.get(&wish.claim.uid).is_some_and(Turn::awaits)
}

/// What is usable in each cloud, the oldest first.
fn shelf<'a>(usable: &[&'a Slot]) -> BTreeMap<&'a str, Vec<&'a Slot>> {
    let mut usable = usable.to_vec();
    usable.sort_by_key(|slot| (slot.ready_at, &slot.name));
    let mut shelf: BTreeMap<&str, Vec<&Slot>> = BTreeMap::new();
    for slot in usable {
        shelf.entry(slot.cloud.as_deref().unwrap_or_default()).or_default().push(slot);
    }
    shelf
}

/// Nodes that a claim has.
pub fn held_by<'a>(slots: &'a [Slot], wish: &'a Wish) -> impl Iterator<Item = &'a Slot> {
    let own = |slot: &&Slot| slot.state != State::Going && slot.claim.as_ref() == Some(&wish.claim);
    slots.iter().filter(own).filter(|slot| !wish.gave_up.contains(&slot.uid))
}

/// The cloud with most of what is usable, if it has enough.
fn best<'a>(shelf: &BTreeMap<&'a str, Vec<&Slot>>, lacks: usize) -> Option<&'a str> {
    let fits = shelf.iter().filter(|(_, there)| there.len() >= lacks);
    fits.max_by_key(|(_, there)| there.len()).map(|(cloud, _)| *cloud)
}

fn is_kept(wish: &Wish, now: Timestamp) -> bool {
    let waits = Duration::try_from(now.duration_since(wish.since)).unwrap_or_default();
    waits.as_secs() % (PASSED_FOR + KEPT_FOR).as_secs() >= PASSED_FOR.as_secs()
}
