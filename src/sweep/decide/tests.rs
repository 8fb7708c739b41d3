use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;

const NAMES: &[&str] = &[
    "cloud_cannot_be_believed",
    "nodes_were_not_listed",
    "belongs_to_a_node",
    "is_kept",
    "a_node_waits_for_it",
    "was_not_seen_twice",
    "is_not_to_be_deleted",
    "is_too_young",
    "waits_for_its_server",
    "is_one_too_many",
];

/// Scenes that are tried with a guard left out.
const SCENES: usize = 5000;

const MIN_AGE: Duration = Duration::from_mins(30);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// An orphan server of an hour that was seen twice, in a cloud where orphans are deleted.
fn scene() -> (Scene, Memory) {
    let server = Thing {
        kind: Kind::Server,
        id: "s1".into(),
        name: "smithi001".into(),
        uid: "u1".into(),
        node: Some("default/smithi001".into()),
        created: Some(at(0)),
        listed: Some(Duration::from_hours(1)),
        kept: false,
        let_go: false,
        state: State::Free,
    };
    let scene = Scene {
        cloud: "lab".into(),
        now: at(3600),
        policy: Policy { mode: OrphanMode::Delete, min_age: MIN_AGE, max: 5, former: None },
        believed: true,
        authority: true,
        nodes: Some(Nodes { asked: at(3590), ..Nodes::default() }),
        dates: PerKind::from_fn(|_| Some(at(3600))),
        things: vec![server],
        names: Vec::new(),
        done: Vec::new(),
    };
    let seen = Sighting { first: at(3500), listed: Duration::from_hours(1), times: 2 };
    let sightings = [((Kind::Server, "s1".to_owned()), seen)].into();
    (scene, Memory { sightings, ..Memory::default() })
}

fn name(recorded: bool) -> Name {
    let own = ["10.77.0.10".parse().unwrap()].into();
    Name { uid: "u1".into(), node: None, fqdn: "smithi001.test".into(), own, recorded }
}

fn plan(scene: &Scene, memory: &Memory) -> Option<Step> {
    next(GUARDS, scene, memory)
}

fn delete_server() -> Step {
    Step::Delete(Kind::Server, "s1".into())
}

#[test]
fn an_orphan_that_was_seen_twice_and_is_old_enough_goes() {
    let (scene, memory) = scene();

    assert_eq!(plan(&scene, &memory), Some(delete_server()));
    assert_eq!(orphans(&scene, &memory).len(), 1);
}

#[test]
fn an_orphan_is_known_by_two_lists_in_sweeps_that_follow_each_other() {
    let (mut scene, _) = scene();
    let mut memory = Memory::default();
    let times =
        |memory: &Memory| memory.sightings.values().map(|sighting| sighting.times).collect::<Vec<_>>();

    remember(&scene, &mut memory);
    assert_eq!(times(&memory), [1]);
    remember(&scene, &mut memory);
    assert_eq!(times(&memory), [1], "the same list shows the same");
    scene.things[0].listed = Some(Duration::from_mins(61));
    remember(&scene, &mut memory);
    assert_eq!(times(&memory), [2]);
    let known = memory.clone();
    for spoil in [
        (|scene| scene.believed = false) as fn(&mut Scene),
        |scene| scene.nodes = None,
        |scene| scene.things.clear(),
        |scene| scene.nodes.as_mut().unwrap().living.insert("u1".into(), None).map_or((), drop),
    ] {
        let (mut spoilt, mut memory) = (scene.clone(), known.clone());
        spoil(&mut spoilt);
        remember(&spoilt, &mut memory);
        assert_eq!(times(&memory), [0; 0], "{spoilt:?}");
    }
    // Nova lists no server that it keeps for a while: that does not count, and is not forgotten.
    scene.things[0].state = State::Missing;
    scene.things[0].listed = Some(Duration::from_mins(62));
    remember(&scene, &mut memory);
    assert_eq!(times(&memory), [2]);
    let mut nobody = Memory::default();
    remember(&scene, &mut nobody);
    assert_eq!(times(&nobody), [0; 0]);
}

