use super::*;
use crate::pool::slot::examples::{NOW, claimed, of, slot};

/// A claim that waits since so many seconds.
fn wish(claim: &str, seconds: i64, count: usize) -> Wish {
    let since = Timestamp::constant(1000 - seconds, 0);
    Wish {
        claim: of(claim),
        owner: None,
        since,
        count,
        named: Vec::new(),
        is_interactive: false,
        gave_up: Vec::new(),
    }
}

fn terms() -> Terms {
    Terms { max: 99, ..Terms::default() }
}

fn ready(numbers: std::ops::RangeInclusive<i64>) -> Vec<Slot> {
    numbers.map(|number| slot(number, State::Ready)).collect()
}

fn told(slots: &[Slot], wishes: &[Wish]) -> BTreeMap<String, Turn> {
    let usable = slots.iter().filter(|slot| slot.is(State::Ready));
    hand_out(slots, usable, wishes, &terms(), NOW)
}

fn given(slots: &[Slot], wishes: &[Wish], claim: &str) -> Option<Vec<String>> {
    match told(slots, wishes).remove(&of(claim).uid) {
        Some(Turn::Now(given)) => Some(given),
        Some(_) | None => None,
    }
}

fn place(slots: &[Slot], wishes: &[Wish], claim: &str) -> Option<(usize, bool)> {
    match told(slots, wishes).remove(&of(claim).uid) {
        Some(Turn::Waits { place, kept, .. }) => Some((place, kept)),
        Some(_) | None => None,
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
        let usable = slots.iter().filter(|slot| slot.is(State::Ready));
        lacks(slots, usable, wishes, &told(slots, wishes), &terms())
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
    let owned = |claim, seconds, owner: &str| Wish { owner: Some(owner.into()), ..wish(claim, seconds, 1) };
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

#[test]
fn the_last_places_are_for_people_who_wait() {
    let slots = [vec![claimed(8, "a-0"), claimed(9, "a-0")], ready(1..=3)].concat();
    let terms = Terms { max: 5, reserve: 2, ..Terms::default() };
    let told = |wishes: &[Wish], claim: &str| {
        let usable = slots.iter().filter(|slot| slot.is(State::Ready));
        hand_out(&slots, usable, wishes, &terms, NOW).remove(&of(claim).uid).unwrap()
    };
    let reserved = Turn::Reserved { reserve: 2 };
    let person = Wish { is_interactive: true, ..wish("b-1", 1, 3) };

    assert_eq!(told(&[wish("b-1", 1, 2)], "b-1"), reserved);
    assert!(matches!(told(&[wish("b-1", 1, 1)], "b-1"), Turn::Now(_)));
    assert!(matches!(told(&[person], "b-1"), Turn::Now(given) if given.len() == 3));
    let two = [wish("b-1", 20, 1), wish("c-1", 10, 1)];
    assert!(matches!(told(&two, "b-1"), Turn::Now(_)));
    assert_eq!(told(&two, "c-1"), reserved, "the first took the last place that is not reserved");
    let old = [wish("b-1", 301, 2), wish("c-1", 10, 1)];
    assert_eq!(told(&old, "c-1"), reserved, "the place is for the one that waits already");
    let fresh = [wish("b-1", 299, 2), wish("c-1", 10, 1)];
    assert!(matches!(told(&fresh, "c-1"), Turn::Now(_)));
}

#[test]
fn a_namespace_has_no_more_than_it_may_and_stands_in_nobodys_way() {
    let slots = [vec![claimed(9, "a-0")], ready(1..=3)].concat();
    let terms = Terms { per_namespace: Some(2), ..terms() };
    let usable = slots.iter().filter(|slot| slot.is(State::Ready));
    let wishes = [wish("a-1", 900, 2), wish("b-1", 1, 2)];

    let turns = hand_out(&slots, usable.clone(), &wishes, &terms, NOW);

    assert_eq!(turns.get(&of("a-1").uid), Some(&Turn::Limited { has: 1, most: 2 }));
    assert_eq!(turns.get(&of("b-1").uid), Some(&Turn::Now(vec!["n-1".into(), "n-2".into()])));
    assert_eq!(awaited(&slots, &wishes[..1], &turns), 0, "nothing is made for who may not have it");
}

#[test]
fn what_people_hold_does_not_count_against_the_jobs_of_their_team() {
    let slots = [vec![claimed(8, "a-0"), claimed(9, "a-0")], ready(1..=1)].concat();
    let wishes = [wish("a-1", 20, 1), wish("b-1", 10, 1)];
    let first = |terms: &Terms| {
        let usable = slots.iter().filter(|slot| slot.is(State::Ready));
        let turns = hand_out(&slots, usable, &wishes, terms, NOW);
        turns.into_iter().find(|(_, turn)| matches!(turn, Turn::Now(_))).unwrap().0
    };

    assert_eq!(first(&terms()), of("b-1").uid);
    let people = Terms { interactive: [of("a-0").uid].into(), ..terms() };
    assert_eq!(first(&people), of("a-1").uid);
}
