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
        let words = words(body.as_bytes());

        assert_eq!((words.key.as_str(), words.message.as_str()), (*key, *message), "{body}");
    }
}

#[test]
fn a_message_that_repeats_the_user_data_is_cut_but_judged_whole() {
    let message = format!("é{} in-use", "x".repeat(70_000));
    let body = serde_json::json!({ "badRequest": { "code": 400, "message": message } });
    let answer = Response::builder().status(400).body(body.to_string().into_bytes()).unwrap();

    let error = refusal("create server", Service::Compute, nova(), &answer);

    assert_eq!(error.class(), crate::error::Class::Conflict);
    assert!(error.to_string().len() < 400, "{error}");
    assert!(error.to_string().ends_with("é[70000 characters] in-use"), "{error}");
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

    let error = refusal("create server", Service::Compute, nova(), &answer);

    assert_eq!(error.to_string(), format!("create server: Nova answered 403: {message} (request req-7)"));
}

fn nova() -> Origin {
    Origin::of_text("https://nova.example.org:8774/v2.1/SECRET")
}

fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Response<Vec<u8>> {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(body.to_vec()).unwrap()
}

#[test]
fn what_the_service_itself_did_not_answer_names_the_address_that_was_asked() {
    for (status, headers, body, text) in [
        (502, &[][..], "<html><h1>Bad Gateway</h1></html>", "502: Bad Gateway"),
        (520, &[], "", "520: no reason given"),
        (400, &[], "{\"badRequest\": {\"code\": 400, \"mess", "400: {\"badRequest\": {\"code\": 400, \"mess"),
        (
            302,
            &[("location", "https://me:pw@portal.example.org/login?token=x")],
            "<html>moved</html>",
            "302: a redirection to https://portal.example.org, which is not followed",
        ),
    ] {
        let error =
            refusal("create server", Service::Compute, nova(), &answer(status, headers, body.as_bytes()));

        assert_eq!(
            error.to_string(),
            format!("create server: Nova at https://nova.example.org:8774 answered {text}")
        );
    }
}

#[test]
fn only_a_complete_answer_of_the_service_itself_says_that_nothing_happened() {
    use Effect::{Answered, Unknown};
    let own = r#"{"badRequest": {"code": 400, "message": "no"}}"#;
    for (status, body, effect) in [
        (400, own, Answered),
        (403, own, Answered),
        (404, r#"{"message": "no such path", "code": "404 Not Found", "title": "Not Found"}"#, Answered),
        (409, r#"{"NeutronError": {"type": "OverQuota", "message": "no", "detail": ""}}"#, Answered),
        // A gateway that says "too many" or "too large" has not passed the request on.
        (429, "<html>slow down</html>", Answered),
        (413, "", Answered),
        (400, "<html>bad</html>", Unknown),
        (400, "", Unknown),
        (400, &own[..20], Unknown),
        (403, "<html>firewall</html>", Unknown),
        (408, "<html>timeout</html>", Unknown),
        (499, "", Unknown),
        (500, own, Unknown),
        (502, "", Unknown),
        (503, own, Unknown),
        (504, "", Unknown),
        (520, "<html>cloudflare</html>", Unknown),
        (302, "", Unknown),
    ] {
        let error = refusal("create port", Service::Network, nova(), &answer(status, &[], body.as_bytes()));

        assert_eq!(error.effect(), effect, "{status} {body}");
    }
}

#[test]
fn a_pause_is_at_most_five_minutes_however_it_is_asked_for() {
    let date = ("date", "Sat, 21 Nov 2026 10:00:00 GMT");
    let seconds = Duration::from_secs;
    for (value, pause) in [
        ("0", Some(seconds(0))),
        ("30", Some(seconds(30))),
        (" 30 ", Some(seconds(30))),
        ("300", Some(seconds(300))),
        ("301", Some(seconds(300))),
        ("86400", Some(seconds(300))),
        ("18446744073709551615", Some(seconds(300))),
        ("18446744073709551616", Some(seconds(300))),
        ("99999999999999999999999999999999", Some(seconds(300))),
        ("Sat, 21 Nov 2026 10:00:07 GMT", Some(seconds(7))),
        ("Sat, 21 Nov 2026 09:00:00 GMT", Some(seconds(0))),
        ("Thu, 31 Dec 9998 23:59:59 GMT", Some(seconds(300))),
        ("-5", None),
        ("+5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
    ] {
        let headers = answer(429, &[date, ("retry-after", value)], b"").headers().clone();

        assert_eq!(retry_after(&headers), pause, "{value:?}");
    }
}

#[test]
fn a_request_id_that_is_none_is_not_shown() {
    for id in ["req 7", "req-7 see http://evil", &"r".repeat(65)] {
        let error = refusal(
            "create port",
            Service::Network,
            nova(),
            &answer(400, &[("x-openstack-request-id", id)], b"{}"),
        );

        assert!(!error.to_string().contains("request"), "{error}");
    }
}
