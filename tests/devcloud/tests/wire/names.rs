//! nsupdate-web and the name server.

use std::net::IpAddr;

use devcloud::{Backend, Settings};
use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, RecordType},
};

use crate::client::{Client, pass};

async fn ask(client: &Client, query: &str) -> (u16, String) {
    let said = client.get(&format!("/nsupdate/whatever?{query}")).await;
    (said.status, said.text)
}

fn lookup(client: &Client, name: &str, kind: RecordType) -> Message {
    let mut question = Message::query();
    question.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    Message::from_vec(&client.cloud.dns(&question.to_vec().unwrap()).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_same_set_again_is_no_change_and_never_checked() {
    let client = Client::default().await;
    let success = (200, "success".to_owned());
    let no_change = (200, "no-change".to_owned());

    assert_eq!(ask(&client, "name=a&ip=10.0.0.1&ip=fd00::1").await, success);
    client.cloud.set_record("a.front.example.test", []);
    assert_eq!(ask(&client, "name=a&ip=fd00::1&ip=10.0.0.1").await, no_change);
    assert!(client.cloud.record("a.front.example.test").is_empty(), "still gone");
    client.cloud.change(|settings| settings.nsupdate_backend = Backend::Down);
    assert_eq!(ask(&client, "name=a&ip=fd00::1&ip=10.0.0.1").await, no_change);
    client.cloud.change(|settings| settings.nsupdate_backend = Backend::Up);

    assert_eq!(ask(&client, "name=a&ip=10.0.0.2").await, success);
    let only: IpAddr = "10.0.0.2".parse().unwrap();
    assert_eq!(client.cloud.record("a.front.example.test"), [only].into());
}

#[tokio::test(start_paused = true)]
async fn allow_hosts_is_anchored_at_the_start_only() {
    let client = Client::new(Settings { allow_hosts: "target[0-9]+".into(), ..Settings::default() }).await;

    assert_eq!(ask(&client, "name=target1-and-more&ip=10.0.0.1").await.0, 200);
    let refused = ask(&client, "name=www&ip=10.0.0.1").await;
    assert_eq!(refused, (403, "www does not match the allow_hosts regex".into()));
    assert_eq!(ask(&client, "name=my-target1&ip=10.0.0.1").await.0, 403);
    assert_eq!(ask(&client, "name=Target1&ip=10.0.0.1").await.0, 403);
}

#[tokio::test(start_paused = true)]
async fn nothing_removes_a_name() {
    let client = Client::default().await;

    for ip in ["", "none", "0", "*", "%00", "10.0.0.1,10.0.0.2"] {
        assert_eq!(ask(&client, &format!("name=a&ip={ip}")).await.0, 400, "{ip}");
    }
    assert_eq!(ask(&client, "name=a").await, (400, "no address".into()));
    let many: String = (1..=33).map(|n| format!("&ip=10.0.0.{n}")).collect::<Vec<_>>().concat();
    assert_eq!(ask(&client, &format!("name=a{many}")).await, (400, "too many addresses".into()));
    assert_eq!(client.send("DELETE", "/nsupdate?name=a", None).await.status, 501);
    assert_eq!(ask(&client, "name=a&ip=0.0.0.0").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_silent_name_server_is_500_after_3_s_and_takes_the_update_later() {
    let client = Client::default().await;
    client.cloud.change(|settings| settings.nsupdate_backend = Backend::Silent);

    let start = tokio::time::Instant::now();
    assert_eq!(ask(&client, "name=a&ip=10.0.0.1").await, (500, "timeout".into()));
    assert_eq!(start.elapsed().as_secs(), 3);
    assert!(client.cloud.record("a.front.example.test").is_empty());
    client.cloud.change(|settings| settings.nsupdate_backend = Backend::Up);
    pass(0.1).await;

    assert_eq!(client.cloud.record("a.front.example.test").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_authority_answers_for_its_zone_and_nothing_else() {
    let client = Client::default().await;
    ask(&client, "name=a&ip=10.0.0.1").await;

    let found = lookup(&client, "A.front.example.test.", RecordType::A);
    assert!(found.metadata.authoritative);
    assert_eq!(found.answers.len(), 1);
    let no_data = lookup(&client, "a.front.example.test.", RecordType::AAAA);
    assert_eq!((no_data.metadata.response_code, no_data.answers.len()), (ResponseCode::NoError, 0));
    let missing = lookup(&client, "b.front.example.test.", RecordType::A);
    assert_eq!(missing.metadata.response_code, ResponseCode::NXDomain);
    assert!(missing.metadata.authoritative);
    let apex = lookup(&client, "front.example.test.", RecordType::SOA);
    assert_eq!(apex.answers.len(), 1);
    let foreign = lookup(&client, "example.org.", RecordType::A);
    assert_eq!(foreign.metadata.response_code, ResponseCode::Refused);
    assert!(!foreign.metadata.authoritative);
}
