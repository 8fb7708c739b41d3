//! Checking a value against a schema, in the words of the real server.

use jiff::Timestamp;
use regex::Regex;
use serde_json::{Number, Value};

use super::{field, item, item_key, join};
use crate::json::{items, texts};
use crate::status::{FieldError, Wrong};

/// What is wrong with a value. What was wrong before and has not changed is forgiven.
pub(crate) fn check(object: &Value, before: Option<&Value>, schema: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let given = object.get(name);
        if name == "metadata" || given.is_some() && given == before.and_then(|before| before.get(name)) {
            continue;
        }
        if let Some(given) = given {
            value(given, property, name, &mut errors);
        }
    }
    missing(object, schema, "", &mut errors);
    errors
}

fn value(given: &Value, schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if given.is_null() && schema.get("nullable") == Some(&Value::Bool(true)) {
        return;
    }
    if !fits(given, schema) {
        let says = |key: &str| schema.get(key).and_then(Value::as_str);
        let (mut wanted, mut found) = (says("type").unwrap_or_default(), type_of(given));
        if wanted == "integer" && given.is_f64() {
            (wanted, found) = (says("format").unwrap_or(wanted), "float64");
        }
        let detail = format!("{path} in body must be of type {wanted}: {found:?}");
        errors.push(FieldError::new(path, Wrong::Type, Some(found.into()), detail));
        return;
    }
    match given {
        Value::String(text) => string(text, schema, path, errors),
        Value::Number(number) => bounds(number, schema, path, errors),
        Value::Array(list) => array(list, schema, path, errors),
        Value::Object(map) => {
            let size = map.len() as u64;
            if let Some(most) = limit(schema, "maxProperties").filter(|most| size > *most) {
                errors.push(too_many(path, size, most));
            }
            if let Some(least) = limit(schema, "minProperties").filter(|least| size < *least) {
                let detail = format!("{path} in body should have at least {least} properties");
                errors.push(FieldError::invalid(path, &size.into(), detail));
            }
            for (name, inner) in map {
                if let Some(known) = field(Some(schema), name) {
                    value(inner, known, &join(path, name), errors);
                }
            }
            missing(given, schema, path, errors);
        }
        Value::Null | Value::Bool(_) => {}
    }
    let allowed = items(schema, "/enum");
    if !allowed.is_empty() && !allowed.contains(given) {
        let list: Vec<_> = allowed.iter().map(Value::to_string).collect();
        let detail = format!("supported values: {}", list.join(", "));
        errors.push(FieldError::new(path, Wrong::Unsupported, Some(given.clone()), detail));
    }
    junctors(given, schema, path, errors);
}

fn junctors(given: &Value, schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let valid = |schema: &Value| {
        let mut found = Vec::new();
        value(given, schema, path, &mut found);
        found.is_empty()
    };
    let hold = |key: &str| items(schema, key).iter().filter(|schema| valid(schema)).count();
    for branch in items(schema, "/allOf") {
        value(given, branch, path, errors);
    }
    if !items(schema, "/anyOf").is_empty() && hold("/anyOf") == 0 {
        let detail = format!("{path} in body must validate at least one schema (anyOf)");
        errors.push(FieldError::invalid(path, given, detail));
    }
    if !items(schema, "/oneOf").is_empty() && hold("/oneOf") != 1 {
        let found = if hold("/oneOf") == 0 { "Found none valid" } else { "Found more than one valid" };
        let detail = format!("{path} in body must validate one and only one schema (oneOf). {found}");
        errors.push(FieldError::invalid(path, given, detail));
    }
    if schema.get("not").is_some_and(valid) {
        errors.push(FieldError::invalid(
            path,
            given,
            format!("{path} in body must not validate the schema (not)"),
        ));
    }
}

fn missing(given: &Value, schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for name in texts(schema, "/required") {
        if given.get(&name).is_none() {
            errors.push(FieldError::required(&join(path, &name), ""));
        }
    }
}

fn fits(given: &Value, schema: &Value) -> bool {
    if schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        return given.is_string() || given.is_i64();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => given.is_object(),
        Some("array") => given.is_array(),
        Some("string") => given.is_string(),
        Some("boolean") => given.is_boolean(),
        Some("integer") => given.is_i64() || given.as_f64().is_some_and(|number| number.fract() == 0.0),
        Some("number") => given.is_number(),
        Some(_) | None => true,
    }
}

