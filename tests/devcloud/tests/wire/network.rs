//! Neutron.

use serde_json::json;

use crate::client::{Client, EXTERNAL, pass};

#[tokio::test(start_paused = true)]
async fn name_and_description_filter_ports_exactly() {
    let client = Client::default().await;
    let id = client.port("testnode-1-0").await;
    client.port("testnode-1-0-more").await;
    let described = json!({"port": {"description": "testnode-cluster=c"}});
    client.put(&format!("/network/v2.0/ports/{id}"), described).await;
    let list = async |query: &str| {
        client.get(&format!("/network/v2.0/ports?{query}")).await.body["ports"].as_array().unwrap().len()
    };

    assert_eq!(list("name=testnode-1-0").await, 1);
    assert_eq!(list("description=testnode-cluster=c").await, 1);
    assert_eq!(list("description=testnode-cluster%3Dc").await, 1);
    assert_eq!(list("description=testnode-cluster").await, 0);
    let cut = client.get("/network/v2.0/ports?name=testnode-1-0&fields=id").await.body;
    assert_eq!(cut["ports"], json!([{"id": id}]));
}

#[tokio::test(start_paused = true)]
async fn a_floating_ip_shows_late_and_outlives_its_server() {
    let client = Client::default().await;
    let server = client.server(json!({})).await;
    pass(2.0).await;
    let port = client.cloud.ports()[0].id.clone();
    let ip = json!({"floatingip": {"floating_network_id": EXTERNAL, "description": "d"}});
    let made = client.post("/network/v2.0/floatingips", ip.clone()).await;
    let path = format!("/network/v2.0/floatingips/{}", made.body["floatingip"]["id"].as_str().unwrap());

    let put = client.put(&path, json!({"floatingip": {"port_id": port}})).await;
    assert_eq!((made.status, put.status), (201, 200));
    assert_eq!(client.show(&server).await["addresses"]["lab-net"].as_array().unwrap().len(), 1);
    pass(1.6).await;
    assert_eq!(client.show(&server).await["addresses"]["lab-net"][1]["OS-EXT-IPS:type"], "floating");

    let mut second = ip;
    second["floatingip"]["port_id"] = json!(port);
    let refused = client.post("/network/v2.0/floatingips", second).await;
    assert_eq!(
        (refused.status, &refused.body["NeutronError"]["type"]),
        (409, &json!("FloatingIPPortAlreadyAssociated"))
    );

    client.delete(&format!("/compute/v2.1/servers/{server}")).await;
    pass(1.0).await;
    assert_eq!(client.get(&path).await.body["floatingip"]["port_id"], json!(null));
    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(client.delete(&path).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn tags_are_refused_when_a_floating_ip_is_made() {
    let client = Client::default().await;
    let ip = json!({"floatingip": {"floating_network_id": EXTERNAL, "tags": ["a"]}});

    let said = client.post("/network/v2.0/floatingips", ip).await;

    let message = "Attribute 'tags' not allowed in POST";
    assert_eq!((said.status, &said.body["NeutronError"]["message"]), (400, &json!(message)));
}

#[tokio::test(start_paused = true)]
async fn a_port_deleted_under_a_server_takes_its_address_along() {
    let client = Client::default().await;
    let port = client.port("p").await;
    let server = client.server(json!({"networks": [{"port": port}]})).await;
    pass(2.0).await;

    assert_eq!(client.delete(&format!("/network/v2.0/ports/{port}")).await.status, 204);

    let seen = client.show(&server).await;
    assert_eq!((&seen["status"], &seen["addresses"]), (&json!("ACTIVE"), &json!({})));
    let gone = client.get(&format!("/network/v2.0/ports/{port}")).await;
    assert_eq!((gone.status, &gone.body["NeutronError"]["type"]), (404, &json!("PortNotFound")));
}

#[tokio::test(start_paused = true)]
async fn quotas_tell_what_is_used() {
    let client = Client::default().await;
    client.port("p").await;
    let project = client.cloud.settings().project_id;

    let said = client.get(&format!("/network/v2.0/quotas/{project}/details.json")).await;

    assert_eq!(said.body["quota"]["port"], json!({"limit": 500, "used": 1, "reserved": 0}));
    assert_eq!(client.get("/network/v2.0/networks?name=nope").await.body, json!({"networks": []}));
}
