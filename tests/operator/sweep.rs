//! Things of ours that belong to no node: told of, and deleted only where, when and as slowly as the Cloud says.

use std::net::IpAddr;
use std::time::Duration;

use devcloud::{Call, Service, VolumeFate};
use devcluster::{Fault, Verb};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::harness::{Lab, Stranger, quick, two_volumes};

const NAME: &str = "smithi001.front.example.test";

/// What the Cloud is to do about orphans.
pub fn policy(lab: &Lab, orphans: Value) {
    lab.edit("clouds", "", "lab", |spec| spec["orphans"] = orphans);
}

/// A lab in which these nodes were Ready, and then went by force while the operator was away.
async fn orphaned(names: &[&str]) -> Lab {
    let mut lab = Lab::new(quick()).await;
    for name in names {
        lab.node(name, two_volumes());
    }
    lab.until("all are Ready", 60, |lab| names.iter().all(|name| lab.is_ready(name))).await;
    lab.kill();
    for name in names {
        lab.force_away(name, &[]);
    }
    lab.start();
    lab
}

pub fn status(lab: &Lab) -> Value {
    lab.cluster.get("clouds", "", "lab").unwrap()["status"].clone()
}

fn counts(lab: &Lab) -> [i64; 5] {
    let orphans = &status(lab)["orphans"];
    ["total", "servers", "volumes", "ports", "names"].map(|kind| orphans[kind].as_i64().unwrap_or(-1))
}

/// The notes of the Cloud's events with this reason.
pub fn events(lab: &Lab, reason: &str) -> Vec<String> {
    let mut events = lab.cluster.list("events", "default");
    events.retain(|event| event["reason"] == reason && event["involvedObject"]["kind"] == "Cloud");
    events.iter().map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect()
}

fn deletions(lab: &Lab) -> Vec<Call> {
    let mut calls = lab.cloud.calls();
    calls.retain(|call| call.method == "DELETE");
    calls
}

fn things(lab: &Lab) -> (usize, usize, usize) {
    (lab.cloud.servers().len(), lab.cloud.volumes().len(), lab.cloud.ports().len())
}

#[tokio::test(start_paused = true)]
async fn an_orphan_is_told_of_and_stays_where_nobody_says_otherwise() {
    let lab = orphaned(&["smithi001"]).await;

    let took = lab.until("it is told", 300, |lab| counts(lab) == [5, 1, 2, 1, 1]).await;
    println!("told after {took:?}");

    let told = status(&lab)["orphans"]["items"].as_array().unwrap().clone();
    assert!(told.iter().all(|item| item["node"] == "default/smithi001"), "{told:?}");
    let server = &lab.cloud.servers()[0].id;
    assert!(told.iter().any(|item| item["kind"] == "server" && item["id"] == **server), "{told:?}");
    let events = events(&lab, "OrphanFound");
    assert!(
        events.len() == 1 && events[0].contains("default/smithi001") && events[0].contains(server),
        "{events:?}"
    );
    let written = lab.cluster.faults().log().len();
    sleep(Duration::from_hours(3)).await;
    assert_eq!(things(&lab), (1, 2, 1));
    assert!(!lab.cloud.record(NAME).is_empty() && deletions(&lab).is_empty());
    let mut log = lab.cluster.faults().log();
    let clouds = log.drain(written..).filter(|written| written.call.resource == "clouds").count();
    assert!(clouds <= 1, "the status is written where it is news: {clouds} times");
}

#[tokio::test(start_paused = true)]
async fn in_mode_delete_an_orphan_goes_whole_at_its_age_and_its_name_goes_first() {
    let lab = orphaned(&["smithi001"]).await;
    policy(&lab, json!({"mode": "Delete"}));

    sleep(Duration::from_mins(29)).await;
    assert_eq!(things(&lab), (1, 2, 1), "{}", lab.story());
    assert_eq!(counts(&lab), [5, 1, 2, 1, 1]);
    lab.forget_calls();
    lab.until("all is gone", 900, |lab| lab.cloud.is_empty()).await;
    lab.until("it is told", 200, |lab| counts(lab) == [0; 5]).await;

    lab.assert_clean();
    let calls = lab.cloud.calls();
    let parked = calls.iter().position(|call| call.service == Service::NsupdateWeb).unwrap();
    let deleted = calls.iter().position(|call| call.method == "DELETE").unwrap();
    assert!(parked < deleted);
    assert!(calls[deleted].template.contains("servers"), "{}", calls[deleted].template);
    assert!(events(&lab, "OrphanDeleted").len() >= 3, "{:?}", events(&lab, "OrphanDeleted"));
}

