//! `rebuild`: one database update at once, then the volumes go and come.

use devcloud::ServerFate;
use serde_json::{Value, json};

use crate::client::{Client, IMAGE, Said, base64, mapping, pass};

const OTHER: &str = "7e571a6e-0000-4000-8000-000000000003";

async fn rebuild(client: &Client, id: &str, given: Value) -> Said {
    client.post(&format!("/compute/v2.1/servers/{id}/action"), json!({"rebuild": given})).await
}

fn words(said: &Said, key: &str) -> String {
    said.body[key]["message"].as_str().unwrap().to_owned()
}

/// An ACTIVE server with a volume.
async fn made(client: &Client) -> (String, String) {
    let volume = client.volume("v").await;
    let asked = json!({"block_device_mapping_v2": mapping(&[&volume], true), "metadata": {"a": "1"},
        "tags": ["t"], "user_data": base64("old")});
    let id = client.server(asked).await;
    pass(3.0).await;
    (id, volume)
}

#[tokio::test(start_paused = true)]
async fn image_and_metadata_are_new_at_once_and_the_rest_stays() {
    let client = Client::default().await;
    let (id, volume) = made(&client).await;
    let before = client.show(&id).await;

    let said =
        rebuild(&client, &id, json!({"imageRef": OTHER, "metadata": {"b": "2"}, "user_data": null})).await;
    assert_eq!(said.status, 202);
    let shown = &said.body["server"];
    assert_eq!((&shown["status"], &shown["image"]["id"]), (&json!("REBUILD"), &json!(OTHER)));
    assert_eq!(shown["metadata"], json!({"b": "2"}), "all of it is replaced");
    pass(1.0).await;
    assert_eq!(client.volume_status(&volume).await, "reserved");
    assert_eq!(client.show(&id).await["addresses"], before["addresses"]);

    pass(2.0).await;
    let after = client.show(&id).await;
    assert_eq!((&after["status"], &after["OS-EXT-STS:task_state"]), (&json!("ACTIVE"), &Value::Null));
    for field in ["id", "name", "addresses", "tags", "created", "hostId", "key_name"] {
        assert_eq!(before[field], after[field], "{field}");
    }
    assert_eq!(client.volume_status(&volume).await, "in-use");
    assert_eq!(client.cloud.servers()[0].user_data, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_out_stays() {
    let client = Client::default().await;
    let (id, _) = made(&client).await;

    assert_eq!(rebuild(&client, &id, json!({"imageRef": OTHER})).await.status, 202);

    assert_eq!(client.show(&id).await["metadata"], json!({"a": "1"}));
    assert_eq!(client.cloud.servers()[0].user_data, Some(base64("old")));
}

#[tokio::test(start_paused = true)]
async fn a_second_one_is_refused_while_the_first_is_under_way_and_done_after_it() {
    let client = Client::default().await;
    let (id, _) = made(&client).await;
    let again = || rebuild(&client, &id, json!({"imageRef": IMAGE}));

    assert_eq!(again().await.status, 202);
    let refused = again().await;
    assert_eq!(refused.status, 409);
    let told = format!("Cannot 'rebuild' instance {id} while it is in task_state rebuilding");
    assert_eq!(words(&refused, "conflictingRequest"), told);
    let stop = client.post(&format!("/compute/v2.1/servers/{id}/action"), json!({"os-stop": null})).await;
    assert_eq!(stop.status, 409);
    pass(3.0).await;
    assert_eq!(again().await.status, 202, "nothing remembers the first");
}

#[tokio::test(start_paused = true)]
async fn nova_refuses_in_these_words() {
    let client = Client::default().await;
    let building = client.server(json!({})).await;
    let refused = rebuild(&client, &building, json!({"imageRef": IMAGE})).await;
    assert!(words(&refused, "conflictingRequest").ends_with("while it is in vm_state building"));

    let (id, _) = made(&client).await;
    let unknown = "7e571a6e-0000-4000-8000-00000000ffff";
    let refused = rebuild(&client, &id, json!({"imageRef": unknown})).await;
    assert_eq!(words(&refused, "badRequest"), "Cannot find image for rebuild");
    let refused = rebuild(&client, &id, json!({"imageRef": "nope"})).await;
    assert!(words(&refused, "badRequest").ends_with("'nope' is not a 'uuid'"));
    let old = Client { micro: "2.52", token: client.token.clone(), cloud: client.cloud.clone() };
    let refused = rebuild(&old, &id, json!({"imageRef": IMAGE, "user_data": null})).await;
    assert!(words(&refused, "badRequest").contains("Additional properties are not allowed"));
    client.cloud.change(|settings| settings.images[0].status = "deactivated".into());
    let refused = rebuild(&client, &id, json!({"imageRef": IMAGE})).await;
    assert_eq!(words(&refused, "badRequest"), format!("Image {IMAGE} is not active."));
}

#[tokio::test(start_paused = true)]
async fn one_that_finds_no_host_has_the_old_image_and_the_new_metadata_and_another_mends_it() {
    let client = Client::default().await;
    let fault = Some("No valid host was found. There are not enough hosts available.".into());
    client.cloud.next_server(ServerFate { rebuild_fails: fault, ..ServerFate::default() });
    let (id, volume) = made(&client).await;

    rebuild(&client, &id, json!({"imageRef": OTHER, "metadata": {"b": "2"}})).await;
    pass(3.0).await;
    let shown = client.show(&id).await;
    assert_eq!((&shown["status"], &shown["image"]["id"]), (&json!("ERROR"), &json!(IMAGE)));
    assert_eq!(shown["metadata"], json!({"b": "2"}));

    assert_eq!(rebuild(&client, &id, json!({"imageRef": OTHER})).await.status, 202);
    pass(3.0).await;
    assert_eq!(client.show(&id).await["status"], "ACTIVE");
    assert_eq!(client.volume_status(&volume).await, "in-use");
}

#[tokio::test(start_paused = true)]
async fn deleted_while_it_is_rebuilt_it_goes_whole() {
    let client = Client::default().await;
    let (id, _) = made(&client).await;
    rebuild(&client, &id, json!({"imageRef": IMAGE})).await;
    pass(1.0).await;

    assert_eq!(client.delete(&format!("/compute/v2.1/servers/{id}")).await.status, 204);
    pass(5.0).await;

    assert!(client.cloud.servers().is_empty() && client.cloud.volumes().is_empty());
}
