//! JSON Patch, with the leniency of the Go library that the real server uses: `test` for null passes on a
//! path that is not there.

use serde_json::Value;

use crate::json::text;

/// Applies the operations one after the other; the first that fails ends it.
pub(crate) fn apply(target: &mut Value, patch: &Value) -> Result<(), String> {
    let operations = patch.as_array().ok_or("a JSON patch is a list of operations")?;
    operations.iter().try_for_each(|operation| step(target, operation))
}

fn step(target: &mut Value, operation: &Value) -> Result<(), String> {
    let path = text(operation, "/path").to_owned();
    let from = text(operation, "/from");
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    let absent = |path: &str| format!("{path}: no such path");
    match text(operation, "/op") {
        "add" => add(target, &path, value()),
        "remove" => remove(target, &path).map(drop),
        "replace" => {
            *target.pointer_mut(&path).ok_or_else(|| absent(&path))? = value();
            Ok(())
        }
        "test" => {
            let found = target.pointer(&path).unwrap_or(&Value::Null);
            if *found == value() { Ok(()) } else { Err(format!("testing value {path} failed: test failed")) }
        }
        "move" => {
            let moved = remove(target, from)?;
            add(target, &path, moved)
        }
        "copy" => {
            let copied = target.pointer(from).cloned().ok_or_else(|| absent(from))?;
            add(target, &path, copied)
        }
        other => Err(format!("unexpected kind of operation: {other:?}")),
    }
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let Some((parent, last)) = path.rsplit_once('/') else {
        *target = value;
        return Ok(());
    };
    let last = unescaped(last);
    match target.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.insert(last, value);
            Ok(())
        }
        Some(Value::Array(items)) if last == "-" => {
            items.push(value);
            Ok(())
        }
        Some(Value::Array(items)) => match last.parse::<usize>() {
            Ok(index) if index <= items.len() => {
                items.insert(index, value);
                Ok(())
            }
            Ok(_) | Err(_) => Err(format!("add operation does not apply: {path}: invalid index")),
        },
        Some(_) | None => Err(format!("add operation does not apply: doc is missing path: {path:?}")),
    }
}

fn remove(target: &mut Value, path: &str) -> Result<Value, String> {
    let absent = || format!("remove operation does not apply: doc is missing path: {path:?}");
    let (parent, last) = path.rsplit_once('/').ok_or_else(absent)?;
    let last = unescaped(last);
    match target.pointer_mut(parent) {
        Some(Value::Object(map)) => map.remove(&last).ok_or_else(absent),
        Some(Value::Array(items)) => match last.parse::<usize>() {
            Ok(index) if index < items.len() => Ok(items.remove(index)),
            Ok(_) | Err(_) => Err(absent()),
        },
        Some(_) | None => Err(absent()),
    }
}

fn unescaped(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}
