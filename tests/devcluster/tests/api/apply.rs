use serde_json::{Value, json};

use crate::{PROBE, apply, cluster, get, merge, message, probe, send};

#[tokio::test(start_paused = true)]
async fn what_a_manager_no_longer_applies_is_removed() {
    let cluster = cluster();
    let (code, _) =
        apply(&cluster, PROBE, "me", &probe("p", &json!({"image": "a", "note": "x", "extra": {"k": "v"}})))
            .await;
    assert_eq!(code, 201);

    let (code, after) = apply(&cluster, PROBE, "me", &probe("p", &json!({"image": "a"}))).await;

    assert_eq!(code, 200);
    assert_eq!(after["spec"], json!({"image": "a", "pool": "small"}));
}

#[tokio::test(start_paused = true)]
async fn two_managers_keep_their_own_items_of_a_list_map() {
    let cluster = cluster();
    let volumes =
        |names: &[&str]| -> Value { names.iter().map(|name| json!({"name": name, "sizeGiB": 5})).collect() };
    apply(&cluster, PROBE, "me", &probe("p", &json!({"image": "a", "volumes": volumes(&["one", "two"])})))
        .await;
    apply(&cluster, PROBE, "you", &probe("p", &json!({"volumes": volumes(&["three"])}))).await;

    let (_, after) =
        apply(&cluster, PROBE, "me", &probe("p", &json!({"image": "a", "volumes": volumes(&["two"])}))).await;

    let left: Vec<_> =
        after["spec"]["volumes"].as_array().unwrap().iter().map(|v| v["name"].clone()).collect();
    assert_eq!(left, ["two", "three"]);
}

#[tokio::test(start_paused = true)]
async fn another_managers_field_is_taken_only_by_force() {
    let cluster = cluster();
    apply(&cluster, PROBE, "me", &probe("p", &json!({"image": "a", "note": "mine"}))).await;
    let mine = probe("p", &json!({"note": "yours"}));

    let (code, refused) = apply(&cluster, PROBE, "you", &mine).await;
    assert_eq!(code, 409);
    assert_eq!(
        message(&refused),
        "Apply failed with 1 conflict: conflict with \"me\" using lab.example.org/v1: .spec.note"
    );
    let forced = format!("{PROBE}?fieldManager=you&force=true");
    let (code, taken) = send(&cluster, "PATCH", &forced, "application/apply-patch+yaml", Some(&mine)).await;
    assert_eq!((code, &taken["spec"]["note"]), (200, &json!("yours")));
    let (_, after) = apply(&cluster, PROBE, "me", &probe("p", &json!({"image": "a"}))).await;

    assert_eq!(after["spec"]["note"], "yours");
}

#[tokio::test(start_paused = true)]
async fn an_applied_status_replaces_the_default_and_stands_when_repeated() {
    let cluster = cluster();
    apply(&cluster, PROBE, "me", &probe("p", &json!({"image": "a"}))).await;
    let ready = json!({"type": "Ready", "status": "True", "reason": "Ready"});
    let status = json!({
        "apiVersion": "lab.example.org/v1", "kind": "Probe",
        "status": {"phase": "Up", "conditions": [ready]},
    });
    let uri = format!("{PROBE}/status?fieldManager=op&force=true");

    let (code, first) = send(&cluster, "PATCH", &uri, "application/apply-patch+yaml", Some(&status)).await;
    let (_, second) = send(&cluster, "PATCH", &uri, "application/apply-patch+yaml", Some(&status)).await;

    assert_eq!(code, 200, "{first}");
    assert_eq!(first["status"]["conditions"], json!([ready]));
    assert_eq!(first["spec"]["image"], "a");
    assert_eq!(first, second);
    let gone =
        json!({"apiVersion": "lab.example.org/v1", "kind": "Probe", "status": {"conditions": [ready]}});
    let (_, third) = send(&cluster, "PATCH", &uri, "application/apply-patch+yaml", Some(&gone)).await;
    assert_eq!(third["status"], json!({"conditions": [ready]}));
}

#[tokio::test(start_paused = true)]
async fn an_update_takes_fields_from_an_applier() {
    let cluster = cluster();
    apply(&cluster, PROBE, "me", &probe("p", &json!({"image": "a", "note": "mine"}))).await;

    merge(&cluster, PROBE, &json!({"spec": {"note": "edited"}})).await;
    let (_, after) = apply(&cluster, PROBE, "me", &probe("p", &json!({"image": "a"}))).await;

    assert_eq!(after["spec"]["note"], "edited");
    let managers = get(&cluster, PROBE).await.1["metadata"]["managedFields"].clone();
    assert_eq!(managers.as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_field_cannot_be_applied() {
    let cluster = cluster();

    let (code, refused) = apply(&cluster, PROBE, "me", &probe("p", &json!({"image": "a", "foo": 1}))).await;

    assert_eq!(code, 500);
    assert!(message(&refused).ends_with(".spec.foo: field not declared in schema"));
}
