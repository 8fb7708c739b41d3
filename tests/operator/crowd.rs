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
