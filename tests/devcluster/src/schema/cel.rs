//! Rules in CEL: `x-kubernetes-validations`.
//!
//! The walk is ours, one node at a time, because the real server pairs an item with its old self by the keys
//! of the list map, and gives items of other lists no old self at all.

use std::fmt;

use kube_cel::{CompiledSchema, ErrorKind, ValidationError, Validator, compile_schema};
use regex::Regex;
use serde_json::Value;

use super::{Shape, item_key, join, shape};
use crate::status::{FieldError, Wrong};

/// The compiled rules of a schema, as a tree that only has branches with rules on them.
#[derive(Default)]
pub(crate) struct Rules {
    schema: Value,
    here: Option<Here>,
    fields: Vec<(String, Rules)>,
    additional: Option<Box<Rules>>,
    items: Option<Box<Rules>>,
    /// Some rule here or below is about change.
    about_change: bool,
}

/// The rules of one node, for when there is an old self and for when there is none.
struct Here {
    changed: CompiledSchema,
    new: CompiledSchema,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("here", &self.here.is_some()).finish_non_exhaustive()
    }
}

impl Rules {
    pub(crate) fn compile(schema: &Value) -> Result<Self, String> {
        let mut here = None;
        if schema.get("x-kubernetes-validations").is_some() {
            let alone = without_inner_rules(schema, 0);
            let changed = compile_schema(&with_optional(&alone, "optional.of(oldSelf)"));
            let new = compile_schema(&with_optional(&alone, "optional.none()"));
            if let Some(error) = changed.compilation_errors().first() {
                return Err(error.to_string());
            }
            here = Some(Here { changed, new });
        }
        let mut fields = Vec::new();
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let rules = Self::compile(property)?;
            if !rules.is_empty() {
                fields.push((name.clone(), rules));
            }
        }
        let below = |key: &str| match schema.get(key).filter(|inner| inner.is_object()) {
            Some(inner) => {
                let rules = Self::compile(inner)?;
                Ok::<_, String>((!rules.is_empty()).then(|| Box::new(rules)))
            }
            None => Ok(None),
        };
        let (additional, items) = (below("additionalProperties")?, below("items")?);
        let inner = fields.iter().map(|(_, rules)| rules);
        let inner = inner.chain(additional.as_deref()).chain(items.as_deref());
        let said = schema.get("x-kubernetes-validations").map(Value::to_string).unwrap_or_default();
        let about_change = said.contains("oldSelf") || inner.clone().any(|rules| rules.about_change);
        Ok(Self { here, fields, additional, items, about_change, schema: schema.clone() })
    }

    fn is_empty(&self) -> bool {
        self.here.is_none() && self.fields.is_empty() && self.additional.is_none() && self.items.is_none()
    }

    pub(crate) fn check(&self, object: &Value, before: Option<&Value>) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if !self.is_empty() {
            self.walk(&Validator::new(), object, before, "", &mut errors);
        }
        errors
    }

    fn walk(
        &self,
        judge: &Validator,
        value: &Value,
        old: Option<&Value>,
        path: &str,
        errors: &mut Vec<FieldError>,
    ) {
        // What has not changed keeps the right to be wrong, except toward rules about change.
        if value.is_null() || (!self.about_change && old == Some(value)) {
            return;
        }
        if let Some(rules) = &self.here {
            let rules = if old.is_some() { &rules.changed } else { &rules.new };
            let found = judge.validate_compiled(rules, value, old).err();
            let found = found.into_iter().flatten();
            let counts = |error: &ValidationError| old != Some(value) || error.rule.contains("oldSelf");
            errors.extend(found.filter(counts).map(|error| self.refusal(&error, value, path)));
        }
        match shape(value, Some(&self.schema)) {
            Shape::Map(map) => {
                for (name, inner) in map {
                    let known = self.fields.iter().find(|(field, _)| field == name).map(|(_, rules)| rules);
                    let declared = self.schema.get("properties").is_some_and(|p| p.get(name).is_some());
                    let rules = known.or(self.additional.as_deref().filter(|_| !declared));
                    if let Some(rules) = rules {
                        rules.walk(judge, inner, old.and_then(|o| o.get(name)), &join(path, name), errors);
                    }
                }
            }
            Shape::ListMap(list, keys) => self.walk_items(judge, list, path, errors, |item| {
                let inner = self.schema.get("items");
                let key = item_key(item, &keys, inner);
                old?.as_array()?.iter().find(|old| item_key(old, &keys, inner) == key)
            }),
            Shape::ListSet(list) => self.walk_items(judge, list, path, errors, |_| None),
            Shape::Leaf => {
                let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
                self.walk_items(judge, list, path, errors, |_| None);
            }
        }
    }

    fn walk_items<'a>(
        &self,
        judge: &Validator,
        list: &[Value],
        path: &str,
        errors: &mut Vec<FieldError>,
        old: impl Fn(&Value) -> Option<&'a Value>,
    ) {
        let Some(rules) = &self.items else { return };
        for (index, item) in list.iter().enumerate() {
            rules.walk(judge, item, old(item), &format!("{path}[{index}]"), errors);
        }
    }

    /// What a rule says for itself, or else the rule.
    fn told_by<'a>(&'a self, rule: &'a str) -> &'a str {
        let rules = self.schema.get("x-kubernetes-validations").and_then(Value::as_array);
        let same = rules.into_iter().flatten().find(|other| other["rule"] == rule);
        same.and_then(|rule| rule["message"].as_str()).unwrap_or(rule)
    }

    fn refusal(&self, error: &ValidationError, value: &Value, path: &str) -> FieldError {
        let field = format!("{path}{}", dotted(path, &error.field_path));
        let kind = self.schema.get("type").and_then(Value::as_str).unwrap_or_default();
        if [ErrorKind::EvaluationError, ErrorKind::UnsupportedReference].contains(&error.kind) {
            let detail = format!("{} evaluating rule: {}", fell_over(error), self.told_by(&error.rule));
            return FieldError::new(&field, Wrong::Invalid, Some(kind.into()), detail);
        }
        let value = (!matches!(kind, "object" | "array")).then(|| value.clone());
        let detail = error.message.clone();
        match error.reason.as_deref() {
            Some("FieldValueForbidden") => FieldError::new(&field, Wrong::Forbidden, None, detail),
            Some("FieldValueRequired") => FieldError::new(&field, Wrong::Required, None, detail),
            Some("FieldValueDuplicate") => FieldError::new(&field, Wrong::Duplicate, value, ""),
            Some(_) | None => FieldError::new(&field, Wrong::Invalid, value, detail),
        }
    }
}

