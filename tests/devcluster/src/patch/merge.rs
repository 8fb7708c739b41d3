//! JSON merge patch. Strategic merge patches of built-in kinds are taken for the same thing, lists with
//! `$patch` and the like aside.

use serde_json::{Map, Value};

/// Merges a patch into a value: null removes, objects merge, anything else replaces.
pub(crate) fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *value = patch.clone();
        return;
    };
    let map = crate::json::object(value);
    for (name, change) in changes {
        if name.starts_with('$') {
            continue;
        }
        if change.is_null() {
            map.remove(name);
        } else {
            merge(map.entry(name.clone()).or_insert_with(|| Value::Object(Map::new())), change);
        }
    }
}
