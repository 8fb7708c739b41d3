//! Reading and changing parts of a JSON object.

use serde_json::{Map, Value};

/// The string at a JSON pointer, empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The strings of a list at a JSON pointer.
pub(crate) fn texts(value: &Value, pointer: &str) -> Vec<String> {
    items(value, pointer).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The list at a JSON pointer, empty where there is none.
pub(crate) fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Sets what is at a path of keys, making the objects on the way.
pub(crate) fn set(value: &mut Value, path: &[&str], new: Value) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut at = value;
    for key in parents {
        at = object(at).entry((*key).to_owned()).or_insert_with(|| Value::Object(Map::new()));
    }
    object(at).insert((*last).to_owned(), new);
}

/// Removes what is at a path of keys.
pub(crate) fn remove(value: &mut Value, path: &[&str]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    let mut at = value;
    for key in parents {
        at = at.get_mut(key)?;
    }
    at.as_object_mut()?.remove(*last)
}

/// Copies what is at a path from one value to another; absence too.
pub(crate) fn carry(from: &Value, to: &mut Value, path: &[&str]) {
    let mut at = Some(from);
    for key in path {
        at = at.and_then(|value| value.get(key));
    }
    match at {
        Some(found) => set(to, path, found.clone()),
        None => drop(remove(to, path)),
    }
}

/// The value as an object; anything else becomes an empty one.
pub(crate) fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            unreachable!("just made an object")
        }
    }
}
