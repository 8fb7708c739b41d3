//! Which zone and which cloud: the next one where there is no room, no host, or a refusal.

use std::time::Duration;

use devcloud::{Quotas, ServerFate};
use serde_json::json;
use tokio::time::sleep;

use crate::capacity::{tries, with};
use crate::harness::{Lab, quick, two_volumes};

fn no_host() -> ServerFate {
    ServerFate { fault: Some("No valid host was found. ".into()), ..ServerFate::default() }
}

#[tokio::test(start_paused = true)]
async fn a_full_cloud_means_the_next() {
    let (lab, far) = Lab::two_clouds(|types| types["availabilityZones"] = json!([])).await;
    far.change(|settings| settings.quotas.instances = 0);

    lab.node("smithi001", two_volumes());
    let took = lab.ready("smithi001", 60).await;

    assert!(took <= Duration::from_secs(5), "{took:?}");
    assert_eq!(tries(&lab, "smithi001"), ["lab - Ready"]);
    lab.cloud.change(|settings| settings.quotas.cores = 0);
    // Figures are believed for so long.
    sleep(Duration::from_secs(10)).await;
    lab.node("smithi002", two_volumes());
    // Figures that showed plenty may have let it in: then it says first what the cloud refused.
    lab.until("smithi002 waits for room in both clouds", 30, |lab| {
        let (_, reason, message) = lab.says("smithi002", "Ready");
        let both =
            message.contains("cloud far: 1 instance needed") && message.contains("cloud lab: 1 core needed");
        reason == "QuotaExceeded" && both
    })
    .await;
    assert!(far.is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_host_goes_to_the_next_zone_then_to_the_next_cloud() {
    let (lab, far) = Lab::two_clouds(|types| types["availabilityZones"] = json!(["nova", "nova-2"])).await;
    far.plan_servers(regex::Regex::new("").unwrap(), 9, no_host());

    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 90).await;

    assert_eq!(tries(&lab, "smithi001"), ["far nova Failed", "far nova-2 Failed", "lab nova Ready"]);
    let node = lab.the("smithi001");
    let first = &node["status"]["attempts"][0];
    assert_eq!(
        (&first["reason"], first["message"].as_str()),
        (&json!("NoValidHost"), Some("No valid host was found."))
    );

    // The places where it failed are known to all.
    lab.node("smithi002", two_volumes());
    lab.ready("smithi002", 30).await;
    assert_eq!(tries(&lab, "smithi002"), ["lab nova Ready"]);
    // Another flavor may do.
    far.heal();
    lab.node("other", json!({"flavor": "b2-15"}));
    lab.ready("other", 60).await;
    assert!(tries(&lab, "other")[0].starts_with("far nova"), "{:?}", tries(&lab, "other"));
    sleep(Duration::from_mins(5)).await;
    lab.node("later", two_volumes());
    lab.ready("later", 90).await;
    assert!(tries(&lab, "later")[0].starts_with("far nova"), "{:?}", tries(&lab, "later"));
}

#[tokio::test(start_paused = true)]
async fn where_every_place_had_no_host_others_wait_until_its_time_ends_or_a_machine_was_made() {
    let lab = Lab::new(quick()).await;
    lab.edit("machinetypes", "", "lab", |spec| spec["launchRetries"] = 1.into());
    let unlucky = regex::Regex::new("unlucky").unwrap();
    lab.cloud.plan_servers(unlucky, 9, no_host());
    lab.node("unlucky", json!({}));
    lab.told("unlucky", "Stalled", "NoValidHost", 60).await;

    lab.node("smithi001", json!({}));
    let message = lab.told("smithi001", "Ready", "NoValidHost", 30).await;
    println!("{message}");
    assert!(message.contains("it is tried again at"), "{message}");
    sleep(Duration::from_mins(4)).await;
    assert!(lab.cloud.is_empty());
    let took = lab.ready("smithi001", 90).await;
    println!("Ready {took:?} later");

    // Now it is known that there are hosts.
    lab.node("smithi002", json!({}));
    assert!(lab.ready("smithi002", 30).await <= Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn what_the_cloud_refused_is_looked_at_again_slowly_and_at_once_after_an_edit() {
    let lab = Lab::new(with(Quotas { per_volume_gigabytes: 8, ..Quotas::default() })).await;
    lab.node("smithi001", json!({"volumes": [{"name": "osd", "sizeGiB": 9}]}));
    let message = lab.told("smithi001", "Stalled", "RequestRefused", 60).await;
    assert!(message.contains("larger than maximum allowed limit 8G"), "{message}");
    lab.node("smithi002", json!({"volumes": [{"name": "osd", "sizeGiB": 9}]}));
    lab.told("smithi002", "Stalled", "RequestRefused", 60).await;
    let tried = || lab.tally()["Cinder POST /volumes"];

    sleep(Duration::from_mins(9)).await;
    assert_eq!(tried(), 2);
    lab.edit("testnodes", "default", "smithi002", |spec| spec["volumes"][0]["sizeGiB"] = 8.into());
    lab.ready("smithi002", 10).await;
    sleep(Duration::from_mins(2)).await;
    assert_eq!(tried(), 4, "each ten minutes once");
    lab.cloud.change(|settings| settings.quotas.per_volume_gigabytes = -1);
    lab.ready("smithi001", 620).await;
}

/// Under names of their own, for another zone or other limits, say.
#[tokio::test(start_paused = true)]
async fn two_clouds_of_one_project_take_nothing_from_each_other() {
    let lab = Lab::new(quick()).await;
    lab.add_cloud("another", lab.cloud.clone());
    lab.edit("machinetypes", "", "lab", |spec| {
        spec["clouds"] = json!([{"name": "lab", "weight": 9}, {"name": "another"}]);
    });
    sleep(Duration::from_secs(5)).await;
    lab.cloud.next_server(no_host());

    lab.node("smithi001", two_volumes());
    lab.node("smithi002", json!({"cloud": "another"}));
    lab.ready("smithi001", 60).await;
    lab.ready("smithi002", 60).await;
    let servers = lab.cloud.all_servers().len();
    sleep(Duration::from_mins(30)).await;

    for (name, finalizer) in
        [("smithi001", "cloud.testnode.dev/another"), ("smithi002", "cloud.testnode.dev/another")]
    {
        assert!(lab.is_ready(name), "{}", lab.story());
        assert_eq!(lab.the(name)["metadata"]["finalizers"], json!([finalizer]));
    }
    assert_eq!(lab.cloud.all_servers().len(), servers, "none was made anew");
    for name in ["smithi001", "smithi002"] {
        lab.delete(name);
        lab.gone(name, 60).await;
    }
    lab.assert_clean();
}
