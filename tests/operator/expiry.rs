//! Nodes that go by themselves when their time is over.

use std::time::Duration;

use devcloud::{Quotas, ServerFate, Settings};
use devcluster::{Fault, Verb};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Lab, quick, two_volumes};

/// Two volumes, and no longer than that.
fn lasting(time: &str) -> Value {
    let mut spec = two_volumes();
    spec["expireAfter"] = time.into();
    spec
}

fn expires_at(lab: &Lab, name: &str) -> Value {
    lab.the(name)["status"]["times"]["expiresAt"].clone()
}

/// What was said when nodes expired.
fn told(lab: &Lab) -> Vec<String> {
    let mut events = lab.cluster.list("events", "default");
    events.retain(|event| event["reason"] == "Expired" && event["involvedObject"]["kind"] == "TestNode");
    events.iter().map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect()
}

/// How often the operator deleted a node, and was not refused.
fn deletions(lab: &Lab, name: &str) -> usize {
    let writes = lab.writes(name);
    writes.iter().filter(|written| written.call.verb == Verb::Delete && written.code == 200).count()
}

fn is_deletion(call: &devcluster::Call) -> bool {
    call.verb == Verb::Delete && call.resource == "testnodes"
}

fn goes(lab: &Lab, name: &str) -> bool {
    let node = lab.the(name);
    node.is_null() || !node["metadata"]["deletionTimestamp"].is_null()
}

