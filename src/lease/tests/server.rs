//! An API server that knows one Lease, and lines to it that can fail.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, body};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use serde_json::json;
use tokio::time::sleep;
use tower::ServiceExt;

/// What there is: the Lease and the last version given out.
#[derive(Default)]
pub struct Server {
    lease: Mutex<(Option<Lease>, u64)>,
    writes: AtomicU64,
}

impl Server {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A client at the end of its own line.
    pub fn client(self: &Arc<Self>, line: &Arc<Line>) -> kube::Client {
        let app = Router::new().fallback(answer).with_state((self.clone(), line.clone()));
        let service = app
            .into_service::<Body>()
            .map_request(|request: http::Request<kube::client::Body>| request.map(Body::new));
        kube::Client::new(service, "default")
    }

    pub fn spec(&self) -> Option<LeaseSpec> {
        self.lease.lock().unwrap().0.as_ref()?.spec.clone()
    }

    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// As `kubectl edit` would.
    pub fn edit(&self, edit: impl FnOnce(&mut LeaseSpec)) {
        let mut lease = self.lease.lock().unwrap().0.clone().unwrap();
        edit(lease.spec.as_mut().unwrap());
        assert!(self.put(lease).status().is_success());
    }

    pub fn delete(&self) {
        self.lease.lock().unwrap().0 = None;
    }

    fn get(&self) -> Response {
        match &self.lease.lock().unwrap().0 {
            Some(lease) => Json(lease.clone()).into_response(),
            None => refusal(StatusCode::NOT_FOUND, "NotFound"),
        }
    }

    fn post(&self, lease: Lease) -> Response {
        match self.lease.lock().unwrap().0 {
            Some(_) => return refusal(StatusCode::CONFLICT, "AlreadyExists"),
            None => assert_eq!(lease.metadata.resource_version, None),
        }
        self.store(lease)
    }

    fn put(&self, lease: Lease) -> Response {
        let version = lease.metadata.resource_version.clone();
        assert!(version.is_some(), "a write that is not tied to what was read");
        match &self.lease.lock().unwrap().0 {
            None => return refusal(StatusCode::NOT_FOUND, "NotFound"),
            Some(stored) if stored.metadata.resource_version != version => {
                return refusal(StatusCode::CONFLICT, "Conflict");
            }
            Some(_) => {}
        }
        self.store(lease)
    }

    fn store(&self, mut lease: Lease) -> Response {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let mut stored = self.lease.lock().unwrap();
        stored.1 += 1;
        lease.metadata.resource_version = Some(stored.1.to_string());
        stored.0 = Some(lease.clone());
        Json(lease).into_response()
    }
}

async fn answer(
    State((server, line)): State<(Arc<Server>, Arc<Line>)>,
    request: http::Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let sent = body::to_bytes(body, usize::MAX).await.unwrap();
    let now = line.state();
    match now.failure {
        Failure::Cut => std::future::pending().await,
        Failure::Refuses => return refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
        Failure::None | Failure::LosesReplies => {}
    }
    // What is under way arrives, even if the sender no longer waits for it.
    let arrival = tokio::spawn(async move {
        sleep(now.there).await;
        let read = || serde_json::from_slice(&sent).unwrap();
        match parts.method {
            Method::GET => server.get(),
            Method::POST => server.post(read()),
            Method::PUT => server.put(read()),
            other => panic!("{other} is not how a lease is held"),
        }
    });
    let response = arrival.await.unwrap();
    if let Failure::LosesReplies = now.failure {
        std::future::pending::<()>().await;
    }
    sleep(now.back).await;
    response
}

fn refusal(status: StatusCode, reason: &str) -> Response {
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": status.as_u16()});
    (status, Json(body)).into_response()
}

/// The way from one candidate to the server.
#[derive(Default)]
pub struct Line(Mutex<Condition>);

#[derive(Clone, Copy, Default)]
struct Condition {
    failure: Failure,
    there: Duration,
    back: Duration,
}

#[derive(Clone, Copy, Default)]
enum Failure {
    #[default]
    None,
    Cut,
    LosesReplies,
    Refuses,
}

impl Line {
    pub fn cut(&self) {
        self.fail(Failure::Cut);
    }

    pub fn lose_replies(&self) {
        self.fail(Failure::LosesReplies);
    }

    pub fn refuse(&self) {
        self.fail(Failure::Refuses);
    }

    pub fn set_delay(&self, there: Duration, back: Duration) {
        *self.0.lock().unwrap() = Condition { failure: Failure::None, there, back };
    }

    pub fn mend(&self) {
        *self.0.lock().unwrap() = Condition::default();
    }

    fn fail(&self, failure: Failure) {
        *self.0.lock().unwrap() = Condition { failure, ..Condition::default() };
    }

    fn state(&self) -> Condition {
        *self.0.lock().unwrap()
    }
}
