//! On what terms a pool serves claims: holds, the reserve for people, and what one namespace may have.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use tokio::time::sleep;

use crate::claims::{claim, claim_in, having, is_bound, lab_with, phase, reason, status};
use crate::harness::Lab;
use crate::pools::delete;

/// So many minutes from now, by the cluster's clock.
fn in_minutes(lab: &Lab, minutes: i64) -> String {
    (lab.cluster.now() + SignedDuration::from_mins(minutes)).to_string()
}

#[tokio::test(start_paused = true)]
async fn a_hold_keeps_the_nodes_beyond_lease_and_duration() {
    let lab = lab_with(1, 3).await;
    claim(&lab, "job", json!({"lease": {"duration": "90s"}, "duration": "1h"}));
    lab.until("it has one", 5, |lab| is_bound(lab, "job")).await;

    let until = in_minutes(&lab, 120);
    lab.edit("testnodeclaims", "default", "job", |spec| {
        spec["hold"] = json!({"until": until, "reason": "test failed"});
    });
    lab.until("it is held", 5, |lab| phase(lab, "job") == "Held").await;
    assert_eq!(lab.condition("testnodeclaims", "default", "job", "Ready").0, "True");
    assert_eq!(lab.condition("testnodeclaims", "default", "job", "Held").1, "ClaimHeld");
    sleep(Duration::from_mins(115)).await;
    assert_eq!(phase(&lab, "job"), "Held");
    assert_eq!(having(&lab, "job").len(), 1);

    lab.until("the hold is over", 600, |lab| reason(lab, "job") == "HoldOver").await;
    lab.until("its node goes", 60, |lab| having(lab, "job").is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_hold_a_claim_has_one_lease_to_renew_in_and_its_duration() {
    let lab = lab_with(1, 3).await;
    claim(&lab, "job", json!({"lease": {"duration": "5m"}}));
    lab.until("it has one", 5, |lab| is_bound(lab, "job")).await;
    let until = in_minutes(&lab, 30);
    lab.edit("testnodeclaims", "default", "job", |spec| {
        spec["hold"] = json!({"until": until, "reason": "lunch"});
    });
    sleep(Duration::from_mins(33)).await;
    assert_eq!(phase(&lab, "job"), "Bound");

    lab.until("nobody renewed", 300, |lab| reason(lab, "job") == "LeaseExpired").await;
}

#[tokio::test(start_paused = true)]
async fn the_pool_caps_a_hold_and_says_so_and_a_deletion_beats_it() {
    let lab = lab_with(2, 4).await;
    lab.edit("testnodepools", "default", "smithi", |spec| {
        spec["claims"]["duration"] = "1h".into();
        spec["claims"]["maxHold"] = "30m".into();
    });
    let hold = json!({"until": "2099-01-01T00:00:00Z", "reason": "for ever"});
    claim(&lab, "long", json!({"hold": hold}));
    claim(&lab, "short", json!({"hold": hold}));
    lab.until("they have one each", 5, |lab| phase(lab, "long") == "Held" && phase(lab, "short") == "Held")
        .await;
    let said = lab.condition("testnodeclaims", "default", "long", "Held").2;
    assert!(said.contains("is cut to") && said.contains("claims.maxHold"), "{said}");

    delete(&lab, "testnodeclaims", "short");
    lab.until("its node goes", 60, |lab| having(lab, "short").is_empty()).await;
    // Somebody sets the operator's clock: nobody loses a machine.
    lab.wires.set_clock(SignedDuration::from_hours(20));
    sleep(Duration::from_mins(85)).await;
    assert_eq!(having(&lab, "long").len(), 1);
    lab.until("90 minutes are over", 600, |lab| reason(lab, "long") == "HoldOver").await;
}

#[tokio::test(start_paused = true)]
async fn the_last_places_are_for_interactive_claims() {
    let lab = lab_with(3, 3).await;
    lab.edit("testnodepools", "default", "smithi", |spec| spec["claims"]["reserve"] = 1.into());
    claim(&lab, "jobs", json!({"count": 2}));
    lab.until("it has two", 5, |lab| is_bound(lab, "jobs")).await;
    claim(&lab, "more", json!({}));
    claim(&lab, "large", json!({"count": 3}));
    lab.until("they are told", 10, |lab| {
        reason(lab, "more") == "Reserved" && reason(lab, "large") == "LargerThanPool"
    })
    .await;

    claim(&lab, "person", json!({"interactive": true}));
    lab.until("a person has it", 5, |lab| is_bound(lab, "person")).await;
    sleep(Duration::from_mins(20)).await;
    assert!(!is_bound(&lab, "more"));
    delete(&lab, "testnodeclaims", "jobs");
    lab.until("a place is free that is not reserved", 120, |lab| is_bound(lab, "more")).await;
}

#[tokio::test(start_paused = true)]
async fn a_namespace_has_no_more_nodes_than_the_pool_lets_it() {
    let lab = lab_with(3, 5).await;
    lab.namespace("team");
    lab.edit("testnodepools", "default", "smithi", |spec| {
        spec["claims"]["maxNodesPerNamespace"] = 2.into();
        spec["claims"]["from"] = "All".into();
    });
    claim(&lab, "two", json!({"count": 2}));
    lab.until("they have two", 5, |lab| is_bound(lab, "two")).await;
    claim(&lab, "third", json!({}));
    claim(&lab, "three", json!({"count": 3}));
    lab.until("they are told", 10, |lab| {
        is_bound(lab, "two")
            && reason(lab, "third") == "NamespaceLimit"
            && reason(lab, "three") == "NamespaceLimit"
    })
    .await;
    assert_eq!(status(&lab, "three")["conditions"][1]["type"], "Stalled", "it never can");

    claim_in(&lab, "team", "other", json!({"pool": {"name": "smithi", "namespace": "default"}}));
    lab.until("another namespace has one", 5, |lab| {
        lab.cluster.get("testnodeclaims", "team", "other").unwrap()["status"]["phase"] == "Bound"
    })
    .await;
    delete(&lab, "testnodeclaims", "two");
    lab.until("it has its own", 60, |lab| is_bound(lab, "third")).await;
}

#[tokio::test(start_paused = true)]
async fn how_nodes_are_reached_is_written_beside_the_claim_once_and_what_is_somebody_elses_is_left() {
    let lab = lab_with(2, 5).await;
    claim(&lab, "job", json!({"count": 2, "output": {"configMap": "job-nodes"}}));
    let written = |lab: &Lab| lab.cluster.get("configmaps", "default", "job-nodes");
    lab.until("it is written", 10, |lab| written(lab).is_some()).await;
    let map = written(&lab).unwrap();
    let uid = lab.cluster.get("testnodeclaims", "default", "job").unwrap()["metadata"]["uid"].clone();
    assert_eq!((&map["immutable"], &map["metadata"]["ownerReferences"][0]["uid"]), (&json!(true), &uid));
    for (file, word) in [
        ("targets.yaml", "smithi001.front.example.test\": ssh-ed25519"),
        ("known_hosts", "smithi002.front.example.test,"),
        ("inventory.ini", "[testnodes]"),
        ("ssh_config", "Host smithi001"),
        ("nodes.json", "\"address\""),
    ] {
        let text = map["data"][file].as_str().unwrap_or_default();
        assert!(text.contains(word), "{file}: {text}");
    }

    lab.apply(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine", "namespace": "default"},
        "data": {"mine": "alone"}}),
    );
    claim(&lab, "other", json!({"output": {"configMap": "mine"}}));
    lab.until("it is told", 10, |lab| {
        lab.condition("testnodeclaims", "default", "other", "Output").1 == "OutputConflict"
    })
    .await;
    assert!(is_bound(&lab, "other"));
    assert_eq!(lab.cluster.get("configmaps", "default", "mine").unwrap()["data"], json!({"mine": "alone"}));
    lab.cluster.delete(&lab.cluster.get("configmaps", "default", "mine").unwrap()).unwrap();
    lab.until("it is written", 60, |lab| {
        lab.cluster.get("configmaps", "default", "mine").is_some()
            && lab.condition("testnodeclaims", "default", "other", "Output").0.is_empty()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn idle_nodes_give_way_one_by_one_to_a_node_that_somebody_waits_for_and_come_back_later() {
    let lab = lab_with(3, 5).await;
    lab.edit("clouds", "", "lab", |spec| spec["limits"]["maxNodes"] = 3.into());
    let ready = |lab: &Lab| {
        let names = crate::pools::names(lab);
        names.iter().filter(|name| name.starts_with("smithi") && lab.is_ready(name)).count()
    };
    sleep(Duration::from_secs(10)).await;

    lab.node("wanted", json!({}));
    let took = lab.until("it is Ready", 300, |lab| lab.is_ready("wanted")).await;
    assert!(took > Duration::from_secs(28), "{took:?}");
    assert_eq!(ready(&lab), 2, "one gave way, and no more");
    sleep(Duration::from_mins(10)).await;
    assert_eq!(ready(&lab), 2, "the pool waits for room: {:?}", crate::pools::names(&lab));

    lab.delete("wanted");
    lab.until("it is filled again", 600, |lab| crate::pools::idle(lab) == 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_somebody_waits_for_does_not_wait_for_what_a_pool_is_filled_with() {
    let lab = Lab::new(crate::harness::quick()).await;
    lab.cloud.change(|settings| settings.server_build = Duration::from_mins(2));
    lab.edit("clouds", "", "lab", |spec| spec["rate"]["concurrentCreates"] = 4.into());
    sleep(Duration::from_secs(5)).await;
    crate::pools::pool(&lab, "smithi", 12, 12);
    sleep(Duration::from_secs(30)).await;
    let begun = |lab: &Lab| {
        let nodes = lab.cluster.list("testnodes", "default");
        nodes.iter().filter(|node| node["status"]["attempts"].is_array()).count()
    };
    assert_eq!(lab.cloud.servers().len(), 2, "half of the four are made for nobody");
    assert_eq!(begun(&lab), 4, "and one wave is ahead");
    assert_eq!(crate::pools::names(&lab).len(), 4);

    lab.node("wanted", json!({}));
    let took = lab.until("it is Ready", 300, |lab| lab.is_ready("wanted")).await;
    assert!(took < Duration::from_secs(150), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn that_a_claim_ends_is_said_once_at_half_its_time() {
    let lab = lab_with(1, 3).await;
    claim(&lab, "job", json!({"duration": "2h"}));
    lab.until("it has one", 5, |lab| is_bound(lab, "job")).await;
    let warnings = |lab: &Lab| {
        let events = lab.cluster.list("events", "default");
        events.iter().filter(|event| event["reason"] == "EndsSoon").count()
    };

    sleep(Duration::from_mins(58)).await;
    assert_eq!(warnings(&lab), 0);
    sleep(Duration::from_mins(4)).await;
    assert_eq!(warnings(&lab), 1);
    sleep(Duration::from_mins(50)).await;
    assert_eq!(warnings(&lab), 1);
}
