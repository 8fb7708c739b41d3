use serde_json::{Value, json};

use crate::{PROBE, PROBES, cluster, get, merge, message, post, probe, put, send};

#[tokio::test(start_paused = true)]
async fn a_new_object_gets_its_metadata_and_defaults() {
    let cluster = cluster();

    let (code, made) = post(&cluster, PROBES, &probe("p", &json!({"image": "a"}))).await;

    assert_eq!(code, 201);
    assert_eq!(made["metadata"]["generation"], 1);
    assert_eq!(made["metadata"]["creationTimestamp"], "2026-01-01T00:00:00Z");
    assert_eq!(made["spec"]["pool"], "small");
    assert_eq!(made["status"]["conditions"][0]["reason"], "Pending");
    assert_eq!(made["metadata"]["managedFields"][0]["manager"], "tester");
}

#[tokio::test(start_paused = true)]
async fn a_replace_with_an_old_version_conflicts() {
    let cluster = cluster();
    let (_, first) = post(&cluster, PROBES, &probe("p", &json!({"image": "a"}))).await;
    let mut second = first.clone();
    second["spec"]["note"] = json!("one");
    let (code, changed) = put(&cluster, PROBE, &second).await;
    assert_eq!((code, &changed["metadata"]["generation"]), (200, &json!(2)));

    second["spec"]["note"] = json!("two");
    let (code, refused) = put(&cluster, PROBE, &second).await;

    assert_eq!(code, 409);
    assert_eq!(
        message(&refused),
        "Operation cannot be fulfilled on probes.lab.example.org \"p\": the object has been modified; \
         please apply your changes to the latest version and try again"
    );
}

