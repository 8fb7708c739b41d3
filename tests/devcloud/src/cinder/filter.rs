//! The filters of a volume list. Unknown parameters are ignored.

use serde_json::Value;

use crate::{wire::Ask, world::volume::Volume};

/// Whether a volume fits the filters of a request.
pub(crate) fn takes(ask: &Ask, volume: &Volume) -> bool {
    let is = |name: &str, value: &str| ask.param(name).is_none_or(|wanted| wanted == value);
    let metadata = ask.param("metadata").map(dictionary);
    is("name", &volume.name)
        && is("status", &volume.status)
        && is("availability_zone", &volume.zone)
        && is("volume_type", &volume.volume_type)
        && metadata.is_none_or(|wanted| {
            wanted.is_some_and(|wanted| {
                wanted.iter().all(|(key, value)| volume.metadata.get(key) == Some(value))
            })
        })
}

/// Reads a dictionary as Cinder does: what Python would take for one (`{'a': 'b'}`), JSON of strings included.
pub(crate) fn dictionary(text: &str) -> Option<Vec<(String, String)>> {
    if let Ok(Value::Object(fields)) = serde_json::from_str(text) {
        let pairs = fields.into_iter().map(|(key, value)| Some((key, value.as_str()?.to_owned())));
        return pairs.collect();
    }
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut rest = inner.trim_start();
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        let (key, after) = literal(rest)?;
        let (value, after) = literal(after.trim_start().strip_prefix(':')?.trim_start())?;
        pairs.push((key, value));
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(pairs)
}

/// A Python string literal at the head of a text, optionally with the prefix `u`, and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    let text = text.strip_prefix('u').unwrap_or(text);
    let quote = text.chars().next().filter(|first| matches!(first, '\'' | '"'))?;
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            value.push(c);
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return Some((value, text.get(at + 1..)?));
        } else {
            value.push(c);
        }
    }
    None
}
