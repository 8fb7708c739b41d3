//! A cloud that is lost, and what was in it: let go by hand, on record, and swept when it is found again.

use std::time::Duration;

use devcloud::{Backend, Effect, Fault, Service};
use serde_json::{Value, json};
use testnode_operator::dns::record::PARKED;
use tokio::time::sleep;

use crate::harness::{Lab, quick, two_volumes};
use crate::sweep::{events, policy, status};

const NAME: &str = "smithi001.front.example.test";

async fn ready() -> Lab {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;
    lab
}

fn abandon(lab: &Lab) {
    let mut node = lab.the("smithi001");
    node["metadata"]["annotations"] = json!({"testnode.dev/abandon": "the lab moved"});
    lab.apply(node);
}

fn set_password(lab: &Lab, password: &str) {
    let yaml = lab.cloud.clouds_yaml("http://lab.test");
    let right = lab.cloud.settings().password;
    lab.credentials("lab", &yaml.replace(&right, password));
}

fn lock_out(lab: &Lab) {
    set_password(lab, "wrong");
    lab.cloud.revoke_tokens();
}

fn let_in(lab: &Lab) {
    set_password(lab, &lab.cloud.settings().password);
}

fn records(lab: &Lab) -> Vec<Value> {
    status(lab)["abandoned"].as_array().cloned().unwrap_or_default()
}

