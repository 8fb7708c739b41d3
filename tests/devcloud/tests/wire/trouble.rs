//! Trouble on demand.

use std::time::Duration;

use devcloud::{Dropped, Effect, Fault, ServerFate, Service, When};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::client::{Client, pass};

const POST: &str = "^POST /servers$";

#[tokio::test(start_paused = true)]
async fn a_refusal_has_no_effect_and_a_lost_reply_has() {
    let client = Client::default().await;
    client.cloud.fault(Fault::new(Effect::refuse(503)).on(Service::Nova, POST).times(1)).unwrap();
    client.cloud.fault(Fault::new(Effect::lost_reply()).on(Service::Nova, POST).times(1)).unwrap();

    assert_eq!(client.create(json!({})).await.status, 503);
    assert_eq!(client.cloud.servers().len(), 0);
    assert_eq!(client.create(json!({})).await.status, 504);
    assert_eq!(client.cloud.servers().len(), 1);
    assert_eq!(client.create(json!({})).await.status, 202);
}

#[tokio::test(start_paused = true)]
async fn a_late_effect_comes_after_the_answer() {
    let client = Client::default().await;
    let late = Effect::Late { by: Duration::from_secs(30), status: Some(504) };
    client.cloud.fault(Fault::new(late).on(Service::Nova, POST).times(1)).unwrap();

    assert_eq!(client.create(json!({})).await.status, 504);
    pass(29.0).await;
    assert!(client.cloud.servers().is_empty());
    pass(1.0).await;

    assert_eq!(client.cloud.servers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hung_request_is_never_answered_and_a_dropped_one_is_marked() {
    let client = Client::default().await;
    let hang = Effect::Hang { when: When::After };
    client.cloud.fault(Fault::new(hang).on(Service::Nova, POST).times(1)).unwrap();
    client
        .cloud
        .fault(Fault::new(Effect::Drop { when: When::Before }).on(Service::Nova, "^GET /limits"))
        .unwrap();

    assert!(timeout(Duration::from_hours(1), client.create(json!({}))).await.is_err());
    assert_eq!(client.cloud.servers().len(), 1);
    let dropped = client.raw("GET", "/compute/v2.1/limits", None).await;

    assert!(dropped.extensions().get::<Dropped>().is_some());
    assert!(axum::body::to_bytes(dropped.into_body(), 9).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_exists_can_be_hidden() {
    let client = Client::default().await;
    let (one, two) =
        (client.server(json!({"name": "one"})).await, client.server(json!({"name": "two"})).await);
    let list = async || client.get("/compute/v2.1/servers/detail").await.body["servers"].clone();

    client
        .cloud
        .fault(Fault::new(Effect::Omit { what: Some(one.clone()) }).on(Service::Nova, "detail").times(1))
        .unwrap();
    client.cloud.fault(Fault::new(Effect::Omit { what: None }).on(Service::Nova, "detail").times(1)).unwrap();
    client.cloud.fault(Fault::new(Effect::NotFound).on(Service::Nova, "/servers/.id").times(1)).unwrap();

    assert_eq!(list().await[0]["id"], two);
    assert_eq!(list().await, json!([]));
    assert_eq!(list().await.as_array().unwrap().len(), 2);
    assert_eq!(client.get(&format!("/compute/v2.1/servers/{one}")).await.status, 404);
    assert_eq!(client.get(&format!("/compute/v2.1/servers/{one}")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_old_when_it_comes() {
    let client = Client::default().await;
    let slow = Effect::Slow { by: Duration::from_secs(10), when: When::After };
    client.cloud.fault(Fault::new(slow).on(Service::Nova, "detail").times(1)).unwrap();
    let start = Instant::now();

    let (list, _) = tokio::join!(client.get("/compute/v2.1/servers/detail"), async {
        pass(1.0).await;
        client.server(json!({})).await
    });

    assert_eq!((list.body["servers"].clone(), start.elapsed().as_secs()), (json!([]), 10));
}

#[tokio::test(start_paused = true)]
async fn calls_are_counted_by_template() {
    let client = Client::default().await;
    let id = client.server(json!({})).await;
    client.show(&id).await;
    client.post(&format!("/compute/v2.1/servers/{id}/action"), json!({"os-getConsoleOutput": {}})).await;
    client.volume("v").await;
    client.get("/network/v2.0/ports?name=a").await;

    for (service, template) in [
        (Service::Keystone, "POST /auth/tokens"),
        (Service::Nova, "POST /servers"),
        (Service::Nova, "GET /servers/{id}"),
        (Service::Nova, "POST /servers/{id}/action os-getConsoleOutput"),
        (Service::Cinder, "POST /volumes"),
        (Service::Neutron, "GET /ports"),
    ] {
        assert_eq!(client.cloud.count(service, template), 1, "{template}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_can_fail_once_and_then_work() {
    let client = Client::default().await;
    let delete_fails = Some("libvirt said no".to_owned());
    client.cloud.next_server(ServerFate { delete_fails, ..ServerFate::default() });
    let id = client.server(json!({})).await;
    pass(3.0).await;
    let path = format!("/compute/v2.1/servers/{id}");

    client.delete(&path).await;
    pass(2.0).await;
    let broken = client.show(&id).await;
    assert_eq!(
        (&broken["status"], &broken["fault"]["message"]),
        (&json!("ERROR"), &json!("libvirt said no"))
    );
    assert_eq!(broken["OS-EXT-STS:task_state"], Value::Null);
    assert_eq!(client.delete(&path).await.status, 204);
    pass(2.0).await;

    assert_eq!(client.get(&path).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn everything_can_be_asked_for_over_http() {
    let client = Client::default().await;
    let fault = json!({"service": "nova", "path": "^POST /servers$", "times": 1,
        "effect": {"kind": "answer", "status": 429, "headers": [["Retry-After", "7"]], "when": "before"}});

    assert_eq!(client.post("/devcloud/faults", fault).await.status, 200);
    let refused = client.create(json!({})).await;
    assert_eq!((refused.status, &refused.headers["retry-after"]), (429, &"7".parse().unwrap()));
    let fate = json!({"name": "^target", "server": {"sticks": true}});
    assert_eq!(client.post("/devcloud/fates", fate).await.status, 200);
    let id = client.server(json!({})).await;
    pass(100.0).await;
    assert_eq!(client.show(&id).await["status"], "BUILD");
    let knobs =
        client.post("/devcloud/knobs", json!({"server_build": "5s", "quotas": {"instances": 1}})).await;
    assert_eq!((knobs.status, client.create(json!({})).await.status), (200, 403));
    assert_eq!(client.post("/devcloud/knobs", json!({"no_such": 1})).await.status, 400);
    let name = json!({"name": "a.front.example.test", "addresses": ["10.0.0.1"]});
    assert_eq!(client.post("/devcloud/dns", name).await.status, 200);
    let act = json!({"break-server": {"id": id, "fault": "broken"}});
    assert_eq!(client.post("/devcloud/behind", act).await.status, 200);

    let state = client.get("/devcloud/state").await.body;
    assert_eq!(state["servers"][0]["status"], "ERROR");
    assert_eq!(state["records"]["a.front.example.test"], json!(["10.0.0.1"]));
    let counts = client.get("/devcloud/requests").await.body;
    let line = json!({"service": "nova", "template": "POST /servers", "status": 429, "count": 1});
    assert!(counts.as_array().unwrap().contains(&line), "{counts}");
    let yaml = client.get("/devcloud/clouds.yaml").await.text;
    assert!(yaml.contains("auth_url: http://cloud.test/identity/v3"), "{yaml}");
}

#[tokio::test(start_paused = true)]
async fn a_cloud_builds_so_many_servers_at_once_and_the_others_wait_or_are_refused() {
    let client = Client::default().await;
    let knobs = json!({"server_build": "4s", "builds_at_once": 2});
    assert_eq!(client.post("/devcloud/knobs", knobs).await.status, 200);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(client.server(json!({})).await);
    }

    pass(5.0).await;
    assert_eq!(client.show(&ids[1]).await["status"], "ACTIVE");
    assert_eq!(client.show(&ids[2]).await["status"], "BUILD");
    pass(4.0).await;
    assert_eq!(client.show(&ids[2]).await["status"], "ACTIVE");

    client.post("/devcloud/knobs", json!({"refuses_beyond": true})).await;
    for _ in 0..2 {
        client.server(json!({})).await;
    }
    assert_eq!(client.create(json!({})).await.status, 503);
    pass(5.0).await;
    assert_eq!(client.create(json!({})).await.status, 202);
}