#[tokio::test(start_paused = true)]
async fn another_objects_uid_is_refused() {
    let cluster = cluster();
    let (_, mut made) = post(&cluster, PROBES, &probe("p", &json!({"image": "a"}))).await;

    made["metadata"]["uid"] = json!("other");
    assert_eq!(put(&cluster, PROBE, &made).await.0, 409);
    let (code, _) =
        merge(&cluster, PROBE, &json!({"metadata": {"uid": "other", "labels": {"a": "b"}}})).await;

    assert_eq!(code, 422);
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_write_does_not_move_the_version() {
    let cluster = cluster();
    let (_, made) = post(&cluster, PROBES, &probe("p", &json!({"image": "a"}))).await;

    let (_, same) = merge(&cluster, PROBE, &json!({"spec": {"image": "a"}})).await;
    let (_, put) = put(&cluster, PROBE, &made).await;

    assert_eq!(made, same);
    assert_eq!(made, put);
}

#[tokio::test(start_paused = true)]
async fn status_and_the_rest_are_written_apart() {
    let cluster = cluster();
    post(&cluster, PROBES, &probe("p", &json!({"image": "a"}))).await;
    let both = json!({"spec": {"note": "changed"}, "status": {"phase": "Busy"}});

    let (_, main) = merge(&cluster, PROBE, &both).await;
    assert_eq!((&main["spec"]["note"], &main["status"]["phase"]), (&json!("changed"), &Value::Null));
    let (_, status) = merge(
        &cluster,
        &format!("{PROBE}/status"),
        &json!({"spec": {"note": "no"}, "status": {"phase": "Busy"}}),
    )
    .await;

    assert_eq!(status["spec"]["note"], "changed");
    assert_eq!(status["status"]["phase"], "Busy");
    assert_eq!(status["metadata"]["generation"], main["metadata"]["generation"]);
    assert_ne!(status["metadata"]["resourceVersion"], main["metadata"]["resourceVersion"]);
}

#[tokio::test(start_paused = true)]
async fn a_json_patch_may_test_null_where_nothing_is() {
    let cluster = cluster();
    post(&cluster, PROBES, &probe("p", &json!({"image": "a"}))).await;
    let patch = json!([
        {"op": "test", "path": "/metadata/finalizers", "value": null},
        {"op": "add", "path": "/metadata/finalizers", "value": ["lab.example.org/hold"]},
    ]);

    let (code, held) = send(&cluster, "PATCH", PROBE, "application/json-patch+json", Some(&patch)).await;
    assert_eq!((code, &held["metadata"]["finalizers"][0]), (200, &json!("lab.example.org/hold")));
    let (code, _) = send(&cluster, "PATCH", PROBE, "application/json-patch+json", Some(&patch)).await;

    assert_eq!(code, 422);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_paged_and_selected() {
    let cluster = cluster();
    for name in ["a", "b", "c"] {
        let mut object =
            probe(name, &json!({"image": "a", "pool": if name == "b" { "large" } else { "small" }}));
        object["metadata"]["labels"] = json!({"letter": name});
        post(&cluster, PROBES, &object).await;
    }
    let names = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().unwrap();
        items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    };

    let (_, page) = get(&cluster, &format!("{PROBES}?limit=2")).await;
    assert_eq!(
        (names(&page), &page["metadata"]["remainingItemCount"]),
        (vec!["a".into(), "b".into()], &json!(1))
    );
    let next = page["metadata"]["continue"].as_str().unwrap();
    let token: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
    assert_eq!(names(&get(&cluster, &format!("{PROBES}?limit=2&continue={token}")).await.1), ["c"]);
    assert_eq!(
        names(&get(&cluster, &format!("{PROBES}?labelSelector=letter%20in%20(a,c)")).await.1),
        ["a", "c"]
    );
    assert_eq!(names(&get(&cluster, &format!("{PROBES}?labelSelector=letter!%3Da")).await.1), ["b", "c"]);
    assert_eq!(names(&get(&cluster, &format!("{PROBES}?fieldSelector=spec.pool%3Dlarge")).await.1), ["b"]);
    assert_eq!(get(&cluster, &format!("{PROBES}?fieldSelector=spec.image%3Da")).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn a_generated_name_is_new_each_time() {
    let cluster = cluster();
    let mut object = probe("", &json!({"image": "a"}));
    object["metadata"] = json!({"generateName": "p-"});

    let (_, one) = post(&cluster, PROBES, &object).await;
    let (_, two) = post(&cluster, PROBES, &object).await;

    assert_eq!(one["metadata"]["name"].as_str().unwrap().len(), 7);
    assert_ne!(one["metadata"]["name"], two["metadata"]["name"]);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_leaves_nothing() {
    let cluster = cluster();

    let (code, _) =
        post(&cluster, &format!("{PROBES}?dryRun=All"), &probe("p", &json!({"image": "a"}))).await;

    assert_eq!(code, 201);
    assert_eq!(get(&cluster, PROBE).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn events_are_one_store_in_two_shapes() {
    let cluster = cluster();
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"}, "note": "it works",
        "regarding": {"kind": "Probe", "name": "p"}, "reportingController": "me", "reason": "Works",
    });

    let (code, made) = post(&cluster, "/apis/events.k8s.io/v1/namespaces/default/events", &event).await;
    assert_eq!((code, &made["note"]), (201, &json!("it works")));
    let (_, old) =
        get(&cluster, "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dp").await;

    assert_eq!(old["items"][0]["message"], "it works");
    assert_eq!(old["items"][0]["reportingComponent"], "me");
    assert_eq!(old["items"][0]["apiVersion"], "v1");
}

#[tokio::test(start_paused = true)]
async fn a_table_has_the_columns_of_the_definition() {
    let cluster = cluster();
    post(&cluster, PROBES, &probe("p", &json!({"image": "a"}))).await;
    tokio::time::advance(std::time::Duration::from_secs(90)).await;
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let request = axum::http::Request::get(PROBES).header("accept", accept).body(axum::body::Body::empty());

    let response = tower::ServiceExt::oneshot(cluster.router(), request.unwrap()).await.unwrap();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let table: Value = serde_json::from_slice(&bytes).unwrap();

    assert_eq!(table["columnDefinitions"][4]["priority"], 1);
    assert_eq!(table["rows"][0]["cells"], json!(["p", "a", "Unknown", "90s", "small"]));
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
}

#[tokio::test(start_paused = true)]
async fn kubectl_may_send_protobuf() {
    let cluster = cluster();
    let named = [b"\x0a\x05\x0a\x03lab".as_slice(), b"\x12\x00\x1a\x00"].concat();
    let what = [b"\x0a\x02v1\x12\x09Namespace".as_slice()].concat();
    let sent = [b"k8s\0\x0a\x0f".as_slice(), &what, b"\x12\x0b", &named].concat();
    let request = axum::http::Request::post("/api/v1/namespaces").body(axum::body::Body::from(sent)).unwrap();

    let response = tower::ServiceExt::oneshot(cluster.router(), request).await.unwrap();

    assert_eq!(response.status(), 201);
    assert_eq!(get(&cluster, "/api/v1/namespaces/lab").await.1["status"]["phase"], "Active");
}