/// What the node's own events with this reason say.
fn node_events(lab: &Lab, reason: &str) -> Vec<String> {
    let mut events = lab.cluster.list("events", "default");
    events.retain(|event| event["reason"] == reason && event["involvedObject"]["kind"] == "TestNode");
    events.iter().map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Everything of the node, as the cloud has it.
fn ids(lab: &Lab) -> Vec<String> {
    let servers = lab.cloud.servers().into_iter().map(|server| server.id);
    let volumes = lab.cloud.volumes().into_iter().map(|volume| volume.id);
    servers.chain(volumes).chain(lab.cloud.ports().into_iter().map(|port| port.id)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_node_of_a_cloud_that_refuses_us_is_let_go_with_a_record_and_swept_later() {
    let lab = ready().await;
    let left = ids(&lab);
    lock_out(&lab);
    lab.delete("smithi001");
    lab.told("smithi001", "Ready", "AuthenticationFailed", 120).await;
    sleep(Duration::from_mins(10)).await;
    assert!(!lab.the("smithi001").is_null() && records(&lab).is_empty());

    abandon(&lab);
    let took = lab.gone("smithi001", 60).await;
    println!("let go after {took:?}");

    let record = records(&lab).remove(0);
    println!("{record}");
    assert_eq!((&record["node"], &record["reason"]), (&json!("default/smithi001"), &json!("the lab moved")));
    let told = [events(&lab, "Abandoned"), node_events(&lab, "Abandoned")];
    assert!(told.iter().all(|told| told.len() == 1), "{told:?}");
    for id in &left {
        assert!(
            record.to_string().contains(id) && told.iter().all(|told| told[0].contains(id)),
            "{id}: {record}"
        );
    }
    assert_eq!(ids(&lab), left, "nothing there was touched");
    assert!(lab.cloud.record(NAME).contains(&PARKED));
    let_in(&lab);
    lab.until("it is an orphan", 300, |lab| status(lab)["orphans"]["total"] == 4).await;
    sleep(Duration::from_mins(30)).await;
    assert_eq!((ids(&lab), records(&lab).len()), (left, 1), "it is reported, and on record");
    policy(&lab, json!({"mode": "Delete", "minAge": "1s"}));
    lab.until("the record is cleared", 900, |lab| records(lab).is_empty()).await;

    lab.assert_clean();
    assert_eq!(events(&lab, "NothingLeft").len(), 1);
    assert!(status(&lab)["orphans"]["total"] == 0, "{}", status(&lab));
}

#[tokio::test(start_paused = true)]
async fn a_record_goes_when_somebody_else_cleared_up() {
    let mut lab = ready().await;
    lock_out(&lab);
    lab.delete("smithi001");
    abandon(&lab);
    lab.gone("smithi001", 120).await;
    // Not even the process that wrote it need be there.
    lab.start();
    sleep(Duration::from_mins(5)).await;
    assert_eq!(records(&lab).len(), 1);

    lab.cloud.remove_server(&lab.cloud.servers()[0].id);
    lab.cloud.remove_port(&lab.cloud.ports()[0].id);
    let_in(&lab);

    lab.until("the record is cleared", 300, |lab| records(lab).is_empty()).await;
    assert!(lab.cloud.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_name_that_cannot_be_withdrawn_is_on_record_and_goes_before_its_address() {
    let lab = ready().await;
    lock_out(&lab);
    lab.cloud.change(|settings| settings.nsupdate_backend = Backend::Down);
    let address = lab.cloud.ports()[0].address.to_string();
    lab.delete("smithi001");
    abandon(&lab);
    lab.gone("smithi001", 200).await;
    let record = records(&lab).remove(0);
    assert_eq!((&record["fqdn"], &record["addresses"]), (&json!(NAME), &json!([address])));

    policy(&lab, json!({"mode": "Delete", "minAge": "1s"}));
    let_in(&lab);
    sleep(Duration::from_mins(20)).await;
    assert_eq!((lab.cloud.servers().len(), lab.cloud.ports().len()), (1, 1), "{}", lab.story());
    lab.cloud.change(|settings| settings.nsupdate_backend = Backend::Up);

    lab.until("the record is cleared", 900, |lab| records(lab).is_empty()).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn the_name_on_record_outlives_its_server_and_is_parked_all_the_same() {
    let lab = ready().await;
    lock_out(&lab);
    lab.cloud.change(|settings| settings.nsupdate_backend = Backend::Down);
    lab.delete("smithi001");
    abandon(&lab);
    lab.gone("smithi001", 200).await;
    lab.cloud.remove_server(&lab.cloud.servers()[0].id);
    lab.cloud.remove_port(&lab.cloud.ports()[0].id);
    lab.cloud.change(|settings| settings.nsupdate_backend = Backend::Up);

    let_in(&lab);
    sleep(Duration::from_mins(20)).await;
    assert_eq!(records(&lab).len(), 1, "in a report nobody parks it, and it stands");
    assert_eq!(status(&lab)["orphans"]["names"], 1);
    policy(&lab, json!({"mode": "Delete", "minAge": "1s"}));

    lab.until("the record is cleared", 300, |lab| records(lab).is_empty()).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_cloud_is_gone_is_let_go_with_an_event() {
    let lab = ready().await;
    let left = ids(&lab);
    let mut cloud = lab.cluster.get("clouds", "", "lab").unwrap();
    cloud["metadata"]["finalizers"] = json!([]);
    let cloud = lab.apply(cloud);
    lab.cluster.delete(&cloud).unwrap();
    sleep(Duration::from_mins(2)).await;

    lab.delete("smithi001");
    lab.told("smithi001", "Ready", "CloudNotFound", 120).await;
    abandon(&lab);
    lab.gone("smithi001", 60).await;

    let told = [events(&lab, "Abandoned"), node_events(&lab, "Abandoned")];
    assert!(left.iter().all(|id| told.iter().all(|told| told[0].contains(id))), "{told:?}");
    assert_eq!(ids(&lab), left);
    lab.add_cloud("lab", lab.cloud.clone());
    lab.until("what is left is found", 300, |lab| status(lab)["orphans"]["servers"] == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_made_in_another_project_is_let_go_and_stays_on_record() {
    let lab = ready().await;
    let project = lab.cloud.settings().project_id;
    lab.cloud.change(|settings| settings.project_id = "0".repeat(32));
    lab.cloud.revoke_tokens();
    lab.until("the cloud says so", 120, |lab| {
        lab.condition("clouds", "", "lab", "Ready").1 == "ProjectChanged"
    })
    .await;

    lab.delete("smithi001");
    abandon(&lab);
    lab.gone("smithi001", 120).await;
    sleep(Duration::from_mins(30)).await;
    assert_eq!(records(&lab).len(), 1, "under another project no absence is believed");
    policy(&lab, json!({"mode": "Delete", "minAge": "1s"}));
    lab.cloud.change(|settings| settings.project_id = project);

    lab.until("the record is cleared", 1200, |lab| records(lab).is_empty()).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_namespace_goes_whose_cloud_is_lost() {
    let lab = Lab::new(quick()).await;
    lab.namespace("suite");
    lab.node_in("suite", "smithi001", two_volumes());
    let there = |lab: &Lab| lab.condition("testnodes", "suite", "smithi001", "Ready").0 == "True";
    lab.until("it is Ready", 30, there).await;
    lock_out(&lab);
    lab.cluster.delete(&lab.cluster.get("namespaces", "", "suite").unwrap()).unwrap();
    sleep(Duration::from_mins(5)).await;

    let mut node = lab.cluster.get("testnodes", "suite", "smithi001").unwrap();
    node["metadata"]["annotations"] = json!({"testnode.dev/abandon": "the lab moved"});
    lab.apply(node);
    lab.until("the namespace is gone", 120, |lab| lab.cluster.get("namespaces", "", "suite").is_none()).await;

    assert_eq!((records(&lab).len(), events(&lab, "Abandoned").len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_can_be_asked_is_not_abandoned_but_torn_down() {
    let lab = ready().await;
    abandon(&lab);
    sleep(Duration::from_mins(5)).await;
    assert!(
        lab.is_ready("smithi001") && node_events(&lab, "AbandonRefused").is_empty(),
        "it does not even go"
    );

    lab.delete("smithi001");
    lab.gone("smithi001", 30).await;

    lab.assert_clean();
    let told = node_events(&lab, "AbandonRefused");
    assert!(told.len() == 1 && told[0].contains("can be asked"), "{told:?}");
    assert!(records(&lab).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_cloud_of_which_one_service_is_away_is_not_abandoned() {
    let lab = ready().await;
    lab.cloud.fault(Fault::new(Effect::refuse(503)).on(Service::Cinder, "")).unwrap();
    lab.delete("smithi001");
    lab.until("it waits", 300, |lab| lab.says("smithi001", "Ready").1 == "CloudUnreachable").await;

    abandon(&lab);
    let refused = |lab: &Lab| lab.says("smithi001", "Ready").2.contains("abandon is not honoured");
    lab.until("it is told", 60, refused).await;
    sleep(Duration::from_mins(10)).await;
    assert!(!lab.the("smithi001").is_null());
    assert_eq!(node_events(&lab, "AbandonRefused").len(), 1);
    lab.cloud.heal();

    lab.gone("smithi001", 200).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn of_a_cloud_of_which_nothing_answers_a_node_is_let_go() {
    let lab = ready().await;
    for service in [Service::Keystone, Service::Nova, Service::Cinder, Service::Neutron] {
        lab.cloud.fault(Fault::new(Effect::refuse(503)).on(service, "")).unwrap();
    }
    lab.delete("smithi001");
    sleep(Duration::from_mins(5)).await;

    abandon(&lab);
    lab.gone("smithi001", 120).await;

    assert_eq!(records(&lab).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn thousands_of_forged_finalizers_are_removed_by_one_patch_with_one_event() {
    let lab = Lab::new(quick()).await;
    let forged: Vec<String> = (0..3000).map(|n| format!("cloud.testnode.dev/forged-{n:04}")).collect();
    let mut node = lab.node("smithi001", json!({"machineType": "nosuch"}));
    node["metadata"]["finalizers"] = json!(forged);
    lab.apply(node);
    abandon(&lab);
    lab.until("it was seen", 60, |lab| !lab.says("smithi001", "Ready").1.is_empty()).await;

    let before = lab.writes("smithi001").len();
    lab.delete("smithi001");
    lab.gone("smithi001", 60).await;

    let released = node_events(&lab, "Abandoned");
    assert_eq!(released.len(), 1, "{released:?}");
    assert!(released[0].contains("forged-0000") && released[0].contains("and 2995 more"), "{released:?}");
    let writes = lab.writes("smithi001").len() - before;
    assert!(writes <= 3, "{writes} writes");
    lab.assert_clean();
}
