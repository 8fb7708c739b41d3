use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_mins(1);

fn cores(cores: i64) -> Amounts {
    Amounts::from_fn(|of| match of {
        Quantity::Instances => 1,
        Quantity::Cores => cores,
        Quantity::Ram | Quantity::Volumes | Quantity::Gigabytes | Quantity::FloatingIps | Quantity::Ports => {
            0
        }
    })
}

fn with_volumes(machine: Amounts, volumes: i64) -> Amounts {
    machine.plus(&Amounts::from_fn(|of| if of == Quantity::Volumes { volumes } else { 0 }))
}

fn quota(of: Quantity, used: i64, limit: i64) -> Bound {
    Bound { by: By::Quota, of, used, foreign: 0, limit }
}

fn wish(need: Amounts, waited: Duration) -> Wish<'static> {
    Wish { node: "lab/big", need, waited }
}

#[test]
fn what_is_short_is_told_with_need_use_and_limit() {
    let bounds = [
        quota(Quantity::Cores, 31, 32),
        Bound { by: By::Limits("limits.maxNodes"), ..quota(Quantity::Instances, 3, 3) },
        quota(Quantity::Volumes, 9, 9),
    ];

    let Turn::Short(short) = turn(&cores(2), &[], &bounds) else { panic!("there is no room") };

    assert_eq!(
        tell(&short, &cores(2)),
        "2 cores needed, 31 of 32 in use; 1 instance needed, 3 of 3 in use (the Cloud's limits.maxNodes)"
    );
}

#[test]
fn the_older_of_two_that_fit_goes_first() {
    let bounds = [quota(Quantity::Cores, 4, 8)];
    let older = [wish(cores(3), Duration::ZERO)];

    assert_eq!(turn(&cores(1), &older, &bounds), Turn::Now);
    assert_eq!(turn(&cores(2), &older, &bounds), Turn::Behind(bounds.to_vec()));
}

#[test]
fn a_small_one_passes_a_big_one_for_a_while_and_then_room_is_kept() {
    let bounds = [quota(Quantity::Cores, 4, 8)];
    let big = |waited| [wish(cores(8), waited)];

    assert_eq!(turn(&cores(2), &big(Duration::from_mins(4)), &bounds), Turn::Now);
    assert_eq!(turn(&cores(2), &big(PASSED_FOR), &bounds), Turn::Kept("lab/big".into()));
}

#[test]
fn room_is_kept_only_of_what_both_need() {
    let bounds = [quota(Quantity::Cores, 0, 8), quota(Quantity::Volumes, 4, 8)];
    let hoarder = [wish(with_volumes(cores(1), 8), PASSED_FOR)];

    assert_eq!(turn(&with_volumes(cores(1), 1), &hoarder, &bounds), Turn::Kept("lab/big".into()));
    assert_eq!(turn(&cores(1), &hoarder, &bounds), Turn::Now);
}

#[test]
fn nothing_is_kept_for_one_that_would_not_fit_if_all_of_ours_went() {
    let others = Bound { foreign: 2, ..quota(Quantity::Cores, 4, 8) };
    let big = [wish(cores(8), PASSED_FOR)];

    assert_eq!(turn(&cores(2), &big, &[others]), Turn::Now);
}

#[test]
fn how_many_are_made_at_once_keeps_no_room() {
    let pace = Bound { by: By::Pace, ..quota(Quantity::Instances, 9, 10) };
    let big = [wish(cores(8), PASSED_FOR)];

    assert_eq!(
        turn(&cores(1), &big, &[pace.clone(), quota(Quantity::Cores, 4, 16)]),
        Turn::Behind(vec![pace])
    );
    let pace = Bound { by: By::Pace, ..quota(Quantity::Instances, 9, 10) };
    assert_eq!(turn(&cores(1), &big, &[pace, quota(Quantity::Cores, 5, 8)]), Turn::Kept("lab/big".into()));
}

/// A node of a lab in which minutes pass.
#[derive(Clone, Debug)]
struct Node {
    arrives: u64,
    need: Amounts,
    lives: u64,
    /// Among those who look in the same minute.
    luck: u8,
    begins: Option<u64>,
}

const LONGEST_LIFE: u64 = 20;
const CORES: i64 = 8;
const VOLUMES: i64 = 6;

