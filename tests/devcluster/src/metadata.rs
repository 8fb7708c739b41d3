//! The rules of `metadata`.

use serde_json::{Value, json};

use crate::json::{carry, object, remove, set, text, texts};
use crate::resource::Resource;
use crate::status::{FieldError, Status, Wrong};
use crate::store::{Key, Store};

/// Fields that only the server writes.
const SERVERS_OWN: &[&str] = &[
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
    "name",
    "namespace",
    "generateName",
];

/// Fills in the metadata of a new object.
pub(crate) fn prepare(
    store: &mut Store,
    resource: &Resource,
    namespace: &str,
    new: &mut Value,
) -> Result<(), Status> {
    same_kind(resource, new)?;
    let given = text(new, "/metadata/namespace");
    if !given.is_empty() && given != namespace {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if !text(new, "/metadata/resourceVersion").is_empty() {
        return Err(Status::bad_request("resourceVersion should not be set on objects to be created"));
    }
    let prefix = text(new, "/metadata/generateName").to_owned();
    if text(new, "/metadata/name").is_empty() && !prefix.is_empty() {
        let name = format!("{prefix}{}", store.suffix());
        set(new, &["metadata", "name"], json!(name));
    }
    for field in
        ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields", "generation"]
    {
        remove(new, &["metadata", field]);
    }
    set(new, &["metadata", "uid"], json!(store.new_uid()));
    set(new, &["metadata", "creationTimestamp"], json!(store.clock.stamp()));
    if resource.custom || resource.plural == "customresourcedefinitions" {
        set(new, &["metadata", "generation"], json!(1));
    }
    if resource.namespaced {
        set(new, &["metadata", "namespace"], json!(namespace));
    } else {
        remove(new, &["metadata", "namespace"]);
    }
    built_in(resource, new);
    Ok(())
}

/// What the server adds to its own kinds.
fn built_in(resource: &Resource, new: &mut Value) {
    match resource.plural.as_str() {
        "namespaces" if resource.group.is_empty() => {
            let name = text(new, "/metadata/name").to_owned();
            set(new, &["metadata", "labels", "kubernetes.io/metadata.name"], json!(name));
            set(new, &["spec", "finalizers"], json!(["kubernetes"]));
        }
        "secrets" if resource.group.is_empty() && text(new, "/type").is_empty() => {
            set(new, &["type"], json!("Opaque"));
        }
        _ => {}
    }
}

/// The body must be of the kind the path names; what it does not say is filled in.
fn same_kind(resource: &Resource, new: &mut Value) -> Result<(), Status> {
    if !new.is_object() {
        return Err(Status::bad_request("the object provided is unrecognized (must be of type object)"));
    }
    let (version, kind) = (text(new, "/apiVersion").to_owned(), text(new, "/kind").to_owned());
    let expected = resource.api_version();
    if !version.is_empty() && version != expected && resource.plural != "events" {
        return Err(Status::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({expected})"
        )));
    }
    if !kind.is_empty() && kind != resource.kind {
        let message =
            format!("the kind in the data ({kind}) does not match the expected kind ({})", resource.kind);
        return Err(Status::bad_request(message));
    }
    let version = if resource.plural == "events" { "v1".to_owned() } else { expected };
    set(new, &["apiVersion"], json!(version));
    set(new, &["kind"], json!(resource.kind));
    Ok(())
}

/// A write must be meant for the object it reaches, and for the state it was read in.
pub(crate) fn same_object(resource: &Resource, key: &Key, old: &Value, new: &Value) -> Result<(), Status> {
    let name = text(new, "/metadata/name");
    if !name.is_empty() && name != key.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            key.name
        )));
    }
    let version = resource.api_version();
    let given = text(new, "/apiVersion");
    if !given.is_empty() && given != version && resource.plural != "events" {
        return Err(Status::bad_request(format!(
            "the API version in the data ({given}) does not match the expected API version ({version})"
        )));
    }
    let (uid, found) = (text(new, "/metadata/uid"), text(old, "/metadata/uid"));
    if !uid.is_empty() && uid != found {
        let error = FieldError::invalid("metadata.uid", &json!(uid), "field is immutable");
        return Err(Status::invalid(&resource.group, &resource.kind, &key.name, &[error]));
    }
    let version = json!({"resourceVersion": text(new, "/metadata/resourceVersion")});
    precondition(resource, key, old, &version)
}

/// Refuses where a wanted uid or resourceVersion is not the one there is.
pub(crate) fn precondition(
    resource: &Resource,
    key: &Key,
    old: &Value,
    wanted: &Value,
) -> Result<(), Status> {
    let (uid, version) = (text(wanted, "/uid"), text(wanted, "/resourceVersion"));
    let found = text(old, "/metadata/uid");
    if !uid.is_empty() && uid != found {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {found}");
        return Err(Status::conflict(&resource.group, &resource.plural, &key.name, &why));
    }
    if !version.is_empty() && version != "0" && version != text(old, "/metadata/resourceVersion") {
        return Err(Status::outdated(&resource.group, &resource.plural, &key.name));
    }
    Ok(())
}

