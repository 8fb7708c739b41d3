//! Random lives, and proof that they can fail. Many more: `cargo run --release --example storm -- --lives 10000`.

use storm::lab::Guard;
use storm::storm::{Tally, live, live_without};

#[test]
fn random_lives_leave_no_twin_no_leak_no_stranger_touched_and_nobody_stuck() {
    let mut all = Tally::default();
    for seed in 1..=6 {
        all += live(seed);
    }

    println!("{all}");
    assert!(all.is_sound(), "{:#?}", all.broken);
    assert!(all.lifecycles > 30 && all.faults > 100 && all.crashes > 5, "{all}");
}

#[test]
fn the_same_seed_is_the_same_world() {
    // Where watches end, kube-rs waits for a time that is its own dice.
    let (one, other) = (live(4), live(4));

    assert_eq!(one.to_string(), other.to_string());
}

#[test]
fn no_guard_of_a_write_can_be_left_out() {
    let mut survivors = Vec::new();
    for guard in Guard::ALL {
        // From here on each is found within a few worlds.
        let dead =
            (14..100).find_map(|seed| Some(live_without(Some(guard), seed)).filter(|all| !all.is_sound()));
        println!("{guard:?}: {:?}", dead.as_ref().map(|all| (all.to_string(), all.broken.first())));
        survivors.extend(dead.is_none().then_some(guard));
    }

    assert_eq!(survivors, Vec::<Guard>::new());
}
