//! What there is: `/api`, `/apis`, `/version` and the like.

use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};

use crate::openapi;
use crate::resource::Resource;
use crate::server::response;
use crate::status::Status;
use crate::store::Store;

/// A page that is no resource.
pub(crate) enum Page {
    Json(Value),
    Text(&'static str),
}

impl Page {
    pub(crate) fn into_response(self) -> Response<Body> {
        match self {
            Self::Json(body) => response(200, "application/json", Body::from(body.to_string())),
            Self::Text(body) => response(200, "text/plain", Body::from(body)),
        }
    }
}

/// Answers a request for something that is no resource.
pub(crate) fn answer(store: &Store, path: &str) -> Result<Page, Status> {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    Ok(match parts.as_slice() {
        ["healthz" | "readyz" | "livez", ..] => Page::Text("ok"),
        ["openapi", "v3"] => Page::Json(openapi::index(store)),
        ["openapi", "v3", "api", version] => Page::Json(openapi::document(store, "", version)?),
        ["openapi", "v3", "apis", group, version] => Page::Json(openapi::document(store, group, version)?),
        ["version"] => Page::Json(version()),
        ["api"] => Page::Json(json!({"kind": "APIVersions", "versions": ["v1"]})),
        ["api", version] => Page::Json(resources(store, "", version)?),
        ["apis"] => {
            let groups: Vec<_> = groups(store).iter().map(|group| describe(store, group)).collect();
            Page::Json(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["apis", group] if groups(store).iter().any(|known| known == group) => {
            let mut page = describe(store, group);
            crate::json::set(&mut page, &["kind"], json!("APIGroup"));
            crate::json::set(&mut page, &["apiVersion"], json!("v1"));
            Page::Json(page)
        }
        ["apis", group, version] => Page::Json(resources(store, group, version)?),
        _ => return Err(Status::page_not_found()),
    })
}

/// What kind of server this says it is.
fn version() -> Value {
    json!({
        "major": "1", "minor": "36", "gitVersion": "v1.36.3", "gitCommit": "", "gitTreeState": "",
        "buildDate": "2026-01-01T00:00:00Z", "goVersion": "", "compiler": "", "platform": "linux/amd64",
    })
}

/// All groups but the core, in the order they came.
fn groups(store: &Store) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for resource in &store.resources {
        if !resource.group.is_empty() && !groups.contains(&resource.group) {
            groups.push(resource.group.clone());
        }
    }
    groups
}

fn describe(store: &Store, group: &str) -> Value {
    let mut versions: Vec<String> = Vec::new();
    for resource in store.resources.iter().filter(|resource| resource.group == group) {
        if !versions.contains(&resource.version) {
            versions.push(resource.version.clone());
        }
    }
    let versions: Vec<_> =
        versions.iter().map(|v| json!({"groupVersion": format!("{group}/{v}"), "version": v})).collect();
    json!({"name": group, "versions": versions, "preferredVersion": versions.first()})
}

fn resources(store: &Store, group: &str, version: &str) -> Result<Value, Status> {
    let mut here: Vec<_> =
        store.resources.iter().filter(|r| r.group == group && r.version == version).collect();
    here.sort_by(|a, b| a.plural.cmp(&b.plural));
    let listed: Vec<_> = here.into_iter().flat_map(|r| entries(r)).collect();
    if listed.is_empty() {
        return Err(Status::page_not_found());
    }
    let name = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Ok(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": listed}))
}

fn entries(resource: &Resource) -> Vec<Value> {
    let mut main = json!({
        "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    });
    if !resource.short_names.is_empty() {
        crate::json::set(&mut main, &["shortNames"], json!(resource.short_names));
    }
    if !resource.categories.is_empty() {
        crate::json::set(&mut main, &["categories"], json!(resource.categories));
    }
    let mut entries = vec![main];
    if resource.status {
        entries.push(json!({
            "name": format!("{}/status", resource.plural), "singularName": "",
            "namespaced": resource.namespaced, "kind": resource.kind, "verbs": ["get", "patch", "update"],
        }));
    }
    entries
}
