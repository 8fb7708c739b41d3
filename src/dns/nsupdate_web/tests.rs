use std::future;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::error::Class;
use crate::transport::Failure;

type Seen = Arc<Mutex<Vec<Request<Vec<u8>>>>>;

/// An nsupdate-web that always answers the same, and what it was asked.
fn answering(status: u16, body: &str) -> (NsupdateWeb, Seen) {
    let seen = Seen::default();
    let (asked, body) = (seen.clone(), body.to_owned());
    let transport = Transport::service(move |request| {
        asked.lock().unwrap().push(request);
        future::ready(Ok(Response::builder().status(status).body(body.clone().into_bytes()).unwrap()))
    });
    (client(transport), seen)
}

fn client(transport: Transport) -> NsupdateWeb {
    NsupdateWeb::new("http://ns.example.test:8080/update", PARK, None, transport).unwrap()
}

const PARK: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn name(label: &str) -> Fqdn {
    Fqdn::new(&label.parse().unwrap(), &"front.example.test".parse().unwrap()).unwrap()
}

fn host() -> Fqdn {
    name("smithi001")
}

fn address() -> BTreeSet<IpAddr> {
    BTreeSet::from([IpAddr::V4(Ipv4Addr::new(10, 77, 0, 5))])
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

async fn refusal(status: u16, body: &str) -> Error {
    answering(status, body).0.publish(&host(), &address(), false).await.unwrap_err()
}

proptest! {
    /// What a server reads from the URL is what we meant, and never an absent or empty `ip`.
    #[test]
    fn the_request_says_the_name_and_every_address_or_is_not_sent(
        label in "[a-z0-9][a-z0-9-]{0,61}[a-z0-9]",
        addresses in proptest::collection::btree_set(any::<IpAddr>(), 0..40),
    ) {
        let (web, seen) = answering(200, "success");

        let answer = run(web.publish(&name(&label), &addresses, false));

        let seen = seen.lock().unwrap();
        if addresses.is_empty() || addresses.len() > 32 {
            prop_assert_eq!(answer.unwrap_err().class(), Class::Invalid);
            prop_assert!(seen.is_empty());
        } else {
            prop_assert_eq!(answer.unwrap(), Answer::Done);
            prop_assert_eq!(seen[0].method(), http::Method::GET);
            let url = Url::parse(&seen[0].uri().to_string()).unwrap();
            prop_assert_eq!(url.path(), "/update");
            let mut expected = vec![("name".to_owned(), label)];
            expected.extend(addresses.iter().map(|address| ("ip".to_owned(), address.to_string())));
            let said: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            prop_assert_eq!(said, expected);
        }
    }

    #[test]
    fn no_answer_makes_it_panic_or_its_message_long(status in 200u16..600, body in any::<String>()) {
        if let Err(error) = run(answering(status, &body).0.publish(&host(), &address(), false)) {
            let message = error.to_string();
            prop_assert!(message.chars().count() < 800, "{message}");
            prop_assert!(!message.chars().any(char::is_control), "{message:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_change_proves_nothing_where_the_zone_was_not_asked() {
    let (web, seen) = answering(200, "no-change\n");

    assert_eq!(web.publish(&host(), &address(), false).await.unwrap(), Answer::Unproven);
    assert_eq!(seen.lock().unwrap().len(), 1);
}

/// What nsupdate-web was asked to set, in order.
fn sets(seen: &Seen) -> Vec<BTreeSet<IpAddr>> {
    let said = |request: &Request<Vec<u8>>| {
        let url = Url::parse(&request.uri().to_string()).unwrap();
        url.query_pairs().filter(|(key, _)| key == "ip").map(|(_, ip)| ip.parse().unwrap()).collect()
    };
    seen.lock().unwrap().iter().map(said).collect()
}

#[tokio::test(start_paused = true)]
async fn a_wrong_no_change_is_repaired_without_a_moment_in_which_the_name_is_wrong() {
    let (web, seen) = answering(200, "no-change");
    let (target, parked) = (address(), BTreeSet::from([PARK, PARKED]));

    assert_eq!(web.publish(&host(), &target, true).await.unwrap(), Answer::Done);
    assert_eq!(web.withdraw(&host(), true).await.unwrap(), Answer::Done);

    let sets = sets(&seen);
    assert_eq!((&sets[0], &sets[2], sets.len()), (&target, &target, 6));
    assert!(sets[1].is_superset(&target) && !sets[1].contains(&PARKED), "{sets:?}");
    assert_eq!((&sets[3], &sets[5]), (&parked, &parked));
    assert!(sets[4].contains(&PARKED) && sets[4] != parked, "{sets:?}");
}

#[tokio::test(start_paused = true)]
async fn every_refusal_has_the_class_and_effect_of_who_said_it() {
    let regex = "smithi001 does not match the allow_hosts regex";
    for (status, body, class, effect) in [
        (403, regex, Class::Invalid, Effect::Answered),
        (403, "<html>Forbidden", Class::Auth, Effect::Answered),
        (400, "too many addresses", Class::Invalid, Effect::Answered),
        (401, "", Class::Auth, Effect::Answered),
        (429, "", Class::Busy, Effect::Answered),
        (302, "", Class::Invalid, Effect::Answered),
        (500, "timeout", Class::Unreachable, Effect::Unknown),
        (502, "", Class::Unreachable, Effect::Unknown),
        (200, "<html>Sign in", Class::Unreachable, Effect::Answered),
        (204, "success", Class::Invalid, Effect::Answered),
    ] {
        let error = refusal(status, body).await;

        assert_eq!((error.class(), error.effect()), (class, effect), "{status} {body}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_who_answered_what_and_the_cure() {
    let error = refusal(403, "smithi001 does not match the allow_hosts regex\r\n").await;

    let expected = "set smithi001.front.example.test: nsupdate-web at ns.example.test:8080 answered 403 Forbidden: \
                    smithi001 does not match the allow_hosts regex; the name must match allow_hosts of nsupdate-web";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_after_fifteen_seconds_and_may_have_done_it() {
    let web = client(Transport::service(|_| future::pending()));
    let before = tokio::time::Instant::now();

    let error = web.publish(&host(), &address(), false).await.unwrap_err();

    assert_eq!(before.elapsed(), Duration::from_secs(15));
    assert_eq!((error.class(), error.effect()), (Class::Unreachable, Effect::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_stood_did_nothing() {
    for (failure, effect) in
        [(Failure::before("refused".into()), Effect::None), (Failure::after("reset".into()), Effect::Unknown)]
    {
        let web = client(Transport::service(move |_| future::ready(Err(failure.clone()))));

        let error = web.publish(&host(), &address(), false).await.unwrap_err();

        assert_eq!((error.class(), error.effect()), (Class::Unreachable, effect));
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_and_password_go_into_a_header_that_is_not_shown() {
    let seen = Seen::default();
    let asked = seen.clone();
    let transport = Transport::service(move |request| {
        asked.lock().unwrap().push(request);
        future::ready(Ok(Response::new(b"success".to_vec())))
    });
    let auth = BasicAuth { user: "lab".into(), password: "s3cret:x".into() };
    let web = NsupdateWeb::new("https://ns.example.test", PARK, Some(&auth), transport).unwrap();

    web.publish(&host(), &BTreeSet::from([IpAddr::V6(Ipv6Addr::LOCALHOST)]), false).await.unwrap();

    let header = seen.lock().unwrap()[0].headers()[AUTHORIZATION].clone();
    assert_eq!(header, "Basic bGFiOnMzY3JldDp4");
    assert!(header.is_sensitive() && !format!("{web:?}{auth:?}").contains("s3cret"));
}

#[test]
fn a_url_that_is_not_plain_http_is_refused_without_showing_a_password() {
    for url in [
        "ftp://ns.example.test/",
        "ns.example.test:8080",
        "http://",
        "",
        "http://lab:s3cret@ns.example.test/",
        "http://ns.example.test/?name=x&s3cret",
        "http://ns.example.test/#s3cret",
    ] {
        let transport = Transport::service(|_| future::pending());

        let error = NsupdateWeb::new(url, PARK, None, transport).unwrap_err();

        assert_eq!(error.class(), Class::Invalid, "{url}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}
