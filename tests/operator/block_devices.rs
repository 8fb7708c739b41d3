//! Disks as Buildbot's `block_devices` says them: volumes of images and snapshots, volumes that exist, the flavor's own disk.

use std::time::Duration;

use devcloud::{Server, ServerFate, VolumeFate};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Lab, quick};

async fn made(lab: &Lab, devices: Value) -> Server {
    lab.node("smithi001", json!({"blockDevices": devices}));
    lab.ready("smithi001", 60).await;
    lab.cloud.servers()[0].clone()
}

async fn gone(lab: &Lab) {
    lab.delete("smithi001");
    lab.gone("smithi001", 120).await;
}

/// Refused before a request is sent; the message has all these words.
async fn refused(lab: &Lab, spec: Value, reason: &str, words: &[&str]) {
    lab.node("smithi001", spec);
    let message = lab.told("smithi001", "Stalled", reason, 60).await;
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
    sleep(Duration::from_mins(2)).await;
    assert!(lab.cloud.servers().is_empty(), "{}", lab.story());
}

fn image(lab: &Lab, name: &str) -> String {
    lab.cloud.settings().images.iter().find(|image| image.name == name).unwrap().id.clone()
}

/// The device, the volume, and whether it goes with the server, of each volume.
fn mapped(server: &Server) -> Vec<(String, String, bool)> {
    let of = |mapped: &devcloud::Mapped| {
        (mapped.device.clone(), mapped.volume.clone().unwrap(), mapped.delete_on_termination)
    };
    server.volumes.iter().map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn a_device_with_nothing_but_a_uuid_is_a_volume_of_that_image_from_which_the_server_boots() {
    let lab = Lab::new(quick()).await;
    let uuid = image(&lab, "CentOS Stream 9");

    let server = made(&lab, json!([{"uuid": uuid}])).await;

    let volume = lab.cloud.volumes()[0].clone();
    assert_eq!((server.image.as_ref(), volume.image.as_ref(), volume.size), (None, Some(&uuid), 10));
    assert_eq!(mapped(&server), [("/dev/vda".into(), volume.id, true)]);
    let status = lab.the("smithi001")["status"].clone();
    assert_eq!(status["resolved"]["image"]["name"], "CentOS Stream 9");
    assert!(status["resolved"]["why"].as_str().unwrap().contains("volume of 10 GiB (spec.blockDevices[0])"));
    gone(&lab).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn every_source_is_attached_under_its_name_and_what_exists_stays_when_the_node_goes() {
    let lab = Lab::new(quick()).await;
    let theirs = lab.cloud.strange_volume(7, None);
    let snapshot = lab.cloud.strange_snapshot(&theirs).unwrap();

    let server = made(
        &lab,
        json!([
            {"volumeSize": 15, "deviceName": "/dev/vda"},
            {"uuid": snapshot, "sourceType": "snapshot", "deviceName": "vdb", "bootIndex": -1},
            {"uuid": theirs, "sourceType": "volume", "deviceName": "vdc", "bootIndex": -1},
        ]),
    )
    .await;

    let of = |device: &str| {
        let id = mapped(&server).into_iter().find(|(name, ..)| name == device).unwrap().1;
        lab.cloud.volumes().into_iter().find(|volume| volume.id == id).unwrap()
    };
    assert_eq!((of("/dev/vda").size, of("/dev/vda").image.is_some()), (15, true));
    assert_eq!((of("/dev/vdb").size, of("/dev/vdb").snapshot), (7, Some(snapshot)));
    assert_eq!((of("/dev/vdc").id.clone(), of("/dev/vdc").metadata.len()), (theirs.clone(), 0));
    let stays: Vec<bool> = mapped(&server).into_iter().map(|(.., goes)| goes).collect();
    assert_eq!(stays, [true, true, false]);

    gone(&lab).await;

    let left = lab.cloud.volumes();
    assert_eq!((left.len(), left[0].id.clone(), left[0].status.as_str()), (1, theirs.clone(), "available"));
    lab.cloud.remove(&theirs);
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_server_boots_from_a_volume_that_exists_and_from_the_flavors_disk() {
    let lab = Lab::new(quick()).await;
    let theirs = lab.cloud.strange_volume(20, Some(&image(&lab, "Debian 12")));

    let server = made(&lab, json!([{"uuid": theirs, "sourceType": "volume"}])).await;

    assert_eq!(
        (server.image.clone(), mapped(&server)),
        (None, vec![("/dev/vda".into(), theirs.clone(), false)])
    );
    gone(&lab).await;
    lab.cloud.remove(&theirs);
    lab.assert_clean();

    let server = made(&lab, json!([{"destinationType": "local", "deviceName": "vda"}])).await;
    assert!(server.image.is_some() && server.volumes.is_empty(), "{server:?}");
    gone(&lab).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn what_the_cloud_would_answer_with_a_success_that_is_none_is_refused_before_a_request() {
    let lab = Lab::new(quick()).await;
    let theirs = lab.cloud.strange_volume(7, None);
    let snapshot = lab.cloud.strange_snapshot(&theirs).unwrap();
    for device in [
        json!({"uuid": theirs, "sourceType": "volume", "destinationType": "local"}),
        json!({"uuid": snapshot, "sourceType": "snapshot", "destinationType": "local"}),
        json!({"destinationType": "local", "bootIndex": 1}),
        json!({"uuid": theirs, "sourceType": "volume", "deleteOnTermination": true}),
        json!({"deleteOnTermination": false}),
        json!({"uuid": theirs, "sourceType": "volume", "volumeSize": 9}),
        json!({"destinationType": "local", "volumeSize": 9}),
        json!({"sourceType": "volume"}),
        json!({"deviceName": "sda1"}),
    ] {
        let node = json!({
            "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNode",
            "metadata": {"name": "smithi001", "namespace": "default"},
            "spec": {"machineType": "lab", "blockDevices": [device]},
        });
        assert!(lab.cluster.put(node).is_err(), "{device}");
    }
    let twice = json!([{"deviceName": "vdb"}, {"deviceName": "/dev/vdb", "bootIndex": -1}]);
    refused(
        &lab,
        json!({"blockDevices": twice}),
        "InvalidBlockDevices",
        &["[1].deviceName", "vdb is there twice"],
    )
    .await;
    assert_eq!(lab.cloud.volumes().len(), 1, "{}", lab.story());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_is_refused_with_its_cure() {
    let lab = Lab::new(quick()).await;
    let theirs = lab.cloud.strange_volume(7, None);
    let snapshot = lab.cloud.strange_snapshot(&theirs).unwrap();
    let absent = "7e571a6e-0000-4000-8000-00000000dead";
    let device = |more: Value| {
        let mut device = json!({"bootIndex": -1, "deviceName": "vdb"});
        device.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"blockDevices": [device]})
    };
    for (spec, reason, words) in [
        (device(json!({"uuid": absent})), "ImageNotFound", vec!["[0].uuid", absent]),
        (
            device(json!({"uuid": absent, "sourceType": "volume"})),
            "VolumeNotFound",
            vec!["openstack volume list"],
        ),
        (
            device(json!({"uuid": absent, "sourceType": "snapshot"})),
            "SnapshotNotFound",
            vec!["snapshot list"],
        ),
        (
            device(json!({"uuid": snapshot, "sourceType": "snapshot", "volumeSize": 3})),
            "BootVolumeTooSmall",
            vec!["3 GiB", "has 7"],
        ),
        (device(json!({"volumeSize": 3})), "BootVolumeTooSmall", vec!["volumeSize", "needs 10"]),
        (
            json!({"blockDevices": [{"uuid": theirs, "sourceType": "volume"}]}),
            "InvalidBlockDevices",
            vec!["not bootable", "--bootable"],
        ),
        (device(json!({"bootIndex": 2})), "InvalidBlockDevices", vec!["bootIndex is 2", "none left out"]),
        (
            json!({"blockDevices": [{}], "bootVolume": {}}),
            "InvalidBlockDevices",
            vec!["spec.bootVolume", "leave one of them out"],
        ),
        (
            json!({"blockDevices": [{"uuid": absent}], "image": {"name": "Debian 12"}}),
            "InvalidBlockDevices",
            vec!["spec.image"],
        ),
        (
            json!({"blockDevices": [{"destinationType": "local"}], "flavor": "v1-4"}),
            "FlavorTooSmall",
            vec!["no disk"],
        ),
    ] {
        refused(&lab, spec, reason, &words).await;
        gone(&lab).await;
    }
    assert_eq!(lab.cloud.volumes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_somebody_has_is_waited_for_and_one_of_a_node_is_never_taken() {
    let lab = Lab::new(quick()).await;
    let theirs = lab.cloud.strange_volume(7, None);
    let uses = json!({"blockDevices": [
        {"uuid": theirs, "sourceType": "volume", "bootIndex": -1, "deviceName": "vdb"},
    ]});
    lab.node("smithi001", uses.clone());
    lab.ready("smithi001", 60).await;

    lab.node("smithi002", uses);
    let message = lab.told("smithi002", "Ready", "VolumeInUse", 60).await;
    assert!(message.contains("TestNode default/smithi001 uses volume"), "{message}");
    sleep(Duration::from_mins(5)).await;
    assert_eq!(lab.cloud.servers().len(), 1);

    gone(&lab).await;
    lab.ready("smithi002", 120).await;

    let made = lab.cloud.servers()[0].clone();
    assert_eq!(mapped(&made)[0].1, theirs);
    lab.node("smithi003", json!({"bootVolume": {}}));
    lab.ready("smithi003", 60).await;
    let marked = lab.cloud.volumes().into_iter().find(|volume| !volume.metadata.is_empty()).unwrap();
    lab.node("smithi001", json!({"blockDevices": [{"uuid": marked.id, "sourceType": "volume"}]}));
    let message = lab.told("smithi001", "Stalled", "NotAllowed", 60).await;
    assert!(message.contains("was made for a TestNode"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn what_a_create_that_failed_halfway_claims_of_a_volume_that_exists_is_freed() {
    let lab = Lab::new(quick()).await;
    let theirs = lab.cloud.strange_volume(7, None);
    let other = lab.cloud.strange_volume(7, None);
    let fault = Some("No valid host was found.".into());
    lab.cloud.next_server(ServerFate { fault, ..ServerFate::default() });
    lab.node(
        "smithi001",
        json!({"blockDevices": [
            {"uuid": theirs, "sourceType": "volume", "bootIndex": -1, "deviceName": "vdb"},
            {"uuid": other, "sourceType": "volume", "bootIndex": -1, "deviceName": "vdc"},
        ]}),
    );
    lab.ready("smithi001", 300).await;
    let attached = |id: &String| lab.cloud.volumes().iter().any(|v| v.id == *id && v.status == "in-use");
    assert!(attached(&theirs) && attached(&other), "the second attempt has both");
    lab.delete("smithi001");
    lab.gone("smithi001", 120).await;

    assert!(lab.cloud.volumes().iter().all(|volume| volume.status == "available"), "{}", lab.story());
    assert!(lab.cloud.attachments().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_claims_of_a_volume_that_exists_stays_claimed() {
    let lab = Lab::new(quick()).await;
    let theirs = lab.cloud.strange_volume(7, None);
    made(&lab, json!([{"uuid": theirs, "sourceType": "volume", "bootIndex": -1, "deviceName": "vdb"}])).await;
    let claim = lab.cloud.strange_claim(&theirs, "a-machine-that-nova-does-not-know");

    gone(&lab).await;

    let left: Vec<String> = lab.cloud.attachments().into_iter().map(|attachment| attachment.id).collect();
    assert_eq!(left, [claim], "{}", lab.story());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_went_without_its_attachments_leaves_a_volume_that_exists_free() {
    let lab = Lab::new(quick()).await;
    let theirs = lab.cloud.strange_volume(7, None);
    lab.cloud.next_server(ServerFate { keeps_volumes: true, ..ServerFate::default() });
    made(&lab, json!([{"uuid": theirs, "sourceType": "volume", "bootIndex": -1, "deviceName": "vdb"}])).await;

    gone(&lab).await;

    assert!(lab.cloud.attachments().is_empty(), "{}", lab.story());
    assert_eq!(lab.cloud.volumes()[0].status, "available");
}

#[tokio::test(start_paused = true)]
async fn volumes_that_are_made_count_in_the_limits_and_one_that_fails_says_which_field_helps() {
    let lab = Lab::new(quick()).await;
    lab.edit("machinetypes", "", "lab", |spec| spec["limits"] = json!({"maxVolumes": 0}));
    let data = json!([{"bootIndex": -1, "deviceName": "vdb"}]);
    refused(&lab, json!({"blockDevices": data}), "NotAllowed", &["limits.maxVolumes"]).await;
    gone(&lab).await;
    lab.edit("machinetypes", "", "lab", |spec| spec["limits"] = json!({"maxVolumeGiB": 40}));
    refused(&lab, json!({"blockDevices": [{"volumeSize": 50}]}), "NotAllowed", &["50 GiB", "maxVolumeGiB"])
        .await;
    gone(&lab).await;

    lab.cloud.next_volume(VolumeFate { fails: true, ..VolumeFate::default() });
    made(&lab, json!([{"volumeSize": 15}])).await;

    let attempt = lab.the("smithi001")["status"]["attempts"][0].clone();
    assert!(attempt["message"].as_str().unwrap().contains("make volumeSize larger"), "{attempt}");
}

#[tokio::test(start_paused = true)]
async fn a_node_keeps_its_volumes_after_its_status_was_lost() {
    let lab = Lab::new(quick()).await;
    let theirs = lab.cloud.strange_volume(7, None);
    let server = made(
        &lab,
        json!([{}, {"uuid": theirs, "sourceType": "volume", "bootIndex": -1, "deviceName": "vdb"}]),
    )
    .await;

    lab.wipe_status("smithi001").await;
    sleep(Duration::from_mins(3)).await;

    lab.ready("smithi001", 60).await;
    assert_eq!(lab.cloud.servers()[0].id, server.id);
    gone(&lab).await;
    assert_eq!(lab.cloud.volumes().len(), 1, "{}", lab.story());
    lab.cloud.remove(&theirs);
    lab.assert_clean();
}
