//! `CustomResourceDefinitions`: a write of one changes which kinds there are.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::delete;
use crate::json::{set, text};
use crate::resource::Resource;
use crate::status::{FieldError, Status};
use crate::store::Store;

fn is(resource: &Resource) -> bool {
    resource.plural == "customresourcedefinitions"
}

/// What the server says in the status of its own kinds when they are made.
pub(crate) fn complete(resource: &Resource, new: &mut Value) {
    if crate::namespace::is(resource) {
        set(new, &["status"], json!({"phase": "Active"}));
    }
    if !is(resource) {
        return;
    }
    let now = text(new, "/metadata/creationTimestamp").to_owned();
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now});
    let conditions = json!([
        condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ]);
    let versions: Vec<_> =
        crate::json::items(new, "/spec/versions").iter().map(|v| v["name"].clone()).collect();
    let names = new.pointer("/spec/names").cloned().unwrap_or_default();
    let status = json!({"conditions": conditions, "acceptedNames": names, "storedVersions": versions});
    set(new, &["status"], status);
}

/// Serves what a definition that was just stored defines.
pub(crate) fn follow(store: &mut Store, resource: &Resource, stored: &Value) -> Result<(), Status> {
    if !is(resource) {
        return Ok(());
    }
    let name = text(stored, "/metadata/name");
    let refused = |why: String| {
        let error = FieldError::invalid("spec", &json!(name), why);
        Status::invalid(&resource.group, &resource.kind, name, &[error])
    };
    let defined = defined_by(stored).map_err(refused)?;
    let storage = storage(stored);
    store.resources.retain(|resource| resource.storage != storage);
    store.resources.extend(defined);
    Ok(())
}

/// What a definition defines. Compiling its rules takes longer than all that most tests do with it, and tests make one
/// cluster after the other with the same few definitions: what was compiled once in this process is kept.
fn defined_by(crd: &Value) -> Result<Vec<Arc<Resource>>, String> {
    type Known = Vec<(Value, Vec<Arc<Resource>>)>;
    static KNOWN: Mutex<Known> = Mutex::new(Known::new());
    const MOST: usize = 32;
    let spec = crd.get("spec").unwrap_or(&Value::Null);
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let found = known().iter().find(|(known, _)| known == spec).map(|(_, resources)| resources.clone());
    if let Some(found) = found {
        return Ok(found);
    }
    let made: Vec<_> = Resource::defined_by(crd)?.into_iter().map(Arc::new).collect();
    let mut known = known();
    if known.len() < MOST {
        known.push((spec.clone(), made.clone()));
    }
    Ok(made)
}

/// Deletes the objects of a definition that went, and no longer serves them.
pub(crate) fn forget(store: &mut Store, resource: &Resource, gone: &Value) {
    if !is(resource) {
        return;
    }
    let storage = storage(gone);
    let keys: Vec<_> = store.list(&storage, "").map(|(key, _)| key.clone()).collect();
    for key in &keys {
        delete::quietly(store, key);
    }
    store.resources.retain(|resource| resource.storage != storage);
}

fn storage(crd: &Value) -> String {
    format!("{}/{}", text(crd, "/spec/group"), text(crd, "/spec/names/plural"))
}