/// Why a rule came to no answer, as cel-go has it.
fn fell_over(error: &ValidationError) -> String {
    if error.message.contains("function 'duration'") {
        return "type conversion error from 'string' to 'google.protobuf.Duration'".into();
    }
    error.message.trim_start_matches("rule evaluation error: ").to_owned()
}

/// A rule's own `fieldPath` below the node's path.
fn dotted(path: &str, below: &str) -> String {
    let below = below.trim_start_matches('.');
    if below.is_empty() || path.is_empty() { below.to_owned() } else { format!(".{below}") }
}

/// Spells out `oldSelf` where it is an optional: the library hands over a plain value, or null.
fn with_optional(schema: &Value, spelled: &str) -> Value {
    let mut schema = schema.clone();
    let Ok(name) = Regex::new(r"\boldSelf\b") else { return schema };
    let rules = schema.get_mut("x-kubernetes-validations").and_then(Value::as_array_mut);
    for rule in rules.into_iter().flatten().filter_map(Value::as_object_mut) {
        if rule.remove("optionalOldSelf") != Some(Value::Bool(true)) {
            continue;
        }
        if !rule.contains_key("message") {
            let said = rule.get("rule").and_then(Value::as_str).unwrap_or_default();
            rule.insert("message".into(), format!("failed rule: {said}").into());
        }
        for part in ["rule", "messageExpression"] {
            if let Some(said) = rule.get(part).and_then(Value::as_str) {
                let said = name.replace_all(said, spelled).into_owned();
                rule.insert(part.into(), said.into());
            }
        }
    }
    schema
}

/// A schema with the rules of its root only.
fn without_inner_rules(schema: &Value, depth: usize) -> Value {
    match schema {
        Value::Object(map) => {
            let keeps = |key: &str| depth == 0 || key != "x-kubernetes-validations";
            let inner = map.iter().filter(|(key, _)| keeps(key));
            inner
                .map(|(key, value)| match key.as_str() {
                    "x-kubernetes-validations" | "default" | "enum" => (key.clone(), value.clone()),
                    _ => (key.clone(), without_inner_rules(value, depth + 1)),
                })
                .collect()
        }
        Value::Array(list) => list.iter().map(|value| without_inner_rules(value, depth + 1)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}
