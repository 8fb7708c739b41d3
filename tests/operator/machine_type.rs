//! What happens to a node while its MachineType is edited or deleted during a launch: an attempt is a snapshot.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use devcloud::{ServerFate, Settings};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Lab, quick, two_volumes};

/// The guest needs a minute until cloud-init has ended.
fn slow_guest() -> Settings {
    Settings { guest_boot: Duration::from_mins(1), ..quick() }
}

/// Volumes need half a minute, so that an edit can come before the server is created.
fn slow_volumes() -> Settings {
    Settings { volume_create: Duration::from_secs(30), ..quick() }
}

async fn the_server_is_active(lab: &Lab) {
    lab.until("the server is ACTIVE", 60, |lab| lab.says("smithi001", "ServerReady").0 == "True").await;
}

fn delete_the_machine_type(lab: &Lab) {
    lab.cluster.delete(&lab.cluster.get("machinetypes", "", "lab").unwrap()).unwrap();
}

async fn a_volume_is_there(lab: &Lab) {
    lab.until("a volume is being made", 30, |lab| !lab.cloud.volumes().is_empty()).await;
}

fn outcomes(lab: &Lab) -> Vec<Value> {
    let attempts = lab.the("smithi001")["status"]["attempts"].as_array().cloned().unwrap_or_default();
    attempts.iter().map(|attempt| json!([attempt["outcome"], attempt["reason"]])).collect()
}

/// What the one server was given to boot with.
fn user_data(lab: &Lab) -> String {
    let servers = lab.cloud.servers();
    let sent = BASE64_STANDARD.decode(servers[0].user_data.as_ref().unwrap()).unwrap();
    String::from_utf8(sent).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_machine_type_deleted_while_the_guest_boots_does_not_make_the_node_ready_unchecked() {
    let lab = Lab::new(slow_guest()).await;
    lab.node("smithi001", json!({}));
    the_server_is_active(&lab).await;

    delete_the_machine_type(&lab);
    sleep(Duration::from_secs(30)).await;
    assert!(!lab.is_ready("smithi001"), "its console has not been read to the end");

    lab.ready("smithi001", 60).await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_type_deleted_before_the_create_ends_the_attempt_and_the_cloud_is_empty() {
    let lab = Lab::new(slow_volumes()).await;
    lab.node("smithi001", two_volumes());
    a_volume_is_there(&lab).await;

    delete_the_machine_type(&lab);

    let message = lab.told("smithi001", "Stalled", "MachineTypeNotFound", 300).await;
    assert!(message.contains("there is no MachineType lab"), "{message}");
    assert_eq!(outcomes(&lab), [json!(["Uncounted", "MachineTypeChanged"])]);
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn cloud_init_edited_before_the_create_ends_the_attempt_and_the_next_one_has_the_new_text() {
    let lab = Lab::new(slow_volumes()).await;
    let entry = |text: &str| json!([{"userData": format!("#!/bin/sh\necho {text}\n")}]);
    lab.edit("machinetypes", "", "lab", |spec| spec["cloudInit"] = entry("before"));
    lab.node("smithi001", two_volumes());
    a_volume_is_there(&lab).await;

    lab.edit("machinetypes", "", "lab", |spec| spec["cloudInit"] = entry("after"));

    lab.ready("smithi001", 600).await;
    assert!(user_data(&lab).contains("echo after"), "{}", user_data(&lab));
    assert_eq!(lab.the("smithi001")["status"]["attempts"].as_array().map(Vec::len), Some(1), "a new round");
}

#[tokio::test(start_paused = true)]
async fn any_other_edit_is_for_the_next_attempt() {
    let lab = Lab::new(Settings { volume_create: Duration::from_secs(30), ..slow_guest() }).await;
    lab.node("smithi001", two_volumes());
    a_volume_is_there(&lab).await;

    lab.edit("machinetypes", "", "lab", |spec| {
        spec["readiness"] = json!([]);
        spec["timeouts"] = json!({"launch": "1s", "boot": "1s"});
        spec["keyName"] = "other".into();
    });
    the_server_is_active(&lab).await;
    sleep(Duration::from_secs(30)).await;
    assert!(!lab.is_ready("smithi001"), "the edit took the console check away from the attempt");

    lab.ready("smithi001", 60).await;
    assert_eq!(lab.the("smithi001")["status"]["attempts"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(start_paused = true)]
async fn the_nodes_own_readiness_counts_at_once() {
    let lab = Lab::new(slow_guest()).await;
    lab.cloud.next_server(ServerFate { never_boots: true, ..ServerFate::default() });
    lab.node("smithi001", json!({}));
    the_server_is_active(&lab).await;
    sleep(Duration::from_secs(20)).await;
    assert!(!lab.is_ready("smithi001"));

    lab.edit("testnodes", "default", "smithi001", |spec| spec["readiness"] = json!([]));

    lab.ready("smithi001", 30).await;
}
