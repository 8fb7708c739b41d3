//! Server-side apply: merging what a manager wants, and dropping what it wanted before and no longer does.

use serde_json::{Value, json};

use crate::fields::{Fields, children};
use crate::managers::{Manager, Managers};
use crate::schema::{Shape, field, item, item_key, shape};
use crate::status::Status;

/// What an apply makes of an object.
pub(crate) struct Applied {
    pub(crate) object: Value,
    pub(crate) managers: Managers,
}

/// Whether the fields of other managers are taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Force {
    Yes,
    No,
}

/// Applies a configuration to a live object.
pub(crate) fn apply(
    live: &Value,
    wanted: &Value,
    schema: Option<&Value>,
    manager: &Manager,
    force: Force,
    now: &str,
) -> Result<Applied, Status> {
    let mut managers = Managers::of(live).unwrap_or_default();
    let last = managers.fields_of(manager);
    let owns = manager.scope(Fields::of(wanted, schema));
    let mut object = live.clone();
    merge(&mut object, wanted, schema);

    let changed = manager.scope(Fields::changed(live, &object, schema));
    let allowed = from_client_side(live, manager, schema);
    let mut conflicts = Vec::new();
    for entry in managers.others(manager) {
        let contested = entry.fields.common(&changed).common(&owns).without(&allowed);
        let using = format!("conflict with {:?} using {}", entry.manager.name, entry.manager.api_version);
        conflicts.extend(contested.paths().into_iter().map(|path| (using.clone(), path)));
    }
    if !conflicts.is_empty() && force == Force::No {
        return Err(conflict(&conflicts));
    }
    managers.take(manager, &changed.common(&owns));
    managers.assign(manager, owns.clone(), now);

    let mut kept = owns;
    kept.add(&managers.fields_of_others(manager));
    drop_fields(&mut object, schema, &last, &kept);
    Ok(Applied { object, managers })
}

/// The fields that kubectl applied from the client side before: it may take those over from itself.
fn from_client_side(live: &Value, manager: &Manager, schema: Option<&Value>) -> Fields {
    const LAST: &str = "kubectl.kubernetes.io/last-applied-configuration";
    if manager.name != "kubectl" {
        return Fields::default();
    }
    let last = live.pointer("/metadata/annotations").and_then(|annotations| annotations.get(LAST));
    let last = last.and_then(Value::as_str).and_then(|last| serde_json::from_str::<Value>(last).ok());
    let Some(last) = last else { return Fields::default() };
    Fields::of(&last, schema).without(&Fields::changed(live, &last, schema))
}

fn conflict(conflicts: &[(String, String)]) -> Status {
    let lines: Vec<_> = conflicts.iter().map(|(with, path)| format!("{with}: {path}")).collect();
    let count = if lines.len() == 1 { "1 conflict".into() } else { format!("{} conflicts", lines.len()) };
    let message = match lines.as_slice() {
        [one] => format!("Apply failed with {count}: {one}"),
        many => format!("Apply failed with {count}: {}", many.join("\n")),
    };
    let cause = |(with, path): &(String, String)| json!({"reason": "FieldManagerConflict", "message": with, "field": path});
    let mut status = Status::new(409, "Conflict", message);
    status.details = json!({"causes": conflicts.iter().map(cause).collect::<Vec<_>>()});
    status
}

/// Merges what is wanted into a value, by the schema's idea of what belongs together.
fn merge(value: &mut Value, wanted: &Value, schema: Option<&Value>) {
    match (shape(wanted, schema), value) {
        (Shape::Map(fields), Value::Object(map)) => {
            for (name, wanted) in fields {
                let inner = map.entry(name.clone()).or_insert(Value::Null);
                merge(inner, wanted, field(schema, name));
            }
        }
        (Shape::ListMap(items, keys), Value::Array(list)) => {
            let inner = item(schema);
            for wanted in items {
                let key = item_key(wanted, &keys, inner);
                match list.iter_mut().find(|have| item_key(have, &keys, inner) == key) {
                    Some(have) => merge(have, wanted, inner),
                    None => list.push(wanted.clone()),
                }
            }
        }
        (Shape::ListSet(items), Value::Array(list)) => {
            for wanted in items {
                if !list.contains(wanted) {
                    list.push(wanted.clone());
                }
            }
        }
        (_, value) => *value = wanted.clone(),
    }
}

/// Removes from a value the fields of `last` that are not in `kept`, and what is empty after that.
fn drop_fields(value: &mut Value, schema: Option<&Value>, last: &Fields, kept: &Fields) {
    let none = Fields::default();
    let steps: Vec<(String, bool)> = children(value, schema)
        .into_iter()
        .filter_map(|(step, inner, schema)| {
            let was = last.below.get(&step)?;
            let still = kept.below.get(&step).unwrap_or(&none);
            if !still.is_empty() {
                return Some((step, false));
            }
            // What somebody else wrote below, without being recorded as a manager, stays.
            let mut rest = inner.clone();
            drop_fields(&mut rest, schema, was, &none);
            let gone = was.here || is_hollow(&rest);
            Some((step, gone))
        })
        .collect();
    for (step, gone) in steps {
        let (Some(was), still) = (last.below.get(&step), kept.below.get(&step).unwrap_or(&none)) else {
            continue;
        };
        change_child(value, schema, &step, |inner, schema| {
            if !gone {
                drop_fields(inner, schema, was, still);
            }
            !gone
        });
    }
}

fn is_hollow(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

/// Changes the child a step leads to; it goes where the change says false.
fn change_child(
    value: &mut Value,
    schema: Option<&Value>,
    step: &str,
    mut change: impl FnMut(&mut Value, Option<&Value>) -> bool,
) {
    let keys = schema.map(|s| crate::json::texts(s, "/x-kubernetes-list-map-keys")).unwrap_or_default();
    match value {
        Value::Object(map) => {
            let name = step.trim_start_matches("f:");
            if let Some(inner) = map.get_mut(name)
                && !change(inner, field(schema, name))
            {
                map.remove(name);
            }
        }
        Value::Array(list) => list.retain_mut(|inner| {
            let this = match step.split_once(':') {
                Some(("k", _)) => format!("k:{}", Value::Object(item_key(inner, &keys, item(schema)))),
                Some(_) | None => format!("v:{inner}"),
            };
            this != step || change(inner, item(schema))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