/// Keeps in a write what only the server writes.
pub(crate) fn keep(old: &Value, new: &mut Value) {
    for field in SERVERS_OWN {
        carry(old, new, &["metadata", field]);
    }
    carry(old, new, &["apiVersion"]);
    carry(old, new, &["kind"]);
    // Maps and lists that became empty are not written out.
    for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
        let empty = match new.pointer(&format!("/metadata/{field}")) {
            Some(Value::Object(map)) => map.is_empty(),
            Some(Value::Array(list)) => list.is_empty(),
            Some(value) => value.is_null(),
            None => false,
        };
        if empty {
            remove(new, &["metadata", field]);
        }
    }
}

pub(crate) fn next_generation(new: &mut Value) {
    let generation = new.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default();
    set(new, &["metadata", "generation"], json!(generation + 1));
}

/// No new finalizers once the deletion has begun.
pub(crate) fn finalizers(resource: &Resource, old: &Value, new: &Value) -> Result<(), Status> {
    if text(old, "/metadata/deletionTimestamp").is_empty() {
        return Ok(());
    }
    let before = texts(old, "/metadata/finalizers");
    let added: Vec<_> =
        texts(new, "/metadata/finalizers").into_iter().filter(|name| !before.contains(name)).collect();
    if added.is_empty() {
        return Ok(());
    }
    let list: Vec<_> = added.iter().map(|name| format!("{name:?}")).collect();
    let detail = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        list.join(", ")
    );
    let error = FieldError::new("metadata.finalizers", Wrong::Forbidden, None, detail);
    Err(Status::invalid(&resource.group, &resource.kind, text(old, "/metadata/name"), &[error]))
}

pub(crate) fn unconditional(resource: &Resource, name: &str) -> Status {
    let field = "metadata.resourceVersion";
    let error = FieldError::invalid(field, &json!(0), "must be specified for an update");
    Status::invalid(&resource.group, &resource.kind, name, &[error])
}

pub(crate) fn bad_patch(shown: &str, why: &str) -> Status {
    Status::invalid("", "", "", &[FieldError::invalid("patch", &json!(shown), why)])
}

/// Checks names.
pub(crate) fn check(new: &Value, namespaced: bool) -> Vec<FieldError> {
    const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
    let mut errors = Vec::new();
    let name = text(new, "/metadata/name");
    if name.is_empty() {
        errors.push(FieldError::required("metadata.name", "name or generateName is required"));
    } else if !is_subdomain(name) {
        let detail = format!(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
             must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '{LABEL}(\\.{LABEL})*')"
        );
        errors.push(FieldError::invalid("metadata.name", &json!(name), detail));
    }
    if namespaced && text(new, "/metadata/namespace").is_empty() {
        errors.push(FieldError::required("metadata.namespace", ""));
    }
    errors.extend(labels(new));
    errors
}

fn labels(new: &Value) -> Vec<FieldError> {
    const NAME: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                        alphanumeric character";
    const REGEX: &str = "[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
    let word = |word: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let edge = |c: char| c.is_ascii_alphanumeric();
        word.len() <= 63 && word.chars().all(inner) && word.starts_with(edge) && word.ends_with(edge)
    };
    let mut errors = Vec::new();
    let given = new.pointer("/metadata/labels").and_then(Value::as_object);
    for (name, value) in given.into_iter().flatten() {
        let (prefix, last) = name.split_once('/').unwrap_or(("a", name));
        if !is_subdomain(prefix) || !word(last) {
            let detail = format!(
                "name part {NAME} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '({REGEX}')"
            );
            errors.push(FieldError::invalid("metadata.labels", &json!(name), detail));
        }
        let text = value.as_str().unwrap_or_default();
        if !text.is_empty() && !word(text) {
            let detail = format!(
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and \
                 must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', \
                 regex used for validation is '(({REGEX})?')"
            );
            errors.push(FieldError::invalid("metadata.labels", &json!(text), detail));
        }
    }
    errors
}

/// What is allowed but unwise.
pub(crate) fn warnings(new: &Value) -> Vec<String> {
    let unqualified = |finalizer: &String| {
        let standard = ["orphan", "foregroundDeletion", "kubernetes"].contains(&finalizer.as_str());
        !standard && !finalizer.contains('/')
    };
    let warning = |finalizer: String| {
        format!(
            "metadata.finalizers: {finalizer:?}: prefer a domain-qualified finalizer name to avoid accidental \
             conflicts with other finalizer writers"
        )
    };
    texts(new, "/metadata/finalizers").into_iter().filter(unqualified).map(warning).collect()
}

fn is_subdomain(name: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label = |label: &str| {
        label.starts_with(edge) && label.ends_with(edge) && label.chars().all(|c| edge(c) || c == '-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Marks an object as going.
pub(crate) fn begin_deletion(store: &Store, resource: &Resource, going: &mut Value) {
    set(going, &["metadata", "deletionTimestamp"], json!(store.clock.stamp()));
    set(going, &["metadata", "deletionGracePeriodSeconds"], json!(0));
    if resource.custom {
        next_generation(going);
    }
    object(going);
}
