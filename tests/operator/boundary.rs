//! A machine type is a boundary: what its nodes may set and have, from which namespaces, and for how long.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Lab, quick, two_volumes};

/// A lab whose machine type is altered.
async fn lab(alter: impl FnOnce(&mut Value)) -> Lab {
    let lab = Lab::new(quick()).await;
    lab.edit("machinetypes", "", "lab", alter);
    lab
}

/// A node that is refused, with each of `words` in the message; nothing is made for it.
async fn refused(lab: &Lab, spec: Value, words: &[&str]) {
    lab.node("smithi001", spec);
    let message = lab.told("smithi001", "Stalled", "NotAllowed", 60).await;
    println!("{message}");
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
    sleep(Duration::from_mins(2)).await;
    assert!(lab.cloud.is_empty(), "{}", lab.story());
    assert!(lab.cloud.records().is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_overrides_a_node_sets_only_what_every_machine_type_lets_it() {
    for (field, value) in [
        ("flavor", json!("b2-15")),
        ("networks", json!([{"name": "lab-net", "fixedIPs": ["10.77.0.99"]}])),
        ("securityGroups", json!(["default"])),
    ] {
        let lab = lab(|spec| {
            spec.as_object_mut().unwrap().remove("overrides");
        })
        .await;
        refused(&lab, json!({field: value}), &[field, "MachineType lab", "overrides"]).await;

        lab.edit("machinetypes", "", "lab", |spec| spec["overrides"] = json!([field]));
        lab.ready("smithi001", 60).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_of_overrides_lets_a_node_set_nothing_more() {
    let free = json!({
        "os": {"type": "debian", "version": "12"}, "volumes": [{"name": "osd", "sizeGiB": 1}], "expireAfter": "8h",
        "userData": "#!/bin/sh\n", "readiness": [], "onFailure": "Hold", "hostname": "other",
    });
    for (field, value) in [
        ("resources", json!({"vcpus": 1})),
        ("availabilityZones", json!(["nova"])),
        ("cloud", json!("lab")),
        ("keyName", json!("me")),
    ] {
        let lab = lab(|spec| spec["overrides"] = json!([])).await;
        let mut spec = free.clone();
        spec[field] = value;
        refused(&lab, spec, &[field]).await;

        lab.edit("testnodes", "default", "smithi001", |spec| {
            spec.as_object_mut().unwrap().remove(field);
        });
        lab.ready("smithi001", 60).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_flavor_that_is_asked_for_by_name_is_held_against_the_types_patterns() {
    let lab = Lab::new(quick()).await;
    refused(&lab, json!({"flavor": "win-b2-7"}), &["win-b2-7", "exclude", "flavor.requirements"]).await;
    lab.edit("testnodes", "default", "smithi001", |spec| spec["flavor"] = "b2-7".into());
    lab.ready("smithi001", 60).await;

    // Also where the type itself names its flavor, so that it has no patterns of its own.
    let named = Lab::new(quick()).await;
    named.edit("machinetypes", "", "lab", |spec| spec["flavor"] = json!({"name": "b2-7"}));
    refused(&named, json!({"flavor": "win-b2-7"}), &["win-b2-7", "exclude"]).await;
}

#[tokio::test(start_paused = true)]
async fn volumes_are_bounded_in_number_and_size() {
    for (limits, word) in
        [(json!({"maxVolumes": 1}), "maxVolumes"), (json!({"maxVolumeGiB": 1}), "maxVolumeGiB")]
    {
        let lab = lab(|spec| spec["limits"] = limits).await;

        refused(&lab, two_volumes(), &["spec.volumes", word, "MachineType lab"]).await;
        lab.edit("testnodes", "default", "smithi001", |spec| spec["volumes"][0]["count"] = 1.into());
        lab.ready("smithi001", 60).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_not_allowed_gets_no_machine() {
    let lab = lab(|spec| spec["allowedNamespaces"] = json!(["rados", "ceph-.*"])).await;
    refused(&lab, json!({}), &["namespace default", "allowedNamespaces", "MachineType lab"]).await;

    for namespace in ["rados", "ceph-ci"] {
        lab.namespace(namespace);
        let name = format!("node-in-{namespace}");
        lab.node_in(namespace, &name, json!({}));
        let ready = |lab: &Lab| lab.condition("testnodes", namespace, &name, "Ready").0 == "True";
        lab.until("it is Ready", 60, ready).await;
    }
    lab.namespace("x-ceph-ci");
    lab.node_in("x-ceph-ci", "other", json!({}));
    let said = |lab: &Lab| lab.condition("testnodes", "x-ceph-ci", "other", "Ready").1;
    lab.until("a pattern is for the whole name", 60, |lab| said(lab) == "NotAllowed").await;
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_the_boundary_leaves_a_machine_that_is_there() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", json!({"flavor": "b2-15"}));
    lab.ready("smithi001", 60).await;

    lab.edit("machinetypes", "", "lab", |spec| {
        spec["overrides"] = json!([]);
        spec["allowedNamespaces"] = json!(["nobody"]);
    });
    sleep(Duration::from_mins(30)).await;

    assert!(lab.is_ready("smithi001"));
}

#[tokio::test(start_paused = true)]
async fn a_longer_time_or_none_is_cut_and_the_condition_says_so() {
    for (own, told) in [
        (
            json!({"expireAfter": "48h"}),
            "spec.expireAfter (48h) is cut to 20m by limits.maxExpireAfter of MachineType lab",
        ),
        (json!({}), "deleted 20m after its creation, by limits.maxExpireAfter of MachineType lab"),
    ] {
        let lab = lab(|spec| spec["limits"] = json!({"maxExpireAfter": "20m"})).await;

        lab.node("smithi001", own);
        lab.ready("smithi001", 60).await;
        let message = lab.says("smithi001", "Ready").2;
        assert!(message.contains(told), "{message}");
        sleep(Duration::from_mins(19)).await;
        assert!(lab.is_ready("smithi001"));

        lab.gone("smithi001", 120).await;
        lab.assert_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_node_expires_all_the_same_when_its_types_limit_has_come_and_not_before() {
    let lab = lab(|spec| spec["limits"] = json!({"maxExpireAfter": "20m"})).await;
    lab.node("smithi001", json!({"expireAfter": "5m"}));
    lab.ready("smithi001", 60).await;

    lab.edit("testnodes", "default", "smithi001", |spec| spec["paused"] = true.into());
    sleep(Duration::from_mins(18)).await;
    assert_eq!(lab.says("smithi001", "Paused").0, "True");

    lab.gone("smithi001", 150).await;
    lab.assert_clean();
}
