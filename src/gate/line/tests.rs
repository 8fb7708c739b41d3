use proptest::prelude::*;

use super::super::amounts::Quantity;
use super::super::queue::By;
use super::*;

const SPACES: [&str; 3] = ["a", "b", "c"];

fn cores(cores: i64) -> Amounts {
    Amounts::from_fn(|of| {
        i64::from(of == Quantity::Instances) + if of == Quantity::Cores { cores } else { 0 }
    })
}

fn bound(of: Quantity, used: i64, limit: i64) -> Bound {
    Bound { by: By::Quota, of, used, foreign: 0, limit }
}

fn age(namespace: &str, number: usize) -> Age {
    let node = format!("{namespace}/{number:03}");
    Age { created: None, uid: node.clone(), node }
}

/// Who would be let in if each were looked at, again and again: of those that fit, one of the namespace that was served
/// least, and there the oldest.
fn one_by_one(waiting: &[(Age, Amounts)], scene: &Scene<'_>) -> Vec<Age> {
    let (mut served, mut ahead, mut let_in) = (scene.served.clone(), Amounts::default(), Vec::<Age>::new());
    loop {
        let fits = |need: &Amounts| {
            let sum = ahead.plus(need);
            scene
                .bounds
                .iter()
                .all(|bound| need.of(bound.of) == 0 || bound.used + sum.of(bound.of) <= bound.limit)
        };
        let open = waiting.iter().filter(|(age, need)| !let_in.contains(age) && fits(need));
        let turn = |(age, _): &&(Age, Amounts)| {
            (served.get(age.namespace()).copied().unwrap_or_default(), age.clone())
        };
        let Some((age, need)) = open.min_by_key(turn).cloned() else { return let_in };
        ahead = ahead.plus(&need);
        *served.entry(age.namespace().to_owned()).or_default() += 1;
        let_in.push(age);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The walk that skips whoever cannot fit lets in whom one that looks at each would, and tells each the same.
    #[test]
    fn those_are_called_who_would_be_let_in_one_by_one(
        nodes in prop::collection::vec((0..3usize, 1..4i64), 0..40),
        building in prop::collection::vec(0..4usize, 3),
        places in 0..12i64,
        room in 0..24i64,
    ) {
        let now = Instant::now();
        let waiting: Vec<(Age, Amounts)> =
            nodes.iter().enumerate().map(|(n, (space, size))| (age(SPACES[*space], n), cores(*size))).collect();
        let served: Served = SPACES.iter().zip(building).map(|(space, n)| ((*space).to_owned(), n)).collect();
        let bounds = [bound(Quantity::Instances, 0, places), bound(Quantity::Cores, 0, room)];
        let scene = Scene { served: &served, bounds: &bounds, now };
        let mut line = Line::default();
        for (age, need) in &waiting {
            line.put(age, *need, String::new(), now);
        }

        let expected = one_by_one(&waiting, &scene);

        for (age, need) in &waiting {
            prop_assert_eq!(line.turn(age, need, &scene) == Turn::Now, expected.contains(age), "{:?}", age);
        }
        let leaders = line.leaders(now);
        let called = line.call(&scene);
        prop_assert!(expected.iter().all(|age| called.contains(age)));
        prop_assert!(called.iter().all(|age| expected.contains(age) || leaders.contains(age)));
        prop_assert_eq!(line.call(&scene), Vec::<Age>::new(), "nobody is called twice");
    }

    /// What is counted while nodes come and go is what there is.
    #[test]
    fn who_leaves_leaves_nothing_behind(moves in prop::collection::vec((0..3usize, 0..6usize, 1..4i64, any::<bool>()), 0..60)) {
        let now = Instant::now();
        let (mut line, mut there) = (Line::default(), BTreeMap::new());
        for (space, number, size, comes) in moves {
            let age = age(SPACES[space], number);
            if comes {
                line.put(&age, cores(size), "full".into(), now);
                there.insert(age, cores(size));
            } else {
                prop_assert_eq!(line.remove(&age).is_some(), there.remove(&age).is_some());
            }
        }

        prop_assert_eq!(line.len(), there.len());
        prop_assert_eq!(line.shortage().map(|(node, _, others)| (node.to_owned(), others + 1)),
            there.keys().next().map(|age| (age.node.clone(), there.len())));
        for age in there.keys() {
            line.remove(age);
        }
        prop_assert!(line.namespaces.is_empty() && line.since.is_empty() && line.told.is_empty() && line.len == 0);
    }
}

#[test]
fn the_first_that_does_not_look_is_called_and_then_the_next_looks_for_the_others() {
    let (mut line, now) = (Line::default(), Instant::now());
    for number in 0..3 {
        line.put(&age("a", number), cores(1), String::new(), now);
    }
    let (served, bounds) = (Served::new(), [bound(Quantity::Instances, 1, 1)]);
    let mut call = |after| line.call(&Scene { served: &served, bounds: &bounds, now: now + after });

    assert_eq!(call(Duration::ZERO), [age("a", 0)]);
    assert_eq!(call(LOOKS_WITHIN / 2), Vec::<Age>::new());
    assert_eq!(call(LOOKS_WITHIN), [age("a", 0)]);
    assert_eq!(call(LOOKS_WITHIN + COMES_WITHIN), [age("a", 1)]);
}

#[test]
fn a_place_is_that_among_namespaces_in_turn() {
    let (mut line, now) = (Line::default(), Instant::now());
    for number in 0..4 {
        line.put(&age("a", number), cores(1), String::new(), now);
    }
    line.put(&age("b", 9), cores(1), String::new(), now);

    let places =
        |served: &Served| [age("a", 0), age("a", 1), age("b", 9)].map(|age| line.before(&age, served) + 1);

    assert_eq!(places(&Served::new()), [1, 3, 2]);
    assert_eq!(places(&[("a".to_owned(), 2)].into()), [2, 3, 1]);
}

#[test]
fn one_that_was_called_and_does_not_come_holds_up_nobody() {
    let (mut line, now) = (Line::default(), Instant::now());
    line.put(&age("a", 0), cores(1), String::new(), now);
    line.put(&age("a", 1), cores(1), String::new(), now);
    let (served, bounds) = (Served::new(), [bound(Quantity::Instances, 0, 1)]);
    let at = |now| Scene { served: &served, bounds: &bounds, now };

    assert_eq!(line.call(&at(now)), [age("a", 0)]);
    assert_ne!(line.turn(&age("a", 1), &cores(1), &at(now)), Turn::Now);
    let later = now + COMES_WITHIN;
    assert_eq!(line.call(&at(later)), [age("a", 1)]);
    assert_eq!(line.turn(&age("a", 1), &cores(1), &at(later)), Turn::Now);
    line.put(&age("a", 0), cores(1), String::new(), later);
    assert_ne!(line.turn(&age("a", 1), &cores(1), &at(later)), Turn::Now, "it looked after all");
}
