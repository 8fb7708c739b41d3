//! What a server can be told beside its size and its disks: image, config drive, group, hints, metadata, tags, description,
//! microversion; and which image is taken of several.

use std::time::Duration;

use devcloud::Server;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Lab, quick, two_volumes};

async fn lab(alter: impl FnOnce(&mut Value)) -> Lab {
    let lab = Lab::new(quick()).await;
    lab.edit("machinetypes", "", "lab", alter);
    lab
}

/// The one server, once the node is Ready.
async fn made(lab: &Lab, spec: Value) -> Server {
    lab.node("smithi001", spec);
    lab.ready("smithi001", 60).await;
    let servers = lab.cloud.servers();
    assert_eq!(servers.len(), 1);
    servers[0].clone()
}

/// Refused before a request is sent; the message has all these words.
async fn refused(lab: &Lab, spec: Value, reason: &str, words: &[&str]) {
    lab.node("smithi001", spec);
    let message = lab.told("smithi001", "Stalled", reason, 60).await;
    println!("{message}");
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
    sleep(Duration::from_mins(2)).await;
    assert!(lab.cloud.is_empty(), "{}", lab.story());
}

fn image(lab: &Lab, name: &str) -> String {
    lab.cloud.settings().images.iter().find(|image| image.name == name).unwrap().id.clone()
}

