use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use devcluster::DevCluster;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{PROBE, PROBES, cluster, delete, get, merge, post, probe};

struct Events(BodyDataStream);

impl Events {
    async fn open(cluster: &DevCluster, query: &str) -> Self {
        let request = axum::http::Request::get(format!("{PROBES}?watch=true&{query}")).body(Body::empty());
        Self(cluster.router().oneshot(request.unwrap()).await.unwrap().into_body().into_data_stream())
    }

    async fn next(&mut self) -> Option<Value> {
        let line = self.0.next().await?.ok()?;
        Some(serde_json::from_slice(&line).unwrap())
    }

    async fn kind(&mut self) -> String {
        let event = self.next().await.unwrap();
        format!(
            "{} {}",
            event["type"].as_str().unwrap(),
            event["object"]["metadata"]["name"].as_str().unwrap_or("")
        )
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_continues_exactly_after_the_list() {
    let cluster = cluster();
    post(&cluster, PROBES, &probe("a", &json!({"image": "a"}))).await;
    let (_, list) = get(&cluster, PROBES).await;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    post(&cluster, PROBES, &probe("p", &json!({"image": "a"}))).await;

    let mut events = Events::open(&cluster, &format!("resourceVersion={version}")).await;
    assert_eq!(events.kind().await, "ADDED p");
    merge(&cluster, PROBE, &json!({"spec": {"note": "x"}})).await;
    assert_eq!(events.kind().await, "MODIFIED p");
    delete(&cluster, PROBE).await;

    assert_eq!(events.kind().await, "DELETED p");
}

#[tokio::test(start_paused = true)]
async fn a_selected_watch_sees_objects_come_and_go() {
    let cluster = cluster();
    post(&cluster, PROBES, &probe("p", &json!({"image": "a"}))).await;
    let mut events = Events::open(&cluster, "fieldSelector=spec.pool%3Dlarge&resourceVersion=0").await;

    merge(&cluster, PROBE, &json!({"spec": {"pool": "large"}})).await;
    assert_eq!(events.kind().await, "ADDED p");
    merge(&cluster, PROBE, &json!({"spec": {"pool": "small"}})).await;

    assert_eq!(events.kind().await, "DELETED p");
}

#[tokio::test(start_paused = true)]
async fn a_streaming_list_ends_with_a_marked_bookmark() {
    let cluster = cluster();
    post(&cluster, PROBES, &probe("p", &json!({"image": "a"}))).await;
    let query = "sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan";

    let mut events = Events::open(&cluster, query).await;

    assert_eq!(events.kind().await, "ADDED p");
    let bookmark = events.next().await.unwrap();
    assert_eq!(bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
}

#[tokio::test(start_paused = true)]
async fn a_watch_sends_bookmarks_and_ends_in_time() {
    let cluster = cluster();
    let began = tokio::time::Instant::now();
    let mut events =
        Events::open(&cluster, "resourceVersion=0&allowWatchBookmarks=true&timeoutSeconds=90").await;

    assert_eq!(events.next().await.unwrap()["type"], "BOOKMARK");
    assert_eq!(events.next().await.unwrap()["type"], "BOOKMARK");

    assert!(events.next().await.is_none());
    assert_eq!(began.elapsed(), Duration::from_secs(90));
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_too_long_ago_is_told_410() {
    let cluster = cluster();
    cluster.compact();

    let mut events = Events::open(&cluster, "resourceVersion=2").await;

    let event = events.next().await.unwrap();
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)));
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_watch_ends_even_if_nobody_was_reading() {
    let cluster = cluster();
    let mut events = Events::open(&cluster, "resourceVersion=0").await;

    cluster.faults().drop_watches();

    assert!(events.next().await.is_none());
}
