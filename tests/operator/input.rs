//! Bad input: it ends in a condition that names the cause, nothing is made, and fixing it heals the node.

use std::time::Duration;

use devcloud::Settings;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Lab, SYSTEM, machine_type, quick};

fn lab_type(name: &str, alter: impl FnOnce(&mut Value)) -> Value {
    let mut spec = machine_type(&["lab"]);
    alter(&mut spec);
    json!({"apiVersion": "testnode.dev/v1alpha1", "kind": "MachineType", "metadata": {"name": name}, "spec": spec})
}

/// A node that says `reason`, and in the message each of `words`; nothing is made for it.
async fn refused(lab: &Lab, spec: Value, reason: &str, words: &[&str]) {
    lab.node("smithi001", spec);
    let message = lab.told("smithi001", "Ready", reason, 60).await;
    println!("{reason}: {message}");
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
    sleep(Duration::from_mins(2)).await;
    assert_eq!(lab.says("smithi001", "Ready").1, reason);
    assert!(lab.cloud.is_empty(), "{}", lab.story());
    assert!(lab.cloud.records().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_unknown_machine_type_is_named_and_making_it_heals() {
    let lab = Lab::new(quick()).await;
    refused(&lab, json!({"machineType": "later"}), "MachineTypeNotFound", &["later"]).await;

    lab.apply(lab_type("later", |_| ()));

    lab.ready("smithi001", 30).await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_cloud_is_named_and_making_it_heals() {
    let lab = Lab::new(quick()).await;
    lab.apply(lab_type("far", |spec| spec["clouds"] = json!([{"name": "far"}])));
    refused(&lab, json!({"machineType": "far"}), "CloudNotFound", &["far"]).await;

    lab.add_cloud("far", devcloud::DevCloud::new(Settings { seed: 1, ..quick() }));

    lab.ready("smithi001", 30).await;
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_the_machine_type_does_not_list_is_told() {
    let lab = Lab::new(quick()).await;

    refused(&lab, json!({"cloud": "far"}), "CloudNotServed", &["far"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_not_there_is_told_and_another_os_heals() {
    let lab = Lab::new(quick()).await;
    refused(&lab, json!({"os": {"type": "plan9", "version": "4"}}), "ImageNotFound", &["plan9"]).await;

    lab.edit("testnodes", "default", "smithi001", |spec| {
        spec["os"] = json!({"type": "debian", "version": "12"});
    });

    lab.ready("smithi001", 30).await;
}

#[tokio::test(start_paused = true)]
async fn images_that_match_twice_are_told_and_a_rule_heals() {
    let lab = Lab::new(quick()).await;
    let os = json!({"type": "rocky", "version": "9.4"});
    let torn = json!([{"os": os, "nameRegex": "rocky 9[.]4", "selection": "Error"}]);
    lab.edit("machinetypes", "", "lab", |spec| spec["images"] = torn);
    refused(&lab, json!({"os": os}), "ImageAmbiguous", &["rocky"]).await;

    lab.edit("machinetypes", "", "lab", |spec| spec["images"][0]["selection"] = "Newest".into());

    lab.ready("smithi001", 30).await;
}

#[tokio::test(start_paused = true)]
async fn a_flavor_that_is_not_there_is_told_and_another_heals() {
    let lab = Lab::new(quick()).await;
    refused(&lab, json!({"flavor": "nosuch"}), "FlavorNotFound", &["nosuch"]).await;

    lab.edit("testnodes", "default", "smithi001", |spec| spec["flavor"] = "b2-7".into());

    lab.ready("smithi001", 30).await;
}

#[tokio::test(start_paused = true)]
async fn a_flavor_that_the_cloud_gets_later_is_seen() {
    let lab = Lab::new(quick()).await;
    refused(&lab, json!({"flavor": "c3-8"}), "FlavorNotFound", &["c3-8"]).await;

    lab.cloud.change(|settings| {
        let flavor = devcloud::Settings::default().flavors[1].clone();
        settings.flavors.push(flavor);
        let flavor = settings.flavors.last_mut().unwrap();
        (flavor.id, flavor.name) = ("c3".into(), "c3-8".into());
    });

    lab.ready("smithi001", 900).await;
}

#[tokio::test(start_paused = true)]
async fn a_volume_type_that_is_not_there_is_told_and_another_heals() {
    let lab = Lab::new(quick()).await;
    let volumes = json!({"volumes": [{"name": "osd", "sizeGiB": 1, "type": "nosuch"}]});
    lab.node("smithi001", volumes);
    lab.until("it is told", 60, |lab| lab.says("smithi001", "Ready").2.contains("nosuch")).await;
    println!("{:?}", lab.says("smithi001", "Ready"));
    sleep(Duration::from_mins(2)).await;
    assert!(lab.cloud.is_empty(), "{}", lab.story());

    lab.edit("testnodes", "default", "smithi001", |spec| spec["volumes"][0]["type"] = "classic".into());

    lab.ready("smithi001", 60).await;
}

#[tokio::test(start_paused = true)]
async fn several_networks_to_choose_from_are_told_and_naming_one_heals() {
    let mut settings = quick();
    let mut other = settings.networks[0].clone();
    (other.id, other.name) = (other.id.replace('1', "9"), "other-net".into());
    other.subnets[0].id = other.subnets[0].id.replace('1', "9");
    settings.networks.push(other);
    let lab = Lab::new(settings).await;
    refused(&lab, json!({}), "NetworkAmbiguous", &["lab-net", "other-net"]).await;

    lab.edit("testnodes", "default", "smithi001", |spec| spec["networks"] = json!([{"name": "other-net"}]));

    lab.ready("smithi001", 30).await;
}

#[tokio::test(start_paused = true)]
async fn a_network_a_group_or_a_key_that_is_not_there_is_told() {
    let wrong = [
        (json!({"networks": [{"name": "nosuch"}]}), "networks", "nosuch"),
        (json!({"securityGroups": ["nosuch"]}), "securityGroups", "nosuch"),
        (json!({"keyName": "nosuch"}), "keyName", "key_name"),
    ];
    for (spec, field, word) in wrong {
        let lab = Lab::new(quick()).await;
        lab.node("smithi001", spec);
        lab.until("it is told", 60, |lab| lab.says("smithi001", "Stalled").2.contains(word)).await;
        println!("{field}: {:?}", lab.says("smithi001", "Stalled"));
        sleep(Duration::from_mins(2)).await;
        assert!(lab.cloud.is_empty(), "{field}\n{}", lab.story());

        lab.edit("testnodes", "default", "smithi001", |spec| {
            spec.as_object_mut().unwrap().remove(field);
        });
        lab.ready("smithi001", 60).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_secret_is_told_and_making_it_heals() {
    let lab = Lab::new(quick()).await;
    lab.apply(json!({
        "apiVersion": "testnode.dev/v1alpha1", "kind": "Cloud", "metadata": {"name": "far"},
        "spec": {"openstack": {"secretRef": {"name": "far"}, "cloudName": "lab"}},
    }));
    let says = |lab: &Lab| lab.condition("clouds", "", "far", "Ready");
    lab.until("it is told", 30, |lab| says(lab).1 == "SecretNotFound").await;
    assert!(says(&lab).2.contains("far") && says(&lab).2.contains(SYSTEM), "{:?}", says(&lab));

    lab.credentials("far", &lab.cloud.clouds_yaml("http://lab.test"));

    let took = lab.until("it is Ready", 60, |lab| says(lab).0 == "True").await;
    println!("healed after {took:?}");
}

#[tokio::test(start_paused = true)]
async fn nsupdate_web_out_of_reach_is_told_and_its_return_heals() {
    let lab = Lab::new(quick()).await;
    let url = |to: &'static str| move |spec: &mut Value| spec["dns"]["nsupdateWeb"]["url"] = to.into();
    lab.edit("clouds", "", "lab", url("http://nobody.test/nsupdate"));

    lab.node("smithi001", json!({}));
    let message = lab.told("smithi001", "DNSReady", "DNSUpdateFailed", 60).await;
    assert!(message.contains("nobody.test"), "{message}");
    lab.edit("clouds", "", "lab", url("http://lab.test/nsupdate"));

    lab.ready("smithi001", 90).await;
}
