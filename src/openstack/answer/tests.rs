use super::*;

/// The bodies of each service, and what is left of them.
const BODIES: &[(&str, &str, &str)] = &[
    (
        r#"{"error": {"code": 404, "message": "Could not find Application Credential: 21dc.", "title": "Not Found"}}"#,
        "Not Found",
        "Could not find Application Credential: 21dc.",
    ),
    (
        r#"{"itemNotFound": {"code": 404, "message": "Instance X could not be found."}}"#,
        "itemNotFound",
        "Instance X could not be found.",
    ),
    (
        r#"{"overLimit": {"code": 413, "message": "VolumeLimitExceeded: no.", "retryAfter": "0"}}"#,
        "overLimit",
        "VolumeLimitExceeded: no.",
    ),
    (
        r#"{"NeutronError": {"type": "PortNotFound", "message": "Port 5f could not be found.", "detail": ""}}"#,
        "PortNotFound",
        "Port 5f could not be found.",
    ),
    (
        r#"{"message": "The resource could not be found.<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"}"#,
        "",
        "The resource could not be found.",
    ),
    (
        r#"{"computeFault": {"code": 500, "message": "Unexpected API Error.\n<class 'x.ConnectFailure'>"}}"#,
        "computeFault",
        "Unexpected API Error. <class 'x.ConnectFailure'>",
    ),
    ("<html><body><h1>502 Bad Gateway</h1>\nnginx</body></html>", "", "502 Bad Gateway nginx"),
    ("1 < 2 is no markup", "", "1 < 2 is no markup"),
    ("", "", ""),
];

#[test]
fn every_services_words_are_found() {
    for (body, key, message) in BODIES {
        assert_eq!(words(body.as_bytes()), ((*key).to_owned(), (*message).to_owned()), "{body}");
    }
}

#[test]
fn a_message_that_repeats_the_user_data_is_cut_but_judged_whole() {
    let message = format!("é{} in-use", "x".repeat(70_000));
    let body = serde_json::json!({ "badRequest": { "code": 400, "message": message } });
    let answer = Response::builder().status(400).body(body.to_string().into_bytes()).unwrap();

    let error = refusal("create server", Service::Compute, &answer);

    assert_eq!(error.class(), crate::error::Class::Conflict);
    assert!(error.to_string().len() < 400, "{error}");
    assert!(error.to_string().ends_with('…'));
}

#[test]
fn a_refusal_reads_as_a_sentence() {
    let message = "Quota exceeded for cores: Requested 64, but already used 0 of 32 cores";
    let body = serde_json::json!({ "forbidden": { "code": 403, "message": message } });
    let answer = Response::builder()
        .status(403)
        .header("x-openstack-request-id", "req-7")
        .body(body.to_string().into_bytes())
        .unwrap();

    let error = refusal("create server", Service::Compute, &answer);

    assert_eq!(error.to_string(), format!("create server: Nova answered 403: {message} (request req-7)"));
}
