//! `/openapi/v3`: what `kubectl explain` shows, and what `kubectl apply` looks up before it writes.

use serde_json::{Map, Value, json};

use crate::json::set;
use crate::resource::Resource;
use crate::status::Status;
use crate::store::Store;

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The documents there are.
pub(crate) fn index(store: &Store) -> Value {
    let mut paths = Map::new();
    for resource in &store.resources {
        let path = root(resource);
        let path = path.trim_start_matches('/');
        let url = format!("/openapi/v3/{path}?hash={}", store.revision());
        paths.insert(path.to_owned(), json!({"serverRelativeURL": url}));
    }
    json!({"paths": paths})
}

/// The document of one group and version.
pub(crate) fn document(store: &Store, group: &str, version: &str) -> Result<Value, Status> {
    let here: Vec<_> = store.resources.iter().filter(|r| r.group == group && r.version == version).collect();
    if here.is_empty() {
        return Err(Status::page_not_found());
    }
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    schemas.insert(OBJECT_META.into(), object_meta());
    for resource in here {
        paths.extend(operations(resource));
        schemas.insert(component(resource), schema(resource));
    }
    Ok(json!({
        "openapi": "3.0.0", "info": {"title": "devcluster", "version": "v1.36.3"},
        "paths": paths, "components": {"schemas": schemas},
    }))
}

fn root(resource: &Resource) -> String {
    let root = if resource.group.is_empty() { "/api" } else { "/apis" };
    format!("{root}/{}", resource.api_version())
}

/// The group backwards, the version and the kind.
fn component(resource: &Resource) -> String {
    let group = if resource.group.is_empty() { "core.api.k8s.io" } else { &resource.group };
    let reversed: Vec<_> = group.rsplit('.').collect();
    format!("{}.{}.{}", reversed.join("."), resource.version, resource.kind)
}

fn kind(resource: &Resource) -> Value {
    json!({"group": resource.group, "version": resource.version, "kind": resource.kind})
}

fn schema(resource: &Resource) -> Value {
    let mut schema = resource.schema.root().cloned().unwrap_or_else(|| {
        let description = format!("{} as this server knows it: any fields.", resource.kind);
        json!({"type": "object", "description": description, "x-kubernetes-preserve-unknown-fields": true})
    });
    let text = |description: &str| json!({"type": "string", "description": description});
    let conventions = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md";
    let version = "APIVersion defines the versioned schema of this representation of an object. Servers should \
                   convert recognized schemas to the latest internal value, and may reject unrecognized values.";
    let name = "Kind is a string value representing the REST resource this object represents. Servers may infer \
                this from the endpoint the client submits requests to. Cannot be updated. In CamelCase.";
    let version = format!("{version} More info: {conventions}#resources");
    set(&mut schema, &["properties", "apiVersion"], text(&version));
    set(&mut schema, &["properties", "kind"], text(&format!("{name} More info: {conventions}#types-kinds")));
    let metadata = json!({
        "description": format!("Standard object's metadata. More info: {conventions}#metadata"),
        "allOf": [{"$ref": format!("#/components/schemas/{OBJECT_META}")}],
    });
    set(&mut schema, &["properties", "metadata"], metadata);
    set(&mut schema, &["x-kubernetes-group-version-kind"], json!([kind(resource)]));
    schema
}

fn object_meta() -> Value {
    let text = json!({"type": "string"});
    let texts = json!({"type": "array", "items": text, "x-kubernetes-list-type": "set"});
    let map = json!({"type": "object", "additionalProperties": text});
    let time = json!({"type": "string", "format": "date-time"});
    let objects = json!({"type": "array", "items": {"type": "object"}});
    json!({
        "type": "object", "description": "ObjectMeta is metadata that all persisted resources must have.",
        "properties": {
            "name": text, "namespace": text, "generateName": text, "uid": text, "resourceVersion": text,
            "selfLink": text, "generation": {"type": "integer", "format": "int64"},
            "deletionGracePeriodSeconds": {"type": "integer", "format": "int64"},
            "creationTimestamp": time, "deletionTimestamp": time, "labels": map, "annotations": map,
            "finalizers": texts, "ownerReferences": objects, "managedFields": objects,
        },
    })
}

/// The operations on a resource, each with the parameters that clients look for.
fn operations(resource: &Resource) -> Map<String, Value> {
    let namespace = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
    let many = format!("{}{namespace}/{}", root(resource), resource.plural);
    let one = format!("{many}/{{name}}");
    let content = json!({"schema": {"$ref": format!("#/components/schemas/{}", component(resource))}});
    let operation = |action: &str, parameters: &[&str]| {
        let parameter = |name: &&str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
        json!({
            "x-kubernetes-action": action, "x-kubernetes-group-version-kind": kind(resource),
            "parameters": parameters.iter().map(parameter).collect::<Vec<_>>(),
            "responses": {"200": {"description": "OK", "content": {"application/json": content}}},
        })
    };
    let writes = ["dryRun", "fieldManager", "fieldValidation"];
    let forced = ["dryRun", "fieldManager", "fieldValidation", "force"];
    let mut paths = Map::new();
    paths.insert(many, json!({"get": operation("list", &[]), "post": operation("post", &writes)}));
    let mut on_one = json!({"get": operation("get", &[]), "put": operation("put", &writes)});
    set(&mut on_one, &["patch"], operation("patch", &forced));
    set(&mut on_one, &["delete"], operation("delete", &["dryRun", "propagationPolicy"]));
    if resource.status {
        paths.insert(format!("{one}/status"), on_one.clone());
    }
    paths.insert(one, on_one);
    paths
}
