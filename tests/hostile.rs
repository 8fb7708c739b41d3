//! Twelve minutes beside a hostile cloud, in virtual time. `HOSTILE_MINUTES` makes it longer:
//! `HOSTILE_MINUTES=1440 cargo test --test hostile`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use devcloud::{Effect, Fault, HOSTILE_TEXTS, Service, When};
use serde_json::{Value, json};
use storm::lab::{Lab, panics};
use tokio::time::{Instant, sleep};

/// Services that a node needs.
const SERVICES: &[Service] =
    &[Service::Keystone, Service::Nova, Service::Cinder, Service::Neutron, Service::Glance];

fn minutes() -> usize {
    std::env::var("HOSTILE_MINUTES").map_or(12, |minutes| minutes.parse().unwrap())
}

/// What the hostile cloud does, a minute each.
fn tricks() -> Vec<Effect> {
    let answer = |status, headers: &[(&str, &str)], body| {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        // A service that does what it refuses lies, and no client can tell.
        let when = if status < 500 { When::Before } else { When::After };
        Effect::Answer { status, headers, body, when }
    };
    let many = format!("{{\"servers\":[{}]}}", vec![r#"{"id":"../../x"}"#; 100_000].join(","));
    let nested = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let mut all: Vec<Effect> =
        HOSTILE_TEXTS.iter().map(|text| answer(500, &[], json!(text.repeat(1000)))).collect();
    all.extend((0..20).map(|seed| Effect::Twisted { seed: seed * 1000 }));
    all.extend([
        answer(429, &[("retry-after", "18446744073709551615")], Value::Null),
        answer(503, &[("retry-after", "86400")], Value::Null),
        answer(503, &[("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT")], Value::Null),
        answer(302, &[("location", "http://lab.test/compute/v2.1/servers")], Value::Null),
        answer(308, &[("location", "http://169.254.169.254/latest/meta-data/")], Value::Null),
        answer(401, &[], Value::Null),
        answer(413, &[], json!({"overLimit": {"message": "A".repeat(70_000), "retryAfter": "-1"}})),
        answer(200, &[], json!(nested)),
        answer(200, &[], json!(many)),
        answer(
            200,
            &[("date", "Sat, 01 Jan 0000 00:00:00 GMT")],
            json!({"volumes": [], "ports": [], "servers": []}),
        ),
        answer(404, &[], json!({"itemNotFound": {"message": "\u{1b}]8;;http://evil\u{7}click"}})),
        answer(204, &[], Value::Null),
        Effect::Hang { when: When::Before },
        Effect::Hang { when: When::After },
        Effect::Drop { when: When::After },
        Effect::Slow { by: Duration::from_secs(80), when: When::After },
    ]);
    all
}

/// Waits until something is true, and says how long it took. What the hostile cloud shows meanwhile is no matter.
async fn took(lab: &Lab, is_so: impl Fn(&Lab) -> bool) -> Duration {
    let began = Instant::now();
    while !is_so(lab) {
        assert!(began.elapsed() < Duration::from_mins(1), "{}", lab.story());
        sleep(Duration::from_millis(50)).await;
    }
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn time_beside_a_hostile_cloud_is_like_any_other_for_the_nodes_of_another() {
    let (lab, far) = Lab::with_far().await;
    let before = panics();
    lab.node("alone", json!({}));
    let alone = lab.ready("alone", 30).await;
    lab.delete("alone");
    let alone_gone = lab.gone("alone", 30).await;
    for number in 0..10 {
        lab.node(&format!("early{number}"), json!({"machineType": "far"}));
    }
    lab.until("far has machines", 120, |lab| (0..10).all(|n| lab.is_ready(&format!("early{n}")))).await;
    let (tricks, began) = (tricks(), Instant::now());

    for minute in 0..minutes() {
        far.heal();
        far.forget_calls();
        let trick = tricks[minute % tricks.len()].clone();
        // Keystone, too, but not always: a cloud that nobody can log in to can do less harm.
        let services = if minute.is_multiple_of(3) { SERVICES } else { &SERVICES[1..] };
        for service in services {
            far.fault(Fault::new(trick.clone()).on(*service, "")).unwrap();
        }
        let (own, others) = (format!("lab{minute}"), format!("far{minute}"));
        lab.node(&others, json!({"machineType": "far"}));
        if minute < 10 {
            lab.delete(&format!("early{minute}"));
        }
        lab.node(&own, json!({}));

        let took_to_come = took(&lab, |lab| lab.is_ready(&own)).await;
        assert!(
            took_to_come <= alone + Duration::from_millis(500),
            "{trick:?}: {took_to_come:?}, and {alone:?} alone"
        );
        lab.delete(&own);
        let took_to_go = took(&lab, |lab| lab.the(&own).is_null()).await;
        assert!(
            took_to_go <= alone_gone + Duration::from_secs(1),
            "{trick:?}: {took_to_go:?}, and {alone_gone:?} alone"
        );
        lab.assert_harmless();
        sleep((Duration::from_mins(minute as u64 + 1)).saturating_sub(began.elapsed())).await;
    }

    far.heal();
    assert_eq!(panics(), before);
    // Its lies may have cost more than one machine for a node; what is one too many goes at the first honest look.
    sleep(Duration::from_mins(3)).await;
    for minute in 0..minutes() {
        lab.delete(&format!("far{minute}"));
    }
    for left in minutes()..10 {
        lab.delete(&format!("early{left}"));
    }
    let left = |lab: &Lab| lab.cluster.list("testnodes", "").len();
    lab.until("all nodes of far are gone", 3600, |lab| left(lab) == 0).await;
    lab.assert_harmless();
    // It said of machines that were there that they are not: what it kept, the sweep tells and an admin deletes.
    for cloud in [&lab.cloud, &far] {
        println!(
            "left: {} servers, {} volumes, {} ports",
            cloud.servers().len(),
            cloud.volumes().len(),
            cloud.ports().len()
        );
    }
    assert!(lab.cloud.is_empty(), "{}", lab.story());
}
