//! Defaults, and nulls where there may be none.

use serde_json::Value;

use super::{field, item};

/// Fills in what the schema gives a default for, from the top down.
pub(crate) fn fill(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(map) => {
            let nullable = |schema: &Value| schema.get("nullable") == Some(&Value::Bool(true));
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, property) in properties.into_iter().flatten() {
                let Some(default) = property.get("default") else { continue };
                let missing = map.get(name).is_none_or(|given| given.is_null() && !nullable(property));
                if missing {
                    map.insert(name.clone(), default.clone());
                }
            }
            // A null that may not be one is as good as absent.
            map.retain(|name, given| {
                !given.is_null() || properties.and_then(|all| all.get(name)).is_none_or(nullable)
            });
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
