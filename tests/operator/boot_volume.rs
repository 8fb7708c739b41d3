//! Servers that boot from a volume that we made of the image, and the zones of volumes.

use std::time::Duration;

use devcloud::{Server, Settings, Volume, VolumeFate};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Lab, quick, two_volumes};

async fn made(lab: &Lab, spec: Value) -> (Server, Vec<Volume>) {
    lab.node("smithi001", spec);
    lab.ready("smithi001", 60).await;
    (lab.cloud.servers()[0].clone(), lab.cloud.volumes())
}

/// The devices that the server was created with, and the id of each volume.
fn mapped(server: &Server) -> Vec<String> {
    server.volumes.iter().filter_map(|mapped| mapped.volume.clone()).collect()
}

async fn gone(lab: &Lab) {
    lab.delete("smithi001");
    lab.gone("smithi001", 60).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_server_boots_from_a_volume_of_the_image_and_has_its_data_volumes_beside_it() {
    let lab = Lab::new(quick()).await;
    let mut spec = two_volumes();
    spec["bootVolume"] = json!({"sizeGiB": 15});

    let (server, volumes) = made(&lab, spec).await;

    assert_eq!(server.image, None, "it boots from a volume");
    let boot = volumes.iter().find(|volume| volume.metadata["testnode-volume"] == "boot").unwrap();
    assert_eq!((boot.size, boot.image.is_some(), volumes.len()), (15, true, 3));
    assert_eq!(mapped(&server)[0], boot.id, "it is the first of the mapping");
    let status = &lab.the("smithi001")["status"];
    assert_eq!(
        (&status["volumes"][0]["name"], &status["volumes"][1]["name"]),
        (&json!("boot"), &json!("osd-0"))
    );
    assert!(
        status["resolved"]["why"]
            .as_str()
            .unwrap()
            .contains("boots from a volume of 15 GiB (spec.bootVolume)")
    );
    gone(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn a_flavor_without_a_disk_gets_a_boot_volume_by_itself() {
    for (spec, size) in
        [(json!({"flavor": "v1-4"}), 10), (json!({"flavor": "v1-4", "bootVolume": {"sizeGiB": 12}}), 12)]
    {
        let lab = Lab::new(quick()).await;
        let (server, volumes) = made(&lab, spec).await;
        assert_eq!((server.image, volumes.len(), volumes[0].size), (None, 1, size));
        gone(&lab).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_cloud_all_of_whose_flavors_have_no_disk_serves_and_the_volume_is_as_large_as_was_asked() {
    let mut settings = quick();
    settings.flavors.iter_mut().for_each(|flavor| flavor.disk = 0);
    let lab = Lab::new(settings).await;

    let (server, volumes) = made(&lab, json!({"resources": {"diskGiB": 33}})).await;

    assert_eq!((server.image, volumes[0].size), (None, 33));
    let why = lab.the("smithi001")["status"]["resolved"]["why"].as_str().unwrap().to_owned();
    assert!(why.contains("it has no disk") && why.contains("the flavor has no disk"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn where_nobody_says_a_size_and_the_image_needs_none_it_has_twenty() {
    let mut settings = quick();
    settings.images.iter_mut().for_each(|image| image.min_disk = 0);
    let lab = Lab::new(settings).await;
    lab.edit("machinetypes", "", "lab", |spec| spec["flavor"] = json!({"name": "v1-4"}));

    assert_eq!(made(&lab, json!({})).await.1[0].size, 20);
}

#[tokio::test(start_paused = true)]
async fn a_boot_volume_that_is_too_small_or_of_no_type_or_over_the_limit_is_refused_before_a_request() {
    for (boot, limits, reason, words) in [
        (json!({"sizeGiB": 5}), json!({}), "BootVolumeTooSmall", ["spec.bootVolume.sizeGiB", "needs 10"]),
        (json!({"type": "nope"}), json!({}), "VolumeTypeNotFound", ["spec.bootVolume", "nope"]),
        (json!({"sizeGiB": 50}), json!({"maxVolumeGiB": 40}), "NotAllowed", ["50 GiB", "maxVolumeGiB"]),
    ] {
        let lab = Lab::new(quick()).await;
        lab.edit("machinetypes", "", "lab", |spec| spec["limits"] = limits);
        lab.node("smithi001", json!({"bootVolume": boot}));
        let message = lab.told("smithi001", "Stalled", reason, 60).await;
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
        sleep(Duration::from_mins(2)).await;
        assert!(lab.cloud.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_boot_volume_counts_in_the_limits_of_the_cloud() {
    let lab = Lab::new(quick()).await;
    lab.edit("clouds", "", "lab", |spec| spec["limits"] = json!({"maxVolumes": 2}));
    sleep(Duration::from_secs(5)).await;
    let mut spec = two_volumes();
    spec["bootVolume"] = json!({"sizeGiB": 15});

    lab.node("smithi001", spec);

    let message = lab.told("smithi001", "Stalled", "ExceedsLimits", 60).await;
    assert!(message.contains("limits.maxVolumes"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_boot_volume_whose_making_fails_is_told_with_what_may_help_and_tried_again() {
    let lab = Lab::new(quick()).await;
    lab.cloud.next_volume(VolumeFate { fails: true, ..VolumeFate::default() });

    lab.node("smithi001", json!({"bootVolume": {"sizeGiB": 15}}));
    lab.ready("smithi001", 200).await;

    let attempt = lab.the("smithi001")["status"]["attempts"][0].clone();
    assert_eq!(attempt["reason"], "VolumeError");
    assert!(attempt["message"].as_str().unwrap().contains("bootVolume.sizeGiB"), "{attempt}");
    assert_eq!(lab.cloud.volumes().len(), 1);
}

/// Nova's zone `nova-2`, Cinder's zones `nova` and `storage-2`, and no volume of another zone can be attached.
fn zoned() -> Settings {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Settings {
        availability_zones: words(&["storage-2", "nova"]),
        volume_zones: words(&["nova", "storage-2"]),
        same_zone: true,
        ..quick()
    }
}

#[tokio::test(start_paused = true)]
async fn volumes_are_made_in_the_zone_that_the_cloud_says_for_the_servers() {
    let lab = Lab::new(zoned()).await;
    lab.edit("clouds", "", "lab", |spec| spec["volumeZones"] = json!({"storage-2": "storage-2"}));
    sleep(Duration::from_secs(5)).await;
    let mut spec = two_volumes();
    spec["availabilityZones"] = json!(["storage-2"]);

    let (_, volumes) = made(&lab, spec).await;

    assert!(volumes.iter().all(|volume| volume.zone == "storage-2"));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_the_volumes_zone_names_the_field_that_cures_it() {
    let lab = Lab::new(zoned()).await;
    let mut spec = two_volumes();
    spec["availabilityZones"] = json!(["storage-2"]);
    lab.node("smithi001", spec);

    let message = lab.told("smithi001", "Stalled", "RequestRefused", 120).await;
    assert!(message.contains("not in the same availability_zone"), "{message}");
    assert!(message.contains("volumeZones of Cloud lab"), "{message}");

    lab.edit("clouds", "", "lab", |spec| spec["volumeZones"] = json!({"storage-2": "storage-2"}));
    lab.ready("smithi001", 900).await;
}
