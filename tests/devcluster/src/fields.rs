//! Sets of fields, as `managedFields` writes them (`fieldsV1`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::schema::{Shape, field, item, item_key, shape};

/// A set of fields: whether this one is in it, and what is below.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fields {
    pub(crate) here: bool,
    pub(crate) below: BTreeMap<String, Fields>,
}

/// What the server itself keeps; nobody owns it.
const OWNERLESS: &[&str] = &[
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
];

impl Fields {
    fn leaf() -> Self {
        Self { here: true, below: BTreeMap::new() }
    }

    /// All fields of a whole object, with the objects and lists that hold them: what an update owns.
    pub(crate) fn with_holders(object: &Value, schema: Option<&Value>) -> Self {
        Self::different(None, object, schema).owned()
    }

    /// All fields of a whole object: what an apply owns.
    pub(crate) fn of(object: &Value, schema: Option<&Value>) -> Self {
        Self::in_value(object, schema).owned()
    }

    fn in_value(value: &Value, schema: Option<&Value>) -> Self {
        let children = children(value, schema);
        if children.is_empty() {
            return Self::leaf();
        }
        let below = |(step, value, schema): (String, &Value, Option<&Value>)| {
            let mut fields = Self::in_value(value, schema);
            fields.here |= step.starts_with("k:");
            (step, fields)
        };
        Self { here: false, below: children.into_iter().map(below).collect() }
    }

    /// The fields of `new` that are not, or not the same, in `old`.
    pub(crate) fn changed(old: &Value, new: &Value, schema: Option<&Value>) -> Self {
        Self::different(Some(old), new, schema).owned()
    }

    fn different(old: Option<&Value>, new: &Value, schema: Option<&Value>) -> Self {
        let Some(old) = old else {
            let mut fields = Self::leaf();
            for (step, value, schema) in children(new, schema) {
                fields.below.insert(step, Self::different(None, value, schema));
            }
            return fields;
        };
        if old == new {
            return Self::default();
        }
        let (before, after) = (children(old, schema), children(new, schema));
        if after.is_empty() {
            return Self::leaf();
        }
        let mut fields = Self::default();
        for (step, value, schema) in after {
            let was = before.iter().find(|(before, _, _)| *before == step).map(|(_, value, _)| *value);
            let inner = Self::different(was, value, schema);
            if !inner.is_empty() {
                fields.below.insert(step, inner);
            }
        }
        fields
    }

    /// Without what nobody owns.
    fn owned(mut self) -> Self {
        self.here &= self.below.is_empty();
        self.below.remove("f:apiVersion");
        self.below.remove("f:kind");
        if let Some(metadata) = self.below.get_mut("f:metadata") {
            metadata.here = false;
            for name in OWNERLESS {
                metadata.below.remove(&format!("f:{name}"));
            }
            if metadata.below.is_empty() {
                self.below.remove("f:metadata");
            }
        }
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.here && self.below.is_empty()
    }

    /// Only one field of the object, or all but one.
    pub(crate) fn only(mut self, step: &str, inside: Scope) -> Self {
        self.below.retain(|name, _| (name == step) == (inside == Scope::Within));
        self
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.here |= other.here;
        for (step, fields) in &other.below {
            self.below.entry(step.clone()).or_default().add(fields);
        }
    }

    pub(crate) fn without(&self, other: &Self) -> Self {
        let mut rest = Self { here: self.here && !other.here, below: BTreeMap::new() };
        for (step, fields) in &self.below {
            let left = match other.below.get(step) {
                // A leaf taken away takes away all that is below it.
                Some(gone) if gone.here && gone.below.is_empty() => Self::default(),
                Some(gone) => fields.without(gone),
                None => fields.clone(),
            };
            if !left.is_empty() {
                rest.below.insert(step.clone(), left);
            }
        }
        rest
    }

    pub(crate) fn common(&self, other: &Self) -> Self {
        let mut both = Self { here: self.here && other.here, below: BTreeMap::new() };
        for (step, fields) in &self.below {
            if let Some(others) = other.below.get(step) {
                let common = fields.common(others);
                if !common.is_empty() {
                    both.below.insert(step.clone(), common);
                }
            }
        }
        both
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut map = Map::new();
        if self.here && !self.below.is_empty() {
            map.insert(".".into(), json!({}));
        }
        map.extend(self.below.iter().map(|(step, fields)| (step.clone(), fields.to_json())));
        Value::Object(map)
    }

    pub(crate) fn from_json(value: &Value) -> Self {
        let Some(map) = value.as_object().filter(|map| !map.is_empty()) else { return Self::leaf() };
        let mut fields = Self { here: map.contains_key("."), below: BTreeMap::new() };
        let inner = map.iter().filter(|(step, _)| *step != ".");
        fields.below.extend(inner.map(|(step, value)| (step.clone(), Self::from_json(value))));
        fields
    }

    /// The members as paths, `.spec.volumes[name="osd"].sizeGiB`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect("", &mut paths);
        paths
    }

    fn collect(&self, path: &str, paths: &mut Vec<String>) {
        if self.here {
            paths.push(path.to_owned());
        }
        for (step, fields) in &self.below {
            let step = match step.split_once(':') {
                Some(("f", name)) => format!(".{name}"),
                Some(("k", keys)) => {
                    let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                    let keys: Vec<_> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
                    format!("[{}]", keys.join(","))
                }
                Some((_, value)) => format!("[={value}]"),
                None => step.clone(),
            };
            fields.collect(&format!("{path}{step}"), paths);
        }
    }
}

/// Which side of a field is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Within,
    Outside,
}

/// The parts of a value, each with its step and its schema.
pub(crate) fn children<'a>(
    value: &'a Value,
    schema: Option<&'a Value>,
) -> Vec<(String, &'a Value, Option<&'a Value>)> {
    match shape(value, schema) {
        Shape::Leaf => Vec::new(),
        Shape::Map(map) => {
            map.iter().map(|(name, value)| (format!("f:{name}"), value, field(schema, name))).collect()
        }
        Shape::ListMap(list, keys) => {
            let step = |value| format!("k:{}", Value::Object(item_key(value, &keys, item(schema))));
            list.iter().map(|value| (step(value), value, item(schema))).collect()
        }
        Shape::ListSet(list) => list.iter().map(|value| (format!("v:{value}"), value, None)).collect(),
    }
}
