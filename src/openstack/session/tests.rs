use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::join_all;
use serde_json::{Value, json};

use super::*;
use crate::error::Effect;
use crate::openstack::fake::{Log, Manner, Reply, cloud, cloud_with, response, session};
use crate::openstack::{ServerId, VolumeId};

const SECOND: Duration = Duration::from_secs(1);

fn limits() -> Reply {
    Reply::Json(200, json!({ "limits": { "absolute": {} } }))
}

fn refused(status: u16, headers: &[(&'static str, &'static str)]) -> Reply {
    let mut answer = response(status, &json!({ "overLimit": { "code": status, "message": "slow down" } }));
    for (name, value) in headers {
        answer.headers_mut().insert(*name, value.parse().unwrap());
    }
    Reply::Full(answer)
}

#[tokio::test(start_paused = true)]
async fn many_calls_at_once_log_in_once() {
    let manner = Manner { login_takes: SECOND, ..Manner::default() };
    let (session, log) = cloud_with(manner, |_| limits());
    let compute = session.compute();

    let results = join_all((0..24).map(|_| compute.limits())).await;

    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(log.logins(), 1);
}

#[tokio::test(start_paused = true)]
async fn fifty_calls_with_a_wrong_password_try_it_once() {
    let tries = Arc::new(AtomicU32::new(0));
    let inside = Arc::clone(&tries);
    let transport = Transport::service(move |_| {
        inside.fetch_add(1, Ordering::SeqCst);
        async {
            tokio::time::sleep(SECOND).await;
            let fault = json!({ "error": { "code": 401, "message": "no", "title": "Unauthorized" } });
            Ok(response(401, &fault))
        }
    });
    let session = session(transport, RateOptions::default(), &Log::default());
    let compute = session.compute();

    let results = join_all((0..50).map(|_| compute.limits())).await;

    assert_eq!(tries.load(Ordering::SeqCst), 1);
    for error in results.into_iter().map(Result::unwrap_err) {
        assert_eq!((error.class(), error.effect()), (Class::Auth, Effect::None));
        assert_eq!(error.to_string(), "log in: Keystone answered 401: no (request req-1)");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_a_tenth_of_its_life_early() {
    let manner = Manner { token_life: 20 * SECOND, ..Manner::default() };
    let (session, log) = cloud_with(manner, |_| limits());

    session.login().await.unwrap();
    tokio::time::advance(17 * SECOND).await;
    session.compute().limits().await.unwrap();
    let before = log.logins();
    tokio::time::advance(SECOND + SECOND).await;
    session.compute().limits().await.unwrap();

    assert_eq!((before, log.logins()), (1, 2));
    assert_eq!(log.last().token, "token-2");
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_replaced_and_the_call_sent_once_more() {
    let (session, log) =
        cloud(|seen| if seen.token == "token-1" { Reply::Json(401, Value::Null) } else { limits() });

    session.compute().limits().await.unwrap();

    assert_eq!(log.logins(), 2);
    assert_eq!(log.lines(), ["GET nova/v2.1/limits"; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_never_sent_a_third_time() {
    let (session, log) = cloud(|_| Reply::Json(401, Value::Null));

    let error = session.compute().limits().await.unwrap_err();

    assert_eq!(error.class(), Class::Auth);
    assert_eq!(
        error.to_string(),
        "read compute limits: Nova at http://nova answered 401: Unauthorized (request req-1)"
    );
    assert_eq!(log.lines().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_refuses_every_token_does_not_flood_keystone() {
    let (session, log) = cloud(|_| Reply::Json(401, Value::Null));

    for _ in 0..10 {
        session.compute().limits().await.unwrap_err();
    }

    assert_eq!((log.logins(), log.lines().len()), (2, 20));
}

#[tokio::test(start_paused = true)]
async fn a_login_that_was_not_sent_is_sent_as_soon_as_it_may() {
    let (session, _) = cloud(|_| limits());
    session.limiter().stop(Service::Identity, Some(SECOND));

    let error = session.login().await.unwrap_err();
    tokio::time::advance(SECOND).await;

    assert!(matches!(error, Error::Throttled { .. }), "{error}");
    assert!(session.login().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_login_says_which_project_and_region() {
    let (session, log) = cloud(|_| limits());

    let project = session.login().await.unwrap();

    assert_eq!((project.id.0.as_str(), project.region.as_str()), ("p1", "one"));
    assert_eq!((project.name.as_str(), project.user.as_str()), ("lab", "robot"));
    assert_eq!(log.calls.lock().unwrap()[0].outcome(), "201");
}

#[tokio::test(start_paused = true)]
async fn retry_after_stops_the_service_and_no_other() {
    let (session, log) =
        cloud(
            |seen| {
                if seen.uri.starts_with("nova") { refused(429, &[("retry-after", "30")]) } else { limits() }
            },
        );

    let first = session.compute().limits().await.unwrap_err();
    let second = session.compute().delete_server(&ServerId::from("s")).await.unwrap_err();
    let cinder = session.block_storage().limits().await;
    tokio::time::advance(31 * SECOND).await;
    let third = session.compute().limits().await.unwrap_err();

    assert_eq!((first.class(), first.retry_after()), (Class::Busy, Some(30 * SECOND)));
    assert!(matches!(second, Error::Throttled { wait, .. } if wait == 30 * SECOND), "{second}");
    assert_eq!((second.class(), second.effect()), (Class::Busy, Effect::None));
    assert!(cinder.is_ok());
    assert_eq!(third.status().unwrap(), 429);
    assert_eq!(log.lines().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn retry_after_zero_or_absent_is_a_second_and_a_day_is_five_minutes() {
    for (headers, pause) in [
        (vec![("retry-after", "0")], SECOND),
        (vec![], SECOND),
        (vec![("retry-after", "86400")], 300 * SECOND),
        (
            vec![("date", "Sat, 21 Nov 2026 10:00:00 GMT"), ("retry-after", "Sat, 21 Nov 2026 10:00:07 GMT")],
            7 * SECOND,
        ),
    ] {
        let (session, _) = cloud({
            let headers = headers.clone();
            move |_| refused(429, &headers)
        });

        session.compute().limits().await.unwrap_err();

        let wait = session.limiter().try_take(Service::Compute, Lane::Delete, None).unwrap_err();
        assert_eq!(wait, pause, "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn over_cinders_quota_its_service_goes_on() {
    let (session, _) = cloud(|_| {
        let message =
            "VolumeLimitExceeded: Maximum number of volumes allowed (1) exceeded for quota 'volumes'.";
        let mut answer = response(413, &json!({ "overLimit": { "code": 413, "message": message } }));
        answer.headers_mut().insert("retry-after", "0".parse().unwrap());
        Reply::Full(answer)
    });

    let error = session.block_storage().limits().await.unwrap_err();

    assert_eq!(error.class(), Class::Quota);
    assert!(session.limiter().try_take(Service::BlockStorage, Lane::Delete, None).is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_may_have_happened_is_told_apart() {
    type Answering = Box<dyn Fn() -> Reply + Send + Sync>;
    let answered = |status| move || Reply::Json(status, Value::Null);
    let refused = |status| move || refused(status, &[]);
    let cases: [(Answering, Effect, Class); 9] = [
        (Box::new(|| Reply::Fails(Failure::before("no route".into()))), Effect::None, Class::Unreachable),
        (Box::new(|| Reply::Fails(Failure::after("reset".into()))), Effect::Unknown, Class::Unreachable),
        (Box::new(|| Reply::Silence), Effect::Unknown, Class::Unreachable),
        (Box::new(answered(502)), Effect::Unknown, Class::Unreachable),
        (Box::new(answered(504)), Effect::Unknown, Class::Unreachable),
        (Box::new(answered(500)), Effect::Unknown, Class::Unreachable),
        (Box::new(refused(503)), Effect::Unknown, Class::Unreachable),
        (Box::new(answered(400)), Effect::Unknown, Class::Invalid),
        (Box::new(refused(400)), Effect::Answered, Class::Invalid),
    ];
    for (reply, effect, class) in cases {
        let (session, log) = cloud(move |_| reply());

        let error = session.block_storage().delete_volume(&VolumeId::from("v")).await.unwrap_err();

        assert_eq!((error.effect(), error.class()), (effect, class), "{error}");
        assert_eq!(log.lines().len(), 1, "sent once: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_cloud_is_waited_for_ninety_seconds() {
    let (session, log) = cloud(|_| Reply::Silence);
    let begun = Instant::now();

    let error = session.compute().limits().await.unwrap_err();

    assert_eq!(begun.elapsed(), PATIENCE);
    assert_eq!(
        error.to_string(),
        "read compute limits: no answer from Nova at http://nova: nothing within 90s"
    );
    let calls = log.calls.lock().unwrap();
    assert_eq!((calls[1].outcome(), calls[1].took), ("none", PATIENCE));
}

#[tokio::test(start_paused = true)]
async fn a_gone_project_or_server_is_not_a_proxys_404() {
    let (session, _) = cloud(|_| {
        Reply::Full(
            http::Response::builder().status(404).body(b"<html>404 Not Found</html>".to_vec()).unwrap(),
        )
    });

    let error = session.compute().delete_server(&ServerId::from("s")).await.unwrap_err();

    assert!(!error.is_not_found());
    assert_eq!(error.class(), Class::Unreachable);
}

#[tokio::test(start_paused = true)]
async fn a_success_that_cannot_be_read_names_the_address_and_may_have_happened() {
    let (session, _) = cloud(|_| Reply::Json(200, json!({ "hello": 1 })));

    let error = session.compute().limits().await.unwrap_err();

    assert!(error.to_string().contains("the answer of Nova at http://nova cannot be read"), "{error}");
    assert_eq!(error.effect(), Effect::Unknown);
}
