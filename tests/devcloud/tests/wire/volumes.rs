//! Cinder.

use devcloud::VolumeFate;
use serde_json::json;

use crate::client::{Client, pass};

#[tokio::test(start_paused = true)]
async fn deleting_a_volume_that_is_going_is_400() {
    let client = Client::default().await;
    let volume = client.volume("v").await;
    let path = client.volumes(&format!("/volumes/{volume}"));

    assert_eq!(client.delete(&path).await.status, 202);
    let again = client.delete(&path).await;
    assert_eq!(again.status, 400);
    assert!(
        again.body["badRequest"]["message"]
            .as_str()
            .unwrap()
            .starts_with("Invalid volume: Volume status must be available or error or error_restoring")
    );
    pass(0.5).await;

    assert_eq!(client.delete(&path).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_volume_in_error_deleting_can_never_be_deleted() {
    let client = Client::default().await;
    client.cloud.next_volume(VolumeFate { delete_fails: true, ..VolumeFate::default() });
    let volume = client.volume("v").await;
    let path = client.volumes(&format!("/volumes/{volume}"));

    client.delete(&path).await;
    pass(1.0).await;

    assert_eq!(client.volume_status(&volume).await, "error_deleting");
    assert_eq!(client.delete(&path).await.status, 400);
    let force = client.post(&format!("{path}/action"), json!({"os-force_delete": null})).await;
    assert_eq!(force.status, 403);
}

#[tokio::test(start_paused = true)]
async fn metadata_filters_volumes_whether_it_is_written_as_json_or_as_python() {
    let client = Client::default().await;
    let body = json!({"volume": {"size": 1, "name": "a", "metadata": {"test/node": "it's", "b": "c"}}});
    client.post(&client.volumes("/volumes"), body).await;
    client.volume("other").await;
    let list = async |query: &str| {
        let said = client.get(&client.volumes(&format!("/volumes/detail?{query}"))).await;
        said.body["volumes"].as_array().unwrap().len()
    };

    assert_eq!(list("metadata=%7B%22test/node%22%3A%22it's%22%7D").await, 1);
    assert_eq!(list("metadata=%7B'b'%3A+'c'%2C%20'test/node'%3A%20%22it's%22%7D").await, 1);
    assert_eq!(list("metadata=%7B'b'%3A'd'%7D").await, 0);
    assert_eq!(list("name=a").await, 1);
    assert_eq!(list("unknown=parameter").await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_bad_volume_is_refused_in_three_ways() {
    let client = Client::default().await;

    for (volume, status) in [
        (json!({"size": 0}), 400),
        (json!({"size": 1, "imageRef": "nope"}), 400),
        (json!({"size": 1, "volume_type": "nope"}), 404),
        (json!({"size": 1, "volume_type": "high-speed"}), 202),
    ] {
        let said = client.post(&client.volumes("/volumes"), json!({"volume": volume})).await;
        assert_eq!(said.status, status, "{volume}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_nova_makes_over_quota_breaks_the_server() {
    let client = Client::default().await;
    client.cloud.change(|settings| settings.quotas.gigabytes = 5);
    let boot = json!([{"source_type": "image", "uuid": crate::client::IMAGE, "boot_index": 0,
        "destination_type": "volume", "volume_size": 10}]);

    let id = client.server(json!({"block_device_mapping_v2": boot})).await;
    pass(2.0).await;

    let broken = client.show(&id).await;
    let start = format!("Build of instance {id} aborted: VolumeSizeExceedsAvailableQuota: ");
    assert!(broken["fault"]["message"].as_str().unwrap().starts_with(&start), "{broken}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_boots_from_a_volume_has_no_image_and_a_nameless_volume() {
    let client = Client::default().await;
    let boot = json!([{"source_type": "image", "uuid": crate::client::IMAGE, "boot_index": 0,
        "destination_type": "volume", "volume_size": 10, "delete_on_termination": true}]);

    let id = client.server(json!({"block_device_mapping_v2": boot})).await;
    pass(2.0).await;

    assert_eq!(client.show(&id).await["image"], "");
    let volume = client.cloud.volumes()[0].clone();
    assert_eq!((volume.name.as_str(), volume.status.as_str()), ("", "in-use"));
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_attached_to_a_running_server_and_detached_again() {
    let client = Client::default().await;
    let (server, volume) = (client.server(json!({})).await, client.volume("v").await);
    let path = format!("/compute/v2.1/servers/{server}/os-volume_attachments");
    let attach = async || client.post(&path, json!({"volumeAttachment": {"volumeId": volume}})).await;

    assert_eq!(attach().await.status, 409, "it still builds");
    pass(2.0).await;
    let attached = attach().await;
    assert_eq!((attached.status, &attached.body["volumeAttachment"]["id"]), (200, &json!(null)));
    assert_eq!(attach().await.status, 400);
    pass(0.3).await;
    assert_eq!(client.volume_status(&volume).await, "in-use");

    let one = format!("{path}/{volume}");
    assert_eq!(client.delete(&one).await.status, 202);
    assert_eq!(client.volume_status(&volume).await, "detaching");
    pass(0.3).await;
    assert_eq!(client.volume_status(&volume).await, "available");
    assert_eq!(client.delete(&one).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_volume_being_made_is_deleted_only_in_its_first_moment() {
    let client = Client::default().await;
    let make = async || {
        let said = client.post(&client.volumes("/volumes"), json!({"volume": {"size": 1}})).await;
        said.body["volume"]["id"].as_str().unwrap().to_owned()
    };
    let (one, two) = (make().await, make().await);

    assert_eq!(client.delete(&client.volumes(&format!("/volumes/{one}"))).await.status, 202);
    assert_eq!(client.volume_status(&one).await, "gone");
    pass(0.1).await;
    assert_eq!(client.delete(&client.volumes(&format!("/volumes/{two}"))).await.status, 400);
}
