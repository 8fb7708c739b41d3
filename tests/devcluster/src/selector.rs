//! Label and field selectors.

use serde_json::Value;

use crate::json::text;
use crate::resource::Resource;
use crate::status::Status;

/// One requirement on one value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Need {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

/// What objects are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    labels: Vec<Need>,
    /// Pointers to fields, the value each has, and whether it shall have it.
    fields: Vec<(String, String, bool)>,
}

impl Selector {
    pub(crate) fn parse(resource: &Resource, labels: &str, fields: &str, name: &str) -> Result<Self, Status> {
        let labels = terms(labels).into_iter().map(|term| need(term.trim())).collect::<Result<_, _>>();
        let labels =
            labels.map_err(|why| Status::bad_request(format!("unable to parse requirement: {why}")))?;
        let mut selector = Self { labels, fields: Vec::new() };
        for term in fields.split(',').filter(|term| !term.is_empty()) {
            let (field, wanted, is) = if let Some((field, value)) = term.split_once("!=") {
                (field, value, false)
            } else if let Some((field, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
                (field, value, true)
            } else {
                return Err(Status::bad_request(format!("invalid field selector: {term:?}")));
            };
            let path = path(resource, field)
                .ok_or_else(|| Status::bad_request(format!("field label not supported: {field}")))?;
            selector.fields.push((path, wanted.to_owned(), is));
        }
        if !name.is_empty() {
            selector.fields.push(("/metadata/name".into(), name.into(), true));
        }
        Ok(selector)
    }

    /// Whether a stored object is wanted.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        let label = |name: &String| {
            object.pointer("/metadata/labels").and_then(|labels| labels.get(name)).and_then(Value::as_str)
        };
        let labelled = self.labels.iter().all(|need| match need {
            Need::In(name, values) => label(name).is_some_and(|found| values.iter().any(|v| v == found)),
            Need::NotIn(name, values) => label(name).is_none_or(|found| !values.iter().any(|v| v == found)),
            Need::Exists(name) => label(name).is_some(),
            Need::Absent(name) => label(name).is_none(),
        });
        labelled && self.fields.iter().all(|(path, wanted, is)| (shown(object, path) == *wanted) == *is)
    }
}

/// A field as text; what is not there is empty.
fn shown(object: &Value, path: &str) -> String {
    match object.pointer(path) {
        Some(Value::String(_)) => text(object, path).to_owned(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

fn path(resource: &Resource, field: &str) -> Option<String> {
    let pointer = |path: &str| format!("/{}", path.replace('.', "/"));
    match field {
        "metadata.name" | "metadata.namespace" => Some(pointer(field)),
        _ => resource.selectable.iter().find(|(name, _)| name == field).map(|(_, path)| pointer(path)),
    }
}

/// Splits at the commas that are not inside parentheses.
fn terms(selector: &str) -> Vec<&str> {
    let mut depth = 0;
    let split = selector.split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    split.filter(|term| !term.trim().is_empty()).collect()
}

fn need(term: &str) -> Result<Need, String> {
    let one = |value: &str| vec![value.trim().to_owned()];
    let set = |list: &str| -> Result<Vec<String>, String> {
        let inner = list.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        let inner = inner.ok_or_else(|| format!("found '{list}', expected: '('"))?;
        Ok(inner.split(',').map(|value| value.trim().to_owned()).collect())
    };
    if let Some(name) = term.strip_prefix('!') {
        return Ok(Need::Absent(name.trim().to_owned()));
    }
    if let Some((name, value)) = term.split_once("!=") {
        return Ok(Need::NotIn(name.trim().to_owned(), one(value)));
    }
    if let Some((name, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return Ok(Need::In(name.trim().to_owned(), one(value)));
    }
    if let Some((name, list)) = term.split_once(" notin ") {
        return Ok(Need::NotIn(name.trim().to_owned(), set(list)?));
    }
    if let Some((name, list)) = term.split_once(" in ") {
        return Ok(Need::In(name.trim().to_owned(), set(list)?));
    }
    if term.contains(' ') { Err(format!("found '{term}'")) } else { Ok(Need::Exists(term.to_owned())) }
}
