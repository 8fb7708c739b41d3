//! Deleting one object: at once, or by marking it for those who hold it.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::json::{set, text, texts};
use crate::resource::Resource;
use crate::status::Status;
use crate::store::{Key, Store};
use crate::write::{Effect, deleted};
use crate::{definition, gc, metadata, namespace};

/// Deletes an object as `DeleteOptions` say.
pub(crate) fn delete(
    store: &mut Store,
    resource: &Resource,
    key: &Key,
    options: &Value,
    effect: Effect,
) -> Result<Value, Status> {
    let missing = || Status::not_found(&resource.group, &resource.plural, &key.name);
    let found = store.get(key).cloned().ok_or_else(missing)?;
    let wanted = options.get("preconditions").unwrap_or(&Value::Null);
    metadata::precondition(resource, key, &found, wanted)?;
    if namespace::is(resource) && ["default", "kube-system", "kube-public"].contains(&key.name.as_str()) {
        return Err(Status::forbidden("", "namespaces", &key.name, "this namespace may not be deleted"));
    }
    let uid = text(&found, "/metadata/uid");
    let done = deleted(resource, &key.name, uid);
    if effect == Effect::DryRun {
        return Ok(done);
    }
    match text(options, "/propagationPolicy") {
        "Orphan" => gc::orphan_dependents(store, uid),
        "Foreground" => hold_for_dependents(store, key),
        _ => {}
    }
    Ok(match begin(store, resource, key) {
        Some(going) => (*going).clone(),
        None => done,
    })
}

/// Deletes an object nobody asked for by name, such as a dependent of one that went.
pub(crate) fn quietly(store: &mut Store, key: &Key) {
    if let Some(resource) = store.keeper(&key.storage) {
        begin(store, &resource, key);
    }
}

/// Begins a deletion; returns the object where it stays for now.
fn begin(store: &mut Store, resource: &Resource, key: &Key) -> Option<Arc<Value>> {
    let found = store.get(key)?.clone();
    if namespace::is(resource) {
        namespace::terminate(store, resource, key);
        return store.get(key).cloned();
    }
    if texts(&found, "/metadata/finalizers").is_empty() {
        store.remove(key, None);
        definition::forget(store, resource, &found);
        return None;
    }
    if text(&found, "/metadata/deletionTimestamp").is_empty() {
        let mut going = (*found).clone();
        metadata::begin_deletion(store, resource, &mut going);
        store.put(key.clone(), going);
        store.unsettled = true;
    }
    store.get(key).cloned()
}

fn hold_for_dependents(store: &mut Store, key: &Key) {
    let Some(mut object) = store.get(key).map(|object| (**object).clone()) else { return };
    let mut finalizers = texts(&object, "/metadata/finalizers");
    if text(&object, "/metadata/deletionTimestamp").is_empty()
        && !finalizers.iter().any(|f| f == gc::FOREGROUND)
    {
        finalizers.push(gc::FOREGROUND.to_owned());
        set(&mut object, &["metadata", "finalizers"], json!(finalizers));
        store.put(key.clone(), object);
    }
}
