//! The laws at the end of a life, lives of every sort, and lives without one rule.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::Sim;
use crate::api::machine_image::ImageState;
use crate::image::state::{Memory, after};

/// The law that a life broke, if it did.
fn laws_with(tape: Vec<u8>, without: Option<&'static str>) -> Option<String> {
    laws_of(Sim::new(tape, without))
}

/// The same of a life in which each version is tested.
fn tested_laws_with(tape: Vec<u8>, without: Option<&'static str>) -> Option<String> {
    laws_of(Sim::new(tape, without).tested())
}

/// The same in the cloud whose images are the source.
fn golden_laws_with(tape: Vec<u8>, without: Option<&'static str>) -> Option<String> {
    laws_of(Sim::new(tape, without).golden())
}

/// The same of a life in which each of them is tested.
fn tested_golden_laws_with(tape: Vec<u8>, without: Option<&'static str>) -> Option<String> {
    laws_of(Sim::new(tape, without).tested().golden())
}

fn laws_of(mut sim: Sim) -> Option<String> {
    sim.settle();
    let wanted = sim.status.wanted.clone().unwrap_or_default();
    let here = sim.here();
    let deactivated = sim.glance.values().any(|made| made.status == "deactivated");
    // What failed its test is tested again when somebody edits the object.
    let failed = here.images.iter().any(|record| record.failed_its_test() && record.digest == wanted.digest);
    if !sim.spec.rejects(&wanted.digest) && !deactivated && !failed && !sim.has_no_golden() {
        let is = here.current.as_ref().is_some_and(|current| current.digest == wanted.digest);
        sim.law(is, "11: in the end the wanted version is current");
    }
    let mut versions = BTreeSet::new();
    let usable = here.images.iter().filter(|record| record.state != ImageState::Retired);
    let twice = usable.filter(|record| !versions.insert(record.digest.clone())).count();
    sim.law(twice == 0, "1: no version is there twice");
    let mut ours = sim.glance.keys().filter(|id| !sim.golden.contains_key(*id));
    let unknown = ours.any(|id| !here.images.iter().any(|record| record.id == *id));
    sim.law(!unknown, "1: nothing is there that nobody knows");
    let rest = sim
        .glance
        .iter()
        .filter(|(id, made)| {
            !sim.used.contains(*id) && made.status != "deactivated" && !sim.golden.contains_key(*id)
        })
        .count();
    sim.law(rest <= 4, "12: no more than keep and two are there");
    if sim.broken.is_none() {
        sim.going = true;
        sim.used.clear();
        // What is still on its way may be lost from the process's memory, too.
        sim.memory = Memory::default();
        let golden = sim.golden_left();
        sim.settle();
        let gone = sim.gone || !sim.held;
        sim.law(gone, "2: it ends");
        sim.now = after(sim.now, SignedDuration::from_hours(1));
        sim.others();
        let spared = sim.golden_left() == golden;
        sim.law(spared, "5: the images of the source are there as before");
        let left = sim.glance.len() - golden;
        sim.law(left == 0, &format!("2: nothing is left, and there are {left}"));
        let tests = sim.nodes.values().filter(|test| !test.going).count();
        sim.law(tests == 0, &format!("7: no test is left behind, and there are {tests}"));
    }
    sim.broken
}

fn tapes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_life_keeps_the_laws(tape in tapes()) {
        prop_assert_eq!(laws_with(tape, None), None);
    }

    #[test]
    fn every_life_with_tests_keeps_the_laws(tape in tapes()) {
        prop_assert_eq!(tested_laws_with(tape, None), None);
    }

    #[test]
    fn every_life_beside_the_source_keeps_the_laws(tape in tapes()) {
        prop_assert_eq!(golden_laws_with(tape, None), None);
    }

    #[test]
    fn every_life_beside_the_source_with_tests_keeps_the_laws(tape in tapes()) {
        prop_assert_eq!(tested_golden_laws_with(tape, None), None);
    }
}

/// Those of these rules and guards that nothing misses.
fn missed(
    without: &[&'static str],
    laws: fn(Vec<u8>, Option<&'static str>) -> Option<String>,
) -> Vec<&'static str> {
    let mut random = 1_u64;
    let mut byte = move || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u8::try_from(random >> 56).unwrap()
    };
    let breaks_none = |rule: &&'static str| {
        !(0..300).any(|_| {
            let tape = (0..300).map(|_| byte()).collect();
            laws(tape, Some(*rule)).is_some()
        })
    };
    without.iter().copied().filter(breaks_none).collect()
}

#[test]
fn a_life_without_one_of_these_rules_breaks_a_law() {
    let missed = missed(&["listed", "lost", "retire", "clear", "upload", "begin", "release"], laws_with);
    assert_eq!(missed, Vec::<&str>::new(), "no life breaks a law without these rules");
}

#[test]
fn a_life_beside_the_source_without_the_rule_for_it_breaks_a_law() {
    assert_eq!(missed(&["source"], golden_laws_with), Vec::<&str>::new(), "no life breaks a law without it");
}

/// `testing`: what is there is used without a test. `fixed name`: a test has another name each time. `settled`: what is not there
/// is taken for gone, though it was asked for and nobody answered.
#[test]
fn a_life_with_tests_and_without_one_of_these_guards_breaks_a_law() {
    let missed = missed(&["canary", "testing", "fixed name", "settled"], tested_laws_with);
    assert_eq!(missed, Vec::<&str>::new(), "no life breaks a law without these");
}
