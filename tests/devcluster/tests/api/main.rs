//! The API as clients see it, in virtual time.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may fail as tests do")]

mod apply;
mod controller;

mod crud;
mod deletion;
mod faults;
mod schema;
mod tls;
mod watch;

use axum::body::Body;
use axum::http::Request;
use devcluster::DevCluster;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Where the probes are.
const PROBES: &str = "/apis/lab.example.org/v1/namespaces/default/probes";
/// The probe called `p`.
const PROBE: &str = "/apis/lab.example.org/v1/namespaces/default/probes/p";

/// A definition with a bit of everything.
fn definition() -> Value {
    let volume = json!({
        "type": "object", "required": ["name", "sizeGiB"],
        "properties": {
            "name": {"type": "string", "maxLength": 20, "pattern": "^[a-z]+$"},
            "sizeGiB": {"type": "integer", "format": "int32", "minimum": 1},
            "count": {"type": "integer", "default": 1},
        },
        "x-kubernetes-validations": [{"rule": "self.sizeGiB >= oldSelf.sizeGiB", "message": "volumes never shrink"}],
    });
    let spec = json!({
        "type": "object", "required": ["image"],
        "properties": {
            "image": {
                "type": "string", "minLength": 1,
                "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "image cannot change"}],
            },
            "pool": {"type": "string", "default": "small", "enum": ["small", "large"]},
            "hostname": {"type": "string"},
            "note": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            "volumes": {
                "type": "array", "maxItems": 3, "items": volume,
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            },
            "extra": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    });
    let conditions = json!({
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object", "required": ["type", "status"],
            "properties": {
                "type": {"type": "string"}, "status": {"type": "string"}, "reason": {"type": "string"},
                "lastTransitionTime": {"type": "string", "format": "date-time"},
            },
        },
    });
    let status = json!({
        "type": "object",
        "default": {"conditions": [{"type": "Ready", "status": "Unknown", "reason": "Pending"}]},
        "properties": {"conditions": conditions, "phase": {"type": "string"}},
    });
    let columns = json!([
        {"name": "Image", "type": "string", "jsonPath": ".spec.image"},
        {"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "Pool", "type": "string", "jsonPath": ".spec.pool", "priority": 1},
    ]);
    let schema = json!({
        "type": "object", "required": ["spec"], "description": "A thing to try things on.",
        "properties": {
            "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"},
            "spec": spec, "status": status,
        },
        "x-kubernetes-validations": [{
            "rule": "!has(self.spec.hostname) || self.spec.hostname == self.metadata.name",
            "messageExpression": "'hostname must be ' + self.metadata.name",
        }],
    });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "probes.lab.example.org"},
        "spec": {
            "group": "lab.example.org", "scope": "Namespaced",
            "names": {"kind": "Probe", "plural": "probes", "singular": "probe", "shortNames": ["pb"]},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": schema}, "additionalPrinterColumns": columns,
                "selectableFields": [{"jsonPath": ".spec.pool"}],
            }],
        },
    })
}

/// A cluster that knows probes.
fn cluster() -> DevCluster {
    let cluster = DevCluster::starting("2026-01-01T00:00:00Z".parse().unwrap());
    cluster.install(definition()).unwrap();
    cluster
}

/// A probe with a spec.
fn probe(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "lab.example.org/v1", "kind": "Probe",
        "metadata": {"name": name, "namespace": "default"}, "spec": spec,
    })
}

/// Sends one request; returns the code and the body.
async fn send(
    cluster: &DevCluster,
    method: &str,
    uri: &str,
    kind: &str,
    body: Option<&Value>,
) -> (u16, Value) {
    let body = body.map(|body| Body::from(body.to_string())).unwrap_or_default();
    let request = Request::builder().method(method).uri(uri).header("content-type", kind);
    let request = request.header("user-agent", "tester/1.0").body(body).unwrap();
    let response = cluster.router().oneshot(request).await.unwrap();
    let code = response.status().as_u16();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (code, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// Reads.
async fn get(cluster: &DevCluster, uri: &str) -> (u16, Value) {
    send(cluster, "GET", uri, "", None).await
}

/// Creates.
async fn post(cluster: &DevCluster, uri: &str, body: &Value) -> (u16, Value) {
    send(cluster, "POST", uri, "application/json", Some(body)).await
}

/// Replaces.
async fn put(cluster: &DevCluster, uri: &str, body: &Value) -> (u16, Value) {
    send(cluster, "PUT", uri, "application/json", Some(body)).await
}

/// Merges.
async fn merge(cluster: &DevCluster, uri: &str, body: &Value) -> (u16, Value) {
    send(cluster, "PATCH", uri, "application/merge-patch+json", Some(body)).await
}

/// Applies as a manager.
async fn apply(cluster: &DevCluster, uri: &str, manager: &str, body: &Value) -> (u16, Value) {
    let uri = format!("{uri}?fieldManager={manager}");
    send(cluster, "PATCH", &uri, "application/apply-patch+yaml", Some(body)).await
}

/// Deletes.
async fn delete(cluster: &DevCluster, uri: &str) -> (u16, Value) {
    send(cluster, "DELETE", uri, "", None).await
}

/// What a refusal says.
fn message(body: &Value) -> &str {
    body["message"].as_str().unwrap_or_default()
}