fn type_of(given: &Value) -> &'static str {
    match given {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn string(text: &str, schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let given = Value::from(text);
    let length = text.chars().count() as u64;
    if let Some(most) = limit(schema, "maxLength").filter(|most| length > *most) {
        let detail = format!("may not be more than {most} bytes");
        errors.push(FieldError::new(path, Wrong::TooLong, None, detail));
    }
    if let Some(least) = limit(schema, "minLength").filter(|least| length < *least) {
        let detail = format!("{path} in body should be at least {least} chars long");
        errors.push(FieldError::invalid(path, &given, detail));
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && !Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
    {
        errors.push(FieldError::invalid(path, &given, format!("{path} in body should match '{pattern}'")));
    }
    let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
    let formed = match format {
        "date-time" => text.parse::<Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok(),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "uuid" => text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]),
        _ => true,
    };
    if !formed {
        let detail = format!("{path} in body must be of type {format}: {text:?}");
        errors.push(FieldError::new(path, Wrong::Type, Some(given), detail));
    }
}

fn bounds(number: &Number, schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let given = Value::Number(number.clone());
    let Some(size) = number.as_f64() else { return };
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let strict = |key: &str| schema.get(key) == Some(&Value::Bool(true));
    let mut wrong = |how: &str, bound: f64| {
        errors.push(FieldError::invalid(path, &given, format!("{path} in body should be {how} {bound}")));
    };
    if let Some(least) = bound("minimum") {
        if strict("exclusiveMinimum") && size <= least {
            wrong("greater than", least);
        } else if size < least {
            wrong("greater than or equal to", least);
        }
    }
    if let Some(most) = bound("maximum") {
        if strict("exclusiveMaximum") && size >= most {
            wrong("less than", most);
        } else if size > most {
            wrong("less than or equal to", most);
        }
    }
    if let Some(step) = bound("multipleOf")
        && (size / step).fract() != 0.0
    {
        wrong("a multiple of", step);
    }
    let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
    let formed = match format {
        "int32" => number.as_i64().is_none_or(|n| i32::try_from(n).is_ok()),
        "int64" => number.is_i64() || number.is_f64(),
        _ => true,
    };
    if !formed {
        // The real server forgets to say which field and value it was, in their places.
        let detail = format!("Checked value must be of type integer with format {format} in {path}");
        errors.push(FieldError::invalid("", &"".into(), detail));
    }
}

fn array(list: &[Value], schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let size = list.len() as u64;
    if let Some(most) = limit(schema, "maxItems").filter(|most| size > *most) {
        errors.push(too_many(path, size, most));
    }
    if let Some(least) = limit(schema, "minItems").filter(|least| size < *least) {
        let detail = format!("{path} in body should have at least {least} items");
        errors.push(FieldError::invalid(path, &size.into(), detail));
    }
    let inner = item(Some(schema));
    for (index, given) in list.iter().enumerate() {
        if let Some(inner) = inner {
            value(given, inner, &format!("{path}[{index}]"), errors);
        }
    }
    let keys = texts(schema, "/x-kubernetes-list-map-keys");
    let identity = |given: &Value| match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("map") => Some(Value::Object(item_key(given, &keys, inner))),
        Some("set") => Some(given.clone()),
        Some(_) | None => None,
    };
    let mut seen: Vec<Value> = Vec::new();
    for (index, identity) in list.iter().map(identity).enumerate() {
        let Some(identity) = identity else { return };
        if seen.contains(&identity) {
            errors.push(FieldError::new(&format!("{path}[{index}]"), Wrong::Duplicate, Some(identity), ""));
        } else {
            seen.push(identity);
        }
    }
}

fn limit(schema: &Value, key: &str) -> Option<u64> {
    schema.get(key).and_then(Value::as_u64)
}

fn too_many(path: &str, found: u64, most: u64) -> FieldError {
    let detail = format!("must have at most {most} items");
    FieldError::new(path, Wrong::TooMany, Some(found.into()), detail)
}