/// Waits until a second before a node's time, as its status tells it; it goes no earlier than that, and no later.
async fn goes_in_time(lab: &Lab, name: &str) {
    let at: Timestamp = expires_at(lab, name).as_str().unwrap().parse().unwrap();
    let left = Duration::try_from(at.duration_since(lab.cluster.now())).unwrap();
    sleep(left.saturating_sub(Duration::from_secs(1))).await;
    assert!(!goes(lab, name), "{name} goes before its time");
    let took = lab.until(&format!("{name} goes"), 5, |lab| goes(lab, name)).await;
    assert!((900..=1200).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_goes_at_its_time_and_leaves_nothing() {
    let lab = Lab::new(quick()).await;

    let node = lab.node("smithi001", lasting("8h"));
    assert_eq!(node["metadata"]["creationTimestamp"], "2026-03-02T08:00:00Z");
    lab.ready("smithi001", 30).await;
    assert_eq!(expires_at(&lab, "smithi001"), "2026-03-02T16:00:00Z");
    goes_in_time(&lab, "smithi001").await;

    lab.gone("smithi001", 30).await;
    lab.assert_clean();
    assert_eq!(told(&lab), ["expired 8h after its creation (spec.expireAfter)"]);
    assert_eq!(deletions(&lab, "smithi001"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_will_expire_costs_no_more_at_rest_than_another() {
    let mut calls = Vec::new();
    for spec in [two_volumes(), lasting("8h")] {
        let lab = Lab::new(quick()).await;
        lab.node("smithi001", spec);
        lab.ready("smithi001", 30).await;
        sleep(Duration::from_mins(2)).await;
        lab.forget_calls();
        let written = lab.kubernetes_writes("smithi001");
        sleep(Duration::from_hours(1)).await;
        calls.push((lab.cloud_calls(), lab.kubernetes_writes("smithi001") - written));
    }

    assert_eq!(calls[0], calls[1]);
}

#[tokio::test(start_paused = true)]
async fn the_machine_types_time_is_its_nodes_unless_they_have_their_own() {
    let lab = Lab::new(quick()).await;
    lab.edit("machinetypes", "", "lab", |spec| spec["expireAfter"] = "20m".into());
    for (name, spec) in [("ordinary", json!({})), ("brief", lasting("10m")), ("lasting", lasting("40m"))] {
        lab.node(name, spec);
        lab.ready(name, 30).await;
    }

    goes_in_time(&lab, "brief").await;
    goes_in_time(&lab, "ordinary").await;
    lab.gone("ordinary", 30).await;
    assert!(lab.the("brief").is_null() && lab.is_ready("lasting"));
    assert!(
        told(&lab).contains(&"expired 20m after its creation (MachineType lab's expireAfter)".to_owned())
    );
    // Without one of its own, the machine type's is long over.
    lab.edit("testnodes", "default", "lasting", |spec| spec["expireAfter"] = Value::Null);

    lab.gone("lasting", 30).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_a_machine_type_counts_for_nodes_that_are_there() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 30).await;
    assert_eq!(expires_at(&lab, "smithi001"), Value::Null);

    lab.edit("machinetypes", "", "lab", |spec| spec["expireAfter"] = "10m".into());
    lab.until("it is told when", 5, |lab| expires_at(lab, "smithi001").is_string()).await;
    lab.edit("machinetypes", "", "lab", |spec| spec["expireAfter"] = Value::Null);
    lab.until("and that it is not", 5, |lab| expires_at(lab, "smithi001").is_null()).await;
    sleep(Duration::from_mins(15)).await;
    assert!(lab.is_ready("smithi001"));
    lab.edit("machinetypes", "", "lab", |spec| spec["expireAfter"] = "10m".into());

    lab.gone("smithi001", 30).await;
}

#[tokio::test(start_paused = true)]
async fn one_whose_machine_type_is_gone_has_only_its_own_time() {
    let lab = Lab::new(quick()).await;
    lab.edit("machinetypes", "", "lab", |spec| spec["expireAfter"] = "10m".into());
    for (name, spec) in [("ordinary", json!({})), ("lasting", lasting("20m"))] {
        lab.node(name, spec);
        lab.ready(name, 30).await;
    }

    lab.cluster.delete(&lab.cluster.get("machinetypes", "", "lab").unwrap()).unwrap();
    lab.until("its time is gone too", 60, |lab| expires_at(lab, "ordinary").is_null()).await;
    goes_in_time(&lab, "lasting").await;

    assert!(!lab.the("ordinary").is_null());
}

#[tokio::test(start_paused = true)]
async fn an_edit_in_time_lengthens_or_shortens_a_life() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", lasting("1h"));
    lab.ready("smithi001", 30).await;

    sleep(Duration::from_mins(59)).await;
    lab.edit("testnodes", "default", "smithi001", |spec| spec["expireAfter"] = "3h".into());
    lab.until("the new time is told", 5, |lab| expires_at(lab, "smithi001") == "2026-03-02T11:00:00Z").await;
    sleep(Duration::from_mins(30)).await;
    assert!(lab.is_ready("smithi001"));
    lab.edit("testnodes", "default", "smithi001", |spec| spec["expireAfter"] = "2h".into());
    lab.until("the new time is told", 5, |lab| expires_at(lab, "smithi001") == "2026-03-02T10:00:00Z").await;
    goes_in_time(&lab, "smithi001").await;

    lab.gone("smithi001", 30).await;
    lab.assert_clean();
    assert_eq!(told(&lab), ["expired 2h after its creation (spec.expireAfter)"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_paused_stays_and_goes_once_it_is_not() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", lasting("1h"));
    lab.ready("smithi001", 30).await;
    lab.edit("testnodes", "default", "smithi001", |spec| spec["paused"] = true.into());

    sleep(Duration::from_hours(2)).await;
    assert!(lab.the("smithi001")["metadata"]["deletionTimestamp"].is_null());
    assert_eq!(lab.cloud.servers().len(), 1);
    lab.edit("testnodes", "default", "smithi001", |spec| spec["paused"] = false.into());

    lab.gone("smithi001", 30).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_for_room_expires_and_is_in_nobodys_way() {
    let quotas = Quotas { instances: 0, ..Quotas::default() };
    let lab = Lab::new(Settings { quotas, ..quick() }).await;
    lab.node("smithi001", lasting("1h"));
    lab.node("smithi002", json!({}));
    lab.told("smithi001", "Ready", "QuotaExceeded", 30).await;
    assert_eq!(expires_at(&lab, "smithi001"), "2026-03-02T09:00:00Z");

    goes_in_time(&lab, "smithi001").await;
    assert!(lab.the("smithi001").is_null(), "nothing holds it");
    assert_eq!(deletions(&lab, "smithi001"), 1);
    lab.cloud.change(|settings| settings.quotas.instances = 1);
    lab.ready("smithi002", 60).await;

    assert_eq!(lab.cloud.all_servers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_kept_after_a_failure_expires_and_so_does_one_that_cannot_be_made() {
    let lab = Lab::new(quick()).await;
    let fault = Some("Build of instance aborted.".into());
    lab.cloud.next_server(ServerFate { fault, ..ServerFate::default() });
    let mut held = lasting("1h");
    held["onFailure"] = "Hold".into();
    lab.node("held", held);
    lab.node("lost", json!({"machineType": "nosuch", "expireAfter": "1h"}));
    lab.told("held", "Ready", "HeldAfterFailure", 60).await;
    lab.told("lost", "Stalled", "MachineTypeNotFound", 30).await;

    goes_in_time(&lab, "held").await;
    lab.gone("held", 30).await;
    lab.gone("lost", 5).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn one_whose_time_is_over_while_nobody_works_goes_after_a_restart_and_is_held_first() {
    for held in [true, false] {
        let mut lab = Lab::new(quick()).await;
        lab.node("smithi001", lasting("1h"));
        lab.ready("smithi001", 30).await;

        lab.kill();
        if !held {
            let mut node = lab.the("smithi001");
            node["metadata"]["finalizers"] = json!([]);
            lab.apply(node);
        }
        sleep(Duration::from_hours(2)).await;
        assert_eq!(lab.cloud.servers().len(), 1);
        lab.start();

        lab.gone("smithi001", 180).await;
        lab.assert_clean();
    }
}

/// The operator plans by what it last saw; the edit is there when its request arrives.
#[tokio::test(start_paused = true)]
async fn an_extension_that_comes_before_the_deletion_wins() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", lasting("1h"));
    lab.ready("smithi001", 30).await;
    lab.cluster.faults().inject(1, is_deletion, Fault::Delay(Duration::from_secs(5)));
    let asked =
        |lab: &Lab| lab.cluster.faults().calls().contains_key(&(Verb::Delete, "testnodes".to_owned()));

    sleep(Duration::from_mins(59)).await;
    assert!(!asked(&lab));
    lab.until("its deletion is under way", 60, asked).await;
    lab.edit("testnodes", "default", "smithi001", |spec| spec["expireAfter"] = "3h".into());
    sleep(Duration::from_mins(30)).await;

    assert!(lab.is_ready("smithi001"));
    assert_eq!((deletions(&lab, "smithi001"), told(&lab)), (0, Vec::new()));
    goes_in_time(&lab, "smithi001").await;
}

/// Whether the request or its answer gets lost.
#[tokio::test(start_paused = true)]
async fn a_deletion_that_gets_lost_is_made_up_for() {
    for fault in [Fault::LoseReply, Fault::FailReply, Fault::Refuse(500), Fault::Hang] {
        let lab = Lab::new(quick()).await;
        lab.cluster.faults().inject(1, is_deletion, fault);
        lab.node("smithi001", lasting("1h"));
        lab.ready("smithi001", 30).await;

        sleep(Duration::from_hours(1)).await;

        lab.gone("smithi001", 600).await;
        lab.assert_clean();
    }
}

/// The watch brings what the operator did late on a busy API server.
#[tokio::test(start_paused = true)]
async fn no_node_is_deleted_twice_when_the_watch_is_late() {
    let lab = Lab::new(quick()).await;
    lab.node("held", lasting("1h"));
    lab.node("lost", json!({"machineType": "nosuch", "expireAfter": "1h"}));
    lab.ready("held", 30).await;

    sleep(Duration::from_secs(3580)).await;
    let watches = |call: &devcluster::Call| call.verb == Verb::Watch && call.resource == "testnodes";
    lab.cluster.faults().inject(usize::MAX, watches, Fault::Delay(Duration::from_secs(20)));
    lab.cluster.faults().drop_watches();
    sleep(Duration::from_mins(1)).await;

    let codes = |name: &str| lab.writes(name).iter().map(|written| written.code).collect::<Vec<_>>();
    for name in ["held", "lost"] {
        assert!(lab.the(name).is_null() && codes(name).iter().all(|code| *code == 200), "{:?}", codes(name));
    }
}
