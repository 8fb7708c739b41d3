//! Refusals: the Kubernetes `Status` object and the field errors inside it.

use serde_json::{Value, json};

/// A refusal as the API server words it.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Value,
}

impl Status {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn page_not_found() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    pub(crate) fn not_found(group: &str, resource: &str, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} {name:?} not found", qualified(resource, group)))
            .about(group, resource, name)
    }

    pub(crate) fn already_exists(group: &str, resource: &str, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} {name:?} already exists", qualified(resource, group)))
            .about(group, resource, name)
    }

    pub(crate) fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} {name:?}: {why}", qualified(resource, group));
        Self::new(409, "Conflict", message).about(group, resource, name)
    }

    /// The object was written by somebody else since it was read.
    pub(crate) fn outdated(group: &str, resource: &str, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(group, resource, name, why)
    }

    pub(crate) fn forbidden(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message = format!("{} {name:?} is forbidden: {why}", qualified(resource, group));
        Self::new(403, "Forbidden", message).about(group, resource, name)
    }

    pub(crate) fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let lines: Vec<_> = errors.iter().map(FieldError::line).collect();
        let all = match lines.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("{} {name:?} is invalid: {all}", qualified(kind, group));
        let causes: Vec<_> = errors.iter().map(FieldError::cause).collect();
        let mut status = Self::new(422, "Invalid", message);
        status.details = json!({"name": name, "group": group, "kind": kind, "causes": causes});
        status
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    fn about(mut self, group: &str, resource: &str, name: &str) -> Self {
        self.details = json!({"name": name, "kind": resource});
        if !group.is_empty()
            && let Some(details) = self.details.as_object_mut()
        {
            details.insert("group".into(), group.into());
        }
        self
    }

    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if let Some(map) = body.as_object_mut() {
            if !self.reason.is_empty() {
                map.insert("reason".into(), self.reason.into());
            }
            if !self.details.is_null() {
                map.insert("details".into(), self.details.clone());
            }
        }
        body
    }
}

/// `plural.group`, or just `plural` in the core group.
fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

/// What is wrong with a field, in the API server's classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Invalid,
    Type,
    Required,
    Unsupported,
    Forbidden,
    Duplicate,
    TooLong,
    TooMany,
}

/// One thing wrong with one field.
#[derive(Clone, Debug)]
pub(crate) struct FieldError {
    pub(crate) field: String,
    pub(crate) wrong: Wrong,
    pub(crate) value: Option<Value>,
    pub(crate) detail: String,
}

impl FieldError {
    pub(crate) fn new(field: &str, wrong: Wrong, value: Option<Value>, detail: impl Into<String>) -> Self {
        let field = if field.is_empty() { "<nil>" } else { field };
        Self { field: field.to_owned(), wrong, value, detail: detail.into() }
    }

    pub(crate) fn invalid(field: &str, value: &Value, detail: impl Into<String>) -> Self {
        Self::new(field, Wrong::Invalid, Some(value.clone()), detail)
    }

    pub(crate) fn required(field: &str, detail: &str) -> Self {
        Self::new(field, Wrong::Required, None, detail)
    }

    /// Whether rules over several fields make no sense while this is wrong.
    pub(crate) fn blocks_rules(&self) -> bool {
        match self.wrong {
            Wrong::Type | Wrong::Required | Wrong::Unsupported | Wrong::TooLong | Wrong::TooMany => true,
            Wrong::Invalid | Wrong::Forbidden | Wrong::Duplicate => false,
        }
    }

    fn reason(&self) -> &'static str {
        match self.wrong {
            Wrong::Invalid => "FieldValueInvalid",
            Wrong::Type => "FieldValueTypeInvalid",
            Wrong::Required => "FieldValueRequired",
            Wrong::Unsupported => "FieldValueNotSupported",
            Wrong::Forbidden => "FieldValueForbidden",
            Wrong::Duplicate => "FieldValueDuplicate",
            Wrong::TooLong => "FieldValueTooLong",
            Wrong::TooMany => "FieldValueTooMany",
        }
    }

    fn text(&self) -> String {
        let class = match self.wrong {
            Wrong::Invalid | Wrong::Type => "Invalid value",
            Wrong::Required => "Required value",
            Wrong::Unsupported => "Unsupported value",
            Wrong::Forbidden => "Forbidden",
            Wrong::Duplicate => "Duplicate value",
            Wrong::TooLong => "Too long",
            Wrong::TooMany => "Too many",
        };
        let mut text = class.to_owned();
        if let Some(value) = &self.value {
            text = format!("{text}: {value}");
        }
        if !self.detail.is_empty() {
            text = format!("{text}: {}", self.detail);
        }
        text
    }

    fn line(&self) -> String {
        format!("{}: {}", self.field, self.text())
    }

    fn cause(&self) -> Value {
        json!({"reason": self.reason(), "message": self.text(), "field": self.field})
    }
}
