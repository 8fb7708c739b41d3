use serde_json::{Value, json};

use crate::{PROBE, PROBES, cluster, get, merge, message, post, probe, send};

async fn refusal(spec: Value) -> String {
    let cluster = cluster();
    let (code, body) = post(&cluster, PROBES, &probe("p", &spec)).await;
    assert_eq!(code, 422, "{body}");
    message(&body).to_owned()
}

#[tokio::test(start_paused = true)]
async fn errors_read_like_the_real_ones() {
    let volume = |volume: Value| json!({"image": "a", "volumes": [volume]});

    assert_eq!(
        refusal(volume(json!({"name": "osd", "sizeGiB": 0}))).await,
        "Probe.lab.example.org \"p\" is invalid: spec.volumes[0].sizeGiB: Invalid value: 0: \
         spec.volumes[0].sizeGiB in body should be greater than or equal to 1"
    );
    let checked = "<nil>: Invalid value: null: some validation rules were not checked because the object was \
                   invalid; correct the existing errors to complete validation";
    assert_eq!(
        refusal(json!({"image": "a", "pool": "huge"})).await,
        format!(
            "Probe.lab.example.org \"p\" is invalid: [spec.pool: Unsupported value: \"huge\": \
             supported values: \"small\", \"large\", {checked}]"
        )
    );
    assert_eq!(
        refusal(json!({})).await,
        format!("Probe.lab.example.org \"p\" is invalid: [spec.image: Required value, {checked}]")
    );
    assert_eq!(
        refusal(json!({"image": 5})).await,
        format!(
            "Probe.lab.example.org \"p\" is invalid: [spec.image: Invalid value: \"integer\": spec.image in body \
             must be of type string: \"integer\", {checked}]"
        )
    );
    assert!(refusal(volume(json!({"name": "A", "sizeGiB": 1}))).await.contains("should match '^[a-z]+$'"));
}

#[tokio::test(start_paused = true)]
async fn items_of_a_list_map_are_unique() {
    let twice = json!([{"name": "a", "sizeGiB": 1}, {"name": "a", "sizeGiB": 2}]);

    let said = refusal(json!({"image": "a", "volumes": twice})).await;

    assert!(said.ends_with("spec.volumes[1]: Duplicate value: {\"name\":\"a\"}"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn root_rules_see_the_name() {
    let said = refusal(json!({"image": "a", "hostname": "other"})).await;

    assert_eq!(said, "Probe.lab.example.org \"p\" is invalid: <nil>: Invalid value: hostname must be p");
}

#[tokio::test(start_paused = true)]
async fn transition_rules_pair_items_by_their_keys() {
    let cluster = cluster();
    let volumes = json!([{"name": "a", "sizeGiB": 5}, {"name": "b", "sizeGiB": 9}]);
    post(&cluster, PROBES, &probe("p", &json!({"image": "a", "volumes": volumes}))).await;

    let (code, _) = merge(
        &cluster,
        PROBE,
        &json!({"spec": {"volumes": [{"name": "b", "sizeGiB": 9}, {"name": "a", "sizeGiB": 5}]}}),
    )
    .await;
    assert_eq!(code, 200);
    let (code, refused) =
        merge(&cluster, PROBE, &json!({"spec": {"volumes": [{"name": "b", "sizeGiB": 8}]}})).await;
    assert_eq!(code, 422);
    assert!(message(&refused).contains("spec.volumes[0]: Invalid value: volumes never shrink"), "{refused}");
    let (_, refused) = merge(&cluster, PROBE, &json!({"spec": {"image": "b"}})).await;

    assert!(
        message(&refused).ends_with("spec.image: Invalid value: \"b\": image cannot change"),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn unknown_fields_are_dropped_or_refused_as_asked() {
    let cluster = cluster();
    let odd = probe("p", &json!({"image": "a", "foo": 1}));

    let (code, refused) = post(&cluster, &format!("{PROBES}?fieldValidation=Strict"), &odd).await;
    assert_eq!(code, 400);
    assert_eq!(
        message(&refused),
        "Probe in version \"v1\" cannot be handled as a Probe: strict decoding error: unknown field \"spec.foo\""
    );
    let (code, made) = post(&cluster, PROBES, &odd).await;
    assert_eq!((code, &made["spec"]["foo"]), (201, &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_does_not_parse_refuses_the_definition() {
    let cluster = cluster();
    let mut broken = crate::definition();
    broken["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["x-kubernetes-validations"][0]["rule"] =
        json!("self.(");

    let refused = cluster.install(broken).unwrap_err();

    assert_eq!(refused.code, 422);
    let (code, _) = send(&cluster, "GET", PROBES, "", None).await;
    assert_eq!(code, 200);
    assert_eq!(
        get(&cluster, "/apis/lab.example.org/v1").await.1["resources"][0]["shortNames"],
        json!(["pb"])
    );
}

#[tokio::test(start_paused = true)]
async fn a_null_that_may_not_be_is_absent() {
    let cluster = cluster();

    let (code, made) =
        post(&cluster, PROBES, &probe("p", &json!({"image": "a", "note": null, "pool": null}))).await;

    assert_eq!(code, 201);
    assert_eq!(made["spec"], json!({"image": "a", "pool": "small"}));
}

#[tokio::test(start_paused = true)]
async fn an_optional_old_self_sees_a_field_come_and_go() {
    let cluster = cluster();
    let mut crd = crate::definition();
    let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    schema["properties"]["spec"]["properties"]["note"]["x-kubernetes-validations"] = json!([{
        "rule": "!oldSelf.hasValue() || self == oldSelf.value()", "message": "note is final", "optionalOldSelf": true,
    }]);

    cluster.install(crd).unwrap();
    let (code, made) = post(&cluster, PROBES, &probe("p", &json!({"image": "a", "note": "x"}))).await;
    assert_eq!(code, 201, "{made}");
    let (code, refused) = merge(&cluster, PROBE, &json!({"spec": {"note": "y"}})).await;

    assert_eq!(code, 422);
    assert!(message(&refused).ends_with("note is final"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_comes_to_no_answer_says_why_and_what_it_wants() {
    let cluster = cluster();
    let mut crd = crate::definition();
    let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    schema["properties"]["spec"]["properties"]["note"]["x-kubernetes-validations"] =
        json!([{"rule": "duration(self) > duration('1s')", "message": "more than 1s"}]);

    cluster.install(crd).unwrap();
    let (code, refused) = post(&cluster, PROBES, &probe("p", &json!({"image": "a", "note": "soon"}))).await;

    assert_eq!(code, 422);
    assert_eq!(
        message(&refused),
        "Probe.lab.example.org \"p\" is invalid: spec.note: Invalid value: \"string\": type conversion error from \
         'string' to 'google.protobuf.Duration' evaluating rule: more than 1s"
    );
}
