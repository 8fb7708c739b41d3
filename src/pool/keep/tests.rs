use super::*;
use crate::pool::slot::examples::{NOW, claimed, outdated, slot};

/// A pool of at most five nodes with two ready, in clouds that build three at once.
fn stock(slots: &[Slot]) -> Stock {
    let number = |slot: &Slot| slot.name.trim_start_matches("smithi").parse().unwrap();
    Stock { max: 5, taken: slots.iter().map(number).collect(), slots: slots.to_vec(), ..Stock::new(NOW) }
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
fn what_was_made_from_a_rejected_version_is_not_handed_out_and_goes_whatever_else_is_under_way() {
    let rejected = |slot: Slot| Slot { is_rejected: true, ..slot };
    for slots in [
        vec![rejected(ready(1)), ready(2)],
        vec![rejected(ready(1)), coming(2), slot(3, State::Failing)],
        vec![rejected(coming(1))],
    ] {
        let stock = stock(&slots);
        assert!(stock.usable().all(|slot| slot.name != "smithi001"));
        assert_eq!(dropped(&stock).as_deref(), Some("n-1"), "{slots:?}");
    }
    assert_eq!(
        keep(&stock(&[rejected(claimed(1, "a-1")), ready(2), ready(3)])),
        Move::Rest,
        "a claim has it"
    );
}

#[test]
fn a_pool_whose_names_an_older_pool_has_makes_nothing() {
    let younger = Stock { rival: Some("lab/smithi".into()), lacks: 1, awaited: 1, ..stock(&[]) };

    assert_eq!(keep(&younger), Move::Rest);
    assert_eq!(keep(&Stock { rival: None, ..younger }), Move::Make(1));
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
        stock(&[Slot { is_rejected: true, ..ready(1) }, ready(2), ready(3)]),
        stock(&[broken, ready(2), ready(3)]),
        stock(&[slot(1, State::Failing), slot(2, State::Failing)]),
        stock(&[outdated(1, State::Failing)]),
        stock(&[outdated(1, State::Ready), ready(2), ready(3)]),
        Stock { gives_way: Some("n-1".into()), ..stock(&[ready(1), ready(2)]) },
        stock(&old),
        surplus,
        Stock { rival: Some("lab/smithi".into()), ..stock(&[]) },
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

#[test]
fn an_idle_node_gives_way_to_others_and_is_not_refilled_while_they_wait() {
    let two = [ready(1), ready(2)];
    let gives = Stock { gives_way: Some("n-1".into()), held_back: true, ..stock(&two) };
    assert_eq!(dropped(&gives), Some("n-1".into()));

    let held_back = Stock { held_back: true, ..stock(&[ready(2)]) };
    assert_eq!(keep(&held_back), Move::Rest);
    assert_eq!(keep(&stock(&[ready(2)])), Move::Make(1));
    let wanted = Stock { held_back: true, awaited: 2, lacks: 1, ..stock(&[ready(2)]) };
    assert_eq!(keep(&wanted), Move::Make(1), "a claim waits too");
    let claimed = Stock { gives_way: Some("n-1".into()), ..stock(&[claimed(1, "a-1"), ready(2), ready(3)]) };
    assert_eq!(keep(&claimed), Move::Rest);
}

#[test]
fn the_oldest_that_come_are_for_the_claims() {
    let coming = Stock { lacks: 1, ..stock(&[coming(1), coming(2), ready(3), coming(4)]) };

    assert_eq!(coming.for_claims(), BTreeSet::from(["n-1".to_owned()]));
}
