//! Dropping the fields a schema does not know.

use serde_json::Value;

use super::{field, item, join, preserves};

const METADATA: &[&str] = &[
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Prunes a whole object; `apiVersion`, `kind` and the standard metadata are always known.
pub(crate) fn object(object: &mut Value, schema: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    let Some(map) = object.as_object_mut() else { return unknown };
    let metadata = map.remove("metadata");
    let names: Vec<_> =
        ["apiVersion", "kind"].into_iter().filter_map(|n| Some((n, map.remove(n)?))).collect();
    prune(object, schema, "", &mut unknown);
    let Some(map) = object.as_object_mut() else { return unknown };
    for (name, value) in names {
        map.insert(name.into(), value);
    }
    if let Some(mut metadata) = metadata {
        if let Some(fields) = metadata.as_object_mut() {
            fields.retain(|name, _| {
                let known = METADATA.contains(&name.as_str());
                if !known {
                    unknown.push(join("metadata", name));
                }
                known
            });
        }
        map.insert("metadata".into(), metadata);
    }
    unknown
}

fn prune(value: &mut Value, schema: &Value, path: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let keeps = preserves(schema);
            map.retain(|name, given| match field(Some(schema), name) {
                Some(known) => {
                    prune(given, known, &join(path, name), unknown);
                    true
                }
                None if keeps => true,
                None => {
                    unknown.push(join(path, name));
                    false
                }
            });
        }
        Value::Array(list) => {
            if let Some(items) = item(Some(schema)) {
                for (index, given) in list.iter_mut().enumerate() {
                    prune(given, items, &format!("{path}[{index}]"), unknown);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
