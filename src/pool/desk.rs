//! Which claim is next, and which nodes it gets. Pure, and the same whoever asks: a claim's turn binds what it is given
//! here, and the pool makes what is awaited.
//!
//! A claim that has begun to be bound comes first. Then who holds and awaits fewest nodes in the pool (namespace, then
//! owner), then the oldest. A claim gets all its nodes at once, from one cloud, or none.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::slot::{Slot, State};
use crate::api::ClaimRef;

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
}

/// What each claim is told, by UID. `usable` are the nodes that may be handed out, `slots` all.
#[must_use]
pub fn hand_out<'a>(
    slots: &[Slot],
    usable: impl Iterator<Item = &'a Slot>,
    wishes: &[Wish],
    now: Timestamp,
) -> BTreeMap<String, Turn> {
    let mut shelf = shelf(usable);
    let most = shelf.values().map(Vec::len).max().unwrap_or(0);
    let order = order(slots, wishes);
    // What is being deleted is made again.
    let more = |slot: &Slot| slot.state == State::Going || slot.is(State::Coming);
    let comes = slots.iter().any(more);
    let (mut turns, mut place, mut blocked) = (BTreeMap::new(), 0, false);
    let mut waiting = Vec::new();
    for wish in order {
        let own: Vec<&Slot> = held_by(slots, wish).collect();
        let lacks = wish.count.saturating_sub(own.len());
        if lacks == 0 {
            // It has all, and only does not say so yet.
            turns.insert(wish.claim.uid.clone(), Turn::Now(Vec::new()));
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
            let given = there.drain(..lacks.min(there.len())).map(|slot| slot.uid.clone()).collect();
            turns.insert(wish.claim.uid.clone(), Turn::Now(given));
            continue;
        }
        place += 1;
        let kept = !blocked && comes && is_kept(wish, now);
        if kept {
            // Others get only what is beyond that.
            let fullest = shelf.values_mut().max_by_key(|there| there.len());
            if let Some(there) = fullest {
                there.drain(..lacks.min(there.len()));
            }
        }
        blocked = true;
        waiting.push((wish.claim.uid.clone(), place, kept));
    }
    let of = waiting.len();
    for (uid, place, kept) in waiting {
        turns.insert(uid, Turn::Waits { place, of, ready: most, kept });
    }
    turns
}