#[test]
fn a_node_that_goes_keeps_only_what_it_is_held_by() {
    let (mut scene, memory) = scene();
    let held_by = |cloud: &str| Some([cloud.to_owned()].into());

    for (held, kept) in [(None, true), (held_by("lab"), true), (held_by("other"), false)] {
        scene.nodes.as_mut().unwrap().living.insert("u1".into(), held.clone());
        assert_eq!(plan(&scene, &memory).is_none(), kept, "{held:?}");
    }
}

#[test]
fn what_a_list_left_out_is_asked_for_whatever_the_mode() {
    let (mut scene, memory) = scene();
    scene.policy.mode = OrphanMode::Report;
    scene.things[0].state = State::Missing;

    assert_eq!(plan(&scene, &memory), Some(Step::Confirm(Kind::Server, "s1".into())));
    assert_eq!(orphans(&scene, &memory), Vec::new());
}

#[test]
fn the_age_of_what_has_no_date_is_the_time_that_it_was_known() {
    let (mut scene, mut memory) = scene();
    scene.dates.server = None;
    assert_eq!(plan(&scene, &memory), None);

    memory.sightings.values_mut().for_each(|sighting| sighting.first = at(3600 - 1800));

    assert_eq!(plan(&scene, &memory), Some(delete_server()));
}

#[test]
fn the_name_goes_before_the_server_and_a_claimed_one_is_only_asked_for() {
    let (mut scene, mut memory) = scene();
    scene.names.push(name(false));
    assert_eq!(plan(&scene, &memory), Some(Step::WithdrawName("u1".into())));
    let claims =
        |uid: &str| BTreeMap::from([("smithi001.test".to_owned(), BTreeSet::from([uid.to_owned()]))]);

    scene.nodes.as_mut().unwrap().names = claims("u2");
    assert_eq!(plan(&scene, &memory), Some(Step::AskName("u1".into())));
    scene.nodes.as_mut().unwrap().names = claims("u1");
    assert_eq!(plan(&scene, &memory), Some(Step::WithdrawName("u1".into())));
    scene.done = vec![Step::WithdrawName("u1".into())];
    assert_eq!(plan(&scene, &memory), None, "it did not succeed");
    assert!(orphans(&scene, &memory)[0].2.as_ref().unwrap().contains("smithi001.test"));
    memory.withdrawn.insert("u1".into());
    assert_eq!(plan(&scene, &memory), Some(delete_server()));
}

#[test]
fn the_name_of_an_abandoned_node_goes_after_all_else_and_is_only_asked_for_in_a_report() {
    let (mut scene, memory) = scene();
    scene.things.clear();
    scene.names.push(name(false));
    assert_eq!(plan(&scene, &memory), None, "it is not on record");
    scene.names = vec![name(true)];

    assert_eq!(plan(&scene, &memory), Some(Step::WithdrawName("u1".into())));
    scene.policy.mode = OrphanMode::Report;
    assert_eq!(plan(&scene, &memory), Some(Step::AskName("u1".into())));
    scene.nodes = None;
    assert_eq!(plan(&scene, &memory), None);
}

#[test]
fn each_state_has_its_way_to_go() {
    let (mut scene, memory) = scene();

    for (state, step) in [
        (State::SoftDeleted, Some(Step::ForceDelete("s1".into()))),
        (State::Going, None),
        (State::Bound("it is in error_deleting".into()), None),
    ] {
        scene.things[0].state = state;
        assert_eq!(plan(&scene, &memory), step);
        let why = orphans(&scene, &memory).remove(0).2;
        assert_eq!(why.is_some(), step.is_none(), "what stays says why: {why:?}");
    }
}

fn thing() -> impl Strategy<Value = (Thing, Option<Sighting>)> {
    let kinds = select(&Kind::ALL[..]);
    let state = prop_oneof![
        5 => Just(State::Free),
        1 => Just(State::Reserved),
        1 => Just(State::Going),
        1 => Just(State::Bound("on server x".into())),
        1 => Just(State::Missing),
    ];
    let marks = (0..4_u8, prop::bool::weighted(0.1), 0..200_i64, prop::option::weighted(0.8, 1..4_u32));
    (kinds, state, marks).prop_map(|(kind, state, (uid, kept, created, times))| {
        let thing = Thing {
            kind,
            id: String::new(),
            name: String::new(),
            uid: format!("u{uid}"),
            node: (created % 3 == 0).then(|| format!("default/n{uid}")),
            created: Some(at(created * 60)),
            listed: Some(Duration::ZERO),
            kept,
            let_go: false,
            state,
        };
        let sighting = times.map(|times| Sighting { first: at(0), listed: Duration::ZERO, times });
        (thing, sighting)
    })
}

