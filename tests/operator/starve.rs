//! One slow cloud, one slow guest or one busy namespace: nobody else waits for them.

use std::time::Duration;

use devcloud::{DevCloud, Effect, Fault, Quotas, Service, Settings, When};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Lab, quick};

fn generous() -> Value {
    json!({"requestsPerSecond": 1000, "burst": 1000, "concurrentCreates": 1000})
}

/// A cloud with room for all.
fn large() -> Settings {
    let quotas = Quotas { instances: -1, cores: -1, ram: -1, port: -1, ..Quotas::default() };
    Settings { quotas, ..quick() }
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}{number:03}")).collect()
}

/// See [`Lab::with_far`]; both clouds take as many requests as we like.
async fn far_lab() -> (Lab, DevCloud) {
    let (lab, far) = Lab::with_far().await;
    for cloud in ["lab", "far"] {
        lab.edit("clouds", "", cloud, |spec| spec["rate"] = generous());
    }
    (lab, far)
}

/// Many nodes of `far`, whose deletions hang.
async fn many_that_hang(lab: &Lab, far: &DevCloud) -> Vec<String> {
    let many = names("far", 60);
    for name in &many {
        lab.node(name, json!({"machineType": "far"}));
    }
    lab.until("all of far are Ready", 120, |lab| many.iter().all(|name| lab.is_ready(name))).await;
    let hang = Effect::Hang { when: When::Before };
    far.fault(Fault::new(hang).on(Service::Nova, "^DELETE /servers")).unwrap();
    for name in &many {
        lab.delete(name);
    }
    sleep(Duration::from_secs(10)).await;
    many
}

#[tokio::test(start_paused = true)]
async fn a_cloud_whose_deletions_hang_delays_no_node_of_another_cloud() {
    let (lab, far) = far_lab().await;
    lab.node("alone", json!({}));
    let alone = lab.ready("alone", 30).await;
    lab.delete("alone");
    let many = many_that_hang(&lab, &far).await;

    lab.node("smithi001", json!({}));

    let took = lab.ready("smithi001", 60).await;
    assert!(took <= alone + Duration::from_millis(500), "{took:?}, and {alone:?} alone");
    lab.delete("smithi001");
    lab.gone("smithi001", 10).await;
    far.heal();
    lab.until("all of far are gone", 600, |lab| many.iter().all(|name| lab.the(name).is_null())).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn while_a_clouds_deletions_hang_it_still_makes_machines() {
    let (lab, far) = far_lab().await;
    many_that_hang(&lab, &far).await;

    lab.node("another", json!({"machineType": "far"}));

    lab.ready("another", 30).await;
}

#[tokio::test(start_paused = true)]
async fn guests_that_drop_packets_delay_no_other_guest() {
    let lab = Lab::new(Settings { guest_boot: Duration::from_hours(9), ..large() }).await;
    lab.edit("clouds", "", "lab", |spec| spec["rate"] = generous());
    sleep(Duration::from_secs(1)).await;
    let tcp = || json!({"readiness": [{"type": "tcp", "port": 22}]});
    lab.node("alone", tcp());
    let alone = lab.ready("alone", 30).await;
    lab.wires.deafen("deaf");
    let many = names("deaf", 100);
    for name in &many {
        lab.node(name, tcp());
    }
    let booting = |lab: &Lab, name: &String| lab.the(name)["status"]["phase"] == "Booting";
    lab.until("all of them boot", 120, |lab| many.iter().all(|name| booting(lab, name))).await;

    lab.node("smithi001", tcp());

    let took = lab.ready("smithi001", 60).await;
    assert!(took <= alone + Duration::from_millis(500), "{took:?}, and {alone:?} alone");
    assert!(!many.iter().any(|name| lab.is_ready(name)));
}

/// With the rate as it is by default, and with the number of machines that are made at once.
#[tokio::test(start_paused = true)]
async fn a_namespace_with_a_hundred_nodes_delays_the_node_of_another_by_seconds() {
    for at_once in [1000, 10] {
        let lab = Lab::new(large()).await;
        lab.edit("clouds", "", "lab", |spec| spec["rate"]["concurrentCreates"] = at_once.into());
        sleep(Duration::from_secs(1)).await;
        lab.namespace("many");
        lab.namespace("few");
        for name in names("many", 100) {
            lab.node_in("many", &name, json!({}));
        }
        sleep(Duration::from_secs(3)).await;

        lab.node_in("few", "single", json!({}));

        let ready = |lab: &Lab| lab.condition("testnodes", "few", "single", "Ready").0 == "True";
        let took = lab.until("the node of the other namespace is Ready", 200, ready).await;
        println!("with {at_once} at once: {took:?}");
        assert!(took <= Duration::from_secs(15), "with {at_once} at once: {took:?}");
    }
}
