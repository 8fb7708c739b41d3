//! Who may ask, and what is asked of a paddles behind us.

use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::{Request, Response};
use serde_json::{Value, json};
use testnode_operator::lock_server::Settings;
use testnode_operator::transport::{Failure, Transport};
use url::Url;

use super::{Replica, lab_with, living, names, nobody, zone};

/// What a paddles behind us was asked: method, path with query, whether there was an `Authorization`.
type Asked = Arc<Mutex<Vec<(String, String, bool)>>>;

/// A paddles with one machine, `mira001`, and its own ways.
fn paddles() -> (Transport, Asked) {
    let asked = Asked::default();
    let log = asked.clone();
    let http = Transport::service(move |request: Request<Vec<u8>>| {
        let (path, method) = (request.uri().path().to_owned(), request.method().to_string());
        let has = request.headers().contains_key("authorization");
        let whole = request.uri().path_and_query().unwrap().to_string();
        log.lock().unwrap().push((method.clone(), whole, has));
        let row = json!({"name": "mira001.sepia.test", "machine_type": "mira", "locked": false, "up": true});
        let (status, answer) = match (method.as_str(), path.as_str()) {
            ("GET", "/nodes/") => (200, json!([row, {"name": "ovh009.stale", "machine_type": "lab"}])),
            ("GET", "/nodes/machine_types/") => (200, json!(["mira", "vps"])),
            ("GET", "/nodes/mira001.sepia.test/") => (200, row),
            ("POST", "/nodes/lock_many/") => (200, json!([row])),
            ("PUT", "/nodes/mira001.sepia.test/lock/") => (403, json!({"message": "theirs"})),
            _ => (404, json!({"message": "node not found"})),
        };
        async move {
            Ok::<_, Failure>(
                Response::builder().status(status).body(answer.to_string().into_bytes()).unwrap(),
            )
        }
    });
    (http, asked)
}

