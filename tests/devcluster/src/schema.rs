//! Structural schemas: what a value may be, and what the server makes of it.
//!
//! A write is pruned ([`prune`]), defaulted ([`default`]), checked against the schema ([`validate`]) and then
//! against its rules ([`cel`]), in this order.

mod cel;
mod default;
mod prune;
mod validate;

use serde_json::{Map, Value, json};

use crate::json::{set, texts};
use crate::status::FieldError;

/// The schema of one resource version.
#[derive(Debug)]
pub(crate) struct Schema {
    root: Option<Value>,
    /// The same with the standard metadata, for telling fields apart.
    typed: Value,
    rules: cel::Rules,
}

impl Schema {
    /// For built-in kinds: anything goes.
    pub(crate) fn any() -> Self {
        Self { root: None, typed: with_metadata(json!({})), rules: cel::Rules::default() }
    }

    /// A schema from a `CustomResourceDefinition`, its rules compiled.
    pub(crate) fn structural(schema: &Value) -> Result<Self, String> {
        let rules = cel::Rules::compile(schema)?;
        Ok(Self { rules, typed: with_metadata(schema.clone()), root: Some(schema.clone()) })
    }

    /// The schema itself, where there is one.
    pub(crate) fn root(&self) -> Option<&Value> {
        self.root.as_ref()
    }

    /// What tells fields of an object apart: which lists are maps, which are atomic.
    pub(crate) fn typed(&self) -> &Value {
        &self.typed
    }

    /// Drops what the schema does not know, and says which fields those were.
    pub(crate) fn prune(&self, object: &mut Value) -> Vec<String> {
        self.root.as_ref().map(|schema| prune::object(object, schema)).unwrap_or_default()
    }

    pub(crate) fn default(&self, object: &mut Value) {
        if let Some(schema) = &self.root {
            default::fill(object, schema);
        }
    }

    /// What is wrong with an object beside its metadata, given what it was before.
    pub(crate) fn check(
        &self,
        object: &Value,
        before: Option<&Value>,
        metadata: Vec<FieldError>,
    ) -> Vec<FieldError> {
        let mut errors = metadata;
        let Some(schema) = &self.root else { return errors };
        errors.extend(validate::check(object, before, schema));
        if errors.iter().any(FieldError::blocks_rules) {
            let detail = "some validation rules were not checked because the object was invalid; \
                          correct the existing errors to complete validation";
            errors.push(FieldError::invalid("", &Value::Null, detail));
        } else {
            errors.extend(self.rules.check(object, before));
        }
        errors
    }
}

fn with_metadata(mut schema: Value) -> Value {
    let metadata = json!({"properties": {
        "finalizers": {"x-kubernetes-list-type": "set"},
        "ownerReferences": {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "items": {"x-kubernetes-map-type": "atomic"},
        },
    }});
    set(&mut schema, &["properties", "metadata"], metadata);
    schema
}

/// How the parts of a value are told apart.
pub(crate) enum Shape<'a> {
    /// One thing: a scalar, or an atomic list or object.
    Leaf,
    /// Fields by name.
    Map(&'a Map<String, Value>),
    /// Items by the values of some keys.
    ListMap(&'a [Value], Vec<String>),
    /// Items by value.
    ListSet(&'a [Value]),
}

/// The shape of a value under its schema.
pub(crate) fn shape<'a>(value: &'a Value, schema: Option<&Value>) -> Shape<'a> {
    let says = |key: &str| schema.and_then(|s| s.get(key)).and_then(Value::as_str).unwrap_or("");
    match value {
        Value::Object(_) if says("x-kubernetes-map-type") == "atomic" => Shape::Leaf,
        Value::Object(map) => Shape::Map(map),
        Value::Array(list) => match says("x-kubernetes-list-type") {
            "map" => Shape::ListMap(list, schema.map(list_keys).unwrap_or_default()),
            "set" => Shape::ListSet(list),
            _ => Shape::Leaf,
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Shape::Leaf,
    }
}

fn list_keys(schema: &Value) -> Vec<String> {
    texts(schema, "/x-kubernetes-list-map-keys")
}

/// The schema of a field of an object.
pub(crate) fn field<'a>(schema: Option<&'a Value>, name: &str) -> Option<&'a Value> {
    let schema = schema?;
    let known = schema.get("properties").and_then(|properties| properties.get(name));
    known.or_else(|| schema.get("additionalProperties").filter(|any| any.is_object()))
}

/// The schema of a list's items.
pub(crate) fn item(schema: Option<&Value>) -> Option<&Value> {
    schema?.get("items")
}

/// What tells an item of a list map from the others: its keys, defaulted ones too.
pub(crate) fn item_key(item: &Value, keys: &[String], schema: Option<&Value>) -> Map<String, Value> {
    let value = |key: &String| {
        let default = || field(schema, key).and_then(|schema| schema.get("default"));
        item.get(key).or_else(default).map(|value| (key.clone(), value.clone()))
    };
    keys.iter().filter_map(value).collect()
}

/// A field's path with one more name.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn preserves(schema: &Value) -> bool {
    schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true))
}