#[tokio::test(start_paused = true)]
async fn a_server_gets_all_that_node_and_machine_type_say_and_our_marks_stay() {
    let lab = lab(|spec| {
        spec["serverMetadata"] = json!({"cost": "lab-{{machineType}}", "team": "lab"});
        spec["serverTags"] = json!(["lab"]);
        spec["serverDescription"] = "of the lab".into();
        spec["novaMicroversion"] = "2.90".into();
    })
    .await;

    let server = made(
        &lab,
        json!({
            "owner": "sage", "configDrive": true, "serverGroup": {"name": "apart"},
            "schedulerHints": {"different_host": ["a", "b"]},
            "serverMetadata": {"team": "{{namespace}}/{{name}} of {{owner}} on {{os}}"}, "serverTags": ["rados"],
        }),
    )
    .await;

    assert_eq!(
        (&*server.metadata["cost"], &*server.metadata["team"]),
        ("lab-lab", "default/smithi001 of sage on ubuntu 22.04")
    );
    assert_eq!(server.metadata["testnode-uid"], lab.the("smithi001")["metadata"]["uid"].as_str().unwrap());
    assert!(
        server.tags.ends_with(&["lab".into(), "rados".into()]) && server.tags.len() == 4,
        "{:?}",
        server.tags
    );
    assert_eq!((server.description.as_deref(), server.config_drive), (Some("of the lab"), true));
    let group = lab.cloud.settings().server_groups[0].id.clone();
    assert_eq!(server.hints, json!({"group": group, "different_host": ["a", "b"]}));
    assert_eq!(server.microversion, 90);
    let resolved = &lab.the("smithi001")["status"]["resolved"];
    assert_eq!(resolved["server"]["group"]["name"], "apart");
    assert!(resolved["why"].as_str().unwrap().contains("server group apart"), "{resolved}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_says_none_of_it_is_made_as_ever() {
    let lab = Lab::new(quick()).await;

    let server = made(&lab, json!({})).await;

    assert_eq!((server.microversion, server.hints, server.description), (52, json!({}), None));
    assert!(lab.the("smithi001")["status"]["resolved"]["server"].is_null());
    assert!(!lab.tally().keys().any(|call| call.contains("os-server-groups")), "{:?}", lab.tally());
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_not_there_is_refused_with_those_that_are() {
    for (group, reason, words) in [
        (json!({"name": "nope"}), "ServerGroupNotFound", ["spec.serverGroup", "apart"]),
        (json!({"id": "nope"}), "ServerGroupNotFound", ["nope", "openstack server group create"]),
        (json!({"name": "together"}), "ServerGroupAmbiguous", ["2 server groups", "give an id"]),
    ] {
        let lab = Lab::new(quick()).await;
        refused(&lab, json!({"serverGroup": group}), reason, &words).await;
        lab.edit("testnodes", "default", "smithi001", |spec| spec["serverGroup"] = json!({"name": "apart"}));
        lab.ready("smithi001", 120).await;
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_too_long_once_it_is_filled_in_is_refused() {
    let lab = Lab::new(quick()).await;
    let spec = json!({"owner": "o".repeat(64), "serverMetadata": {"k": "{{owner}}".repeat(4)}});

    refused(&lab, spec, "InvalidMetadata", &["serverMetadata k", "256 characters"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_microversion_that_the_cloud_does_not_have_is_told_in_its_words() {
    let lab = lab(|spec| spec["novaMicroversion"] = "2.999".into()).await;

    lab.node("smithi001", two_volumes());
    let message = lab.told("smithi001", "Stalled", "RequestRefused", 120).await;

    assert!(message.contains("Version 2.999 is not supported"), "{message}");
    lab.edit("machinetypes", "", "lab", |spec| spec["novaMicroversion"] = "2.60".into());
    lab.ready("smithi001", 120).await;
    assert_eq!(lab.cloud.servers().last().unwrap().microversion, 60);
}

#[tokio::test(start_paused = true)]
async fn a_node_boots_the_image_that_it_names_by_id_or_by_name() {
    let lab = lab(|spec| {
        spec.as_object_mut().unwrap().remove("defaultOS");
    })
    .await;
    let id = image(&lab, "CentOS Stream 9");

    for reference in [json!({"id": id}), json!({"name": "CentOS Stream 9"})] {
        let server = made(&lab, json!({"image": reference})).await;
        assert_eq!(server.image.as_ref(), Some(&id));
        lab.delete("smithi001");
        lab.gone("smithi001", 60).await;
    }
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn an_image_by_id_need_not_be_in_any_list() {
    let mut settings = quick();
    let image = settings.images.iter_mut().find(|image| image.name == "Debian 12").unwrap();
    image.visibility = "community".into();
    let id = image.id.clone();
    let lab = Lab::new(settings).await;

    let server = made(&lab, json!({"image": {"id": id}})).await;

    assert_eq!(server.image.as_ref(), Some(&id));
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_not_there_or_not_allowed_is_refused() {
    let excluded = lab(|spec| spec["excludeImages"] = json!(["Cent.*"])).await;
    refused(
        &excluded,
        json!({"image": {"name": "CentOS Stream 9"}}),
        "NotAllowed",
        &["spec.image", "excludeImages"],
    )
    .await;
    for (reference, reason) in [
        (json!({"name": "nope"}), "ImageNotFound"),
        (json!({"id": "7e571a6e-0000-4000-8000-00000000dead"}), "ImageNotFound"),
        (json!({"name": "rocky 9.4"}), "ImageAmbiguous"),
    ] {
        let lab = Lab::new(quick()).await;
        refused(&lab, json!({"image": reference}), reason, &["spec.image"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_several_images_the_newest_or_the_oldest_is_taken_of_those_that_the_rule_looks_at() {
    let rocky = json!({"type": "rocky", "version": "9.4"});
    for (more, index) in [
        (json!({"selection": "Newest"}), 1),
        (json!({"selection": "Oldest"}), 0),
        (json!({"selection": "Oldest", "minCreated": "2024-06-01T00:00:00Z"}), 1),
        (json!({"owner": "of-the-first", "visibility": "public"}), 0),
        (json!({"visibility": "community"}), 1),
    ] {
        let mut rule = json!({"os": rocky, "name": "rocky 9.4"});
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut settings = quick();
        let mut several: Vec<_> =
            settings.images.iter_mut().filter(|image| image.name == "rocky 9.4").collect();
        // Both are of other projects: the project's own would go first.
        several[0].owner = "of-the-first".into();
        several[1].owner = "of-the-second".into();
        if more["visibility"] == "community" {
            several[1].visibility = "community".into();
        }
        let ids: Vec<String> = several.iter().map(|image| image.id.clone()).collect();
        let lab = Lab::new(settings).await;
        lab.edit("machinetypes", "", "lab", |spec| spec["images"] = json!([rule]));

        let server = made(&lab, json!({"os": rocky})).await;

        assert_eq!(server.image.as_ref(), Some(&ids[index]), "{more}");
    }
}

#[tokio::test(start_paused = true)]
async fn none_of_it_is_a_nodes_to_set_where_the_machine_type_does_not_say_so() {
    for (field, value) in [
        ("image", json!({"name": "Debian 12"})),
        ("configDrive", json!(true)),
        ("serverGroup", json!({"name": "apart"})),
        ("schedulerHints", json!({"query": ["[]"]})),
        ("serverMetadata", json!({"a": "b"})),
        ("serverTags", json!(["a"])),
        ("bootVolume", json!({"sizeGiB": 20})),
        ("blockDevices", json!([{}])),
        ("serverDescription", json!("a")),
    ] {
        let lab = lab(|spec| {
            spec.as_object_mut().unwrap().remove("overrides");
        })
        .await;
        refused(&lab, json!({field: value}), "NotAllowed", &[field, "overrides"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_is_refused_at_admission() {
    let lab = Lab::new(quick()).await;
    for spec in [
        json!({"image": {}}),
        json!({"image": {"id": "a", "name": "b"}}),
        json!({"serverGroup": {"id": "a", "name": "b"}}),
        json!({"schedulerHints": {"group": ["a"]}}),
        json!({"schedulerHints": {"query": []}}),
        json!({"serverMetadata": {"testnode-uid": "a"}}),
        json!({"serverMetadata": {"a/b": "a"}}),
        json!({"serverMetadata": {"a": "{{nope}}"}}),
        json!({"serverMetadata": {"a": "x".repeat(256)}}),
        json!({"serverTags": ["testnode-uid=a"]}),
        json!({"serverTags": ["a,b"]}),
        json!({"serverTags": ["a", "a"]}),
        json!({"serverDescription": "two\nlines"}),
        json!({"hold": {"until": "tomorrow", "reason": "a"}}),
        json!({"hold": {"until": "2026-03-02T08:00:00Z"}}),
    ] {
        let mut spec = spec;
        spec["machineType"] = "lab".into();
        let node = json!({
            "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNode",
            "metadata": {"name": "smithi001", "namespace": "default"}, "spec": spec,
        });
        let refusal = lab.cluster.put(node);
        assert!(refusal.is_err(), "{spec}");
    }
    for spec in [
        json!({"novaMicroversion": "2.51"}),
        json!({"novaMicroversion": "latest"}),
        json!({"images": [{"os": {"type": "a", "version": "1"}, "id": "a", "owner": "b"}]}),
        json!({"images": [{"os": {"type": "a", "version": "1"}, "name": "a", "minCreated": "yesterday"}]}),
    ] {
        let mut types = crate::harness::machine_type(&["lab"]);
        types.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let machine = json!({
            "apiVersion": "testnode.dev/v1alpha1", "kind": "MachineType", "metadata": {"name": "other"}, "spec": types,
        });
        assert!(lab.cluster.put(machine).is_err(), "{spec}");
    }
}
