//! Floating IPs: made on their port, published, given back before it; and what refuses them.

use std::net::IpAddr;
use std::time::Duration;

use devcloud::{Effect, Fault, Quotas, Service, Settings, When};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Lab, quick, two_volumes};

const NAME: &str = "smithi001.front.example.test";

fn with(policy: &str) -> Value {
    let mut spec = two_volumes();
    spec["floatingIP"] = json!({"policy": policy});
    spec
}

/// No router leads from the lab's network to anywhere.
fn without_router(lab: &Lab) {
    lab.cloud.change(|settings| settings.networks[0].routes = Some(Vec::new()));
}

fn published(lab: &Lab) -> Vec<IpAddr> {
    lab.cloud.record(NAME).into_iter().collect()
}

fn posts(lab: &Lab) -> usize {
    lab.tally().iter().filter(|(call, _)| call.contains("POST /floatingips")).map(|(_, count)| count).sum()
}

#[tokio::test(start_paused = true)]
async fn a_floating_ip_is_made_with_the_port_published_and_given_back() {
    let lab = Lab::new(quick()).await;

    let node = lab.node("smithi001", with("Always"));
    lab.ready("smithi001", 30).await;

    let (ips, port) = (lab.cloud.floating_ips(), &lab.cloud.ports()[0]);
    assert_eq!(ips.len(), 1);
    assert_eq!(ips[0].port.as_ref(), Some(&port.id));
    let uid = node["metadata"]["uid"].as_str().unwrap();
    let marks = format!("testnode-cluster={} testnode-uid={uid} testnode-attempt=1", lab.cluster.uid());
    assert_eq!(ips[0].description, marks);
    assert_eq!(published(&lab), [IpAddr::from(ips[0].address)]);
    let status = &lab.the("smithi001")["status"];
    assert_eq!(status["accessIP"], ips[0].address.to_string());
    assert_eq!(status["floatingIP"]["id"], *ips[0].id);
    let kinds: Vec<&Value> = status["addresses"].as_array().unwrap().iter().map(|a| &a["type"]).collect();
    assert_eq!(kinds, ["fixed", "floating"]);

    lab.forget_calls();
    lab.delete("smithi001");
    lab.gone("smithi001", 30).await;
    lab.assert_clean();
    let gone = lab.cloud.calls();
    let order: Vec<&str> =
        gone.iter().filter(|c| c.method == "DELETE").map(|c| c.template.as_str()).collect();
    assert_eq!(order, ["DELETE /servers/{id}", "DELETE /floatingips/{id}", "DELETE /ports/{id}"]);
}

