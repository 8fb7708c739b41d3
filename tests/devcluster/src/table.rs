//! Tables, as `kubectl get` prints them.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::clock;
use crate::json::text;
use crate::jsonpath;
use crate::resource::{Column, Resource};
use crate::view::{Rows, partial, whole};

/// A table of stored objects.
pub(crate) fn of(
    resource: &Resource,
    stored: &[&Value],
    rows: Rows,
    metadata: &Value,
    now: Timestamp,
) -> Value {
    let name = json!({
        "name": "Name", "type": "string", "format": "name", "priority": 0,
        "description": "Name must be unique within a namespace.",
    });
    // Events are told apart by what they say, not by their names.
    let named = !resource.columns.iter().any(|column| column.name == "Name");
    let head = resource.columns.iter().map(|column| {
        let kind = if ["count", "object"].contains(&column.kind.as_str()) { "string" } else { &column.kind };
        json!({
            "name": column.name, "type": kind, "format": "", "priority": column.priority,
            "description": column.description,
        })
    });
    let row = |stored: &&Value| {
        let cells = resource.columns.iter().map(|column| cell(column, stored, now));
        let cells: Vec<_> =
            named.then(|| json!(text(stored, "/metadata/name"))).into_iter().chain(cells).collect();
        let object = match rows {
            Rows::Nothing => return json!({"cells": cells}),
            Rows::Metadata => partial(stored),
            Rows::Objects => whole(resource, stored),
        };
        json!({"cells": cells, "object": object})
    };
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": named.then_some(name).into_iter().chain(head).collect::<Vec<_>>(),
        "rows": stored.iter().map(row).collect::<Vec<_>>(),
    })
}

fn cell(column: &Column, stored: &Value, now: Timestamp) -> Value {
    let found = column.path.split('|').map(|path| jsonpath::find(stored, path));
    let found = found.into_iter().find(|found| !found.is_empty()).unwrap_or_default();
    if column.kind == "object" {
        let of = |pointer: &str| found.first().map(|object| text(object, pointer)).unwrap_or_default();
        return json!(format!("{}/{}", of("/kind").to_lowercase(), of("/name")));
    }
    if column.kind == "count" {
        let size = match found.first() {
            Some(Value::Object(map)) => map.len(),
            Some(Value::Array(list)) => list.len(),
            Some(_) | None => 0,
        };
        return json!(size);
    }
    if column.kind == "date" {
        return match found.first().and_then(|value| value.as_str()) {
            Some(at) => json!(at.parse::<Timestamp>().map_or_else(|_| "<invalid>".into(), |at| age(at, now))),
            None => Value::Null,
        };
    }
    match (found.as_slice(), column.kind.as_str()) {
        ([], _) => Value::Null,
        ([Value::String(text)], "string") => json!(text),
        ([value], "string") => json!(value.to_string()),
        ([value], _) => (*value).clone(),
        (many, _) => {
            let texts =
                many.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            json!(texts.collect::<Vec<_>>().join(","))
        }
    }
}

fn age(at: Timestamp, now: Timestamp) -> String {
    clock::age(Duration::try_from(now.duration_since(at)).unwrap_or_default())
}
