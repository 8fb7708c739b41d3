//! People edit what is ours in a cloud: names, descriptions, metadata, tags.

use std::time::Duration;

use devcloud::Service;
use serde_json::json;
use tokio::time::sleep;

use crate::harness::{Lab, Stranger, quick, two_volumes};

const UID: &str = "testnode-uid";
const CLUSTER: &str = "testnode-cluster";
const ATTEMPT: &str = "testnode-attempt";

async fn a_ready_node() -> Lab {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 60).await;
    lab
}

/// The node stays Ready, and no question is asked again and again.
async fn stays_ready_and_calm(lab: &Lab) {
    lab.cloud.forget_calls();
    sleep(Duration::from_mins(10)).await;
    assert!(lab.is_ready("smithi001"), "{}", lab.story());
    let asked = lab.cloud.count(Service::Nova, "GET /servers/{id}")
        + lab.cloud.count(Service::Neutron, "GET /ports/{id}");
    assert!(asked <= 12, "{asked} questions in ten minutes\n{}", lab.story());
    assert_eq!((lab.cloud.servers().len(), lab.cloud.volumes().len(), lab.cloud.ports().len()), (1, 2, 1));
}

/// And when it is deleted nothing of it is left.
async fn stays_ready_and_goes_whole(lab: &Lab) {
    stays_ready_and_calm(lab).await;
    lab.delete("smithi001");
    lab.gone("smithi001", 300).await;
    lab.assert_clean();
}

async fn is_told(lab: &Lab, command: &str) {
    lab.until("the lost mark is told", 300, |lab| lab.says("smithi001", "Ready").2.contains(command)).await;
}

#[tokio::test(start_paused = true)]
async fn a_port_that_somebody_renamed_stays_known_and_the_cure_is_told() {
    let lab = a_ready_node().await;
    let port = lab.cloud.ports()[0].clone();

    lab.cloud.rename_port(&port.id, Some("eth0"), None);

    is_told(&lab, &format!("openstack port set --name {} {}", port.name, port.id)).await;
    stays_ready_and_goes_whole(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_without_its_uid_stays_known_and_is_deleted_with_its_node() {
    let lab = a_ready_node().await;
    let id = lab.cloud.servers()[0].id.clone();

    lab.cloud.unmark_server(&id, &[UID]);

    is_told(&lab, &format!("openstack server set --property {UID}=")).await;
    stays_ready_and_goes_whole(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_without_the_mark_of_the_cluster_is_asked_for_now_and_then() {
    let lab = a_ready_node().await;
    let id = lab.cloud.servers()[0].id.clone();

    lab.cloud.unmark_server(&id, &[CLUSTER]);

    is_told(&lab, &format!("openstack server set --property {CLUSTER}=")).await;
    stays_ready_and_goes_whole(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn what_has_no_mark_at_all_is_not_touched_and_the_node_says_how_to_go_on() {
    let lab = a_ready_node().await;
    let id = lab.cloud.servers()[0].id.clone();
    lab.cloud.unmark_server(&id, &[UID, CLUSTER]);
    is_told(&lab, "openstack server set").await;
    lab.delete("smithi001");

    let message = lab.told("smithi001", "Stalled", "MarkLost", 300).await;

    assert!(message.contains(&format!("openstack server delete {id}")), "{message}");
    sleep(Duration::from_mins(5)).await;
    assert_eq!(lab.cloud.count(Service::Nova, "DELETE /servers/{id}"), 0, "{}", lab.story());
    lab.cloud.remove_server(&id);
    lab.gone("smithi001", 300).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_without_its_attempt_survives_a_restart() {
    let mut lab = a_ready_node().await;
    let id = lab.cloud.servers()[0].id.clone();
    lab.cloud.unmark_server(&id, &[ATTEMPT]);

    lab.start();
    sleep(Duration::from_mins(5)).await;

    assert!(lab.is_ready("smithi001"), "{}", lab.story());
    assert_eq!(lab.cloud.servers()[0].id, id);
    assert_eq!(lab.cloud.count(Service::Nova, "DELETE /servers/{id}"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_port_that_was_renamed_while_nobody_looked_stays_the_nodes() {
    let mut lab = a_ready_node().await;
    let port = lab.cloud.ports()[0].clone();
    lab.kill();
    lab.cloud.rename_port(&port.id, Some("eth0"), None);

    lab.start();
    is_told(&lab, &format!("openstack port set --name {} {}", port.name, port.id)).await;

    stays_ready_and_goes_whole(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn a_forged_status_takes_no_strangers_server() {
    let mut lab = Lab::new(quick()).await;
    let id = Stranger::new(&lab).server_like("somebodys", None).await;
    lab.cloud.unmark_server(&id, &[UID, CLUSTER]);
    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 60).await;
    lab.kill();
    lab.edit_status("smithi001", json!({"server": {"id": id}})).await;

    lab.start();
    sleep(Duration::from_mins(2)).await;
    lab.delete("smithi001");
    sleep(Duration::from_mins(5)).await;

    assert!(lab.cloud.servers().iter().any(|server| server.id == id), "{}", lab.story());
}
