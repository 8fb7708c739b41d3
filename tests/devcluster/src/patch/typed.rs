//! What an apply must be before it can be merged at all: declared fields, of their types, no item twice.

use serde_json::Value;

use crate::schema::{Shape, field, item, item_key, shape};

/// What does not fit, in the words of the real server's merger.
pub(crate) fn misfits(value: &Value, schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (name, inner) in value.as_object().into_iter().flatten() {
        if let ("apiVersion" | "kind" | "metadata", _) = (name.as_str(), inner) {
            continue;
        }
        match field(Some(schema), name) {
            Some(schema) => check(inner, schema, &format!(".{name}"), &mut found),
            None => found.push(format!(".{name}: field not declared in schema")),
        }
    }
    found
}

fn check(value: &Value, schema: &Value, path: &str, found: &mut Vec<String>) {
    let wanted = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    let (expected, fits) = match wanted {
        "string" => ("string", value.is_string()),
        "boolean" => ("boolean", value.is_boolean()),
        "integer" | "number" => ("numeric (int or float)", value.is_number()),
        "array" => ("list", value.is_array()),
        "object" => ("map", value.is_object()),
        _ => ("", true),
    };
    if !fits && !value.is_null() {
        found.push(format!("{path}: expected {expected}, got &value.valueUnstructured{{Value:{value}}}"));
        return;
    }
    let keeps = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    for (name, inner) in value.as_object().into_iter().flatten() {
        match field(Some(schema), name) {
            Some(schema) => check(inner, schema, &format!("{path}.{name}"), found),
            None if keeps => {}
            None => found.push(format!("{path}.{name}: field not declared in schema")),
        }
    }
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut seen: Vec<String> = Vec::new();
    for (index, inner) in list.iter().enumerate() {
        let key = match shape(value, Some(schema)) {
            Shape::ListMap(_, keys) => {
                let key = item_key(inner, &keys, item(Some(schema)));
                let key: Vec<_> = key.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("[{}]", key.join(","))
            }
            Shape::ListSet(_) => format!("[={inner}]"),
            Shape::Leaf | Shape::Map(_) => format!("[{index}]"),
        };
        if seen.contains(&key) {
            found.push(format!("{path}: duplicate entries for key {key}"));
        }
        if let Some(schema) = item(Some(schema)) {
            check(inner, schema, &format!("{path}{key}"), found);
        }
        seen.push(key);
    }
}