/// How many nodes the claims lack, if each has the most that it can have from one cloud of what is usable now.
#[must_use]
pub fn lacks<'a>(slots: &[Slot], usable: impl Iterator<Item = &'a Slot>, wishes: &[Wish]) -> usize {
    let mut shelf = shelf(usable);
    let mut all = 0;
    for wish in order(slots, wishes) {
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

/// What is usable in each cloud, the oldest first.
fn shelf<'a>(usable: impl Iterator<Item = &'a Slot>) -> BTreeMap<&'a str, Vec<&'a Slot>> {
    let mut usable: Vec<&Slot> = usable.collect();
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

/// Who is before whom.
fn order<'a>(slots: &[Slot], wishes: &'a [Wish]) -> Vec<&'a Wish> {
    let held = |fits: &dyn Fn(&Slot, &ClaimRef) -> bool| {
        let fits = |slot: &&Slot| {
            slot.state != State::Going && slot.claim.as_ref().is_some_and(|claim| fits(slot, claim))
        };
        slots.iter().filter(fits).count()
    };
    let mut oldest: Vec<&Wish> = wishes.iter().collect();
    oldest.sort_by_key(|wish| (wish.since, &wish.claim));
    let (mut of_namespace, mut of_owner) = (BTreeMap::new(), BTreeMap::new());
    let mut ranked: Vec<_> = oldest
        .into_iter()
        .map(|wish| {
            let namespace = &wish.claim.namespace;
            let own = held_by(slots, wish).count();
            let both = of_namespace
                .entry(namespace)
                .or_insert_with(|| held(&|_, claim| claim.namespace == *namespace));
            let one = of_owner.entry((namespace, &wish.owner)).or_insert_with(|| {
                held(&|slot, claim| claim.namespace == *namespace && slot.owner == wish.owner)
            });
            let before = if own > 0 { (0, 0, 0) } else { (1, *both, *one) };
            *both += wish.count.saturating_sub(own);
            *one += wish.count.saturating_sub(own);
            (before, wish)
        })
        .collect();
    // Stable: the oldest is first among equals.
    ranked.sort_by_key(|(before, _)| *before);
    ranked.into_iter().map(|(_, wish)| wish).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::slot::examples::{NOW, claimed, of, slot};

    /// A claim that waits since so many seconds.
    fn wish(claim: &str, seconds: i64, count: usize) -> Wish {
        let since = Timestamp::constant(1000 - seconds, 0);
        Wish { claim: of(claim), owner: None, since, count, gave_up: Vec::new() }
    }

    fn ready(numbers: std::ops::RangeInclusive<i64>) -> Vec<Slot> {
        numbers.map(|number| slot(number, State::Ready)).collect()
    }

    fn told(slots: &[Slot], wishes: &[Wish]) -> BTreeMap<String, Turn> {
        let usable = slots.iter().filter(|slot| slot.is(State::Ready));
        hand_out(slots, usable, wishes, NOW)
    }

    fn given(slots: &[Slot], wishes: &[Wish], claim: &str) -> Option<Vec<String>> {
        match told(slots, wishes).remove(&of(claim).uid) {
            Some(Turn::Now(given)) => Some(given),
            Some(Turn::Waits { .. }) | None => None,
        }
    }

    fn place(slots: &[Slot], wishes: &[Wish], claim: &str) -> Option<(usize, bool)> {
        match told(slots, wishes).remove(&of(claim).uid) {
            Some(Turn::Waits { place, kept, .. }) => Some((place, kept)),
            Some(Turn::Now(_)) | None => None,
        }
    }

    #[test]
    fn a_claim_gets_all_its_nodes_at_once_or_none() {
        let wishes = [wish("a-1", 10, 3)];

        assert_eq!(place(&ready(1..=2), &wishes, "a-1"), Some((1, false)));
        assert_eq!(given(&ready(1..=4), &wishes, "a-1").unwrap(), ["n-1", "n-2", "n-3"]);
    }

    #[test]
    fn no_node_is_given_to_two() {
        let wishes = [wish("a-1", 20, 2), wish("b-1", 10, 2)];
        let slots = ready(1..=3);

        assert_eq!(given(&slots, &wishes, "a-1").unwrap(), ["n-1", "n-2"]);
        assert_eq!(given(&slots, &wishes, "b-1"), None);
        assert_eq!(place(&slots, &wishes, "b-1"), Some((1, false)));
    }

    #[test]
    fn who_has_begun_is_completed_first_and_from_the_same_cloud() {
        let mut slots = vec![claimed(1, "b-1")];
        slots.extend(ready(2..=2));
        let wishes = [wish("a-1", 500, 1), wish("b-1", 10, 3)];
        assert_eq!(given(&slots, &wishes, "b-1").unwrap(), ["n-2"]);
        assert_eq!(given(&slots, &wishes, "a-1"), None);

        slots[1].cloud = Some("far".into());
        assert_eq!(given(&slots, &wishes, "b-1"), None);
        assert_eq!(given(&slots, &wishes, "a-1").unwrap(), ["n-2"]);
    }

    #[test]
    fn who_has_all_stands_in_nobodys_way() {
        let mut slots = vec![claimed(1, "b-1")];
        slots.extend(ready(2..=2));
        let wishes = [wish("b-1", 500, 1), wish("a-1", 10, 1)];

        assert_eq!(given(&slots, &wishes, "b-1").unwrap(), Vec::<String>::new());
        assert_eq!(given(&slots, &wishes, "a-1").unwrap(), ["n-2"]);
        assert_eq!(place(&slots[..1], &wishes, "a-1"), Some((1, false)));
    }

    #[test]
    fn what_a_claim_gave_up_counts_no_longer() {
        let mut slots = vec![claimed(1, "b-1")];
        slots.extend(ready(2..=3));
        let wishes = [Wish { gave_up: vec!["n-1".into()], ..wish("b-1", 10, 3) }];

        assert_eq!(place(&slots, &wishes, "b-1"), Some((1, false)));
        slots.extend(ready(4..=4));
        assert_eq!(given(&slots, &wishes, "b-1").unwrap(), ["n-2", "n-3", "n-4"]);
    }

    #[test]
    fn all_nodes_of_a_claim_are_in_one_cloud() {
        let mut slots = ready(1..=4);
        slots[0].cloud = Some("far".into());
        slots[1].cloud = Some("far".into());

        assert_eq!(given(&slots, &[wish("a-1", 10, 3)], "a-1"), None);
        slots.push(slot(5, State::Ready));
        assert_eq!(given(&slots, &[wish("a-1", 10, 3)], "a-1").unwrap(), ["n-3", "n-4", "n-5"]);
    }

    #[test]
    fn a_claim_lacks_what_the_fullest_cloud_or_its_own_has_not() {
        let lacks = |slots: &[Slot], wishes: &[Wish]| {
            lacks(slots, slots.iter().filter(|slot| slot.is(State::Ready)), wishes)
        };
        let mut slots = ready(1..=3);
        slots[0].cloud = Some("far".into());
        assert_eq!(lacks(&slots, &[wish("a-1", 10, 3)]), 1);
        assert_eq!(lacks(&slots, &[wish("a-1", 10, 2), wish("b-1", 5, 1)]), 0);
        assert_eq!(lacks(&slots, &[wish("a-1", 10, 3), wish("b-1", 5, 1)]), 1);

        slots.push(Slot { cloud: Some("far".into()), ..claimed(4, "a-1") });
        assert_eq!(lacks(&slots, &[wish("a-1", 10, 4)]), 2);
    }

    #[test]
    fn who_has_fewer_nodes_goes_first_then_who_waits_longer() {
        let mut slots = vec![claimed(1, "a-0"), claimed(2, "a-0")];
        slots.extend(ready(3..=3));
        assert_eq!(given(&slots, &[wish("a-1", 500, 1), wish("b-1", 10, 1)], "b-1").unwrap(), ["n-3"]);

        let slots = ready(1..=1);
        assert_eq!(given(&slots, &[wish("a-1", 10, 1), wish("b-1", 20, 1)], "b-1").unwrap(), ["n-1"]);
    }

    #[test]
    fn a_flood_of_one_namespace_stands_behind_the_first_of_another() {
        let flood: Vec<Wish> = (1..=9).map(|n| wish(&format!("a-{n}"), 100 - n, 1)).collect();
        let wishes: Vec<Wish> = flood.into_iter().chain([wish("b-1", 1, 1)]).collect();

        assert_eq!(given(&ready(1..=2), &wishes, "a-1").unwrap(), ["n-1"]);
        assert_eq!(given(&ready(1..=2), &wishes, "b-1").unwrap(), ["n-2"]);
    }

    #[test]
    fn in_a_namespace_owners_take_turns() {
        let owned =
            |claim, seconds, owner: &str| Wish { owner: Some(owner.into()), ..wish(claim, seconds, 1) };
        let wishes = [owned("a-1", 30, "alice"), owned("a-2", 20, "alice"), owned("a-3", 10, "bob")];
        let slots = vec![Slot { owner: Some("alice".into()), ..claimed(9, "a-0") }, slot(1, State::Ready)];

        // The namespace has one and awaits one more with each claim: within it the oldest is first, and bob is not held up.
        assert!(given(&slots, &wishes[2..], "a-3").is_some());
        assert!(given(&slots, &wishes, "a-1").is_some());
    }

    #[test]
    fn a_large_claim_is_passed_for_five_minutes_and_then_nodes_are_kept_for_it() {
        let small = wish("b-1", 1, 1);
        let with_one_more = |numbers| [ready(numbers), vec![slot(9, State::Coming)]].concat();
        let slots = with_one_more(1..=2);

        let fresh = [wish("a-1", 299, 3), small.clone()];
        assert_eq!(place(&slots, &fresh, "a-1"), Some((1, false)));
        assert_eq!(given(&slots, &fresh, "b-1").unwrap(), ["n-1"]);
        let old = [wish("a-1", 300, 3), small];
        assert_eq!(place(&slots, &old, "a-1"), Some((1, true)));
        assert_eq!(given(&slots, &old, "b-1"), None);
        assert_eq!(given(&ready(1..=2), &old, "b-1").unwrap(), ["n-1"], "nothing is coming");
        assert_eq!(given(&ready(1..=4), &old, "a-1").unwrap().len(), 3);
        assert_eq!(given(&ready(1..=4), &old, "b-1").unwrap(), ["n-4"]);
    }

    #[test]
    fn nodes_are_kept_for_one_claim_only_and_not_for_ever() {
        let slots = [ready(1..=2), vec![slot(9, State::Going)]].concat();
        let wishes = [wish("a-1", 900, 3), wish("b-1", 800, 3), wish("c-1", 1, 1)];
        assert_eq!(place(&slots, &wishes, "a-1"), Some((1, true)));
        assert_eq!(place(&slots, &wishes, "b-1"), Some((2, false)));

        let passed = [wish("a-1", 35 * 60, 3), wish("c-1", 1, 1)];
        assert_eq!(given(&slots, &passed, "c-1").unwrap(), ["n-1"]);
    }
}