/// Nova lists no server that it keeps for a while, and port and volumes stay on it.
#[tokio::test(start_paused = true)]
async fn where_the_cloud_keeps_servers_for_a_while_an_orphan_goes_whole_too() {
    let lab = orphaned(&["smithi001"]).await;
    lab.cloud.change(|settings| settings.soft_delete = true);

    policy(&lab, json!({"mode": "Delete", "minAge": "1m"}));

    lab.until("all are gone", 900, |lab| things(lab) == (0, 0, 0)).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn no_sweep_deletes_more_than_it_may() {
    let lab = orphaned(&["smithi001", "smithi002", "smithi003", "smithi004", "smithi005"]).await;
    policy(&lab, json!({"mode": "Delete", "minAge": "1s", "maxPerSweep": 2}));

    lab.until("all is gone", 3600, |lab| lab.cloud.is_empty()).await;

    lab.assert_clean();
    let at: Vec<Instant> = deletions(&lab).iter().map(|call| call.at).collect();
    for first in &at {
        let near = at.iter().filter(|at| **at >= *first && **at < *first + Duration::from_secs(50)).count();
        assert!(near <= 2, "{near} deletions in one sweep\n{}", lab.story());
    }
    assert!(at.len() >= 10, "{}", at.len());
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_that_was_seen_in_one_sweep_only() {
    let mut lab = orphaned(&["smithi001"]).await;
    policy(&lab, json!({"mode": "Delete", "minAge": "1s"}));

    // Each process makes one sweep, and no other.
    for _ in 0..10 {
        sleep(Duration::from_secs(100)).await;
        assert_eq!(things(&lab), (1, 2, 1), "{}", lab.story());
        assert_eq!(events(&lab, "OrphanFound").len(), 0);
        lab.start();
    }
    let took = lab.until("the server goes", 200, |lab| lab.cloud.servers().is_empty()).await;

    assert!(took >= Duration::from_mins(2), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_has_our_very_name_and_no_mark_is_never_touched() {
    let lab = orphaned(&["smithi001"]).await;
    let stranger = Stranger::new(&lab);
    let (server, volume) = (stranger.server("smithi001").await, stranger.volume("smithi001-osd-0").await);
    policy(&lab, json!({"mode": "Delete", "minAge": "1s"}));

    lab.until("ours is gone", 900, |lab| lab.cloud.ports().len() == 1 && lab.cloud.volumes().len() == 1)
        .await;
    sleep(Duration::from_hours(2)).await;

    let servers: Vec<_> = lab.cloud.servers().into_iter().map(|server| server.id).collect();
    let volumes: Vec<_> = lab.cloud.volumes().into_iter().map(|volume| volume.id).collect();
    assert_eq!((servers, volumes), (vec![server.clone()], vec![volume.clone()]), "{}", lab.story());
    let touched =
        deletions(&lab).into_iter().filter(|call| call.path.contains(&server) || call.path.contains(&volume));
    assert_eq!(touched.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_living_node_has_is_never_swept_even_when_its_status_is_lost() {
    let mut lab = Lab::new(quick()).await;
    policy(&lab, json!({"mode": "Delete", "minAge": "1s", "maxPerSweep": 100}));
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;
    let server = lab.cloud.servers()[0].id.clone();

    for round in 0..4 {
        lab.wipe_status("smithi001").await;
        if round % 2 == 0 {
            lab.start();
        }
        sleep(Duration::from_mins(20)).await;
    }
    // Not even its finalizers are needed: it adds them again.
    let mut node = lab.the("smithi001");
    node["metadata"]["finalizers"] = json!([]);
    lab.apply(node);
    sleep(Duration::from_mins(20)).await;

    assert_eq!(lab.cloud.servers()[0].id, server);
    assert_eq!(things(&lab), (1, 2, 1), "{}", lab.story());
    assert!(deletions(&lab).is_empty());
    assert_eq!(counts(&lab), [0; 5]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_swept_while_the_nodes_cannot_be_listed() {
    let lab = orphaned(&["smithi001"]).await;
    lab.node("smithi002", two_volumes());
    lab.ready("smithi002", 60).await;
    policy(&lab, json!({"mode": "Delete", "minAge": "1s"}));
    let nodes = |call: &devcluster::Call| call.verb == Verb::List && call.resource == "testnodes";

    lab.cluster.faults().inject(60, nodes, Fault::Refuse(500));
    sleep(Duration::from_mins(55)).await;
    assert_eq!(things(&lab), (2, 4, 2), "{}", lab.story());
    lab.until("only the living node is left", 1200, |lab| things(lab) == (1, 2, 1)).await;

    assert!(lab.is_ready("smithi002"));
    assert!(!lab.cloud.record("smithi002.front.example.test").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_goes_without_the_finalizer_of_a_cloud_leaves_an_orphan_there() {
    let mut lab = Lab::new(quick()).await;
    policy(&lab, json!({"mode": "Delete", "minAge": "1s"}));
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;
    lab.kill();
    lab.force_away("smithi001", &["example.com/somebody-elses"]);

    lab.start();

    lab.until("all is gone", 900, |lab| lab.cloud.is_empty()).await;
    lab.assert_clean();
    assert!(!lab.the("smithi001").is_null(), "the object is somebody else's to let go");
}

#[tokio::test(start_paused = true)]
async fn the_name_that_a_living_node_claims_is_left_to_it() {
    let lab = orphaned(&["smithi001"]).await;
    policy(&lab, json!({"mode": "Delete", "minAge": "1s"}));
    let before = lab.cloud.record(NAME);

    lab.node("smithi002", json!({"hostname": "smithi001"}));
    lab.told("smithi002", "Ready", "DNSConflict", 120).await;
    sleep(Duration::from_mins(30)).await;
    assert_eq!(lab.cloud.record(NAME), before, "nobody set it");
    assert_eq!(lab.cloud.servers().len(), 2, "and its address is not free\n{}", lab.story());
    let items = status(&lab)["orphans"]["items"].to_string();
    assert!(items.contains("may still point at it"), "{items}");
    lab.cloud.set_record(NAME, []);

    lab.ready("smithi002", 120).await;
    lab.until("the orphan is gone", 900, |lab| things(lab) == (1, 0, 1)).await;
    sleep(Duration::from_mins(10)).await;
    let address: IpAddr = lab.the("smithi002")["status"]["accessIP"].as_str().unwrap().parse().unwrap();
    assert!(lab.cloud.record(NAME).iter().eq([&address]), "{}", lab.story());
}

#[tokio::test(start_paused = true)]
async fn a_name_that_cannot_be_checked_is_parked_before_its_server_goes() {
    let lab = orphaned(&["smithi001"]).await;
    lab.edit("clouds", "", "lab", |spec| {
        drop(spec["dns"].as_object_mut().unwrap().remove("verify"));
        spec["dns"]["unverified"] = true.into();
    });
    sleep(Duration::from_mins(10)).await;
    assert_eq!(counts(&lab), [5, 1, 2, 1, 1]);

    policy(&lab, json!({"mode": "Delete", "minAge": "12m"}));
    lab.until("all is gone", 1200, |lab| lab.cloud.is_empty()).await;

    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn under_another_project_nothing_is_swept() {
    let lab = orphaned(&["smithi001"]).await;
    policy(&lab, json!({"mode": "Delete", "minAge": "1s"}));
    let project = lab.cloud.settings().project_id;

    lab.cloud.change(|settings| settings.project_id = "0".repeat(32));
    lab.cloud.revoke_tokens();
    lab.until("the cloud says so", 120, |lab| {
        lab.condition("clouds", "", "lab", "Ready").1 == "ProjectChanged"
    })
    .await;
    sleep(Duration::from_hours(1)).await;
    assert!(deletions(&lab).is_empty());
    lab.cloud.change(|settings| settings.project_id = project);

    lab.until("all is gone", 1800, |lab| lab.cloud.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn what_only_an_administrator_can_delete_is_told_and_holds_up_nothing_else() {
    let lab = orphaned(&["smithi001"]).await;
    policy(&lab, json!({"mode": "Delete", "minAge": "1s"}));
    let volume = lab.cloud.volumes()[0].id.clone();

    lab.cloud.doom_volume(&volume, VolumeFate { delete_fails: true, ..VolumeFate::default() });
    lab.until("the rest is gone", 900, |lab| things(lab) == (0, 1, 0)).await;
    lab.until("it is told", 400, |lab| counts(lab) == [1, 0, 1, 0, 0]).await;

    let items = status(&lab)["orphans"]["items"].to_string();
    assert!(items.contains("error_deleting") && items.contains(&volume), "{items}");
    lab.cloud.remove_volume(&volume);
    lab.until("it is told no more", 400, |lab| counts(lab) == [0; 5]).await;
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_an_orphan_the_nodes_are_not_listed() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;
    let lists = |lab: &Lab| lab.cluster.faults().calls().get(&(Verb::List, "testnodes".to_owned())).copied();
    let before = lists(&lab);

    sleep(Duration::from_hours(1)).await;

    assert_eq!(lists(&lab), before);
    assert_eq!(counts(&lab), [0; 5]);
}

#[tokio::test(start_paused = true)]
async fn in_mode_off_nobody_looks() {
    let lab = orphaned(&["smithi001"]).await;
    policy(&lab, json!({"mode": "Off"}));
    sleep(Duration::from_mins(30)).await;

    assert!(status(&lab)["orphans"].is_null(), "{}", status(&lab));
    assert!(events(&lab, "OrphanFound").is_empty() && deletions(&lab).is_empty());
}
