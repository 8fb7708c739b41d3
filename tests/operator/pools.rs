//! Pools: machines that are there before someone asks.

use std::time::Duration;

use devcloud::{ServerFate, Settings};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Closing, Lab, Manner, Operator, Reached, quick};

/// Applies a pool of the lab's machine type in `default`.
pub fn pool(lab: &Lab, name: &str, min_ready: i64, max: i64) -> Value {
    lab.apply(json!({
        "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNodePool", "metadata": {"name": name, "namespace": "default"},
        "spec": {"minReady": min_ready, "max": max, "template": {"machineType": "lab"}},
    }))
}

/// Nodes that no claim has and that are not going, and are Ready.
pub fn idle(lab: &Lab) -> usize {
    let nodes = lab.cluster.list("testnodes", "default");
    let is_idle = |node: &&Value| {
        node["spec"]["claimRef"].is_null()
            && node["metadata"]["deletionTimestamp"].is_null()
            && lab.is_ready(node["metadata"]["name"].as_str().unwrap())
    };
    nodes.iter().filter(is_idle).count()
}

/// All nodes, by name.
pub fn names(lab: &Lab) -> Vec<String> {
    let nodes = lab.cluster.list("testnodes", "default");
    let mut names: Vec<String> =
        nodes.iter().map(|node| node["metadata"]["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// Status and reason of a pool's condition.
pub fn says(lab: &Lab, pool: &str, kind: &str) -> (String, String) {
    let (status, reason, _) = lab.condition("testnodepools", "default", pool, kind);
    (status, reason)
}

fn word(status: &str, reason: &str) -> (String, String) {
    (status.into(), reason.into())
}

pub fn delete(lab: &Lab, resource: &str, name: &str) {
    lab.cluster.delete(&lab.cluster.get(resource, "default", name).unwrap()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pool_keeps_its_nodes_ready_in_numbered_slots() {
    let lab = Lab::new(quick()).await;

    pool(&lab, "smithi", 3, 5);
    lab.until("three are Ready", 60, |lab| idle(lab) == 3).await;

    assert_eq!(names(&lab), ["smithi001", "smithi002", "smithi003"]);
    assert_eq!(lab.the("smithi001")["spec"]["poolRef"]["name"], "smithi");
    lab.until("it says so", 15, |lab| says(lab, "smithi", "Filled") == word("True", "Full")).await;
    assert_eq!(says(&lab, "smithi", "Ready"), word("True", "Serving"));
    let status = lab.cluster.get("testnodepools", "default", "smithi").unwrap()["status"].clone();
    assert_eq!((&status["nodes"], &status["ready"], &status["claimed"]), (&json!(3), &json!(3), &json!(0)));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_somebody_deletes_is_replaced_under_the_lowest_free_number() {
    let lab = Lab::new(quick()).await;
    pool(&lab, "smithi", 2, 5);
    lab.until("two are Ready", 60, |lab| idle(lab) == 2).await;
    let before = lab.the("smithi001")["metadata"]["uid"].clone();

    lab.delete("smithi001");
    lab.until("two are Ready again", 90, |lab| idle(lab) == 2).await;
    sleep(Duration::from_mins(1)).await;

    assert_eq!(names(&lab).len(), 2);
    assert_ne!(lab.the("smithi001")["metadata"]["uid"], before);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_deleted_takes_its_idle_nodes_with_it() {
    let lab = Lab::new(quick()).await;
    pool(&lab, "smithi", 3, 5);
    lab.until("three are Ready", 60, |lab| idle(lab) == 3).await;

    delete(&lab, "testnodepools", "smithi");

    lab.until("all are gone", 60, |lab| names(lab).is_empty()).await;
    lab.assert_clean();
    let events = lab.cluster.list("events", "default");
    let told = |event: &&Value| event["reason"] == "Released";
    let event = events.iter().find(told).expect("an event");
    assert_eq!(event["message"], "its TestNodePool default/smithi is gone");
}

#[tokio::test(start_paused = true)]
async fn a_pool_made_again_under_its_name_keeps_none_of_the_nodes_of_before() {
    let mut lab = Lab::new(quick()).await;
    pool(&lab, "smithi", 2, 5);
    lab.until("two are Ready", 60, |lab| idle(lab) == 2).await;
    let before = lab.the("smithi001")["metadata"]["uid"].clone();

    lab.kill();
    delete(&lab, "testnodepools", "smithi");
    pool(&lab, "smithi", 2, 5);
    lab.start();

    lab.until("there are others", 120, |lab| {
        idle(lab) == 2 && names(lab).iter().all(|name| lab.the(name)["metadata"]["uid"] != before)
    })
    .await;
}

/// A proxy that answers 404, and a definition that is gone, prove nothing.
#[tokio::test(start_paused = true)]
async fn a_404_that_does_not_name_the_pool_frees_no_node() {
    let lab = Lab::new(quick()).await;
    pool(&lab, "smithi", 2, 5);
    lab.until("two are Ready", 60, |lab| idle(lab) == 2).await;
    let crd = lab.cluster.get("customresourcedefinitions", "", "testnodepools.testnode.dev").unwrap();
    lab.cluster.delete(&crd).unwrap();
    sleep(Duration::from_mins(5)).await;

    assert_eq!(names(&lab), ["smithi001", "smithi002"]);
    assert_eq!(lab.cloud.servers().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn fewer_are_wanted_and_what_is_too_much_goes_after_five_minutes() {
    let lab = Lab::new(quick()).await;
    pool(&lab, "smithi", 3, 5);
    lab.until("three are Ready", 60, |lab| idle(lab) == 3).await;

    lab.edit("testnodepools", "default", "smithi", |spec| spec["minReady"] = 1.into());
    sleep(Duration::from_mins(4)).await;
    assert_eq!(idle(&lab), 3);

    lab.until("one is left", 120, |lab| names(lab) == ["smithi003"]).await;
    sleep(Duration::from_mins(10)).await;
    assert_eq!(names(&lab).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pool_never_has_more_nodes_than_max() {
    let lab = Lab::new(quick()).await;
    pool(&lab, "smithi", 3, 3);
    let mut most = 0;
    for _ in 0..6 {
        lab.until("three are Ready", 90, |lab| idle(lab) == 3).await;
        lab.delete("smithi002");
        for _ in 0..20 {
            most = most.max(names(&lab).len());
            sleep(Duration::from_millis(100)).await;
        }
    }

    assert_eq!(most, 3);
}

#[tokio::test(start_paused = true)]
async fn a_template_that_does_not_work_costs_no_node_and_one_that_does_replaces_all() {
    let lab = Lab::new(quick()).await;
    pool(&lab, "smithi", 2, 5);
    lab.until("two are Ready", 60, |lab| idle(lab) == 2).await;

    lab.edit("testnodepools", "default", "smithi", |spec| {
        spec["template"]["os"] = json!({"type": "plan9", "version": "4"});
    });
    lab.until("it is told", 120, |lab| says(lab, "smithi", "Stalled") == word("True", "LaunchesFail")).await;
    sleep(Duration::from_mins(10)).await;
    assert_eq!((idle(&lab), names(&lab).len()), (2, 3), "one tries");

    lab.edit("testnodepools", "default", "smithi", |spec| {
        spec["template"]["os"] = Value::Null;
        spec["template"]["sshAuthorizedKeys"] =
            json!(["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGh59YnQJlNwRic1eqvuA1pFFBShJjdAu6X4HeDKcEdh a"]);
    });
    lab.until("all are of the new one", 180, |lab| {
        let keys = |name: &String| !lab.the(name)["spec"]["sshAuthorizedKeys"].is_null();
        idle(lab) == 2 && names(lab).iter().all(keys)
    })
    .await;
    lab.until("it works again", 15, |lab| says(lab, "smithi", "Ready") == word("True", "Serving")).await;
}

#[tokio::test(start_paused = true)]
async fn while_a_launch_fails_no_other_is_begun() {
    let lab = Lab::new(quick()).await;
    for _ in 0..3 {
        lab.cloud.next_server(ServerFate {
            fault: Some("No valid host was found.".into()),
            ..ServerFate::default()
        });
    }
    lab.edit("clouds", "", "lab", |spec| spec["rate"] = json!({"concurrentCreates": 1}));
    sleep(Duration::from_secs(2)).await;

    pool(&lab, "smithi", 4, 5);
    lab.until("one fails", 60, |lab| says(lab, "smithi", "Filled").1 == "LaunchesFail").await;
    assert_eq!(names(&lab).len(), 1);

    lab.until("it tries again, and the others follow", 2000, |lab| idle(lab) == 4).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_pools_with_one_prefix_in_a_zone_the_younger_makes_nothing_until_the_older_is_gone() {
    let lab = Lab::new(quick()).await;
    pool(&lab, "smithi", 1, 2);
    lab.until("it is filled", 60, |lab| idle(lab) == 1).await;
    lab.apply(json!({
        "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNodePool",
        "metadata": {"name": "other", "namespace": "default"},
        "spec": {"minReady": 2, "max": 2, "namePrefix": "smithi", "template": {"machineType": "lab"}},
    }));

    lab.until("it says so", 30, |lab| says(lab, "other", "Stalled") == word("True", "PrefixTaken")).await;
    sleep(Duration::from_mins(2)).await;
    assert_eq!(names(&lab), ["smithi001"]);

    delete(&lab, "testnodepools", "smithi");
    lab.until("the younger is filled", 200, |lab| idle(lab) == 2).await;
    lab.until("it says so", 15, |lab| says(lab, "other", "Ready") == word("True", "Serving")).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_node_whose_machine_is_lost_is_replaced() {
    let lab = Lab::new(quick()).await;
    pool(&lab, "smithi", 1, 3);
    lab.until("one is Ready", 60, |lab| idle(lab) == 1).await;
    let uid = lab.the("smithi001")["metadata"]["uid"].clone();

    let server = lab.cloud.servers()[0].id.clone();
    lab.cloud.remove_server(&server);

    lab.until("another is Ready", 900, |lab| {
        idle(lab) == 1 && names(lab).iter().all(|name| lab.the(name)["metadata"]["uid"] != uid)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_machine_types_expiry_and_hold_do_not_count_for_nodes_of_a_pool() {
    let lab = Lab::new(quick()).await;
    lab.edit("machinetypes", "", "lab", |spec| {
        spec["expireAfter"] = "10m".into();
        spec["onFailure"] = "Hold".into();
        spec["limits"] = json!({"maxExpireAfter": "20m"});
    });
    lab.cloud
        .next_server(ServerFate { fault: Some("No valid host was found.".into()), ..ServerFate::default() });

    pool(&lab, "smithi", 1, 2);
    lab.until("one is Ready", 900, |lab| idle(lab) == 1).await;
    let uid = lab.the("smithi001")["metadata"]["uid"].clone();
    sleep(Duration::from_hours(2)).await;

    assert_eq!(lab.the("smithi001")["metadata"]["uid"], uid);
}

#[tokio::test(start_paused = true)]
async fn a_paused_pool_neither_makes_nor_drops() {
    let lab = Lab::new(quick()).await;
    pool(&lab, "smithi", 2, 5);
    lab.until("two are Ready", 60, |lab| idle(lab) == 2).await;

    lab.edit("testnodepools", "default", "smithi", |spec| spec["paused"] = true.into());
    lab.until("it says so", 15, |lab| says(lab, "smithi", "Paused") == word("True", "PoolPaused")).await;
    lab.delete("smithi001");
    sleep(Duration::from_mins(5)).await;
    assert_eq!(names(&lab), ["smithi002"]);
    lab.edit("testnodepools", "default", "smithi", |spec| spec["paused"] = false.into());

    lab.until("two are Ready", 60, |lab| idle(lab) == 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_at_rest_writes_nothing() {
    let lab = Lab::new(quick()).await;
    pool(&lab, "smithi", 3, 5);
    lab.until("it is full", 90, |lab| says(lab, "smithi", "Filled") == word("True", "Full")).await;
    sleep(Duration::from_mins(2)).await;
    let writes =
        || lab.cluster.faults().log().iter().filter(|written| written.call.resource != "leases").count();
    let before = writes();

    sleep(Duration::from_hours(1)).await;

    assert_eq!(writes() - before, 0);
}

/// The life of a pool; returns how many requests the first operator made.
async fn live(closing: Option<Closing>) -> usize {
    let mut lab = Lab::new(quick()).await;
    let before = lab.operator().gate.passed();
    if let Some(closing) = closing {
        lab.operator().gate.close_at(Closing { at: before + closing.at, ..closing });
    }
    pool(&lab, "smithi", 2, 3);
    lab.in_the_end(&format!("two are Ready, killed at {closing:?}"), 600, |lab| idle(lab) == 2).await;
    assert!(names(&lab).len() <= 3, "{closing:?}");
    assert_eq!(lab.cloud.servers().len(), 2, "{closing:?}");
    delete(&lab, "testnodepools", "smithi");
    lab.in_the_end(&format!("all are gone, killed at {closing:?}"), 600, |lab| names(lab).is_empty()).await;
    let passed = lab.operator().gate.passed().saturating_sub(before);
    sleep(Duration::from_mins(2)).await;
    lab.assert_clean();
    passed
}

/// Lives with the operator killed at one request after the other; `live` returns how many it makes, which is more than `least`.
pub async fn killed_at_each(
    live: impl AsyncFn(Option<Closing>) -> usize,
    least: usize,
    step: usize,
    ways: &[Reached],
) {
    let requests = live(None).await;
    for at in (0..requests).step_by(step) {
        for reached in ways.iter().copied() {
            live(Some(Closing { at, reached })).await;
        }
    }
    assert!(requests > least, "{requests}");
}

#[tokio::test(start_paused = true)]
async fn killed_after_a_request_of_a_pools_life_it_has_as_many_as_it_should_and_then_none() {
    killed_at_each(live, 40, 11, &[Reached::World]).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "it takes minutes; `just test-slow` runs it"]
async fn killed_at_any_request_of_a_pools_life_it_has_as_many_as_it_should_and_then_none() {
    killed_at_each(live, 40, 1, &[Reached::Nothing, Reached::World]).await;
}

#[tokio::test(start_paused = true)]
async fn two_operators_make_no_more_than_one() {
    let lab = Lab::new(Settings { api_latency: Duration::from_millis(50), ..quick() }).await;
    let second =
        Operator::start_with(&lab.cluster, &lab.wires, &Manner { unasked: true, ..Manner::default() });

    pool(&lab, "smithi", 4, 4);
    lab.until("four are Ready", 120, |lab| idle(lab) == 4).await;
    sleep(Duration::from_mins(2)).await;

    assert_eq!(names(&lab).len(), 4);
    assert_eq!(lab.cloud.servers().len(), 4);
    drop(second);
}

/// A restore brings a node back under another UID, and its machine may be used.
#[tokio::test(start_paused = true)]
async fn a_restored_node_of_a_pool_takes_over_no_machine_whatever_is_annotated() {
    let mut lab = Lab::new(quick()).await;
    pool(&lab, "smithi", 1, 2);
    lab.until("one is Ready", 60, |lab| idle(lab) == 1).await;
    let before = lab.cloud.servers()[0].id.clone();
    lab.kill();
    lab.restore("smithi001");
    lab.wish("smithi001", "adopt");
    lab.edit("clouds", "", "lab", |spec| spec["orphans"] = json!({"mode": "Delete", "minAge": "1s"}));
    lab.start();

    lab.until("it has another machine", 1800, |lab| {
        idle(lab) == 1 && lab.cloud.servers().iter().all(|server| server.id != before)
    })
    .await;
}

/// An older role, or older definitions.
#[tokio::test(start_paused = true)]
async fn without_pools_and_claims_nodes_are_looked_after_and_pools_begin_once_they_are_there() {
    let mut lab = Lab::new(quick()).await;
    lab.kill();
    let definitions = ["testnodepools.testnode.dev", "testnodeclaims.testnode.dev"].map(|name| {
        let there = lab.cluster.get("customresourcedefinitions", "", name).unwrap();
        lab.cluster.delete(&there).unwrap();
        json!({"apiVersion": there["apiVersion"], "kind": there["kind"], "metadata": {"name": name}, "spec": there["spec"]})
    });
    lab.start();
    lab.node("own", json!({}));
    lab.ready("own", 120).await;

    for definition in definitions {
        lab.apply(definition);
    }
    pool(&lab, "smithi", 1, 2);
    lab.until("it has one", 180, |lab| names(lab).contains(&"smithi001".into()) && lab.is_ready("smithi001"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_host_name_that_somebody_has_stops_no_pool() {
    let lab = Lab::new(quick()).await;
    lab.node("mine", json!({"hostname": "smithi001"}));
    lab.ready("mine", 60).await;

    pool(&lab, "smithi", 1, 3);
    lab.until("the next number is Ready", 120, |lab| {
        names(lab).contains(&"smithi002".into()) && lab.is_ready("smithi002")
    })
    .await;
    lab.until("it is told", 15, |lab| {
        lab.condition("testnodepools", "default", "smithi", "Filled").2.contains("smithi001 (NameConflict")
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_filled_finds_out_how_much_its_cloud_takes() {
    let lab = Lab::new(Settings { server_build: Duration::from_secs(15), ..quick() }).await;

    pool(&lab, "smithi", 60, 60);
    let took = lab.until("all are Ready", 900, |lab| idle(lab) == 60).await;

    let cloud = lab.cluster.get("clouds", "", "lab").unwrap();
    let figure = cloud["status"]["concurrentCreates"]["value"].as_i64().unwrap();
    // With ten at once, five of them for a pool, it would take twelve rounds.
    assert!(
        figure >= 40 && took <= Duration::from_secs(6 * 18),
        "{figure} at once, {took:?}: {}",
        cloud["status"]
    );
}
