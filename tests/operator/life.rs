//! A node's life when nothing goes wrong.

use std::net::IpAddr;
use std::time::Duration;

use devcloud::{Service, Settings};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::harness::{Lab, PARK, quick, two_volumes};

#[tokio::test(start_paused = true)]
async fn a_node_becomes_ready_and_goes_without_a_trace() {
    let lab = Lab::new(quick()).await;

    let node = lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;

    let servers = lab.cloud.servers();
    assert_eq!(servers.len(), 1);
    let names: Vec<_> = lab.cloud.volumes().into_iter().map(|v| format!("{} {}", v.name, v.status)).collect();
    assert_eq!(names, ["smithi001-osd-0 in-use", "smithi001-osd-1 in-use"]);
    let ports = lab.cloud.ports();
    assert_eq!(ports.len(), 1);
    assert_eq!(ports[0].device_id, servers[0].id);
    assert!(lab.cloud.record("smithi001.front.example.test").iter().eq([&ports[0].address]));
    assert_eq!(lab.the("smithi001")["status"]["accessIP"], ports[0].address.to_string());
    assert_ne!(node["metadata"]["uid"], "");

    lab.delete("smithi001");
    lab.gone("smithi001", 30).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn everything_bears_the_marks_of_cluster_and_node() {
    let lab = Lab::new(quick()).await;

    let node = lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;

    let uid = node["metadata"]["uid"].as_str().unwrap();
    let cluster = lab.cluster.uid();
    let server = &lab.cloud.servers()[0];
    for (key, value) in [
        ("testnode-cluster", cluster.as_str()),
        ("testnode-uid", uid),
        ("testnode-node", "default/smithi001"),
        ("testnode-attempt", "1"),
        ("testnode-fqdn", "smithi001.front.example.test"),
    ] {
        assert_eq!(server.metadata[key], value);
    }
    assert!(server.tags.contains(&format!("testnode-cluster={cluster}")));
    assert!(server.tags.contains(&format!("testnode-uid={uid}")));
    for (volume, key) in lab.cloud.volumes().iter().zip(["osd-0", "osd-1"]) {
        assert_eq!(volume.metadata["testnode-uid"], uid);
        assert_eq!(volume.metadata["testnode-cluster"], cluster);
        assert_eq!(volume.metadata["testnode-volume"], key);
    }
    let port = &lab.cloud.ports()[0];
    assert_eq!(port.name, format!("testnode-{uid}-1-0"));
    assert_eq!(port.description, format!("testnode-cluster={cluster}"));
}

#[tokio::test(start_paused = true)]
async fn volumes_and_port_come_before_the_server_and_the_name_goes_before_it() {
    let lab = Lab::new(quick()).await;
    lab.forget_calls();
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;

    lab.delete("smithi001");
    lab.gone("smithi001", 30).await;

    let calls = lab.cloud.calls();
    let changes = calls.iter().filter(|call| {
        call.service == Service::NsupdateWeb || (call.method != "GET" && call.method != "QUERY")
    });
    let order: Vec<String> = changes
        .filter(|call| !call.template.ends_with("os-getConsoleOutput") && call.service != Service::Keystone)
        .map(|call| match call.service {
            Service::NsupdateWeb if call.path.contains(PARK) => "park".into(),
            Service::NsupdateWeb => "name".into(),
            Service::Keystone
            | Service::Nova
            | Service::Cinder
            | Service::Glance
            | Service::Neutron
            | Service::Dns => call.template.clone(),
        })
        .collect();
    assert_eq!(
        order,
        [
            "POST /volumes",
            "POST /volumes",
            "POST /ports",
            "name",
            "POST /servers",
            "park",
            // Which takes the volumes along.
            "DELETE /servers/{id}",
            "DELETE /ports/{id}",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn ready_comes_within_2_seconds_of_what_the_cloud_needs() {
    let lab = Lab::new(quick()).await;
    let needs = Duration::from_millis(2500);

    lab.node("smithi001", two_volumes());
    let took = lab.ready("smithi001", 30).await;

    println!("Ready after {took:?}, of which the cloud needs {needs:?}");
    assert!(took <= needs + Duration::from_secs(2), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_takes_long_is_waited_for_and_seen_in_time() {
    let settings = Settings { guest_boot: Duration::from_secs(45), ..quick() };
    let lab = Lab::new(settings).await;

    lab.node("smithi001", json!({}));
    lab.told("smithi001", "Booted", "Booting", 30).await;
    assert!(!lab.is_ready("smithi001"));
    lab.until("the server is ACTIVE", 10, |lab| lab.says("smithi001", "ServerReady").0 == "True").await;
    let active = Instant::now();
    lab.ready("smithi001", 90).await;

    let late = active.elapsed().saturating_sub(Duration::from_secs(45));
    println!("seen {late:?} after the guest was up");
    assert!(late <= Duration::from_secs(15), "{late:?}");
    let keys = lab.the("smithi001")["status"]["ssh"]["hostKeys"].to_string();
    assert!(keys.contains("smithi001.front.example.test") && keys.contains("ssh-ed25519"), "{keys}");
}

#[tokio::test(start_paused = true)]
async fn a_node_with_a_tcp_check_is_ready_when_its_port_answers() {
    let lab = Lab::new(Settings { guest_boot: Duration::from_hours(9), ..quick() }).await;

    lab.node("smithi001", json!({"readiness": [{"type": "tcp", "port": 22}]}));

    lab.ready("smithi001", 10).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_goes_while_it_comes_up_leaves_nothing() {
    for after in [0, 100, 300, 600, 900, 1500, 2600, 3200] {
        let lab = Lab::new(quick()).await;
        lab.node("smithi001", two_volumes());
        sleep(Duration::from_millis(after)).await;

        lab.delete("smithi001");

        lab.gone("smithi001", 60).await;
        lab.assert_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_of_the_same_name_can_come_at_once() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;
    lab.delete("smithi001");
    lab.gone("smithi001", 30).await;

    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;

    let address: IpAddr = lab.the("smithi001")["status"]["accessIP"].as_str().unwrap().parse().unwrap();
    assert!(lab.cloud.record("smithi001.front.example.test").iter().eq([&address]));
}

#[tokio::test(start_paused = true)]
async fn a_paused_node_is_left_alone_until_it_is_not_and_still_goes() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", json!({"paused": true}));

    lab.told("smithi001", "Paused", "Paused", 10).await;
    sleep(Duration::from_mins(5)).await;
    assert!(lab.cloud.is_empty());
    lab.edit("testnodes", "default", "smithi001", |spec| spec["paused"] = false.into());
    lab.ready("smithi001", 30).await;
    lab.edit("testnodes", "default", "smithi001", |spec| spec["paused"] = true.into());
    lab.told("smithi001", "Paused", "Paused", 10).await;
    lab.delete("smithi001");

    lab.gone("smithi001", 30).await;
    lab.assert_clean();
}
