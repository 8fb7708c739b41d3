//! What the services' JSON has in common, read with lenience: what is odd in one field of one object must not hide
//! that object, nor the list that it is in.
//!
//! Only an id is required. Every other field that is absent, `null` or of another type has its default value. Text is
//! made fit to be shown as it is read, and nothing is read into a tree whose size the cloud decides.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::saying::Saying;

#[cfg(test)]
mod tests;

/// The most objects of a list, all of its pages together.
pub(super) const MOST_ITEMS: usize = 50_000;
/// The most pairs of a map of texts. Nova allows 128.
const MOST_PAIRS: usize = 256;

/// Any value; the default one where it is `null` or not what was expected.
pub(super) fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let raw = <&'de RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str::<Option<T>>(raw.get()).ok().flatten().unwrap_or_default())
}

/// A text, fit to be shown; empty where it is not one.
pub(super) fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Saying::name(&lenient::<D, String>(deserializer)?))
}

/// A number however it is written: `2`, `2.0` or `"2"`. 0 where it is none, or does not fit.
pub(super) fn number<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64> + Default,
{
    Ok(maybe_number(deserializer)?.unwrap_or_default())
}

/// As [`number`], but absent where it is none.
pub(super) fn maybe_number<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    let raw = <&'de RawValue>::deserialize(deserializer)?.get().trim_matches('"').trim();
    let whole = || raw.strip_suffix(".0").unwrap_or(raw).parse::<i64>().ok();
    Ok(whole().and_then(|number| T::try_from(number).ok()))
}

/// An instant in any of the clouds' spellings: Cinder leaves out the zone, and means UTC.
pub(super) fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(parse_instant(&lenient::<D, String>(deserializer)?))
}

pub(super) fn parse_instant(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let utc = text.parse::<DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(utc.timestamp())
    })
}

/// The objects of a list, each read by itself. One that cannot be read is left out.
///
/// # Errors
/// If it is no list, or one of more than [`MOST_ITEMS`].
pub(super) fn items<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    deserializer.deserialize_any(ListVisitor(PhantomData))
}

/// As [`items`], and empty where it is no list at all.
pub(super) fn items_if_any<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(lenient::<D, Items<T>>(deserializer)?.0)
}

struct Items<T>(Vec<T>);

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        items(deserializer).map(Self)
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let (mut items, mut count) = (Vec::new(), 0_usize);
        while let Some(raw) = list.next_element::<&'de RawValue>()? {
            count += 1;
            if count > MOST_ITEMS {
                return Err(A::Error::custom(format!("the list has more than {MOST_ITEMS} objects")));
            }
            items.extend(serde_json::from_str::<T>(raw.get()).ok());
        }
        Ok(items)
    }
}

/// A map of short texts. What is not text is shown as JSON; `null`, and what is too long to be ours, is left out.
pub(super) fn texts<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(lenient::<D, Texts>(d)?.0.into_iter().filter_map(|(key, text)| Some((key, text?))).collect())
}

#[derive(Default)]
struct Texts(BTreeMap<String, Option<String>>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TextsVisitor).map(Self)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = BTreeMap<String, Option<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut texts = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if texts.len() < MOST_PAIRS {
                texts.insert(Saying::name(&key), text(map.next_value()?));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(texts)
    }
}

/// A value as text.
pub(super) fn text(raw: &RawValue) -> Option<String> {
    match raw.get() {
        "null" => None,
        quoted if quoted.starts_with('"') => {
            serde_json::from_str::<String>(quoted).ok().map(|text| Saying::name(&text))
        }
        other => Some(Saying::name(other)),
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
    #[serde(default, deserialize_with = "word")]
    rel: String,
}

/// Whether a page says that there is another.
pub(super) fn has_next(links: &[Link]) -> bool {
    links.iter().any(|link| link.rel == "next")
}
