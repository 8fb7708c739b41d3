//! The fields of a server that Nova is particular about.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{bad, error};
use crate::wire::{Reply, items, text};

pub(crate) fn tags(asked: &Value) -> Result<Vec<String>, Reply> {
    let mut tags = Vec::new();
    for tag in items(asked, "tags") {
        match tag.as_str() {
            Some(tag) if !tag.is_empty() && tag.chars().count() <= 60 && !tag.contains(['/', ',']) => {
                tags.push(tag.to_owned());
            }
            Some(_) | None => {
                return Err(bad(format!("Invalid input for field/attribute tags. Value: {tag}.")));
            }
        }
    }
    if tags.len() > 50 {
        Err(bad("Invalid input for field/attribute tags. Value is too long"))
    } else {
        Ok(tags)
    }
}

/// Metadata as Nova takes it: no `/` in a key, strings of at most 255 characters.
pub(crate) fn metadata(given: &Value, limit: i64) -> Result<BTreeMap<String, String>, Reply> {
    let Some(given) = given.as_object() else {
        return Err(bad(format!(
            "Invalid input for field/attribute metadata. Value: {given}. is not of type 'object'"
        )));
    };
    let fits = |key: &str| {
        (1..=255).contains(&key.len())
            && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.' | ' '))
    };
    let mut metadata = BTreeMap::new();
    for (key, value) in given {
        if !fits(key) {
            return Err(bad(format!(
                "Invalid input for field/attribute metadata. Value: {}. '{key}' does not match any of the regexes: \
                 '^[a-zA-Z0-9-_:. ]{{1,255}}$'",
                Value::Object(given.clone())
            )));
        }
        match value.as_str().filter(|value| value.chars().count() <= 255) {
            Some(value) => metadata.insert(key.clone(), value.into()),
            None => {
                return Err(bad(format!("Invalid input for field/attribute {key}. Value: {value}.")));
            }
        };
    }
    if limit >= 0 && i64::try_from(metadata.len()).unwrap_or(i64::MAX) > limit {
        return Err(error(403, &format!("Maximum number of metadata items exceeds {limit}")));
    }
    Ok(metadata)
}

pub(crate) fn check_user_data(asked: &Value) -> Result<(), Reply> {
    let Some(user_data) = text(asked, "user_data") else { return Ok(()) };
    if user_data.len() > 65_535 {
        return Err(bad(format!(
            "Invalid input for field/attribute user_data. Value: {user_data}. '{user_data}' is too long"
        )));
    }
    match STANDARD.decode(user_data.replace(['\n', '\r'], "")) {
        Ok(_) => Ok(()),
        Err(_) => Err(bad(format!(
            "Invalid input for field/attribute user_data. Value: {user_data}. '{user_data}' is not a 'base64'"
        ))),
    }
}

pub(crate) fn description(asked: &Value) -> Result<Option<String>, Reply> {
    let Some(given) = text(asked, "description") else { return Ok(None) };
    if given.chars().count() > 255 || given.contains(['\n', '\r']) {
        return Err(bad(format!("Invalid input for field/attribute description. Value: {given}.")));
    }
    Ok(Some(given.to_owned()))
}

pub(crate) fn config_drive(asked: &Value) -> Result<bool, Reply> {
    match asked.get("config_drive") {
        None => Ok(false),
        Some(Value::Bool(given)) => Ok(*given),
        Some(Value::String(word)) if ["true", "1", "yes", "on"].contains(&word.to_lowercase().as_str()) => {
            Ok(true)
        }
        Some(Value::String(word)) if ["false", "0", "no", "off"].contains(&word.to_lowercase().as_str()) => {
            Ok(false)
        }
        Some(other) => Err(bad(format!("Invalid input for field/attribute config_drive. Value: {other}."))),
    }
}

pub(crate) fn hostname(asked: &Value, name: &str) -> Result<String, Reply> {
    if let Some(hostname) = text(asked, "hostname") {
        let inner = hostname.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let edges = !hostname.starts_with('-') && !hostname.ends_with('-');
        if !inner || !edges || !(2..=63).contains(&hostname.len()) {
            return Err(bad(format!(
                "Invalid input for field/attribute hostname. Value: {hostname}. '{hostname}' does not match \
                 '^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$'"
            )));
        }
        return Ok(hostname.into());
    }
    let kept = name.replace([' ', '_', '.'], "-").to_lowercase();
    let kept: String = kept.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    Ok(kept.trim_matches('-').into())
}
