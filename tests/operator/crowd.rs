//! Many nodes, little room.

use std::time::Duration;

use devcloud::{Quotas, Settings};
use serde_json::json;
use tokio::time::sleep;

use crate::harness::{Lab, quick, two_volumes};

#[tokio::test(start_paused = true)]
async fn no_more_nodes_than_the_limit_are_made_and_each_gets_its_turn() {
    let lab = Lab::new(quick()).await;
    lab.edit("clouds", "", "lab", |spec| spec["limits"] = json!({"maxNodes": 3}));
    sleep(Duration::from_secs(1)).await;
    let names: Vec<String> = (0..9).map(|n| format!("smithi{n:03}")).collect();
    for name in &names {
        lab.node(name, json!({}));
    }

    let mut left = names.clone();
    while !left.is_empty() {
        lab.until("somebody is Ready", 120, |lab| left.iter().any(|name| lab.is_ready(name))).await;
        assert!(lab.cloud.servers().len() <= 3);
        let ready = left.iter().position(|name| lab.is_ready(name)).unwrap();
        lab.delete(&left.remove(ready));
    }

    lab.until("all are gone", 120, |lab| names.iter().all(|name| lab.the(name).is_null())).await;
    lab.assert_clean();
}

/// What is written to nodes.
fn writes(lab: &Lab) -> usize {
    let log = lab.cluster.faults().log();
    log.iter().filter(|written| written.call.resource == "testnodes" && written.manager != "kubectl").count()
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_are_left_alone_until_it_is_their_turn() {
    const WAITING: usize = 40;
    let lab = Lab::new(quick()).await;
    lab.edit("clouds", "", "lab", |spec| spec["limits"] = json!({"maxNodes": 2}));
    sleep(Duration::from_secs(1)).await;
    let names: Vec<String> = (0..WAITING + 2).map(|n| format!("smithi{n:03}")).collect();
    for name in &names {
        lab.node(name, json!({}));
    }
    lab.ready("smithi001", 60).await;
    for name in &names[2..] {
        let message = lab.told(name, "Ready", "QuotaExceeded", 10).await;
        assert!(message.contains(" in turn of "), "{message}");
    }
    sleep(Duration::from_mins(10)).await;

    let before = writes(&lab);
    sleep(Duration::from_mins(10)).await;
    let news = writes(&lab) - before;
    assert!(news <= WAITING * 2, "{news} writes in ten minutes in which nothing happened");

    let mut next = names[2..].iter();
    for goes in ["smithi000", "smithi001"] {
        let before = writes(&lab);
        lab.delete(goes);
        let comes = next.next().unwrap();
        let took = lab.ready(comes, 60).await;
        assert!(took <= Duration::from_secs(10), "{comes}: {took:?}");
        let written = writes(&lab) - before;
        assert!(written <= 24, "{written} writes for one place of which one node made use");
    }
}

#[tokio::test(start_paused = true)]
async fn a_quota_for_three_serves_nine_without_a_leak() {
    let quotas = Quotas { instances: 3, volumes: 6, ..Quotas::default() };
    let lab = Lab::new(Settings { quotas, ..quick() }).await;
    let names: Vec<String> = (0..9).map(|n| format!("smithi{n:03}")).collect();
    for name in &names {
        lab.node(name, two_volumes());
    }

    let mut left = names.clone();
    while !left.is_empty() {
        lab.until("somebody is Ready", 400, |lab| left.iter().any(|name| lab.is_ready(name))).await;
        let ready = left.iter().position(|name| lab.is_ready(name)).unwrap();
        lab.delete(&left.remove(ready));
    }

    lab.until("all are gone", 120, |lab| names.iter().all(|name| lab.the(name).is_null())).await;
    lab.assert_clean();
}
