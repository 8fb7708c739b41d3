use serde_json::{Value, json};

use crate::{PROBE, PROBES, cluster, delete, get, merge, message, post, probe, send};

fn held(name: &str) -> Value {
    let metadata = json!({"name": name, "namespace": "default", "finalizers": ["lab.example.org/hold"]});
    json!({"apiVersion": "lab.example.org/v1", "kind": "Probe", "metadata": metadata, "spec": {"image": "a"}})
}

#[tokio::test(start_paused = true)]
async fn a_held_object_goes_with_its_last_finalizer() {
    let cluster = cluster();
    post(&cluster, PROBES, &held("p")).await;

    let (code, going) = delete(&cluster, PROBE).await;
    assert_eq!((code, &going["metadata"]["generation"]), (200, &json!(2)));
    assert_eq!(going["metadata"]["deletionTimestamp"], "2026-01-01T00:00:00Z");
    let more = json!({"metadata": {"finalizers": ["lab.example.org/hold", "lab.example.org/new"]}});
    let (code, refused) = merge(&cluster, PROBE, &more).await;
    assert_eq!(code, 422);
    assert!(message(&refused).contains("no new finalizers can be added if the object is being deleted"));
    merge(&cluster, PROBE, &json!({"metadata": {"finalizers": null}})).await;

    assert_eq!(get(&cluster, PROBE).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_delete_with_another_uid_conflicts() {
    let cluster = cluster();
    post(&cluster, PROBES, &held("p")).await;
    let options = json!({"preconditions": {"uid": "other"}});

    let (code, _) = send(&cluster, "DELETE", PROBE, "application/json", Some(&options)).await;

    assert_eq!(code, 409);
    assert_eq!(get(&cluster, PROBE).await.1["metadata"]["deletionTimestamp"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_goes_after_its_contents_and_takes_nothing_new() {
    let cluster = cluster();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "lab"}});
    post(&cluster, "/api/v1/namespaces", &namespace).await;
    let probes = PROBES.replace("default", "lab");
    let mut object = held("p");
    object["metadata"]["namespace"] = json!("lab");
    post(&cluster, &probes, &object).await;

    let (_, going) = delete(&cluster, "/api/v1/namespaces/lab").await;
    assert_eq!(going["status"]["phase"], "Terminating");
    object["metadata"]["name"] = json!("q");
    let (code, refused) = post(&cluster, &probes, &object).await;
    assert_eq!((code, &refused["details"]["causes"][0]["reason"]), (403, &json!("NamespaceTerminating")));
    let one = format!("{probes}/p");
    assert_ne!(get(&cluster, &one).await.1["metadata"]["deletionTimestamp"], Value::Null);
    merge(&cluster, &one, &json!({"metadata": {"finalizers": []}})).await;

    assert_eq!(get(&cluster, "/api/v1/namespaces/lab").await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn what_an_object_owns_goes_with_it() {
    let cluster = cluster();
    let (_, owner) = post(&cluster, PROBES, &probe("p", &json!({"image": "a"}))).await;
    let mut dependent = probe("q", &json!({"image": "a"}));
    let reference = json!({"apiVersion": "lab.example.org/v1", "kind": "Probe", "name": "p", "uid": owner["metadata"]["uid"]});
    dependent["metadata"]["ownerReferences"] = json!([reference]);
    post(&cluster, PROBES, &dependent).await;

    delete(&cluster, PROBE).await;

    assert_eq!(get(&cluster, &format!("{PROBES}/q")).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_collection_is_deleted_by_its_selector() {
    let cluster = cluster();
    for name in ["a", "b"] {
        post(&cluster, PROBES, &probe(name, &json!({"image": "a"}))).await;
    }

    delete(&cluster, &format!("{PROBES}?fieldSelector=metadata.name%3Da")).await;

    let left: Vec<_> = cluster.list("probes", "").iter().map(|o| o["metadata"]["name"].clone()).collect();
    assert_eq!(left, ["b"]);
}

#[tokio::test(start_paused = true)]
async fn an_owner_deleted_in_the_foreground_waits_for_what_it_owns() {
    let cluster = cluster();
    let (_, owner) = post(&cluster, PROBES, &probe("p", &json!({"image": "a"}))).await;
    let mut dependent = held("q");
    dependent["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "lab.example.org/v1", "kind": "Probe", "name": "p", "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": true,
    }]);
    post(&cluster, PROBES, &dependent).await;

    delete(&cluster, &format!("{PROBE}?propagationPolicy=Foreground")).await;
    assert_eq!(get(&cluster, PROBE).await.1["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    merge(&cluster, &format!("{PROBES}/q"), &json!({"metadata": {"finalizers": null}})).await;

    assert_eq!(get(&cluster, PROBE).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn what_was_owned_stays_where_it_is_orphaned() {
    let cluster = cluster();
    let (_, owner) = post(&cluster, PROBES, &probe("p", &json!({"image": "a"}))).await;
    let mut dependent = probe("q", &json!({"image": "a"}));
    let uid = &owner["metadata"]["uid"];
    dependent["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "Probe", "name": "p", "uid": uid}]);
    post(&cluster, PROBES, &dependent).await;

    delete(&cluster, &format!("{PROBE}?propagationPolicy=Orphan")).await;

    assert_eq!(get(&cluster, &format!("{PROBES}/q")).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn the_first_namespaces_stay() {
    let cluster = cluster();

    assert_eq!(delete(&cluster, "/api/v1/namespaces/default").await.0, 403);
}
