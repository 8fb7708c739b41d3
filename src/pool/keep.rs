//! What a pool does next: one node made, or one dropped. The first rule of [`KEEP`] that speaks decides. Pure.
//!
//! A node that a claim has is never dropped here: see `reconcile::plan::release`.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::slot::{Slot, State};

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
    drop_broken,
    one_probe,
    drop_failed_outdated,
    drop_outdated,
    make_room,
    drop_surplus,
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
        self.slots.iter().filter(move |slot| slot.is(State::Ready) && (slot.is_current || !proven))
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

/// Claims wait.
fn make_wanted(stock: &Stock) -> Option<Move> {
    let lacks = stock.coming() < stock.lacks;
    (lacks && stock.may_make(2 * stock.wave)).then(|| stock.free().map(Move::Make)).flatten()
}

/// Nobody waits, and there are fewer idle nodes than there should be.
fn refill(stock: &Stock) -> Option<Move> {
    let ready = stock.idle(State::Ready, true).count();
    let lacks = stock.awaited == 0 && ready + stock.coming() < stock.min_ready;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::slot::examples::{NOW, claimed, outdated, slot};

    /// A pool of at most five nodes with two ready, in clouds that build three at once.
    fn stock(slots: &[Slot]) -> Stock {
        let number = |slot: &Slot| slot.name.trim_start_matches("smithi").parse().unwrap();
        Stock {
            now: NOW,
            min_ready: 2,
            max: 5,
            paused: false,
            max_ready_age: Duration::MAX,
            taken: slots.iter().map(number).collect(),
            slots: slots.to_vec(),
            awaited: 0,
            lacks: 0,
            wave: 3,
            surplus_for: Duration::ZERO,
        }
    }

    fn dropped(stock: &Stock) -> Option<String> {
        match keep(stock) {
            Move::Drop { uid, .. } => Some(uid),
            Move::Make(_) | Move::Rest => None,
        }
    }

    fn ready(number: i64) -> Slot {
        slot(number, State::Ready)
    }

    fn coming(number: i64) -> Slot {
        slot(number, State::Coming)
    }

    #[test]
    fn it_makes_the_lowest_number_that_is_free_until_there_are_enough() {
        assert_eq!(keep(&stock(&[])), Move::Make(1));
        assert_eq!(keep(&stock(&[coming(2)])), Move::Make(1));
        assert_eq!(keep(&stock(&[ready(1), coming(2)])), Move::Rest);
    }

    #[test]
    fn a_number_is_free_only_when_its_object_is_gone() {
        let going = slot(1, State::Going);
        assert_eq!(keep(&stock(&[going.clone(), ready(2)])), Move::Make(3));

        let mut somebody = stock(&[]);
        somebody.taken = BTreeSet::from([1, 2]);
        assert_eq!(keep(&somebody), Move::Make(3));
    }

    #[test]
    fn there_are_never_more_than_max_and_what_goes_counts() {
        let full: Vec<Slot> = (1..=5).map(|number| claimed(number, "a-1")).collect();
        assert_eq!(keep(&stock(&full)), Move::Rest);

        let mut lowered = stock(&[claimed(7, "a-1"), claimed(8, "a-1"), slot(9, State::Going)]);
        lowered.max = 3;
        assert_eq!(keep(&lowered), Move::Rest, "numbers above max count too");
    }

    #[test]
    fn a_claimed_node_is_replaced_and_never_dropped() {
        assert_eq!(keep(&stock(&[claimed(1, "a-1"), ready(2)])), Move::Make(3));

        let broken = Slot { state: State::Broken(Timestamp::UNIX_EPOCH), ..claimed(1, "a-1") };
        let old = Slot { is_current: false, ..claimed(2, "a-1") };
        let mut much = stock(&[broken, old, ready(3), ready(4)]);
        much.surplus_for = SURPLUS_FOR;
        assert_eq!(keep(&much), Move::Rest);
    }

    #[test]
    fn what_claims_wait_for_comes_before_refill_and_twice_as_much_at_once() {
        let many: Vec<Slot> = (1..=3).map(coming).collect();
        let mut waited = Stock { awaited: 9, lacks: 9, max: 20, ..stock(&many) };
        assert_eq!(keep(&waited), Move::Make(4));

        waited.slots.extend((4..=6).map(coming));
        assert_eq!(keep(&waited), Move::Rest, "a wave, and one ahead");
        let refilled = Stock { min_ready: 9, max: 20, ..stock(&many) };
        assert_eq!(keep(&refilled), Move::Rest, "a wave");
    }

    #[test]
    fn what_is_ready_in_another_cloud_is_no_help_to_a_claim_and_stays_until_it_is_served() {
        let idle = [ready(1), ready(2), Slot { cloud: Some("far".into()), ..ready(3) }];
        let waited = Stock { min_ready: 0, awaited: 3, lacks: 1, surplus_for: SURPLUS_FOR, ..stock(&idle) };
        assert_eq!(keep(&waited), Move::Make(4));

        let mut made = waited;
        made.slots.push(coming(4));
        assert_eq!(keep(&made), Move::Rest);
    }

    #[test]
    fn a_node_whose_host_name_somebody_has_keeps_its_number_and_stops_no_other() {
        let taken = slot(1, State::Taken);
        assert_eq!(keep(&stock(&[taken.clone(), ready(2)])), Move::Make(3));

        let full = Stock { surplus_for: SURPLUS_FOR, ..stock(&[taken, ready(2), ready(3)]) };
        assert_eq!(keep(&full), Move::Rest);
    }

    #[test]
    fn while_one_fails_no_other_is_begun_and_of_several_one_is_left() {
        let failing = slot(1, State::Failing);
        assert_eq!(keep(&stock(std::slice::from_ref(&failing))), Move::Rest);

        let two = [slot(2, State::Failing), failing];
        assert_eq!(dropped(&stock(&two)), Some("n-2".into()));
    }

    #[test]
    fn a_machine_that_broke_is_dropped_after_two_minutes() {
        let broken = |seconds: i64| slot(1, State::Broken(Timestamp::constant(1000 - seconds, 0)));

        assert_eq!(dropped(&stock(&[broken(119), ready(2), ready(3)])), None);
        assert_eq!(dropped(&stock(&[broken(120), ready(2), ready(3)])), Some("n-1".into()));
    }

    #[test]
    fn a_new_template_must_bring_one_node_to_ready_before_an_old_one_goes() {
        let old = [outdated(1, State::Ready), outdated(2, State::Ready)];
        assert_eq!(keep(&stock(&old)), Move::Make(3));

        let canary = [old[0].clone(), old[1].clone(), coming(3)];
        assert_eq!(keep(&stock(&canary)), Move::Rest, "one at first");
        let fails = [old[0].clone(), old[1].clone(), slot(3, State::Failing)];
        assert_eq!(keep(&stock(&fails)), Move::Rest, "and if it fails, nothing usable is lost");
        assert_eq!(stock(&fails).usable().count(), 2);

        let proven = [old[0].clone(), old[1].clone(), ready(3)];
        assert_eq!(dropped(&stock(&proven)), Some("n-1".into()));
        assert_eq!(stock(&proven).usable().count(), 1, "old ones are handed out no more");
    }

    #[test]
    fn in_a_full_pool_one_old_node_gives_its_place_to_the_first_new_one() {
        let old: Vec<Slot> = (1..=5).map(|number| outdated(number, State::Ready)).collect();
        assert_eq!(dropped(&stock(&old)), Some("n-1".into()));

        let mut goes = old.clone();
        goes[0] = outdated(1, State::Going);
        assert_eq!(keep(&stock(&goes)), Move::Rest, "its place is free when it is gone");
        let mut fails = old;
        fails[0] = slot(1, State::Failing);
        assert_eq!(keep(&stock(&fails)), Move::Rest, "one is enough");
    }

    #[test]
    fn what_an_old_template_failed_to_make_goes_at_once() {
        assert_eq!(dropped(&stock(&[outdated(1, State::Failing)])), Some("n-1".into()));
    }

    #[test]
    fn what_is_too_much_for_five_minutes_is_dropped_the_oldest_first() {
        let mut many = stock(&[ready(1), ready(2), ready(3)]);
        assert_eq!(keep(&many), Move::Rest);
        many.surplus_for = SURPLUS_FOR;
        assert_eq!(dropped(&many), Some("n-1".into()));

        many.slots.extend([coming(4), coming(5)]);
        assert_eq!(dropped(&many), Some("n-5".into()), "what is not made yet goes first");
        many.awaited = 3;
        assert_eq!(keep(&many), Move::Rest, "somebody waits for it");
    }

    #[test]
    fn an_old_node_is_replaced_when_all_others_are_there() {
        // Node 1 is Ready since second 101, node 2 since second 102.
        let old = |slots: &[Slot]| Stock { max_ready_age: Duration::from_secs(898), ..stock(slots) };

        assert_eq!(dropped(&old(&[ready(2), ready(1)])), Some("n-1".into()));
        assert_eq!(keep(&old(&[slot(1, State::Going), ready(2)])), Move::Make(3));
        assert_eq!(keep(&old(&[ready(2), ready(1), coming(3)])), Move::Rest);
        assert_eq!(
            keep(&Stock { max_ready_age: Duration::from_secs(899), ..old(&[ready(1), ready(2)]) }),
            Move::Rest
        );
        assert_eq!(keep(&old(&[claimed(1, "a-1"), ready(3), ready(4)])), Move::Rest);
    }

    #[test]
    fn a_paused_pool_does_nothing_and_a_paused_node_is_left_alone() {
        assert_eq!(keep(&Stock { paused: true, ..stock(&[]) }), Move::Rest);

        let looked_at = Slot { is_paused: true, ..slot(1, State::Failing) };
        assert_eq!(keep(&stock(&[looked_at, slot(2, State::Failing)])), Move::Rest);
    }

    #[test]
    fn no_rule_can_be_left_out() {
        let broken = slot(1, State::Broken(Timestamp::UNIX_EPOCH));
        let old: Vec<Slot> = (1..=5).map(|number| outdated(number, State::Ready)).collect();
        let surplus = Stock { surplus_for: SURPLUS_FOR, ..stock(&[ready(1), ready(2), ready(3)]) };
        let stories = [
            Stock { paused: true, ..stock(&[]) },
            stock(&[broken, ready(2), ready(3)]),
            stock(&[slot(1, State::Failing), slot(2, State::Failing)]),
            stock(&[outdated(1, State::Failing)]),
            stock(&[outdated(1, State::Ready), ready(2), ready(3)]),
            stock(&old),
            surplus,
            Stock { min_ready: 0, awaited: 1, lacks: 1, ..stock(&[]) },
            stock(&[]),
            Stock { max_ready_age: Duration::ZERO, ..stock(&[ready(1), ready(2)]) },
        ];
        for (index, story) in stories.iter().enumerate() {
            let others: Vec<Rule> =
                KEEP.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, rule)| *rule).collect();
            assert_ne!(keep_by(&others, story), keep(story), "rule {index}");
        }
        assert_eq!(stories.len(), KEEP.len());
    }
}