fn behind() -> Url {
    "http://paddles.test".parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_not_ours_is_asked_of_the_paddles_behind_and_lists_are_one() {
    let (lab, _) = lab_with(1, 2).await;
    let (http, asked) = paddles();
    let replica =
        Replica::with(&lab, Settings { upstream: Some(behind()), ..Settings::default() }, http).await;

    let own = [format!("ovh001.{}", zone(&lab)), format!("ovh002.{}", zone(&lab))];
    let all = [vec!["mira001.sepia.test".to_owned()], own.to_vec()].concat();
    assert_eq!(names(&replica.get("/nodes/").await), all);
    assert_eq!(replica.get("/nodes/machine_types/").await, json!(["lab", "mira", "vps"]));
    assert_eq!(replica.get("/nodes/mira001.sepia.test").await["machine_type"], "mira");
    let before = asked.lock().unwrap().len();
    assert_eq!(names(&replica.get("/nodes/?machine_type=lab").await), own);
    assert_eq!(asked.lock().unwrap().len(), before, "it is not needed for what is all ours");
    let (status, said) = replica.lock("mira001.sepia.test", false, "bob@desk", None).await;
    assert_eq!((status, said), (403, json!({"message": "theirs"})));
    let body = r#"{"locked_by": "a@b", "count": 1, "machine_type": "mira", "description": null}"#;
    assert_eq!(replica.ask("POST", "/nodes/lock_many/", body).await.0, 200);
    assert!(living(&lab).is_empty());
    let asked = asked.lock().unwrap();
    assert!(
        asked.iter().all(|(_, path, has)| !has && (path.ends_with('/') || path.contains("/?"))),
        "{asked:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_paddles_behind_that_is_away_is_said_and_ours_go_on() {
    let (lab, _) = lab_with(1, 2).await;
    let replica =
        Replica::with(&lab, Settings { upstream: Some(behind()), ..Settings::default() }, nobody()).await;

    let (status, said) = replica.ask("GET", "/nodes/", "").await;
    assert!(status == 503 && said["message"].as_str().unwrap().contains("nobody is there"), "{said}");
    assert_eq!(replica.get("/nodes/?machine_type=lab").await.as_array().unwrap().len(), 2);
    assert_eq!(replica.lock_many("alice@desk", 1, None, Value::Null).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn without_a_paddles_behind_there_is_nothing_of_others() {
    let (_lab, replica) = lab_with(0, 1).await;

    assert_eq!(replica.ask("GET", "/nodes/mira001.sepia.test/", "").await.0, 404);
    assert_eq!(replica.get("/nodes/?machine_type=mira").await, json!([]));
    let body = r#"{"locked_by": "a@b", "count": 1, "machine_type": "mira", "description": null}"#;
    let (status, said) = replica.ask("POST", "/nodes/lock_many/", body).await;
    assert!(
        status == 503 && said["message"].as_str().unwrap().contains("no pool has machines of type mira"),
        "{said}"
    );
    assert_eq!(replica.ask("GET", "/runs/", "").await.0, 404);
    assert_eq!(replica.ask("POST", "/nodes/", "{}").await.0, 400);
}

async fn with_header(replica: &Replica, method: &str, path: &str, header: (&str, &str), body: &str) -> u16 {
    let request = Request::builder().method(method).uri(path).header(header.0, header.1);
    replica.send(request.body(Body::from(body.to_owned())).unwrap()).await.status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn a_page_somewhere_else_can_read_and_change_nothing() {
    let (lab, replica) = lab_with(1, 1).await;
    let body = r#"{"locked_by": "a@b", "count": 1, "machine_type": "lab", "description": null}"#;
    let origin = ("origin", "https://evil.test");

    assert_eq!(with_header(&replica, "POST", "/nodes/lock_many/", origin, body).await, 403);
    assert_eq!(with_header(&replica, "OPTIONS", "/nodes/", origin, "").await, 403);
    assert!(lab.cluster.list("testnodeclaims", "default").is_empty());
    let get = Request::builder().uri("/nodes/").header("origin", "https://pulpito.test").body(Body::empty());
    let answered = replica.send(get.unwrap()).await;
    assert_eq!(answered.headers()["access-control-allow-origin"], "*");
    let post =
        replica.send(Request::builder().method("POST").uri("/nodes/lock_many/").body(Body::empty()).unwrap());
    assert!(!post.await.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_needed_to_change_something_and_speaks_for_its_owners_only() {
    let (lab, _) = lab_with(1, 2).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    std::fs::write(&file, "alice 0123456789abcdef alice@* scheduled_alice@*\n").unwrap();
    let settings = Settings { tokens: Some(file), ..Settings::default() };
    let replica = Replica::with(&lab, settings, nobody()).await;
    let basic = format!("Basic {}", BASE64_STANDARD.encode("alice:0123456789abcdef"));
    let body =
        |who: &str| json!({"locked_by": who, "locked": true, "description": null, "name": "x"}).to_string();
    let many = r#"{"locked_by": "alice@desk", "count": 1, "machine_type": "lab", "description": null}"#;

    assert_eq!(replica.ask("POST", "/nodes/lock_many/", many).await.0, 401);
    let wrong = ("authorization", "Basic YWxpY2U6d3Jvbmc=");
    assert_eq!(with_header(&replica, "POST", "/nodes/lock_many/", wrong, many).await, 401);
    assert_eq!(replica.ask("GET", "/nodes/", "").await.0, 200, "everybody may read");
    let right = ("authorization", basic.as_str());
    assert_eq!(with_header(&replica, "PUT", "/nodes/ovh001/lock/", right, &body("bob@desk")).await, 403);
    assert_eq!(with_header(&replica, "POST", "/nodes/lock_many/", right, many).await, 200);
    let claim = &living(&lab)[0];
    assert_eq!(claim["metadata"]["annotations"]["testnode.dev/lock-token"], "alice");
    assert_eq!(claim["spec"]["owner"], "alice@desk");
}

#[tokio::test(start_paused = true)]
async fn a_token_speaks_for_its_owners_only_also_to_the_paddles_behind_and_in_descriptions() {
    let (lab, _) = lab_with(1, 2).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    std::fs::write(&file, "alice 0123456789abcdef alice@*\nbob 0123456789abcdeg bob@*\n").unwrap();
    let settings = Settings { tokens: Some(file), upstream: Some(behind()), ..Settings::default() };
    let (http, asked) = paddles();
    let replica = Replica::with(&lab, settings, http).await;
    let basic = |who: &str| format!("Basic {}", BASE64_STANDARD.encode(who));
    let (alice, bob) = (basic("alice:0123456789abcdef"), basic("bob:0123456789abcdeg"));
    let (alice, bob) = (("authorization", alice.as_str()), ("authorization", bob.as_str()));

    let many = |who: &str, machine_type: &str| {
        json!({"locked_by": who, "count": 1, "machine_type": machine_type, "description": null}).to_string()
    };
    let names = json!({"names": ["mira001.sepia.test"], "locked_by": "bob@desk"}).to_string();
    let one = json!({"locked": false, "locked_by": "bob@desk"}).to_string();
    let update = json!({"locked": true, "locked_by": "bob@desk"}).to_string();
    for (method, path, body, status) in [
        ("POST", "/nodes/lock_many/", many("bob@desk", "mira"), 503),
        ("POST", "/nodes/unlock_many/", names, 403),
        ("PUT", "/nodes/mira001.sepia.test/lock/", one.clone(), 403),
        ("PUT", "/nodes/mira001.sepia.test/", update, 400),
        ("PUT", "/nodes/x%2F..%2Fmira001.sepia.test/lock/", one, 404),
    ] {
        assert_eq!(with_header(&replica, method, path, alice, &body).await, status, "{path}");
    }
    assert!(asked.lock().unwrap().is_empty(), "nothing of it was asked there");
    assert_eq!(
        with_header(&replica, "POST", "/nodes/lock_many/", alice, &many("alice@desk", "mira")).await,
        200
    );

    assert_eq!(with_header(&replica, "POST", "/nodes/lock_many/", bob, &many("bob@desk", "lab")).await, 200);
    let words = r#"{"description": "mine now"}"#;
    assert_eq!(with_header(&replica, "PUT", "/nodes/ovh001/", alice, words).await, 403);
    assert_eq!(with_header(&replica, "PUT", "/nodes/ovh001/", alice, r#"{"up": false}"#).await, 200);
    assert_eq!(living(&lab)[0]["spec"]["description"], Value::Null);
    assert_eq!(with_header(&replica, "PUT", "/nodes/ovh001/", bob, words).await, 200);
}

#[tokio::test(start_paused = true)]
async fn what_a_browser_fetches_for_a_page_confirms_no_job() {
    let (lab, replica) = lab_with(1, 2).await;
    let job = Some("/srv/archive/run/1");
    let (_, rows) = replica.lock_many("scheduled_root@vm", 1, job, Value::Null).await;
    let path = format!("/nodes/{}/", names(&rows)[0]);

    for header in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.test")] {
        assert_eq!(with_header(&replica, "GET", &path, header, "").await, 200);
    }
    assert_eq!(living(&lab)[0]["spec"]["lease"]["duration"], "10m");
    replica.get(&path).await;
    assert_eq!(living(&lab)[0]["spec"]["lease"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn only_so_many_pages_are_told_what_changes() {
    let (_lab, replica) = lab_with(0, 1).await;
    let open = || replica.send(Request::builder().uri("/lab/events").body(Body::empty()).unwrap());

    let mut pages = Vec::new();
    for _ in 0..64 {
        pages.push(open().await);
    }
    assert!(pages.iter().all(|page| page.status().is_success()));
    assert_eq!(open().await.status().as_u16(), 503);
    pages.pop();
    assert_eq!(open().await.status().as_u16(), 200);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_long_is_refused() {
    let (_lab, replica) = lab_with(0, 1).await;

    assert_eq!(replica.ask("GET", &format!("/nodes/?x={}", "a".repeat(3000)), "").await.0, 414);
    assert_eq!(replica.ask("PUT", "/nodes/ovh001/", &"a".repeat(70_000)).await.0, 413);
    assert_eq!(replica.ask("GET", &format!("/nodes/{}/", "a".repeat(300)), "").await.0, 404);
}

async fn html(replica: &Replica, path: &str) -> (String, String) {
    let request = Request::builder().uri(path).header("accept", "text/html,*/*").body(Body::empty()).unwrap();
    let answered = replica.send(request).await;
    assert_eq!(answered.status().as_u16(), 200);
    let policy = answered.headers()["content-security-policy"].to_str().unwrap().to_owned();
    let body = to_bytes(answered.into_body(), 1 << 24).await.unwrap();
    (String::from_utf8(body.to_vec()).unwrap(), policy)
}

#[tokio::test(start_paused = true)]
async fn the_page_says_who_has_what_and_nobody_else_gets_html() {
    let (lab, replica) = lab_with(1, 3).await;
    lab.node("alone", json!({"owner": "carol"}));
    lab.ready("alone", 60).await;
    replica.lock_many("alice@desk", 1, Some("<b>rados</b>"), Value::Null).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;

    let (page, policy) = html(&replica, "/").await;
    for word in ["ovh001.", "alice@desk", "&lt;b&gt;rados", "alone.", "carol", "default/ovh"] {
        assert!(page.contains(word), "{word}: {page}");
    }
    assert!(
        !page.contains("<b>rados") && policy.contains("default-src 'none'") && !policy.contains("unsafe")
    );
    let (page, _) = html(&replica, "/?q=carol").await;
    assert!(page.contains("alone.") && !page.contains("ovh001."));
    assert_eq!(replica.get("/").await, json!({}));
    let lab = replica.get("/lab.json").await;
    assert_eq!(
        lab["machines"].as_array().unwrap().len(),
        2 + usize::from(lab["machines"].as_array().unwrap().len() > 2)
    );
    for file in ["/lab.css", "/lab.js"] {
        assert_eq!(replica.ask("GET", file, "").await.0, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn what_changes_is_told_to_the_page_until_the_process_ends() {
    use futures::StreamExt as _;
    let (lab, replica) = lab_with(1, 3).await;
    let answered = replica.send(Request::builder().uri("/lab/events").body(Body::empty()).unwrap()).await;
    assert_eq!(answered.headers()["content-type"], "text/event-stream");
    let mut said = answered.into_body().into_data_stream();
    assert!(said.next().await.unwrap().unwrap().starts_with(b"retry"));

    lab.edit("testnodepools", "default", "ovh", |spec| spec["minReady"] = 2.into());
    let changed = async { while !said.next().await.unwrap().unwrap().starts_with(b"event: changed") {} };
    tokio::time::timeout(std::time::Duration::from_mins(1), changed).await.unwrap();
    replica.end();
    while said.next().await.is_some() {}
}
