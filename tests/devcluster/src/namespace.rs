//! Namespaces: what may be made in them, and how they go.

use serde_json::{Value, json};

use crate::json::{carry, remove, set, text, texts};
use crate::metadata;
use crate::resource::Resource;
use crate::status::Status;
use crate::store::{Key, Store};

const STORAGE: &str = "/namespaces";

pub(crate) fn is(resource: &Resource) -> bool {
    resource.storage == STORAGE
}

/// Makes a namespace that is there from the start.
pub(crate) fn found(store: &mut Store, name: &str) {
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {
            "name": name, "uid": store.new_uid(), "creationTimestamp": store.clock.stamp(),
            "labels": {"kubernetes.io/metadata.name": name},
        },
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
    });
    store.put(Key::new(STORAGE, "", name), namespace);
}

/// Nothing is made in a namespace that is not there, or that is going.
pub(crate) fn admit(store: &Store, resource: &Resource, namespace: &str, name: &str) -> Result<(), Status> {
    if !resource.namespaced {
        return Ok(());
    }
    let Some(found) = store.get(&Key::new(STORAGE, "", namespace)) else {
        return Err(Status::not_found("", "namespaces", namespace));
    };
    if text(found, "/metadata/deletionTimestamp").is_empty() {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut status = Status::forbidden(&resource.group, &resource.plural, name, &why);
    let cause = json!({
        "reason": "NamespaceTerminating", "field": "metadata.namespace",
        "message": format!("namespace {namespace} is being terminated"),
    });
    set(&mut status.details, &["causes"], json!([cause]));
    Err(status)
}

/// What a client may not change.
pub(crate) fn keep(resource: &Resource, old: &Value, new: &mut Value) {
    if is(resource) {
        carry(old, new, &["spec"]);
    }
}

/// Marks a namespace as going; its contents follow in [`crate::gc::settle`].
pub(crate) fn terminate(store: &mut Store, resource: &Resource, key: &Key) {
    let Some(mut going) = store.get(key).map(|namespace| (**namespace).clone()) else { return };
    if text(&going, "/metadata/deletionTimestamp").is_empty() {
        metadata::begin_deletion(store, resource, &mut going);
        remove(&mut going, &["metadata", "deletionGracePeriodSeconds"]);
        set(&mut going, &["status", "phase"], json!("Terminating"));
        store.put(key.clone(), going);
        store.unsettled = true;
    }
}

/// The contents of going namespaces that have yet to be told, and the namespaces that are empty.
pub(crate) fn leavers(store: &Store) -> (Vec<Key>, Vec<Key>) {
    let (mut contents, mut empty) = (Vec::new(), Vec::new());
    for (key, namespace) in store.list(STORAGE, "") {
        if text(namespace, "/metadata/deletionTimestamp").is_empty() {
            continue;
        }
        let inside: Vec<_> = store.everything().filter(|(inner, _)| inner.namespace == key.name).collect();
        if inside.is_empty() && texts(namespace, "/metadata/finalizers").is_empty() {
            empty.push(key.clone());
        }
        let untold = inside.into_iter().filter(|(_, o)| text(o, "/metadata/deletionTimestamp").is_empty());
        contents.extend(untold.map(|(key, _)| key.clone()));
    }
    (contents, empty)
}
