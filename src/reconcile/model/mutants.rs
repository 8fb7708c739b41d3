//! Mutate the table: with any one rule left out some life breaks a law. Every survivor would be a missing law, or a free
//! choice.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};

use super::scenario::{CROWDS, HARM, MEDDLING, REBUILDS, RESTORES, Scenario, TROUBLES, deleted, scenarios};
use super::world::Rules;
use super::{RULES, live};
use crate::reconcile::plan::{BRING_UP, Rule, TEAR_DOWN, TearDownRule};

const BRING_UP_NAMES: &[&str] = &[
    "answer_console_request",
    "wait_while_paused",
    "expire",
    "release_unneeded",
    "wait_for_clouds",
    "confirm_missing",
    "adopt_or_wait",
    "hold_what_was_found",
    "record_what_was_found",
    "end_failed_attempt",
    "drop_surplus",
    "hold_failed_attempt",
    "open_attempt",
    "close_failed",
    "create_volumes",
    "create_ports",
    "create_floating_ip",
    "publish_name",
    "await_volumes",
    "create_server",
    "await_active",
    "open_rebuild",
    "close_failed_rebuild",
    "rebuild_server",
    "await_rebuilt",
    "await_guest",
    "await_name",
    "close_ready",
    "close_rebuilt",
    "settle_ready",
    "release_other_clouds",
    "tell_failed_rebuild",
];

const TEAR_DOWN_NAMES: &[&str] = &[
    "withdraw_abandoned_name",
    "answer_abandon",
    "await_cloud",
    "confirm_missing",
    "withdraw_name",
    "delete_servers",
    "await_servers",
    "free_volumes",
    "delete_volumes",
    "await_withdrawal",
    "delete_floating_ips",
    "delete_ports",
    "await_volumes",
    "await_floating_ips",
    "await_ports",
    "await_settled",
    "free_existing_volumes",
    "await_name_gone",
    "release",
];

/// Rules for what no life of the model does. The tests beside them fail without them.
const PROVED_BESIDE_THEM: &[&str] = &[
    "answer_console_request",
    "hold_failed_attempt",
    "withdraw_abandoned_name",
    "answer_abandon",
    "free_existing_volumes",
    "release_unneeded",
];

/// Lives that are tried with a mutant.
const LIVES: usize = 3000;
/// Lives after them in which the UID changes.
const RESTORED: usize = 500;
/// Lives after those in which the machine is rebuilt.
const REBUILT: usize = 500;
/// Lives after those in which other nodes' servers are made first.
const CROWDED: usize = 200;

/// Lives of every sort, the same each time.
fn lives() -> impl Iterator<Item = Scenario> {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let any = proptest::prop_oneof![
        scenarios(TROUBLES, 3),
        deleted(scenarios(TROUBLES, 3)),
        scenarios(HARM, 2),
        deleted(scenarios(HARM, 2)),
        scenarios(MEDDLING, 2),
        deleted(scenarios(MEDDLING, 2)),
    ];
    let restores = proptest::prop_oneof![scenarios(RESTORES, 5), deleted(scenarios(RESTORES, 4))];
    // After the others, which so stay as they were.
    let rebuilds = proptest::prop_oneof![scenarios(REBUILDS, 5), deleted(scenarios(REBUILDS, 4))];
    let crowds = proptest::prop_oneof![scenarios(CROWDS, 4), deleted(scenarios(CROWDS, 4))];
    (0..LIVES + RESTORED + REBUILT + CROWDED).map(move |count| match count {
        0..LIVES => any.new_tree(&mut runner).unwrap().current(),
        _ if count >= LIVES + RESTORED + REBUILT => crowds.new_tree(&mut runner).unwrap().current(),
        _ if count >= LIVES + RESTORED => rebuilds.new_tree(&mut runner).unwrap().current(),
        _ => restores.new_tree(&mut runner).unwrap().current(),
    })
}

/// The life that breaks a law with these rules, counted, and the law.
pub fn fails(rules: Rules<'_>) -> Option<(usize, String)> {
    lives().enumerate().find_map(|(count, life)| live(&life, rules).err().map(|law| (count, law)))
}

fn without<T: Copy>(rules: &[T], index: usize) -> Vec<T> {
    rules.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, rule)| *rule).collect()
}

/// The rules without which no life breaks a law. Those that the tests beside them prove are not tried.
fn survivors<T: Copy>(
    names: &[&'static str],
    rules: &[T],
    fails: impl Fn(&[T]) -> bool,
) -> Vec<&'static str> {
    assert_eq!(names.len(), rules.len());
    let tried = names.iter().enumerate().filter(|(_, name)| !PROVED_BESIDE_THEM.contains(name));
    tried.filter(|(index, _)| !fails(&without(rules, *index))).map(|(_, name)| *name).collect()
}

#[test]
#[ignore = "it takes minutes; `just test-slow` runs it"]
fn no_rule_of_bring_up_can_be_left_out() {
    let fails = |bring_up: &[Rule]| fails(Rules { bring_up, tear_down: TEAR_DOWN, ..RULES }).is_some();
    assert_eq!(survivors(BRING_UP_NAMES, BRING_UP, fails), Vec::<&str>::new());
}

#[test]
#[ignore = "it takes minutes; `just test-slow` runs it"]
fn no_rule_of_tear_down_can_be_left_out() {
    let fails =
        |tear_down: &[TearDownRule]| fails(Rules { bring_up: BRING_UP, tear_down, ..RULES }).is_some();
    assert_eq!(survivors(TEAR_DOWN_NAMES, TEAR_DOWN, fails), Vec::<&str>::new());
}

#[test]
fn the_name_cannot_go_after_the_servers() {
    let at = |name: &str| TEAR_DOWN_NAMES.iter().position(|other| *other == name).unwrap();
    let mut swapped: Vec<TearDownRule> = TEAR_DOWN.to_vec();
    swapped.swap(at("withdraw_name"), at("delete_servers"));

    let dead = fails(Rules { bring_up: BRING_UP, tear_down: &swapped, ..RULES });

    println!("swapped: {dead:?}");
    assert!(dead.is_some());
}
