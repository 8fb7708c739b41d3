//! Lists: filters, pages, and what is in a server.

use devcloud::Settings;
use serde_json::{Value, json};

use crate::client::{Client, pass};

fn names(body: &Value, key: &str) -> Vec<String> {
    body[key].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn tags_filter_servers_only_from_2_26_on() {
    let mut client = Client::default().await;
    client.server(json!({"name": "a", "tags": ["x", "y"]})).await;
    client.server(json!({"name": "b", "tags": ["x"]})).await;
    client.server(json!({"name": "c"})).await;
    let list = async |client: &Client, query: &str| {
        names(&client.get(&format!("/compute/v2.1/servers/detail?{query}")).await.body, "servers")
    };

    assert_eq!(list(&client, "tags=x,y").await, ["a"]);
    assert_eq!(list(&client, "tags-any=x,y").await, ["b", "a"]);
    client.micro = "2.25";
    assert_eq!(list(&client, "tags=x,y").await, ["c", "b", "a"]);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_an_unanchored_regex_and_metadata_is_ignored() {
    let client = Client::default().await;
    client.server(json!({"name": "a"})).await;
    client.server(json!({"name": "ab"})).await;
    let list = async |query: &str| client.get(&format!("/compute/v2.1/servers/detail?{query}")).await;

    assert_eq!(names(&list("name=a").await.body, "servers"), ["ab", "a"]);
    assert_eq!(names(&list("name=%5Ea%24").await.body, "servers"), ["a"]);
    assert_eq!(list("name=(").await.status, 400);
    assert_eq!(names(&list("metadata=%7B%22a%22%3A%22b%22%7D").await.body, "servers").len(), 2);
    assert_eq!(list("status=NOPE").await.status, 400);
    assert_eq!(list("unknown=1").await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn changes_since_lists_the_gone_but_never_with_tags() {
    let settings = Settings { epoch: Some("2024-02-20T10:00:00Z".parse().unwrap()), ..Settings::default() };
    let client = Client::new(settings).await;
    let id = client.server(json!({"name": "a", "tags": ["x"]})).await;
    pass(3.0).await;
    client.delete(&format!("/compute/v2.1/servers/{id}")).await;
    pass(5.0).await;
    let list = async |query: &str| {
        client.get(&format!("/compute/v2.1/servers/detail?{query}")).await.body["servers"].clone()
    };

    let since = "changes-since=2024-02-20T09:59:00Z";
    let gone = list(since).await;
    assert_eq!((&gone[0]["id"], &gone[0]["status"]), (&json!(id), &json!("DELETED")));
    assert_eq!(gone[0]["created"], "2024-02-20T10:00:00Z");
    assert_eq!(list(&format!("{since}&tags=x")).await, json!([]));
    assert_eq!(list("changes-since=2024-02-20T10:00:05Z").await, json!([]));
    assert_eq!(list("deleted=true").await, json!([]));
}

#[tokio::test(start_paused = true)]
async fn pages_link_to_the_next_one() {
    let client = Client::new(Settings { page_size: 2, ..Settings::default() }).await;
    for n in 0..5 {
        client.server(json!({"name": format!("s{n}")})).await;
        client.volume(&format!("v{n}")).await;
        client.port(&format!("p{n}")).await;
    }
    let walk = async |start: String, key: &str, link: &str| {
        let (mut path, mut seen, mut pages) = (start, Vec::new(), 0);
        loop {
            let body = client.get(&path).await.body;
            seen.extend(names(&body, key));
            pages += 1;
            match body[link][0]["href"].as_str() {
                Some(next) => path = next.trim_start_matches("http://cloud.test").into(),
                None => return (seen, pages),
            }
        }
    };

    let (servers, pages) =
        walk("/compute/v2.1/servers/detail?limit=2".into(), "servers", "servers_links").await;
    assert_eq!((servers, pages), (["s4", "s3", "s2", "s1", "s0"].map(str::to_owned).to_vec(), 3));
    let (volumes, pages) = walk(client.volumes("/volumes/detail"), "volumes", "volumes_links").await;
    assert_eq!((volumes.len(), pages), (5, 3));
    let (ports, pages) = walk("/network/v2.0/ports".into(), "ports", "ports_links").await;
    assert_eq!((ports.len() >= 5, pages >= 3), (true, true));
    let images = client.get("/image/v2/images?name=rocky%209.4").await.body;
    assert_eq!(images["images"].as_array().unwrap().len(), 2);
    assert_eq!(client.get("/compute/v2.1/servers?marker=nope").await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_server_says_different_things_at_different_microversions() {
    let mut client = Client::default().await;
    let id = client.server(json!({"name": "Foo_Bar x"})).await;

    let building = client.show(&id).await;
    assert_eq!((&building["status"], &building["addresses"]), (&json!("BUILD"), &json!({})));
    assert_eq!(building["OS-EXT-STS:task_state"], "scheduling");
    assert_eq!(building["OS-EXT-SRV-ATTR:hostname"], "foo-bar-x");
    assert_eq!(
        (&building["flavor"]["original_name"], &building["flavor"]["id"]),
        (&json!("b2-7"), &Value::Null)
    );
    pass(1.5).await;
    assert_eq!(client.cloud.ports()[0].device_id, id);
    assert_eq!(
        client.show(&id).await["addresses"],
        json!({}),
        "not before it is ACTIVE, whoever has the port"
    );
    pass(0.5).await;
    client.micro = "2.1";
    let old = client.show(&id).await;

    assert_eq!(old["flavor"]["id"], crate::client::FLAVOR);
    assert_eq!((&old["tags"], &old["OS-EXT-SRV-ATTR:hostname"]), (&Value::Null, &Value::Null));
    let address = &old["addresses"]["lab-net"][0];
    assert_eq!((&address["OS-EXT-IPS:type"], &address["version"]), (&json!("fixed"), &json!(4)));
}

#[tokio::test(start_paused = true)]
async fn a_soft_deleted_server_is_in_no_plain_list_and_force_delete_ends_it() {
    let client = Client::new(Settings { soft_delete: true, ..Settings::default() }).await;
    let id = client.server(json!({})).await;
    pass(2.0).await;
    let path = format!("/compute/v2.1/servers/{id}");

    client.delete(&path).await;
    assert_eq!(client.show(&id).await["status"], "SOFT_DELETED");
    assert_eq!(client.get("/compute/v2.1/servers/detail").await.body["servers"], json!([]));
    assert_eq!(client.post(&format!("{path}/action"), json!({"forceDelete": null})).await.status, 202);
    pass(2.0).await;

    assert_eq!(client.get(&path).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_builds_is_deleted_when_it_is_built() {
    let client = Client::default().await;
    let id = client.server(json!({})).await;
    pass(0.5).await;
    let path = format!("/compute/v2.1/servers/{id}");

    assert_eq!(client.delete(&path).await.status, 204);
    let going = client.show(&id).await;
    assert_eq!((&going["status"], &going["OS-EXT-STS:task_state"]), (&json!("BUILD"), &json!("deleting")));
    pass(1.6).await;
    assert_eq!(client.show(&id).await["status"], "ACTIVE");
    pass(1.0).await;

    assert_eq!(client.get(&path).await.status, 404);
    let message = format!("Instance {id} could not be found.");
    assert_eq!(client.get(&path).await.body, json!({"itemNotFound": {"code": 404, "message": message}}));
    assert!(client.cloud.ports().is_empty());
}

#[tokio::test(start_paused = true)]
async fn stopping_a_stopped_server_is_409() {
    let client = Client::default().await;
    let id = client.server(json!({})).await;
    pass(2.0).await;
    let stop =
        async || client.post(&format!("/compute/v2.1/servers/{id}/action"), json!({"os-stop": null})).await;

    assert_eq!(stop().await.status, 202);
    assert_eq!(client.show(&id).await["status"], "SHUTOFF");
    assert_eq!(stop().await.status, 409);
}