#[tokio::test(start_paused = true)]
async fn the_cloud_says_whether_the_fixed_or_the_floating_address_counts() {
    let lab = Lab::new(quick()).await;
    lab.edit("clouds", "", "lab", |spec| spec["addressFrom"] = json!({"type": "fixed"}));
    lab.node("smithi001", with("Always"));
    lab.ready("smithi001", 30).await;
    assert_eq!(published(&lab), [IpAddr::from(lab.cloud.ports()[0].address)]);

    lab.edit("clouds", "", "lab", |spec| spec["addressFrom"] = json!({"type": "floating"}));
    let floating = IpAddr::from(lab.cloud.floating_ips()[0].address);
    lab.until("the name follows", 120, |lab| published(lab) == [floating]).await;

    lab.node("smithi002", two_volumes());
    let said = lab.told("smithi002", "Ready", "NoAddress", 60).await;
    assert!(said.contains("addressFrom"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn if_needed_there_is_none_on_an_external_network_and_none_in_a_cloud_without_one() {
    let mut settings = quick();
    settings.networks.truncate(1);
    let lab = Lab::new(settings).await;
    lab.node("smithi001", with("IfNeeded"));
    lab.ready("smithi001", 30).await;

    assert_eq!(lab.cloud.floating_ips().len(), 0);
    let (_, _, why) = lab.says("smithi001", "Resolved");
    assert!(why.contains("the cloud has no external network"), "{why}");
    assert_eq!(published(&lab), [IpAddr::from(lab.cloud.ports()[0].address)]);
}

#[tokio::test(start_paused = true)]
async fn without_a_router_the_fixed_address_serves_if_the_policy_is_if_needed_and_that_is_said_once() {
    let mut lab = Lab::new(quick()).await;
    without_router(&lab);

    lab.node("smithi001", with("IfNeeded"));
    lab.ready("smithi001", 30).await;
    let (_, _, why) = lab.says("smithi001", "Resolved");
    assert!(why.contains("no router joins network lab-net and external network Ext-Net"), "{why}");
    assert_eq!(posts(&lab), 1);
    assert_eq!(published(&lab), [IpAddr::from(lab.cloud.ports()[0].address)]);

    lab.kill();
    lab.start();
    sleep(Duration::from_mins(10)).await;
    assert!(lab.is_ready("smithi001"));
    assert_eq!(posts(&lab), 1, "it is remembered");
    lab.delete("smithi001");
    lab.gone("smithi001", 300).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn without_a_router_always_is_an_error_that_says_what_helps() {
    let lab = Lab::new(quick()).await;
    without_router(&lab);

    lab.node("smithi001", with("Always"));
    let said = lab.told("smithi001", "Ready", "RequestRefused", 60).await;

    assert!(said.contains("is not reachable from subnet"), "{said}");
    assert!(said.contains("openstack router set --external-gateway"), "{said}");
    lab.delete("smithi001");
    lab.gone("smithi001", 300).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_used_up_is_waited_for() {
    let lab = Lab::new(quick()).await;
    lab.cloud.change(|settings| {
        let subnet = &mut settings.networks[1].subnets[0];
        subnet.last = subnet.first;
    });
    lab.node("smithi001", with("Always"));
    lab.ready("smithi001", 30).await;

    lab.node("smithi002", with("Always"));
    let said = lab.told("smithi002", "Ready", "QuotaExceeded", 60).await;
    assert!(said.contains("No more IP addresses available"), "{said}");
    lab.delete("smithi001");
    lab.gone("smithi001", 60).await;
    lab.ready("smithi002", 300).await;
}

#[tokio::test(start_paused = true)]
async fn quota_and_limit_of_floating_ips_keep_a_node_waiting_with_figures_and_nothing_made() {
    for by_quota in [true, false] {
        let floatingip = if by_quota { 0 } else { 50 };
        let lab = Lab::new(Settings { quotas: Quotas { floatingip, ..Quotas::default() }, ..quick() }).await;
        if !by_quota {
            lab.edit("clouds", "", "lab", |spec| spec["limits"] = json!({"maxFloatingIPs": 1}));
            lab.node("first", with("Always"));
            lab.ready("first", 30).await;
        }
        lab.forget_calls();

        lab.node("smithi001", with("Always"));
        let said = lab.told("smithi001", "Ready", "QuotaExceeded", 30).await;

        assert!(said.contains("1 floating IP needed"), "{said}");
        assert_eq!(lab.tally().keys().filter(|call| call.contains("POST /")).count(), 0, "{:?}", lab.tally());
        lab.node("smithi002", two_volumes());
        lab.ready("smithi002", 60).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_floating_ip_costs_at_most_3_calls_more_and_who_has_none_pays_nothing() {
    let lab = Lab::new(quick()).await;
    let mut costs = Vec::new();
    for spec in [two_volumes(), two_volumes(), with("Always"), two_volumes()] {
        sleep(Duration::from_mins(3)).await;
        lab.forget_calls();
        lab.node("smithi001", spec);
        lab.ready("smithi001", 30).await;
        lab.delete("smithi001");
        lab.gone("smithi001", 30).await;
        costs.push(lab.cloud_calls());
    }
    println!("{costs:?} calls");
    assert!(costs[2] <= costs[1] + 3, "{costs:?}: {:?}", lab.tally());
    let listings =
        |lab: &Lab| lab.tally().iter().filter(|(call, _)| call.contains("GET /floatingips")).count();
    lab.forget_calls();
    sleep(Duration::from_mins(30)).await;
    assert_eq!(listings(&lab), 0, "{:?}", lab.tally());
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_reply_is_lost_makes_one_floating_ip_without_waiting() {
    for lost in
        [Effect::lost_reply(), Effect::Drop { when: When::After }, Effect::Drop { when: When::Before }]
    {
        let lab = Lab::new(quick()).await;
        lab.cloud.fault(Fault::new(lost).on(Service::Neutron, "^POST /floatingips$").times(1)).unwrap();

        lab.node("smithi001", with("Always"));
        let took = lab.ready("smithi001", 120).await;

        assert!(took <= Duration::from_millis(2500 + 10_000), "{took:?}");
        assert_eq!(lab.cloud.floating_ips().len(), 1, "{:?}", lab.cloud.floating_ips());
        lab.delete("smithi001");
        lab.gone("smithi001", 300).await;
        lab.assert_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_takes_effect_late_leaves_nothing_also_if_the_node_is_deleted_meanwhile() {
    for (seconds, deleted) in [(5, false), (40, false), (5, true), (40, true)] {
        let lab = Lab::new(quick()).await;
        let late = Effect::Late { by: Duration::from_secs(seconds), status: None };
        lab.cloud.fault(Fault::new(late).on(Service::Neutron, "^POST /floatingips$").times(1)).unwrap();

        lab.node("smithi001", with("Always"));
        if deleted {
            sleep(Duration::from_secs(3)).await;
        } else {
            lab.ready("smithi001", 300).await;
            sleep(Duration::from_mins(3)).await;
            assert_eq!(lab.cloud.floating_ips().len(), 1, "{:?}", lab.cloud.floating_ips());
        }
        lab.delete("smithi001");
        lab.gone("smithi001", 400).await;
        sleep(Duration::from_mins(2)).await;
        lab.assert_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn a_ready_node_says_when_somebody_deletes_its_floating_ip() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", with("Always"));
    lab.ready("smithi001", 30).await;

    lab.cloud.remove_floating_ip(&lab.cloud.floating_ips()[0].id);
    lab.told("smithi001", "Ready", "FloatingIPLost", 300).await;
    lab.delete("smithi001");
    lab.gone("smithi001", 60).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_floating_ip_whose_node_went_by_force_is_an_orphan_and_is_swept() {
    let mut lab = Lab::new(quick()).await;
    lab.node("smithi001", with("Always"));
    lab.ready("smithi001", 30).await;
    lab.kill();
    let mut node = lab.the("smithi001");
    node["metadata"]["finalizers"] = json!([]);
    let node = lab.apply(node);
    lab.cluster.delete(&node).unwrap();
    let orphans = json!({"mode": "Delete", "minAge": "1m"});
    lab.edit("clouds", "", "lab", |spec| spec["orphans"] = orphans);

    lab.start();
    lab.until("it is swept", 1200, |lab| lab.cloud.floating_ips().is_empty() && lab.cloud.ports().is_empty())
        .await;

    assert!(
        published(&lab).iter().all(|address| !address.to_string().starts_with("198.18")),
        "{:?}",
        published(&lab)
    );
    lab.assert_clean();
}

/// Neutron's policy may forbid it, or a Neutron may have no routers.
#[tokio::test(start_paused = true)]
async fn where_floating_ips_cannot_be_listed_a_node_that_has_none_lives_and_goes() {
    for status in [403, 404, 500] {
        let mut lab = Lab::new(quick()).await;
        lab.node("smithi001", two_volumes());
        lab.ready("smithi001", 30).await;
        lab.cloud
            .fault(Fault::new(Effect::refuse(status)).on(Service::Neutron, "^GET /floatingips"))
            .unwrap();
        lab.kill();
        lab.start();

        lab.node("smithi002", two_volumes());
        lab.ready("smithi002", 60).await;
        for name in ["smithi001", "smithi002"] {
            lab.delete(name);
            lab.gone(name, 60).await;
        }
        lab.assert_clean();
    }
}
