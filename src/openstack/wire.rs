//! What the services' JSON has in common, read with lenience: one odd field of
//! one object must not hide a whole list.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// `null` where a list, a map or a text was expected means the empty one.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// An instant in any of the clouds' spellings: Cinder leaves out the zone, and
/// means UTC.
pub(super) fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| parse_instant(&text)))
}

pub(super) fn parse_instant(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let utc = text.parse::<DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(utc.timestamp())
    })
}

/// A map of texts; what is not text is shown as JSON, and `null` is left out.
pub(super) fn texts<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, String>, D::Error> {
    let map = Option::<BTreeMap<String, Value>>::deserialize(d)?.unwrap_or_default();
    Ok(map.into_iter().filter_map(|(key, value)| Some((key, text(value)?))).collect())
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Some(other.to_string())
        }
    }
}

/// Something with an id, of which only that matters.
#[derive(Debug, Deserialize)]
pub(super) struct WithId<T> {
    pub id: T,
}

/// A link to another page.
#[derive(Debug, Deserialize)]
pub(super) struct Link {
    #[serde(default)]
    rel: String,
}

/// Whether a page says that there is another.
pub(super) fn has_next(links: &[Link]) -> bool {
    links.iter().any(|link| link.rel == "next")
}
