//! Glance's side of images that are made: each answer as it was seen on a real one.

use devcloud::{Quotas, Settings};
use serde_json::json;

use super::client::Client;

const ID: &str = "11111111-2222-4333-8444-555555555555";

fn new() -> serde_json::Value {
    json!({"id": ID, "name": "a", "disk_format": "qcow2", "container_format": "bare", "tags": ["testnode-cluster=c"], "min_disk": 3})
}

async fn data(client: &Client, bytes: &str) -> u16 {
    use tower::ServiceExt as _;
    let request = axum::http::Request::put(format!("/image/v2/images/{ID}/file"))
        .header("x-auth-token", &client.token)
        .header("content-type", "application/octet-stream");
    let request = request.body(axum::body::Body::from(bytes.to_owned())).unwrap();
    client.cloud.router().oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn an_image_takes_our_id_once_for_ever() {
    let client = Client::default().await;

    let said = client.post("/image/v2/images", new()).await;
    assert_eq!(
        (said.status, said.body["status"].as_str(), said.body["size"].as_i64()),
        (201, Some("queued"), None)
    );
    assert_eq!(client.post("/image/v2/images", new()).await.status, 409);
    assert_eq!(client.send("DELETE", &format!("/image/v2/images/{ID}"), None).await.status, 204);
    assert_eq!(client.get(&format!("/image/v2/images/{ID}")).await.status, 404);
    let again = client.post("/image/v2/images", new()).await;
    assert_eq!((again.status, again.text.contains("already exists")), (409, true));
}

#[tokio::test(start_paused = true)]
async fn data_makes_it_active_with_a_hash_and_a_second_time_is_refused() {
    let client = Client::default().await;
    client.post("/image/v2/images", new()).await;

    assert_eq!(data(&client, "abc").await, 204);
    let image = client.get(&format!("/image/v2/images/{ID}")).await.body;
    assert_eq!((image["status"].as_str(), image["size"].as_i64()), (Some("active"), Some(3)));
    assert!(image["os_hash_value"].as_str().unwrap().starts_with("ddaf35a193617aba"));
    assert_eq!(data(&client, "abc").await, 409);
}

#[tokio::test(start_paused = true)]
async fn the_quota_is_asked_before_the_id() {
    let quotas = Quotas { image_count_total: 1, ..Quotas::default() };
    let client = Client::new(Settings { quotas, ..Settings::default() }).await;
    assert_eq!(client.post("/image/v2/images", new()).await.status, 201);

    let said = client.post("/image/v2/images", new()).await;
    assert_eq!((said.status, said.text.contains("quota")), (413, true));
}

#[tokio::test(start_paused = true)]
async fn the_list_by_tag_ignores_case_and_has_hidden_ones_only_if_asked() {
    let client = Client::default().await;
    client.post("/image/v2/images", new()).await;
    let count = async |query: &str| {
        let said =
            client.get(&format!("/image/v2/images?tag=TESTNODE-cluster%3Dc&visibility=all{query}")).await;
        said.body["images"].as_array().unwrap().len()
    };

    assert_eq!((count("").await, count("&os_hidden=true").await), (1, 0));
    client.cloud.change_image(ID, |image| image.hidden = true);
    assert_eq!((count("").await, count("&os_hidden=true").await), (0, 1));
    client.cloud.change_image(ID, |image| image.protected = true);
    assert_eq!(client.send("DELETE", &format!("/image/v2/images/{ID}"), None).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn data_is_given_out_from_any_byte_on_and_not_once_it_was_deactivated() {
    let client = Client::default().await;
    let id = client.cloud.golden_image("golden", "2026-11-01T00:00:00Z", b"abcdef".to_vec());
    let file = format!("/image/v2/images/{id}/file");
    let asked = async |range: &str| {
        use tower::ServiceExt as _;
        let request = axum::http::Request::get(&file).header("x-auth-token", &client.token);
        let request = if range.is_empty() { request } else { request.header("range", range) };
        let answer =
            client.cloud.router().oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let range = answer.headers().get("content-range").map(|range| range.to_str().unwrap().to_owned());
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, range, String::from_utf8(body.to_vec()).unwrap())
    };

    assert_eq!(asked("").await, (200, None, "abcdef".into()));
    assert_eq!(asked("bytes=4-").await, (206, Some("bytes 4-5/6".into()), "ef".into()));
    client.cloud.change_image(&id, |image| image.status = "deactivated".into());
    assert_eq!(asked("").await.0, 403);
    let own = client.get("/image/v2/images?visibility=all&owner=nobody").await;
    assert_eq!(own.body["images"].as_array().unwrap().len(), 0);
}
