//! Many nodes, little room.

use std::time::Duration;

use devcloud::{Quotas, Settings, Status};
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

/// Creates of servers that the cloud answered with this.
fn creates(lab: &Lab, status: u16) -> usize {
    let calls = lab.cloud.calls();
    calls.iter().filter(|call| call.template == "POST /servers" && call.status == Some(status)).count()
}

fn at_once(lab: &Lab) -> (i64, String) {
    let cloud = lab.cluster.get("clouds", "", "lab").unwrap();
    let said = &cloud["status"]["concurrentCreates"];
    (said["value"].as_i64().unwrap(), said["why"].as_str().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_builds_seven_at_once_and_refuses_more_is_found_out() {
    let lab = Lab::new(Settings {
        builds_at_once: 7,
        refuses_beyond: true,
        server_build: Duration::from_secs(15),
        ..quick()
    })
    .await;
    let names: Vec<String> = (0..40).map(|n| format!("smithi{n:03}")).collect();
    for name in &names {
        lab.node(name, json!({}));
    }

    let took = lab.until("all are Ready", 600, |lab| names.iter().all(|name| lab.is_ready(name))).await;

    // Twice six waves of seven.
    assert!(took <= Duration::from_mins(3), "{took:?}");
    assert_eq!(creates(&lab, 202), 40);
    assert!(creates(&lab, 503) <= 20, "{} creates were refused", creates(&lab, 503));
    let (value, why) = at_once(&lab);
    assert!((1..=9).contains(&value) && !why.is_empty(), "{value}: {why}");
}

#[tokio::test(start_paused = true)]
async fn a_cloud_without_trouble_is_asked_for_more_and_a_number_that_is_given_stays() {
    for (rate, expected) in [
        (json!({}), 20..=100),
        (json!({"maxConcurrentCreates": 15}), 15..=15),
        (json!({"concurrentCreates": 3}), 3..=3),
    ] {
        let lab = Lab::new(Settings { server_build: Duration::from_secs(15), ..quick() }).await;
        lab.edit("clouds", "", "lab", |spec| spec["rate"] = rate.clone());
        sleep(Duration::from_secs(1)).await;
        let names: Vec<String> = (0..30).map(|n| format!("smithi{n:03}")).collect();
        for name in &names {
            lab.node(name, json!({}));
        }
        let building = |lab: &Lab| lab.cloud.servers().iter().filter(|s| s.status == Status::Build).count();
        let most = std::cell::Cell::new(0);
        lab.until("all are Ready", 900, |lab| {
            most.set(most.get().max(building(lab)));
            names.iter().all(|name| lab.is_ready(name))
        })
        .await;
        assert!(most.get() <= usize::try_from(*expected.end()).unwrap(), "{rate}: {} at once", most.get());
        let value = at_once(&lab).0;
        assert!(expected.contains(&value), "{rate}: {value}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_servers_are_made_the_next_in_line_get_their_volumes_and_their_launch_stands_still() {
    let lab = Lab::new(Settings { server_build: Duration::from_secs(50), ..quick() }).await;
    lab.edit("clouds", "", "lab", |spec| spec["rate"] = json!({"concurrentCreates": 2}));
    lab.edit("machinetypes", "", "lab", |spec| spec["timeouts"] = json!({"launch": "1m"}));
    sleep(Duration::from_secs(1)).await;
    let names: Vec<String> = (0..7).map(|n| format!("smithi{n:03}")).collect();
    for name in &names {
        lab.node(name, two_volumes());
    }
    sleep(Duration::from_secs(30)).await;

    // Two that are built, and two that are prepared; the others have nothing.
    assert_eq!((lab.cloud.servers().len(), lab.cloud.volumes().len(), lab.cloud.ports().len()), (2, 8, 4));
    let message = lab.told("smithi002", "Ready", "Prepared", 5).await;
    assert!(message.contains("status.concurrentCreates"), "{message}");
    lab.told("smithi004", "Ready", "Queued", 5).await;

    lab.ready("smithi001", 60).await;
    // The next are asked for at once: all that they need is there.
    sleep(Duration::from_secs(5)).await;
    assert_eq!(lab.cloud.servers().len(), 4);
    let took = lab.until("all are Ready", 300, |lab| names.iter().all(|name| lab.is_ready(name))).await;
    assert!(took <= Duration::from_secs(190), "{took:?}");
    for name in &names {
        assert_eq!(lab.the(name)["status"]["attempts"].as_array().unwrap().len(), 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_prepared_goes_whole_when_its_node_is_deleted_or_the_operator_dies() {
    let mut lab = Lab::new(Settings { server_build: Duration::from_mins(5), ..quick() }).await;
    lab.edit("clouds", "", "lab", |spec| spec["rate"] = json!({"concurrentCreates": 1}));
    sleep(Duration::from_secs(1)).await;
    for name in ["smithi001", "smithi002"] {
        lab.node(name, two_volumes());
    }
    lab.told("smithi002", "Ready", "Prepared", 30).await;

    lab.start();
    sleep(Duration::from_secs(30)).await;
    lab.told("smithi002", "Ready", "Prepared", 60).await;
    assert_eq!((lab.cloud.servers().len(), lab.cloud.volumes().len()), (1, 4));

    lab.delete("smithi002");
    // What the process before may have sent must be settled first.
    lab.until("it is gone", 150, |lab| lab.the("smithi002").is_null()).await;
    assert_eq!((lab.cloud.servers().len(), lab.cloud.volumes().len(), lab.cloud.ports().len()), (1, 2, 1));
    lab.delete("smithi001");
    // Nova deletes it when it is made.
    lab.until("all are gone", 400, |lab| lab.the("smithi001").is_null()).await;
    lab.assert_clean();
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
