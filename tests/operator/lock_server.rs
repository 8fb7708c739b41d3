//! teuthology's lock server between its clients and the operator, in virtual time.

mod front;
mod import;
mod locks;
mod names;
mod recordings;
mod storms;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, Response};
use serde_json::{Value, json};
use testnode_operator::lock_server::{LockServer, Settings};
use testnode_operator::supervision::Health;
use testnode_operator::transport::{Failure, Transport};
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt as _;

use crate::harness::{Lab, quick};
use crate::pools::idle;

/// The zone of the lab's names.
pub fn zone(lab: &Lab) -> String {
    lab.cloud.settings().zone
}

/// A replica of the lock server.
pub struct Replica {
    router: Router,
    server: LockServer,
    pub health: Health,
}

/// Nobody is behind the lock server.
pub fn nobody() -> Transport {
    Transport::service(|_| async { Err(Failure::before("nobody is there".into())) })
}

impl Replica {
    pub async fn of(lab: &Lab) -> Self {
        Self::with(lab, Settings::default(), nobody()).await
    }

    pub async fn with(lab: &Lab, settings: Settings, transport: Transport) -> Self {
        let settings = Settings { namespace: "default".into(), ..settings };
        let (health, clock) = (Health::new(), lab.cluster.clone());
        let clock = Arc::new(move || clock.now());
        let server = LockServer::begin(&lab.cluster.client(), settings, transport, clock, &health);
        let replica = Self { router: server.router(), server, health };
        lab.until("it is ready", 10, |_| replica.health.missing().is_empty()).await;
        replica
    }

    /// Sends any request, and is answered within 5 s.
    pub async fn send(&self, request: Request<Body>) -> Response<Body> {
        let answered = timeout(Duration::from_secs(5), self.router.clone().oneshot(request)).await;
        assert!(answered.is_ok(), "every answer is there within 5 s");
        answered.unwrap().unwrap()
    }

    /// Sends a body as teuthology does, often without a Content-Type.
    pub async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path).body(Body::from(body.to_owned())).unwrap();
        let answered = self.send(request).await;
        let status = answered.status().as_u16();
        let body = to_bytes(answered.into_body(), 1 << 24).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into()))
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, "").await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub async fn lock_many(
        &self,
        owner: &str,
        count: i64,
        description: Option<&str>,
        more: Value,
    ) -> (u16, Value) {
        let mut body =
            json!({"locked_by": owner, "count": count, "machine_type": "lab", "description": description});
        for (key, value) in more.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        self.ask("POST", "/nodes/lock_many/", &body.to_string()).await
    }

    pub async fn lock(
        &self,
        name: &str,
        locked: bool,
        owner: &str,
        description: Option<&str>,
    ) -> (u16, Value) {
        let body = json!({"name": name, "locked": locked, "locked_by": owner, "description": description});
        self.ask("PUT", &format!("/nodes/{name}/lock/"), &body.to_string()).await
    }

    pub fn end(&self) {
        self.server.end();
    }
}

/// The names of rows.
pub fn names(rows: &Value) -> Vec<String> {
    let mut names: Vec<String> =
        rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// A lab with a pool of machines in `lab.test`'s zone, and a lock server before it.
pub async fn lab_with(min_ready: i64, max: i64) -> (Lab, Replica) {
    let lab = Lab::new(quick()).await;
    lab.apply(json!({
        "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNodePool", "metadata": {"name": "ovh", "namespace": "default"},
        "spec": {
            "minReady": min_ready, "max": max, "template": {"machineType": "lab"},
            "claims": {"duration": "8h", "maxDuration": "336h"},
        },
    }));
    let count = usize::try_from(min_ready).unwrap();
    lab.until("the pool is full", 90, |lab| idle(lab) == count).await;
    let replica = Replica::of(&lab).await;
    (lab, replica)
}

/// Asks again every 10 s, as `teuthology --block` does.
pub async fn until_locked(replica: &Replica, owner: &str, count: i64, description: Option<&str>) -> Value {
    let began = Instant::now();
    loop {
        let (status, body) = replica.lock_many(owner, count, description, Value::Null).await;
        if status == 200 {
            return body;
        }
        assert_eq!(status, 503, "{body}");
        assert!(began.elapsed() < Duration::from_mins(10), "{body}");
        sleep(Duration::from_secs(10)).await;
    }
}

/// The claims of the lock server that have not ended.
pub fn living(lab: &Lab) -> Vec<Value> {
    let mut claims = lab.cluster.list("testnodeclaims", "default");
    claims.retain(|claim| claim["status"]["ended"].is_null());
    claims
}
