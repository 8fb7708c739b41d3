//! A second release of the operator, in another namespace of the same cluster.

use std::time::Duration;

use serde_json::json;
use storm::lab::{Manner, Operator};
use tokio::time::sleep;

use crate::harness::{Lab, quick, two_volumes};

#[tokio::test(start_paused = true)]
async fn a_second_release_in_another_namespace_does_nothing_and_says_who_leads() {
    let lab = Lab::new(quick()).await;
    lab.namespace("elsewhere");
    let manner = Manner { home: Some("elsewhere".into()), ..Manner::default() };
    let second = Operator::start_with(&lab.cluster, &lab.wires, &manner);
    sleep(Duration::from_secs(5)).await;
    lab.forget_calls();

    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;
    sleep(Duration::from_mins(5)).await;

    assert!(lab.operator().health.missing().is_empty());
    let missing = second.health.missing().join("\n");
    assert!(missing.contains("namespace testnode-system has the operator of this cluster"), "{missing}");
    let events = lab.cluster.list("events", "elsewhere");
    let told = |event: &&serde_json::Value| event["reason"] == "AnotherOperator";
    let event = events.iter().find(told).expect("an event");
    assert_eq!((&event["type"], &event["involvedObject"]["kind"]), (&json!("Warning"), &json!("Pod")));
    assert_eq!(lab.condition("clouds", "", "lab", "Ready").0, "True");
    assert_eq!(lab.cloud.all_servers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn when_the_first_release_is_gone_the_second_takes_over_and_says_where_it_was() {
    let mut lab = Lab::new(quick()).await;
    lab.namespace("elsewhere");
    lab.credentials_in("elsewhere", "lab", &Lab::clouds_yaml("lab", &lab.cloud));
    let manner = Manner { home: Some("elsewhere".into()), ..Manner::default() };
    let second = Operator::start_with(&lab.cluster, &lab.wires, &manner);
    sleep(Duration::from_secs(5)).await;

    lab.kill();
    lab.node("smithi001", two_volumes());

    lab.ready("smithi001", 60).await;
    assert!(second.health.missing().is_empty());
    let moved = |event: &serde_json::Value| event["reason"] == "OperatorMoved";
    let events = lab.cluster.list("events", "elsewhere");
    let event = events.iter().find(|event| moved(event)).expect("an event");
    assert!(
        event["message"].as_str().unwrap().contains("was in namespace testnode-system before"),
        "{event}"
    );

    // The next of its own pods has nothing to say of it.
    drop(second);
    let third = Operator::start_with(&lab.cluster, &lab.wires, &manner);
    sleep(Duration::from_mins(1)).await;
    assert!(third.health.missing().is_empty());
    assert_eq!(lab.cluster.list("events", "elsewhere").iter().filter(|event| moved(event)).count(), 1);
}
