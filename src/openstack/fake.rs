//! A cloud in a closure, for the tests beside the code. Keystone is built in.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::clouds_yaml::{self, Choice};
use super::{Call, RateOptions, Session, SessionOptions};
use crate::transport::{Failure, Transport};

/// One request as the cloud saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub method: Method,
    /// Host, path and query.
    pub uri: String,
    pub body: Value,
    pub token: String,
    pub headers: http::HeaderMap,
}

/// What the cloud does with it.
pub(crate) enum Reply {
    Json(u16, Value),
    Full(Response<Vec<u8>>),
    Fails(Failure),
    Silence,
}

/// How the cloud behaves as a whole.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    pub token_life: Duration,
    pub login_takes: Duration,
    pub rate: RateOptions,
}

impl Default for Manner {
    fn default() -> Self {
        let rate = RateOptions { requests_per_second: 1000, burst: 1000 };
        Self { token_life: Duration::from_hours(1), login_takes: Duration::ZERO, rate }
    }
}

/// What happened.
#[derive(Clone, Default)]
pub(crate) struct Log {
    pub seen: Arc<Mutex<Vec<Seen>>>,
    pub calls: Arc<Mutex<Vec<Call>>>,
    logins: Arc<AtomicU32>,
}

impl Log {
    pub fn logins(&self) -> u32 {
        self.logins.load(Ordering::SeqCst)
    }

    /// All but logins, as `GET nova/v2.1/servers`.
    pub fn lines(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|seen| format!("{} {}", seen.method, seen.uri)).collect()
    }

    pub fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().unwrap().clone()
    }
}

/// A session on a cloud that answers everything but logins with `answer`.
pub(crate) fn cloud(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (Session, Log) {
    cloud_with(Manner::default(), answer)
}

pub(crate) fn cloud_with(
    manner: Manner,
    answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> (Session, Log) {
    let log = Log::default();
    let (inside, answer) = (log.clone(), Arc::new(answer));
    let transport = Transport::service(move |request: Request<Vec<u8>>| {
        let (log, answer) = (inside.clone(), Arc::clone(&answer));
        async move {
            let seen = read(&request);
            if seen.uri == "keystone/v3/auth/tokens" {
                tokio::time::sleep(manner.login_takes).await;
                let count = log.logins.fetch_add(1, Ordering::SeqCst) + 1;
                return Ok(login(count, manner.token_life));
            }
            log.seen.lock().unwrap().push(seen.clone());
            match answer(&seen) {
                Reply::Json(status, body) => Ok(response(status, &body)),
                Reply::Full(response) => Ok(response),
                Reply::Fails(failure) => Err(failure),
                Reply::Silence => std::future::pending().await,
            }
        }
    });
    (session(transport, manner.rate, &log), log)
}

pub(crate) fn session(transport: Transport, rate: RateOptions, log: &Log) -> Session {
    let text = "clouds: {c: {auth: {auth_url: 'http://keystone', application_credential_id: i,
                application_credential_secret: s}}}";
    let credentials = clouds_yaml::parse(text, &Choice { cloud: "c", ..Choice::default() }).unwrap();
    let calls = Arc::clone(&log.calls);
    let observe = Arc::new(move |call: &Call| calls.lock().unwrap().push(call.clone()));
    Session::new(SessionOptions { cloud: "c".into(), credentials, transport, rate, observe })
}

pub(crate) fn response(status: u16, body: &Value) -> Response<Vec<u8>> {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    Response::builder().status(status).header("x-openstack-request-id", "req-1").body(body).unwrap()
}

fn read(request: &Request<Vec<u8>>) -> Seen {
    let uri = request.uri();
    Seen {
        method: request.method().clone(),
        uri: format!("{}{}", uri.host().unwrap(), uri.path_and_query().unwrap()),
        body: serde_json::from_slice(request.body()).unwrap_or_default(),
        token: request.headers().get("x-auth-token").map_or("", |token| token.to_str().unwrap()).to_owned(),
        headers: request.headers().clone(),
    }
}

fn login(count: u32, life: Duration) -> Response<Vec<u8>> {
    let issued: Timestamp = "2026-11-21T10:00:00.000000Z".parse().unwrap();
    let endpoint = |kind: &str, url: &str| {
        json!({ "type": kind, "endpoints": [
            { "interface": "public", "region_id": "one", "region": "one", "url": url }
        ]})
    };
    let body = json!({ "token": {
        "issued_at": issued, "expires_at": issued + SignedDuration::try_from(life).unwrap(),
        "project": { "id": "p1", "name": "lab", "domain": { "id": "default", "name": "Default" } },
        "user": { "id": "u1", "name": "robot" }, "methods": ["application_credential"],
        "catalog": [
            endpoint("compute", "http://nova/v2.1"), endpoint("volumev3", "http://cinder/v3/p1"),
            endpoint("image", "http://glance"), endpoint("network", "http://neutron"),
        ],
    }});
    let mut response = response(201, &body);
    response.headers_mut().insert("x-subject-token", format!("token-{count}").parse().unwrap());
    response
}
