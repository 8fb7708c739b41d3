//! Defaults.

use serde_json::Value;

use super::{field, item};

/// Fills in what the schema gives a default for, from the top down.
pub(crate) fn fill(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(map) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, property) in properties.into_iter().flatten() {
                let Some(default) = property.get("default") else { continue };
                let nullable = property.get("nullable") == Some(&Value::Bool(true));
                let missing = map.get(name).is_none_or(|given| given.is_null() && !nullable);
                if missing {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (name, given) in map {
                if let Some(property) = field(Some(schema), name) {
                    fill(given, property);
                }
            }
        }
        Value::Array(list) => {
            if let Some(items) = item(Some(schema)) {
                for given in list {
                    fill(given, items);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
