//! The life of a machine, end to end.

use serde_json::json;

use crate::client::{Client, mapping, pass};

#[tokio::test(start_paused = true)]
async fn a_server_with_port_volume_and_name_comes_and_goes() {
    let client = Client::default().await;
    let port = client.port("p0").await;
    let volume = client.volume("v0").await;

    let id = client
        .server(json!({"networks": [{"port": port}], "block_device_mapping_v2": mapping(&[&volume], true),
            "tags": ["testnode-uid=1"], "metadata": {"testnode-uid": "1"}}))
        .await;
    pass(2.1).await;
    let server = client.show(&id).await;

    assert_eq!(server["status"], "ACTIVE");
    assert_eq!(server["addresses"]["lab-net"][0]["addr"], "10.77.0.10");
    assert_eq!(client.volume_status(&volume).await, "in-use");
    let named = client.get("/nsupdate/update?name=target001&ip=10.77.0.10").await;
    assert_eq!((named.status, named.text.as_str()), (200, "success"));
    assert!(client.cloud.record("target001.front.example.test").contains(&"10.77.0.10".parse().unwrap()));

    assert_eq!(client.delete(&format!("/compute/v2.1/servers/{id}")).await.status, 204);
    assert_eq!(client.delete(&format!("/compute/v2.1/servers/{id}")).await.status, 204);
    pass(2.0).await;

    assert_eq!(client.get(&format!("/compute/v2.1/servers/{id}")).await.status, 404);
    assert_eq!(client.volume_status(&volume).await, "gone");
    let port = client.get(&format!("/network/v2.0/ports/{port}")).await;
    assert_eq!((port.status, &port.body["port"]["device_id"]), (200, &json!("")));
}
