//! Volumes are reserved inside `POST /servers`; ports are not.

use std::time::Duration;

use devcloud::{Effect, Fault, ServerFate, Service, VolumeFate};
use serde_json::json;

use crate::client::{Client, mapping, pass};

#[tokio::test(start_paused = true)]
async fn a_second_create_that_maps_the_same_volume_is_refused() {
    let client = Client::default().await;
    let volume = client.volume("v").await;
    let mapped = || json!({"block_device_mapping_v2": mapping(&[&volume], true)});

    let (first, second) = (client.create(mapped()).await, client.create(mapped()).await);

    assert_eq!((first.status, second.status), (202, 400));
    let message = second.body["badRequest"]["message"].as_str().unwrap();
    let text = format!(
        "Invalid volume: Invalid input received: Invalid volume: Volume {volume} status must be available or \
         downloading to reserve, but the current status is reserved. (HTTP 400) (Request-ID: req-"
    );
    assert!(message.starts_with(&text), "{message}");
    assert_eq!(client.cloud.servers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reservation_shows_only_among_the_attachments() {
    let client = Client::default().await;
    let volume = client.volume("v").await;
    client.server(json!({"block_device_mapping_v2": mapping(&[&volume], true)})).await;

    let seen = client.get(&client.volumes("/volumes/detail")).await.body["volumes"][0].clone();
    let attachments = client.get(&client.volumes(&format!("/attachments?volume_id={volume}"))).await.body;

    assert_eq!((&seen["status"], &seen["attachments"]), (&json!("reserved"), &json!([])));
    assert_eq!(attachments["attachments"][0]["status"], "reserved");
}

#[tokio::test(start_paused = true)]
async fn a_create_that_fails_on_its_second_volume_leaves_the_first_reserved_until_it_is_freed() {
    let client = Client::default().await;
    let good = client.volume("good").await;
    client.cloud.next_volume(VolumeFate { fails: true, ..VolumeFate::default() });
    let bad = client.volume("bad").await;
    assert_eq!(client.volume_status(&bad).await, "error");

    let said = client.create(json!({"block_device_mapping_v2": mapping(&[&good, &bad], true)})).await;

    assert_eq!(said.status, 400);
    let message = said.body["badRequest"]["message"].as_str().unwrap();
    assert!(
        message.contains("Volume attachments can not be created if the volume is in an error state"),
        "{message}"
    );
    assert!(client.cloud.servers().is_empty());
    assert_eq!(client.volume_status(&good).await, "reserved");
    assert_eq!(client.delete(&client.volumes(&format!("/volumes/{good}"))).await.status, 400);

    let attachments = client.get(&client.volumes(&format!("/attachments?volume_id={good}"))).await.body;
    let (id, server) = (&attachments["attachments"][0]["id"], &attachments["attachments"][0]["instance"]);
    assert_eq!(client.get(&format!("/compute/v2.1/servers/{}", server.as_str().unwrap())).await.status, 404);
    let freed = client.delete(&client.volumes(&format!("/attachments/{}", id.as_str().unwrap()))).await;
    assert_eq!(freed.status, 200);
    assert_eq!(client.volume_status(&good).await, "available");
}

#[tokio::test(start_paused = true)]
async fn freeing_a_volume_while_its_post_is_in_flight_lets_a_twin_through() {
    let client = Client::default().await;
    let volume = client.volume("v").await;
    let mapped = || json!({"block_device_mapping_v2": mapping(&[&volume], true)});
    let slow = Effect::InFlight { by: Duration::from_secs(5) };
    client.cloud.fault(Fault::new(slow).on(Service::Nova, "^POST /servers$").times(1)).unwrap();

    let (first, second) = tokio::join!(client.create(mapped()), async {
        pass(1.0).await;
        assert!(client.cloud.servers().is_empty());
        let claim = client.cloud.attachments()[0].id.clone();
        assert_eq!(client.delete(&client.volumes(&format!("/attachments/{claim}"))).await.status, 200);
        client.create(mapped()).await
    });

    assert_eq!((first.status, second.status), (202, 202));
    assert_eq!(client.cloud.servers().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn two_creates_on_one_port_are_taken_and_the_loser_unbinds_the_winners_port() {
    let client = Client::default().await;
    let port = client.port("p").await;
    let on_port = || json!({"networks": [{"port": port}]});

    let winner = client.server(on_port()).await;
    let loser = client.server(on_port()).await;
    assert_eq!(client.cloud.ports()[0].device_id, "", "nobody has it yet");
    pass(3.0).await;
    assert_eq!(client.cloud.ports()[0].device_id, winner);
    assert_eq!(client.show(&loser).await["status"], "BUILD");
    pass(4.0).await;

    let lost = client.show(&loser).await;
    assert_eq!(lost["status"], "ERROR");
    assert!(lost["fault"]["message"].as_str().unwrap().starts_with("Exceeded maximum number of retries."));
    let won = client.show(&winner).await;
    assert_eq!((&won["status"], &won["addresses"]), (&json!("ACTIVE"), &json!({})));
    let port = client.cloud.ports()[0].clone();
    assert_eq!((port.device_id.as_str(), port.status.as_str()), ("", "DOWN"));
}

#[tokio::test(start_paused = true)]
async fn a_port_that_a_server_has_is_refused_to_another() {
    let client = Client::default().await;
    let port = client.port("p").await;
    client.server(json!({"networks": [{"port": port}]})).await;
    pass(2.0).await;

    let said = client.create(json!({"networks": [{"port": port}]})).await;

    assert_eq!(said.status, 409);
    assert_eq!(said.body["conflictingRequest"]["message"], format!("Port {port} is still in use."));
}

#[tokio::test(start_paused = true)]
async fn volumes_go_with_their_server_only_where_that_was_asked() {
    let client = Client::default().await;
    let (kept, going) = (client.volume("kept").await, client.volume("going").await);
    let mut both = mapping(&[&kept, &going], false);
    both[2]["delete_on_termination"] = json!(true);
    let id = client.server(json!({"block_device_mapping_v2": both})).await;
    pass(2.0).await;
    assert_eq!(client.volume_status(&kept).await, "in-use");

    client.delete(&format!("/compute/v2.1/servers/{id}")).await;
    assert_eq!(client.volume_status(&kept).await, "in-use", "until the server is gone");
    pass(1.0).await;

    assert_eq!(client.volume_status(&kept).await, "available");
    assert_eq!(client.volume_status(&going).await, "deleting");
    pass(0.5).await;
    assert_eq!(client.volume_status(&going).await, "gone");
}

#[tokio::test(start_paused = true)]
async fn a_volume_left_in_use_by_a_server_that_went_while_cinder_was_away_is_freed_by_hand() {
    let client = Client::default().await;
    let volume = client.volume("left").await;
    let id = client.server(json!({"block_device_mapping_v2": mapping(&[&volume], true)})).await;
    pass(2.0).await;
    client.cloud.doom_server(&id, ServerFate { keeps_volumes: true, ..ServerFate::default() });
    let claim = client.volumes(&format!("/attachments/{}", client.cloud.attachments()[0].id));
    assert_eq!(client.delete(&claim).await.status, 409, "the server is there");

    client.delete(&format!("/compute/v2.1/servers/{id}")).await;
    pass(2.0).await;
    assert_eq!(client.volume_status(&volume).await, "in-use");

    assert_eq!(client.delete(&claim).await.status, 200);
    assert_eq!(client.volume_status(&volume).await, "available");
}
