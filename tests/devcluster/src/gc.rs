//! What goes because something else went: the contents of a namespace, and the dependents of an owner.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::json::{items, set, text, texts};
use crate::store::{Key, Store};
use crate::{delete, namespace};

/// The finalizer of an object that waits for its dependents.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";

/// Follows every deletion to its end. Finalizers stop it; the write that removes the last one resumes it.
pub(crate) fn settle(store: &mut Store) {
    while std::mem::take(&mut store.unsettled) {
        let (contents, empty) = namespace::leavers(store);
        let orphans = orphans(store);
        for key in contents.iter().chain(&orphans) {
            delete::quietly(store, key);
        }
        for key in &empty {
            store.remove(key, None);
        }
        release_foreground(store);
    }
}

/// Objects of which no owner is left, or of which an owner waits for them in the foreground.
fn orphans(store: &Store) -> Vec<Key> {
    let staying: HashSet<&str> = store
        .everything()
        .filter(|(_, object)| !waits(object))
        .map(|(_, object)| text(object, "/metadata/uid"))
        .collect();
    let orphaned = |object: &Value| {
        let owners = items(object, "/metadata/ownerReferences");
        !owners.is_empty()
            && text(object, "/metadata/deletionTimestamp").is_empty()
            && !owners.iter().any(|owner| staying.contains(text(owner, "/uid")))
    };
    store.everything().filter(|(_, object)| orphaned(object)).map(|(key, _)| key.clone()).collect()
}

fn waits(object: &Value) -> bool {
    !text(object, "/metadata/deletionTimestamp").is_empty()
        && texts(object, "/metadata/finalizers").iter().any(|name| name == FOREGROUND)
}

/// Lets go of the owners whose dependents are gone.
fn release_foreground(store: &mut Store) {
    let owned: HashSet<String> = store
        .everything()
        .flat_map(|(_, object)| items(object, "/metadata/ownerReferences"))
        .filter(|owner| owner.get("blockOwnerDeletion") == Some(&Value::Bool(true)))
        .map(|owner| text(owner, "/uid").to_owned())
        .collect();
    let free = |object: &Value| waits(object) && !owned.contains(text(object, "/metadata/uid"));
    let free: Vec<_> = store
        .everything()
        .filter(|(_, object)| free(object))
        .map(|(key, object)| (key.clone(), (**object).clone()))
        .collect();
    for (key, mut object) in free {
        let mut left = texts(&object, "/metadata/finalizers");
        left.retain(|name| name != FOREGROUND);
        if left.is_empty() {
            store.remove(&key, Some(object));
        } else {
            set(&mut object, &["metadata", "finalizers"], json!(left));
            store.put(key, object);
        }
    }
}

/// Takes an owner's name off its dependents, so that they stay.
pub(crate) fn orphan_dependents(store: &mut Store, uid: &str) {
    let dependent = |object: &Value| {
        items(object, "/metadata/ownerReferences").iter().any(|owner| text(owner, "/uid") == uid)
    };
    let dependents: Vec<_> = store
        .everything()
        .filter(|(_, object)| dependent(object))
        .map(|(key, object)| (key.clone(), (**object).clone()))
        .collect();
    for (key, mut object) in dependents {
        let mut owners = items(&object, "/metadata/ownerReferences").to_vec();
        owners.retain(|owner| text(owner, "/uid") != uid);
        set(&mut object, &["metadata", "ownerReferences"], json!(owners));
        store.put(key, object);
    }
}
