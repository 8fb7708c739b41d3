use super::*;
use crate::gate::count;
use std::collections::BTreeSet;

const SECOND: Duration = Duration::from_secs(1);

/// A cloud that builds so many at once, and what it does with more.
#[derive(Clone, Copy)]
struct Cloud {
    places: usize,
    build: Duration,
    refuses: bool,
}

/// What came of many nodes in one cloud.
#[derive(Debug)]
struct Day {
    took: Duration,
    refused: usize,
    least: i64,
    most: i64,
}

/// Lives through a queue of nodes, by steps of a tenth of a second. `change` alters the cloud once so many are made.
fn day(
    rule: &mut Adaptive,
    nodes: usize,
    most: i64,
    mut cloud: Cloud,
    change: Option<(usize, Cloud)>,
) -> Day {
    let step = SECOND / 10;
    let (mut now, mut waiting, mut made) = (Duration::ZERO, nodes, 0);
    // Nodes under construction: when they began, their epoch, and when they may ask for the server next.
    let mut asking: Vec<(Duration, u64, Duration)> = Vec::new();
    let mut building: BTreeSet<(Duration, Duration, u64, usize)> = BTreeSet::new();
    let mut day = Day { took: Duration::ZERO, refused: 0, least: i64::MAX, most: 0 };
    let mut serial = 0;
    while made < nodes {
        assert!(now < Duration::from_secs(1_000_000), "it stands still: {rule:?}");
        while let Some((end, began, epoch, _)) = building.first().copied().filter(|(end, ..)| *end <= now) {
            building.pop_first();
            made += 1;
            rule.made(epoch, end.saturating_sub(began), most);
        }
        if let Some((_, after)) = change.filter(|(at, _)| made >= *at) {
            cloud = after;
        }
        // Who was refused holds no place while it waits.
        let mut under_construction =
            count(asking.iter().filter(|(began, _, next)| began == next).count() + building.len());
        while waiting > 0 && under_construction < rule.figure(most) {
            waiting -= 1;
            under_construction += 1;
            let epoch = rule.begins(under_construction >= rule.figure(most));
            asking.push((now, epoch, now));
        }
        for (began, epoch, next) in std::mem::take(&mut asking) {
            if next > now {
                asking.push((began, epoch, next));
                continue;
            }
            serial += 1;
            let ends: Vec<Duration> = building.iter().map(|(end, ..)| *end).collect();
            if ends.len() < cloud.places {
                building.insert((now + cloud.build, began, epoch, serial));
            } else if cloud.refuses {
                day.refused += 1;
                rule.trouble(epoch, "503", most);
                asking.push((began, epoch, now + now.saturating_sub(began).clamp(SECOND, 30 * SECOND)));
            } else {
                building.insert((ends[ends.len() - cloud.places] + cloud.build, began, epoch, serial));
            }
        }
        let figure = rule.figure(most);
        assert!((1..=most).contains(&figure));
        (day.least, day.most) = (day.least.min(figure), day.most.max(figure));
        now += step;
    }
    day.took = now.saturating_sub(step);
    day
}

fn cloud(places: usize) -> Cloud {
    Cloud { places, build: 15 * SECOND, refuses: false }
}

fn ideal(nodes: usize, cloud: Cloud) -> f64 {
    (cloud.build * u32::try_from(nodes.div_ceil(cloud.places)).unwrap()).as_secs_f64()
}

#[test]
fn a_cloud_that_takes_a_hundred_is_used_whole_after_a_few_rounds() {
    let mut rule = Adaptive::default();

    let first = day(&mut rule, 1000, 100, cloud(100), None);
    assert!(first.took.as_secs_f64() <= 1.3 * ideal(1000, cloud(100)), "{first:?}");
    let later = day(&mut rule, 1000, 100, cloud(100), None);
    assert!(later.took.as_secs_f64() <= 1.15 * ideal(1000, cloud(100)), "{later:?}");
}

#[test]
fn more_than_the_bound_is_never_made_at_once_however_much_the_cloud_takes() {
    let day = day(&mut Adaptive::default(), 3000, 100, cloud(500), None);

    assert_eq!(day.most, 100);
    assert!(day.took.as_secs_f64() <= 1.2 * ideal(3000, cloud(100)), "{day:?}");
}

#[test]
fn a_cloud_that_takes_few_is_kept_busy_and_not_flooded() {
    for places in [5, 50] {
        let mut rule = Adaptive::default();
        let day = day(&mut rule, 600, 1000, cloud(places), None);

        assert!(day.took.as_secs_f64() <= 1.2 * ideal(600, cloud(places)), "{places}: {day:?}");
        assert!(rule.figure(1000) <= 4 * count(places), "{places}: {rule:?}");
    }
}

#[test]
fn a_cloud_that_refuses_more_than_seven_is_refused_seldom_and_kept_busy() {
    let seven = Cloud { refuses: true, ..cloud(7) };

    let day = day(&mut Adaptive::default(), 400, 100, seven, None);

    assert!(day.refused <= 400 / 4, "{day:?}");
    assert!(day.took.as_secs_f64() <= 1.6 * ideal(400, seven), "{day:?}");
    let constant = 3 * 400;
    assert!(day.most <= 20 && day.refused < constant, "{day:?}");
}

#[test]
fn a_cloud_that_gets_worse_and_recovers_is_followed() {
    let mut rule = Adaptive::default();
    let worse = Cloud { refuses: true, ..cloud(4) };

    let after = day(&mut rule, 600, 100, cloud(100), Some((300, worse)));
    assert!(rule.figure(100) <= 16, "{rule:?}, {after:?}");
    let before = rule.figure(100);
    day(&mut rule, 600, 100, cloud(100), None);
    assert!(rule.figure(100) >= before + 10, "{rule:?}");
}

#[test]
fn a_cloud_that_becomes_slow_whatever_we_do_is_not_throttled_for_that() {
    let mut rule = Adaptive::default();
    let slow = Cloud { build: 90 * SECOND, ..cloud(100) };

    let day = day(&mut rule, 1500, 100, cloud(100), Some((500, slow)));

    assert!(day.least >= 10 && rule.figure(100) >= 40, "{rule:?} {day:?}");
}

#[test]
fn one_wave_that_is_refused_halves_once() {
    let mut rule = Adaptive::default();

    let epochs: Vec<u64> = (1..=10).map(|n| rule.begins(n == 10)).collect();
    for epoch in epochs {
        rule.trouble(epoch, "429", 100);
    }

    assert_eq!((rule.figure(100), rule.why()), (5, "halved: 429"));
}

#[test]
fn nothing_is_learned_from_a_few_nodes_that_the_figure_did_not_bound() {
    let mut rule = Adaptive::default();

    for _ in 0..100 {
        let epoch = rule.begins(false);
        rule.made(epoch, SECOND, 100);
    }

    assert_eq!(rule.figure(100), BEGINS);
}

#[test]
fn what_was_begun_before_a_halving_does_not_undo_it() {
    let mut rule = Adaptive::default();
    let epochs: Vec<u64> = (1..=10).map(|n| rule.begins(n == 10)).collect();
    rule.trouble(0, "503", 100);
    rule.begins(true);

    for epoch in epochs {
        rule.made(epoch, SECOND, 100);
    }

    assert_eq!(rule.figure(100), 5);
}

#[test]
fn a_bound_that_is_lowered_holds_at_once() {
    let mut rule = Adaptive::default();
    day(&mut rule, 300, 100, cloud(500), None);

    assert_eq!((rule.figure(100), rule.figure(20), rule.figure(0)), (100, 20, 1));
}
