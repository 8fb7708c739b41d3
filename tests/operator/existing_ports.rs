//! Ports that exist and are used, and addresses that a port gets later.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Lab, quick};

fn on(port: &str) -> Value {
    json!({"networks": [{"portID": port}]})
}

async fn lab() -> (Lab, String) {
    let lab = Lab::new(quick()).await;
    let network = lab.cloud.settings().networks[0].id.clone();
    let port = lab.cloud.strange_port(&network).unwrap();
    (lab, port)
}

fn address(lab: &Lab, port: &str) -> String {
    lab.cloud.ports().iter().find(|known| known.id == port).unwrap().address.to_string()
}

#[tokio::test(start_paused = true)]
async fn a_port_that_exists_is_used_gives_its_address_and_stays_when_the_node_goes() {
    let (lab, port) = lab().await;

    lab.node("smithi001", on(&port));
    lab.ready("smithi001", 60).await;

    let server = lab.cloud.servers()[0].clone();
    assert_eq!((server.ports.clone(), lab.cloud.ports().len()), (vec![port.clone()], 1));
    let status = lab.the("smithi001")["status"].clone();
    assert_eq!(status["accessIP"], Value::from(address(&lab, &port)));
    assert_eq!(status["ports"][0]["id"], Value::from(port.clone()));
    let (name, description) = (&lab.cloud.ports()[0].name, &lab.cloud.ports()[0].description);
    assert!(name.is_empty() && description.is_empty(), "it is not marked: {name} {description}");

    lab.delete("smithi001");
    lab.gone("smithi001", 60).await;

    let left = lab.cloud.ports();
    assert_eq!((left.len(), left[0].id.clone(), left[0].device_id.as_str()), (1, port.clone(), ""));
    lab.cloud.remove(&port);
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn of_two_nodes_that_name_one_port_the_second_waits_until_the_first_is_gone() {
    let (lab, port) = lab().await;

    // Both at once: neither has it when they look.
    lab.node("smithi001", on(&port));
    lab.node("smithi002", on(&port));
    sleep(Duration::from_mins(2)).await;

    assert_eq!(lab.cloud.all_servers().len(), 1, "{}", lab.story());
    let (first, second) =
        if lab.is_ready("smithi001") { ("smithi001", "smithi002") } else { ("smithi002", "smithi001") };
    assert!(lab.is_ready(first), "{}", lab.story());
    let message = lab.told(second, "Ready", "PortInUse", 60).await;
    assert!(message.contains(&format!("TestNode default/{first} uses port {port}")), "{message}");

    lab.delete(first);
    lab.gone(first, 60).await;
    lab.ready(second, 120).await;
}

#[tokio::test(start_paused = true)]
async fn a_port_that_something_else_has_is_waited_for_and_never_taken_from_it() {
    let (lab, port) = lab().await;
    lab.cloud.bind(&port, "a-router");

    lab.node("smithi001", on(&port));
    let message = lab.told("smithi001", "Ready", "PortInUse", 60).await;

    assert!(message.contains("is bound to a-router") && message.contains("server remove port"), "{message}");
    sleep(Duration::from_mins(5)).await;
    assert!(lab.cloud.servers().is_empty());
    lab.cloud.bind(&port, "");
    lab.ready("smithi001", 120).await;
}

#[tokio::test(start_paused = true)]
async fn a_port_that_is_not_there_or_another_nodes_is_refused_with_its_cure() {
    let (lab, _) = lab().await;
    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 60).await;
    let marked = lab.cloud.ports().into_iter().find(|port| !port.description.is_empty()).unwrap();
    for (port, reason, words) in [
        ("7e571a6e-0000-4000-8000-00000000dead", "PortNotFound", "openstack port list"),
        (&*marked.id, "NotAllowed", "was made for a TestNode"),
    ] {
        lab.node("smithi002", on(port));
        let message = lab.told("smithi002", "Stalled", reason, 60).await;
        assert!(message.contains("networks[0].portID") && message.contains(words), "{message}");
        lab.delete("smithi002");
        lab.gone("smithi002", 60).await;
    }
    let twice = json!({"networks": [{"portID": marked.id, "fixedIPs": ["10.77.0.9"]}]});
    let node = json!({
        "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNode",
        "metadata": {"name": "smithi003", "namespace": "default"}, "spec": {"machineType": "lab", "networks": twice["networks"]},
    });
    assert!(lab.cluster.put(node).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_node_on_a_port_that_exists_keeps_it_after_a_restart_and_after_its_status_was_lost() {
    let (mut lab, port) = lab().await;
    lab.node("smithi001", on(&port));
    lab.ready("smithi001", 60).await;
    let server = lab.cloud.servers()[0].id.clone();

    lab.kill();
    lab.start();
    sleep(Duration::from_mins(3)).await;
    assert!(lab.is_ready("smithi001"), "{}", lab.story());
    lab.wipe_status("smithi001").await;
    sleep(Duration::from_mins(3)).await;

    lab.ready("smithi001", 60).await;
    assert_eq!(lab.cloud.servers()[0].id, server);
    assert_eq!(lab.the("smithi001")["status"]["accessIP"], Value::from(address(&lab, &port)));
    lab.delete("smithi001");
    lab.gone("smithi001", 60).await;
    assert_eq!(lab.cloud.ports().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_neutron_adds_later_is_read_and_published() {
    let lab = Lab::new(quick()).await;
    lab.edit("clouds", "", "lab", |spec| spec["addressFrom"] = json!({"version": "V6"}));
    sleep(Duration::from_secs(5)).await;

    lab.node("smithi001", json!({}));
    let message = lab.told("smithi001", "Stalled", "NoAddress", 120).await;
    assert!(message.contains("addressFrom"), "{message}");
    lab.cloud.advertise("2001:db8:78::".parse().unwrap());

    lab.ready("smithi001", 30).await;
    assert_eq!(lab.the("smithi001")["status"]["accessIP"], "2001:db8:78::1");
    let fqdn = lab.the("smithi001")["status"]["fqdn"].as_str().unwrap().to_owned();
    assert!(lab.cloud.record(&fqdn).contains(&"2001:db8:78::1".parse::<std::net::IpAddr>().unwrap()));
    lab.delete("smithi001");
    lab.gone("smithi001", 60).await;
    lab.assert_clean();
}
