//! Create, update, patch and delete.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Answer;
use crate::json::{object, set, text};
use crate::managers::Operation;
use crate::metadata;
use crate::patch::apply::Force;
use crate::patch::{apply, json as json_patch, merge, typed};
use crate::request::{Request, Verb};
use crate::resource::Resource;
use crate::selector::Selector;
use crate::status::Status;
use crate::store::{Key, Store};
use crate::view::View;
use crate::write::{Effect, Write};
use crate::{delete, event, protobuf};

pub(super) fn write(
    store: &mut Store,
    resource: &Arc<Resource>,
    request: &Request,
) -> Result<Answer, Status> {
    let call = &request.call;
    let key = Key::new(&resource.storage, &call.namespace, &call.name);
    let now = store.clock.now();
    let applies = call.verb == Verb::Patch && request.content_type.starts_with("application/apply-patch");
    let operation = if applies { Operation::Apply } else { Operation::Update };
    let mut write = Write::new(store, resource.clone(), request, operation);
    let (code, stored) = match call.verb {
        Verb::Create => (201, write.create(&call.namespace, body(request)?, None)?),
        Verb::Update => (200, write.replace(&key, body(request)?)?),
        Verb::Patch if applies => apply_patch(&mut write, &key, request)?,
        Verb::Patch => (200, patch(&mut write, &key, request)?),
        Verb::Delete => {
            let body = delete::delete(write.store, resource, &key, &options(request)?, write.effect)?;
            return Ok(Answer::Body(200, shown(resource, body), Vec::new()));
        }
        Verb::DeleteCollection => return delete_collection(store, resource, request),
        Verb::Get | Verb::List | Verb::Watch => return Err(Status::page_not_found()),
    };
    let warnings = write.warnings;
    Ok(Answer::Body(code, View::of(request).one(resource, &stored, now), warnings))
}

fn shown(resource: &Resource, mut body: Value) -> Value {
    if text(&body, "/kind") != "Status" {
        event::show(&mut body, resource);
    }
    body
}

fn body(request: &Request) -> Result<Value, Status> {
    parse(&request.body).map_err(Status::bad_request)
}

/// Reads JSON, YAML, or the protobuf that is known here.
fn parse(body: &[u8]) -> Result<Value, String> {
    if body.starts_with(protobuf::MAGIC) {
        return protobuf::decode(body);
    }
    serde_json::from_slice(body).or_else(|json| {
        let text = std::str::from_utf8(body).map_err(|_| json.to_string())?;
        serde_saphyr::from_str::<Value>(text).map_err(|_| json.to_string())
    })
}

/// The options of a delete, from the body and the query.
fn options(request: &Request) -> Result<Value, Status> {
    let mut options = if request.body.is_empty() { json!({}) } else { body(request)? };
    let policy = request.query.get("propagationPolicy");
    if !policy.is_empty() {
        set(&mut options, &["propagationPolicy"], json!(policy));
    }
    Ok(options)
}

fn patch(write: &mut Write<'_>, key: &Key, request: &Request) -> Result<Arc<Value>, Status> {
    let old = write.existing(key)?;
    let change = body(request)?;
    let mut new = shown(&write.resource, (*old).clone());
    let content_type = request.content_type.split(';').next().unwrap_or_default();
    match content_type {
        "application/json-patch+json" => json_patch::apply(&mut new, &change).map_err(|_| {
            let message = "the server rejected our request due to an error in our request";
            Status::new(422, "Invalid", message)
        })?,
        "application/merge-patch+json" => merge::merge(&mut new, &change),
        "application/strategic-merge-patch+json" if !write.resource.custom => merge::merge(&mut new, &change),
        _ => {
            let supported =
                "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
            let message = format!(
                "the body of the request was in an unknown format - accepted media types include: {supported}"
            );
            return Err(Status::new(415, "UnsupportedMediaType", message));
        }
    }
    write.patch(key, new)
}

fn apply_patch(write: &mut Write<'_>, key: &Key, request: &Request) -> Result<(u16, Arc<Value>), Status> {
    if request.query.get("fieldManager").is_empty() {
        return Err(Status::bad_request("fieldManager is required for apply patch"));
    }
    let mut wanted = body(request)?;
    let resource = write.resource.clone();
    if wanted.pointer("/metadata/managedFields").is_some_and(|fields| !fields.is_null()) {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    event::store(&mut wanted, &resource);
    check_fields(&resource, key, &wanted)?;
    let now = write.store.clock.stamp();
    let force = if request.query.flag("force") { Force::Yes } else { Force::No };
    let Some(old) = write.store.get(key).cloned() else {
        if !text(&wanted, "/metadata/uid").is_empty() {
            let why = "uid mismatch: the provided object specified uid, and no existing object was found";
            return Err(Status::conflict(&resource.group, &resource.plural, &key.name, why));
        }
        if write.manager.subresource == "status" {
            return Err(Status::not_found(&resource.group, &resource.plural, &key.name));
        }
        set(&mut wanted, &["metadata", "name"], json!(key.name));
        let empty = json!({});
        let applied =
            apply::apply(&empty, &wanted, Some(resource.schema.typed()), &write.manager, force, &now)?;
        let stored = write.create(&key.namespace, applied.object, Some(applied.managers))?;
        return Ok((201, stored));
    };
    metadata::same_object(&resource, key, &old, &wanted)?;
    let applied = apply::apply(&old, &wanted, Some(resource.schema.typed()), &write.manager, force, &now)?;
    let mut object = applied.object;
    // The version has been checked; the merged object carries the live one.
    crate::json::carry(&old, &mut object, &["metadata", "resourceVersion"]);
    resource.schema.prune(&mut object);
    write.update(key, object, Some(applied.managers)).map(|stored| (200, stored))
}

/// An apply may only name fields that the schema declares, as what it declares them.
fn check_fields(resource: &Resource, key: &Key, wanted: &Value) -> Result<(), Status> {
    let misfits = resource.schema.root().map(|schema| typed::misfits(wanted, schema)).unwrap_or_default();
    let said = match misfits.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        many => format!(
            "errors:
  {}",
            many.join(
                "
  "
            )
        ),
    };
    let place = if key.namespace.is_empty() { String::from("/") } else { format!("{}/", key.namespace) };
    let (version, kind) = (resource.api_version(), &resource.kind);
    let message =
        format!("failed to create typed patch object ({place}{}; {version}, Kind={kind}): {said}", key.name);
    Err(Status::new(500, "", message))
}

fn delete_collection(store: &mut Store, resource: &Resource, request: &Request) -> Result<Answer, Status> {
    let query = &request.query;
    let selector = Selector::parse(resource, query.get("labelSelector"), query.get("fieldSelector"), "")?;
    let found: Vec<_> = store
        .list(&resource.storage, &request.call.namespace)
        .filter(|(_, object)| selector.matches(object))
        .map(|(key, object)| (key.clone(), (**object).clone()))
        .collect();
    let effect = if request.dry_run() { Effect::DryRun } else { Effect::Real };
    let options = options(request)?;
    let mut items = Vec::new();
    for (key, object) in found {
        delete::delete(store, resource, &key, &options, effect)?;
        items.push(shown(resource, object));
    }
    let mut list = json!({"apiVersion": resource.api_version(), "kind": resource.list_kind});
    let revision = store.revision().to_string();
    object(&mut list).insert("metadata".into(), json!({"resourceVersion": revision}));
    object(&mut list).insert("items".into(), Value::Array(items));
    Ok(Answer::Body(200, list, Vec::new()))
}