fn scenes() -> impl Strategy<Value = (Scene, Memory)> {
    let mode = select(&[OrphanMode::Delete, OrphanMode::Delete, OrphanMode::Report, OrphanMode::Off][..]);
    let living = vec(prop_oneof![Just(None), Just(Some("lab")), Just(Some("other"))], 0..3);
    let nodes = prop::option::weighted(0.9, (0..120_i64, living));
    let around = (mode, prop::bool::weighted(0.9), 1..4_usize, nodes, 0..4_usize);
    (vec(thing(), 1..6), around).prop_map(|(found, (mode, believed, max, nodes, done))| {
        let mut sightings = BTreeMap::new();
        let mut things = Vec::new();
        for (index, (thing, sighting)) in found.into_iter().enumerate() {
            let thing = Thing { id: format!("t{index}"), ..thing };
            sightings.extend(sighting.map(|sighting| ((thing.kind, thing.id.clone()), sighting)));
            things.push(thing);
        }
        let now = at(200 * 60);
        let nodes = nodes.map(|(ago, living)| {
            let held = living.into_iter().map(|held| held.map(|cloud| [cloud.to_owned()].into()));
            Nodes {
                asked: at(200 * 60 - ago),
                living: held.enumerate().map(|(uid, held)| (format!("u{uid}"), held)).collect(),
                names: BTreeMap::new(),
                beginning: [
                    ("default/n1".to_owned(), None),
                    ("default/n2".to_owned(), Some(FormerMachine::Leave)),
                ]
                .into(),
            }
        });
        let scene = Scene {
            cloud: "lab".into(),
            now,
            policy: Policy { mode, min_age: MIN_AGE, max, former: None },
            believed,
            authority: true,
            nodes,
            dates: PerKind::from_fn(|_| Some(now)),
            things,
            names: Vec::new(),
            done: (0..done).map(|index| Step::Delete(Kind::Port, format!("before{index}"))).collect(),
        };
        (scene, Memory { sightings, ..Memory::default() })
    })
}

/// What must be true of whatever goes.
fn law(scene: &Scene, memory: &Memory, step: &Step) -> Result<(), &'static str> {
    let expect = |holds: bool, law| holds.then_some(()).ok_or(law);
    let (Step::Delete(_, id) | Step::ForceDelete(id) | Step::Free(id)) = step else { return Ok(()) };
    let thing = scene.things.iter().find(|thing| thing.id == *id).ok_or("only what is there goes")?;
    let nodes = scene.nodes.as_ref().ok_or("never while the API server cannot be read")?;
    expect(scene.believed, "never in a cloud that cannot be believed")?;
    expect(scene.now.duration_since(nodes.asked).as_secs() <= 60, "by a list of the same minute")?;
    let alive = match nodes.living.get(&thing.uid) {
        None => false,
        Some(None) => true,
        Some(Some(held)) => held.contains("lab"),
    };
    expect(!alive, "never what a living node has")?;
    expect(!thing.kept, "never what is marked to be kept")?;
    let wish = thing.node.as_ref().and_then(|node| nodes.beginning.get(node));
    expect(
        wish.is_none_or(|wish| *wish == Some(FormerMachine::Leave)),
        "never what a restored node may adopt",
    )?;
    let seen = memory.sightings.get(&(thing.kind, id.clone())).map_or(0, |sighting| sighting.times);
    expect(seen >= 2, "never what was seen once")?;
    expect(scene.policy.mode == OrphanMode::Delete, "only in mode Delete")?;
    let age = scene.now.duration_since(thing.created.ok_or("it has an age")?);
    expect(age.as_secs() >= 30 * 60, "never what is younger than minAge")?;
    let server = |other: &Thing| other.kind == Kind::Server && other.uid == thing.uid;
    let first = thing.kind == Kind::Server || !scene.things.iter().any(server);
    expect(first, "what a server has goes after it")?;
    expect(
        matches!(thing.state, State::Free | State::SoftDeleted | State::Reserved),
        "only what is free goes",
    )?;
    let gone = scene.done.iter().filter(|step| matches!(step, Step::Delete(..))).count();
    expect(gone < scene.policy.max || matches!(step, Step::Free(_)), "never more than maxPerSweep")
}

