//! Events are kept once and seen in two groups: stored as core `v1`, shown as asked for.

use serde_json::Value;

use crate::json::{object, set};
use crate::resource::Resource;

/// Names in `events.k8s.io/v1`, and in the core.
const NAMES: &[(&str, &str)] = &[
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
    ("reportingController", "reportingComponent"),
];

fn is_grouped(resource: &Resource) -> bool {
    resource.group == "events.k8s.io"
}

/// Turns an object as sent into one as stored.
pub(crate) fn store(value: &mut Value, resource: &Resource) {
    if !is_grouped(resource) {
        secret(value, resource);
        return;
    }
    let map = object(value);
    for (grouped, core) in NAMES {
        if let Some(found) = map.remove(*grouped) {
            map.insert((*core).to_owned(), found);
        }
    }
    set(value, &["apiVersion"], "v1".into());
}

/// Turns an object as stored into one as the resource shows it.
pub(crate) fn show(value: &mut Value, resource: &Resource) {
    if is_grouped(resource) {
        let map = object(value);
        for (grouped, core) in NAMES {
            if let Some(found) = map.remove(*core) {
                map.insert((*grouped).to_owned(), found);
            }
        }
    }
    set(value, &["apiVersion"], resource.api_version().into());
    set(value, &["kind"], resource.kind.as_str().into());
}

/// `stringData` is only for writing.
fn secret(value: &mut Value, resource: &Resource) {
    use base64::Engine as _;
    if resource.storage != "/secrets" {
        return;
    }
    let Some(plain) = object(value).remove("stringData") else { return };
    for (name, text) in plain.as_object().into_iter().flatten() {
        let encoded = base64::engine::general_purpose::STANDARD.encode(text.as_str().unwrap_or_default());
        set(value, &["data", name], encoded.into());
    }
}
