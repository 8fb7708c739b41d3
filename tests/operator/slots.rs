//! Marks on slots: a machine that somebody says is down is not handed out, not dropped, and kept for a look.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::claims::{claim, having, is_bound, lab_with, listed, reason, status};
use crate::harness::{Lab, Manner, Operator};
use crate::pools::{delete, idle, names};

/// Says something of a slot of the pool.
fn mark(lab: &Lab, name: &str, mut spec: Value) {
    spec["pool"] = "smithi".into();
    lab.apply(json!({
        "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNodeSlot",
        "metadata": {"name": name, "namespace": "default"}, "spec": spec,
    }));
}

fn uid(lab: &Lab, name: &str) -> String {
    lab.the(name)["metadata"]["uid"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn an_idle_node_that_is_down_is_not_handed_out_not_dropped_and_free_again_when_that_is_taken_back() {
    let lab = lab_with(1, 3).await;
    let before = uid(&lab, "smithi001");
    mark(&lab, "smithi001", json!({"down": true, "description": "a disk fails"}));
    lab.until("the pool has another", 60, |lab| lab.is_ready("smithi002")).await;

    // Neither an edit of the template nor more idle nodes than are wanted takes it.
    lab.edit("testnodepools", "default", "smithi", |spec| {
        spec["template"]["serverTags"] = json!(["new"]);
        spec["maxReadyAge"] = "10m".into();
    });
    claim(&lab, "job", json!({"count": 2}));
    lab.until("it has two others", 120, |lab| is_bound(lab, "job")).await;
    assert!(!listed(&lab, "job").contains(&"smithi001".to_owned()));
    sleep(Duration::from_mins(30)).await;
    assert_eq!(uid(&lab, "smithi001"), before);

    delete(&lab, "testnodeclaims", "job");
    lab.edit("testnodepools", "default", "smithi", |spec| spec["template"]["serverTags"] = Value::Null);
    delete(&lab, "testnodeslots", "smithi001");
    lab.until("it can be had", 60, |lab| {
        lab.cluster.get("testnodepools", "default", "smithi").unwrap()["status"]["ready"].as_i64() > Some(0)
    })
    .await;
    lab.until("the pool is as it should be", 1200, |lab| idle(lab) == 1).await;
}

#[tokio::test(start_paused = true)]
async fn where_no_node_is_a_slot_that_is_down_stays_empty() {
    let lab = lab_with(0, 3).await;
    mark(&lab, "smithi001", json!({"down": true}));
    mark(&lab, "smithi002", json!({"down": true, "nodeUID": "of-one-that-is-gone"}));

    lab.edit("testnodepools", "default", "smithi", |spec| spec["minReady"] = 1.into());
    lab.until("there is one", 60, |lab| idle(lab) == 1).await;
    assert_eq!(names(&lab), ["smithi002"], "the mark of a node that is gone says nothing of the next");

    lab.edit("testnodeslots", "default", "smithi001", |spec| spec["down"] = false.into());
    lab.edit("testnodepools", "default", "smithi", |spec| spec["minReady"] = 2.into());
    lab.until("it is used again", 60, |lab| idle(lab) == 2).await;
    assert_eq!(names(&lab), ["smithi001", "smithi002"]);
}

#[tokio::test(start_paused = true)]
async fn a_claimed_node_that_is_down_is_held_for_a_look_when_its_claim_ends() {
    let lab = lab_with(1, 3).await;
    claim(&lab, "job", json!({}));
    lab.until("it has one", 5, |lab| is_bound(lab, "job")).await;
    let before = uid(&lab, "smithi001");
    mark(&lab, "smithi001", json!({"down": true, "nodeUID": before}));
    sleep(Duration::from_secs(5)).await;
    assert!(is_bound(&lab, "job"), "its holder keeps it");

    delete(&lab, "testnodeclaims", "job");
    let held = |lab: &Lab| lab.condition("testnodes", "default", "smithi001", "Ready").2;
    lab.until("it says that it is held", 60, |lab| held(lab).contains("TestNodeSlot smithi001 says")).await;
    sleep(Duration::from_hours(2)).await;
    assert_eq!(uid(&lab, "smithi001"), before);
    assert_eq!(idle(&lab), 1, "the pool has another beside it");

    lab.edit("testnodeslots", "default", "smithi001", |spec| spec["down"] = false.into());
    lab.until("it goes", 90, |lab| names(lab).iter().all(|name| uid(lab, name) != before)).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_is_held_no_longer_than_the_pool_lets_it_also_by_an_operator_that_began_anew() {
    let mut lab = lab_with(1, 3).await;
    lab.edit("testnodepools", "default", "smithi", |spec| spec["claims"]["maxHold"] = "2h".into());
    claim(&lab, "job", json!({}));
    lab.until("it has one", 5, |lab| is_bound(lab, "job")).await;
    let before = uid(&lab, "smithi001");
    mark(&lab, "smithi001", json!({"down": true}));
    delete(&lab, "testnodeclaims", "job");
    sleep(Duration::from_mins(70)).await;
    lab.kill();
    sleep(Duration::from_mins(5)).await;
    lab.start();
    sleep(Duration::from_mins(40)).await;
    assert_eq!(uid(&lab, "smithi001"), before);

    let there = |lab: &Lab| names(lab).iter().any(|name| uid(lab, name) == before);
    lab.until("two hours are over", 600, |lab| !there(lab)).await;
    // The mark says nothing of a node any more, so the slot stays empty.
    lab.until("the pool is full", 90, |lab| idle(lab) == 1).await;
    assert!(!names(&lab).contains(&"smithi001".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_held_node_goes_with_its_pool_and_can_be_deleted() {
    let lab = lab_with(2, 4).await;
    claim(&lab, "job", json!({"count": 2}));
    lab.until("it has two", 5, |lab| is_bound(lab, "job")).await;
    for name in ["smithi001", "smithi002"] {
        mark(&lab, name, json!({"down": true, "nodeUID": uid(&lab, name)}));
    }
    delete(&lab, "testnodeclaims", "job");
    sleep(Duration::from_mins(5)).await;
    let first = uid(&lab, "smithi001");
    lab.delete("smithi001");
    lab.until("it goes", 60, |lab| names(lab).iter().all(|name| uid(lab, name) != first)).await;

    delete(&lab, "testnodepools", "smithi");
    lab.until("nothing is left", 90, |lab| names(lab).is_empty()).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_claim_by_name_gets_a_node_that_is_down_and_it_is_held_again_after_it() {
    let lab = lab_with(2, 4).await;
    mark(&lab, "smithi002", json!({"down": true}));
    sleep(Duration::from_secs(2)).await;
    let before = uid(&lab, "smithi002");

    claim(&lab, "look", json!({"nodes": ["smithi002"], "owner": "alice"}));
    lab.until("it has it", 5, |lab| is_bound(lab, "look")).await;
    assert_eq!(listed(&lab, "look"), ["smithi002"]);
    delete(&lab, "testnodeclaims", "look");
    sleep(Duration::from_mins(10)).await;

    assert_eq!(uid(&lab, "smithi002"), before);
}

#[tokio::test(start_paused = true)]
async fn a_claim_by_name_has_these_at_once_or_has_ended_and_can_be_read_for_an_hour() {
    let lab = lab_with(3, 5).await;
    claim(&lab, "two", json!({"nodes": ["smithi003", "smithi001"], "owner": "alice"}));
    lab.until("it has them", 5, |lab| is_bound(lab, "two")).await;
    assert_eq!(listed(&lab, "two"), ["smithi001", "smithi003"]);

    claim(&lab, "late", json!({"nodes": ["smithi002", "smithi003"]}));
    let took = lab.until("it has ended", 5, |lab| reason(lab, "late") == "NodeNotFree").await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(status(&lab, "late")["phase"], "Ended");
    let said = status(&lab, "late")["ended"]["message"].as_str().unwrap().to_owned();
    assert!(said.contains("smithi003 is claimed by TestNodeClaim default/two (alice)"), "{said}");
    assert!(having(&lab, "late").is_empty());
    sleep(Duration::from_mins(55)).await;
    assert_eq!(reason(&lab, "late"), "NodeNotFree");
    lab.until("it is forgotten", 600, |lab| lab.cluster.get("testnodeclaims", "default", "late").is_none())
        .await;
}

#[tokio::test(start_paused = true)]
async fn two_operators_give_named_nodes_to_one_of_two_claims_whole() {
    let lab = lab_with(4, 6).await;
    for round in 0..5 {
        let second =
            Operator::start_with(&lab.cluster, &lab.wires, &Manner { unasked: true, ..Manner::default() });
        lab.until("it looks", 60, |_| second.health.missing().is_empty()).await;
        let (one, other) = (format!("one-{round}"), format!("other-{round}"));
        let ready: Vec<String> = names(&lab)
            .into_iter()
            .filter(|name| lab.is_ready(name) && lab.the(name)["spec"]["claimRef"].is_null())
            .collect();
        claim(&lab, &one, json!({"nodes": ready[..3]}));
        claim(&lab, &other, json!({"nodes": ready[1..4]}));
        lab.until("both are decided", 60, |lab| {
            [&one, &other].iter().all(|name| is_bound(lab, name) || reason(lab, name) == "NodeNotFree")
        })
        .await;
        let bound = [&one, &other].iter().filter(|name| is_bound(&lab, name)).count();
        assert!(bound <= 1, "two have one node");
        for name in [&one, &other] {
            let kept = if is_bound(&lab, name) { 3 } else { 0 };
            lab.until("it has all or none", 60, |lab| having(lab, name).len() == kept).await;
            delete(&lab, "testnodeclaims", name);
        }
        // Two that build one machine undo what the other does: that is not what this is about.
        drop(second);
        lab.until("the pool is full", 1500, |lab| idle(lab) >= 4).await;
    }
}
