//! Finalizers on a Cloud and on its Secrets, beside nodes that come and changes by hand.

use std::time::Duration;

use devcluster::{Fault, Verb};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Lab, SYSTEM, quick};

fn secret_finalizers(lab: &Lab, name: &str) -> Value {
    lab.cluster.get("secrets", SYSTEM, name).unwrap()["metadata"]["finalizers"].clone()
}

/// The list that says that no node needs a Cloud, and the release of the Cloud, are two requests.
#[tokio::test(start_paused = true)]
async fn a_node_that_is_made_while_its_cloud_is_released_takes_nothing_there() {
    let lab = Lab::new(quick()).await;
    let unguards = |call: &devcluster::Call| call.verb == Verb::Patch && call.resource == "secrets";
    lab.cluster.faults().inject(1, unguards, Fault::Delay(Duration::from_secs(2)));
    lab.cluster.delete(&lab.cluster.get("clouds", "", "lab").unwrap()).unwrap();
    sleep(Duration::from_millis(500)).await;

    lab.node("smithi001", json!({}));

    lab.until("the Cloud is gone", 30, |lab| lab.cluster.get("clouds", "", "lab").is_none()).await;
    sleep(Duration::from_secs(30)).await;
    let node = lab.the("smithi001");
    assert!(lab.cloud.is_empty(), "{}", lab.story());
    assert!(node["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty), "{node:#}");
    lab.delete("smithi001");
    lab.gone("smithi001", 10).await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_a_cloud_no_longer_names_loses_its_guard() {
    let lab = Lab::new(quick()).await;
    assert_eq!(secret_finalizers(&lab, "lab"), json!(["cloud.testnode.dev/lab"]));
    lab.credentials("rotated", &Lab::clouds_yaml("lab", &lab.cloud));

    lab.edit("clouds", "", "lab", |spec| spec["openstack"]["secretRef"]["name"] = "rotated".into());

    let guarded = json!(["cloud.testnode.dev/lab"]);
    lab.until("the new Secret is guarded", 30, |lab| secret_finalizers(lab, "rotated") == guarded).await;
    let free = |lab: &Lab| secret_finalizers(lab, "lab").as_array().is_none_or(Vec::is_empty);
    lab.until("the old Secret is free", 90, free).await;
    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 30).await;
}

/// A policy of the cluster refuses every change of the object. Its status is another resource.
#[tokio::test(start_paused = true)]
async fn a_write_that_the_api_server_denies_is_told_in_its_words_and_what_was_deleted_with_it() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", json!({}));
    lab.ready("smithi001", 30).await;
    let of_the_object = |call: &devcluster::Call| {
        call.verb == Verb::Patch && call.resource == "testnodes" && call.subresource.is_empty()
    };
    lab.cluster.faults().inject(usize::MAX, of_the_object, Fault::Refuse(422));

    lab.delete("smithi001");

    let told = lab.told("smithi001", "Ready", "KubernetesAPI", 60).await;
    assert!(told.contains("422"), "{told}");
    assert!(lab.cloud.is_empty(), "{}", lab.story());
    assert_ne!(lab.says("smithi001", "ServerReady").0, "True");
    lab.cluster.faults().clear();
    lab.gone("smithi001", 90).await;
    lab.assert_clean();
}