fn broken(guards: &[Guard]) -> Option<&'static str> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let scenes = scenes();
    (0..SCENES).find_map(|_| {
        let (scene, memory) = scenes.new_tree(&mut runner).unwrap().current();
        law(&scene, &memory, &next(guards, &scene, &memory)?).err()
    })
}

#[test]
fn no_law_is_broken_in_any_scene_and_things_go() {
    let mut runner = TestRunner::new(Config { cases: 5000, failure_persistence: None, ..Config::default() });
    let gone = std::cell::Cell::new(0);

    runner
        .run(&scenes(), |(scene, memory)| {
            if let Some(step) = plan(&scene, &memory) {
                gone.set(gone.get() + usize::from(step.deletes()));
                law(&scene, &memory, &step).map_err(TestCaseError::fail)?;
            }
            Ok(())
        })
        .unwrap();

    assert!(gone.get() > 100, "{}", gone.get());
}

#[test]
fn no_guard_can_be_left_out() {
    assert_eq!(NAMES.len(), GUARDS.len());
    let mut survivors = Vec::new();
    for (index, name) in NAMES.iter().enumerate() {
        let others = GUARDS.iter().enumerate().filter(|(other, _)| *other != index);
        let others: Vec<Guard> = others.map(|(_, guard)| *guard).collect();
        let law = broken(&others);
        println!("{name}: {law:?}");
        survivors.extend(law.is_none().then_some(*name));
    }
    assert_eq!(survivors, Vec::<&str>::new());
}

#[test]
fn the_name_of_an_orphan_is_asked_for_in_a_report() {
    let (mut scene, mut memory) = scene();
    scene.policy.mode = OrphanMode::Report;
    scene.names.push(name(false));
    assert_eq!(plan(&scene, &memory), Some(Step::AskName("u1".into())));

    scene.authority = false;
    assert_eq!(plan(&scene, &memory), None, "there is nobody to ask");
    scene.authority = true;
    memory.sightings.clear();

    assert_eq!(plan(&scene, &memory), None, "it is no orphan yet");
}

#[test]
fn what_a_restored_node_may_adopt_goes_only_if_it_is_left_or_was_let_go_before() {
    let (mut scene, memory) = scene();
    let node = || "default/smithi001".to_owned();
    let wishes = |scene: &mut Scene, wish| {
        scene.nodes.as_mut().unwrap().beginning.insert(node(), wish);
    };
    wishes(&mut scene, None);
    assert_eq!(plan(&scene, &memory), None);
    let why = orphans(&scene, &memory).remove(0).2.unwrap();
    assert!(why.contains(&node()) && why.contains("=adopt"), "{why}");
    wishes(&mut scene, Some(FormerMachine::Adopt));
    assert_eq!(plan(&scene, &memory), None);

    scene.policy.former = Some(FormerMachine::Leave);
    assert_eq!(plan(&scene, &memory), None, "the node knows better than its Cloud");
    wishes(&mut scene, None);
    assert!(plan(&scene, &memory).is_some());

    scene.policy.former = None;
    scene.things[0].let_go = true;
    assert!(plan(&scene, &memory).is_some());
}

/// Who lives is asked after what is there was looked at. In virtual time both are one instant; in real time they never are.
#[test]
fn a_list_that_was_asked_for_after_the_look_counts() {
    let (mut scene, mut memory) = scene();
    scene.nodes.as_mut().unwrap().asked = at(3601);
    assert!(plan(&scene, &memory).is_some());

    memory.sightings.clear();
    remember(&scene, &mut memory);

    assert_eq!(memory.sightings.len(), 1);
}