fn lab() -> impl Strategy<Value = Vec<Node>> {
    let node = (0..240u64, 1..=CORES, 0..=VOLUMES, 1..=LONGEST_LIFE, any::<u8>());
    let node = node.prop_map(|(arrives, size, volumes, lives, luck)| {
        let need = with_volumes(cores(size), if luck % 3 == 0 { volumes } else { 0 });
        Node { arrives, need, lives, luck, begins: None }
    });
    prop::collection::vec(node, 1..80).prop_map(|mut nodes| {
        nodes.sort_by_key(|node| node.arrives);
        nodes
    })
}

fn runs(node: &Node, minute: u64) -> bool {
    node.begins.is_some_and(|begins| minute < begins + node.lives)
}

fn bounds(nodes: &[Node], minute: u64) -> Vec<Bound> {
    let running = nodes.iter().filter(|node| runs(node, minute));
    let used = running.fold(Amounts::default(), |sum, node| sum.plus(&node.need));
    [(Quantity::Cores, CORES), (Quantity::Volumes, VOLUMES)]
        .map(|(of, limit)| quota(of, used.of(of), limit))
        .to_vec()
}

/// Each who waits looks once a minute, in an order of chance.
fn live(nodes: &mut [Node], minute: u64) -> Result<(), TestCaseError> {
    let mut looking: Vec<usize> = (0..nodes.len())
        .filter(|index| nodes[*index].begins.is_none() && nodes[*index].arrives <= minute)
        .collect();
    looking.sort_by_key(|index| u64::from(nodes[*index].luck) * (minute + 7) % 251);
    for index in looking {
        let older: Vec<Wish<'_>> = nodes[..index]
            .iter()
            .filter(|older| older.begins.is_none())
            .map(|older| wish(older.need, MINUTE * u32::try_from(minute - older.arrives).unwrap()))
            .collect();
        if turn(&nodes[index].need, &older, &bounds(nodes, minute)) == Turn::Now {
            nodes[index].begins = Some(minute);
        }
    }
    for bound in bounds(nodes, minute) {
        prop_assert!(bound.used <= bound.limit, "{bound:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// No more is let in than there is, and nobody waits longer than it takes those before it to come and go.
    #[test]
    fn everybody_has_a_turn_and_nothing_is_used_twice(nodes in lab()) {
        let mut nodes = nodes;
        let mut minute = 0;
        while nodes.iter().any(|node| node.begins.is_none()) {
            live(&mut nodes, minute)?;
            minute += 1;
            prop_assert!(minute < 10_000, "somebody waits for ever: {nodes:?}");
        }
        for (index, node) in nodes.iter().enumerate() {
            let began = node.begins.unwrap_or(u64::MAX);
            let longest = |older: &&Node| older.begins.is_some_and(|begins| begins > node.arrives);
            let before = u64::try_from(nodes[..index].iter().filter(longest).count()).unwrap();
            let waited = began - node.arrives;
            let most = PASSED_FOR.as_secs() / 60 + (before + 1) * LONGEST_LIFE;
            prop_assert!(waited <= most, "waited {waited} of at most {most} min: {node:?}");
        }
    }

    /// Of two that need the same, the older is never the later, whoever looks first.
    #[test]
    fn who_needs_the_same_comes_by_age(nodes in lab()) {
        let mut nodes = nodes;
        for node in &mut nodes {
            node.need = cores(3);
        }

        for minute in 0..2_000 {
            live(&mut nodes, minute)?;
        }

        let began: Vec<_> = nodes.iter().map(|node| node.begins.unwrap()).collect();
        prop_assert!(began.is_sorted(), "{began:?}");
    }
}

#[test]
fn a_stream_of_small_ones_does_not_starve_a_big_one() {
    let node = |arrives, size| Node { arrives, need: cores(size), lives: 10, luck: 0, begins: None };
    let small = (0..200).map(|minute| node(minute, 1));
    let mut nodes: Vec<Node> = small.clone().take(5).chain([node(4, CORES)]).chain(small.skip(5)).collect();

    for minute in 0..400 {
        live(&mut nodes, minute).unwrap();
    }

    let big = nodes.iter().find(|node| node.need == cores(CORES)).unwrap();
    let waited = big.begins.unwrap() - big.arrives;
    let passed = nodes.iter().filter(|n| n.arrives > 4 && n.begins.unwrap() < big.begins.unwrap()).count();
    assert!((5..=15).contains(&waited), "{waited}");
    assert!((1..=6).contains(&passed), "{passed} small ones passed it");
    assert!(nodes.iter().all(|node| node.begins.is_some()));
}
