//! The file as it is written: entries of keys and texts. What the keys mean is in [`super`].
//!
//! An empty value is an absent one: other programs write every key that they know, most of them empty. Below `auth`
//! every value is text as it was written, for a password may look like a number. Of a key that is there twice the last
//! one counts, as in Python.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{DuplicateKeyPolicy, options};

use super::Error;

/// Keys and what was written; nothing that is empty.
pub(super) type Texts = BTreeMap<String, String>;

/// One cloud of the file, or what differs in one of its regions.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// What stands below `auth`.
    pub auth: Texts,
    /// Everything else that is text. A list is its members, separated by commas.
    pub keys: Texts,
    /// The regions, in order.
    pub regions: Vec<Region>,
}

/// A region, and what is different in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Region {
    pub name: String,
    pub values: Entry,
}

impl Region {
    /// A region in which nothing is different.
    pub fn named(name: &str) -> Self {
        Self { name: name.trim().to_owned(), values: Entry::default() }
    }
}

impl Entry {
    /// Takes over what another entry says; what it does not say stays.
    pub fn update(&mut self, other: Self) {
        self.auth.extend(other.auth);
        self.keys.extend(other.keys);
    }
}

/// The file: the one cloud that is wanted, and what the others are called. Those are not read, and may hold anything.
#[derive(Default)]
pub(super) struct File {
    pub cloud: Option<Entry>,
    pub others: Vec<String>,
}

pub(super) fn read(text: &str, wanted: &str) -> Result<File, Error> {
    // Neither a piece of the file nor a value may get into the message.
    let options = options! { with_snippet: false, duplicate_keys: DuplicateKeyPolicy::LastWins };
    let text = text.trim_start_matches('\u{feff}');
    let read = serde_saphyr::with_deserializer_from_str_with_options(text, options, |from| {
        from.deserialize_map(Top(wanted))
    });
    read.map_err(|error| {
        Error(match error.location() {
            Some(at) => format!("not what is expected at line {}, column {}", at.line(), at.column()).into(),
            None => "not a YAML file with `clouds`".into(),
        })
    })
}

/// The top of the file.
struct Top<'a>(&'a str);

impl<'de> Visitor<'de> for Top<'_> {
    type Value = File;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a file with clouds")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<File, A::Error> {
        let mut file = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == "clouds" {
                file = Some(map.next_value_seed(Clouds(self.0))?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        file.ok_or_else(|| A::Error::custom("there are no clouds"))
    }
}

/// What stands below `clouds`.
struct Clouds<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Clouds<'_> {
    type Value = File;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<File, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Clouds<'_> {
    type Value = File;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("clouds by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<File, A::Error> {
        let mut file = File::default();
        while let Some(name) = map.next_key::<String>()? {
            if name == self.0 {
                file.cloud = Some(map.next_value::<OrEmpty<Entry>>()?.0);
            } else {
                map.next_value::<IgnoredAny>()?;
                file.others.push(name);
            }
        }
        Ok(file)
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cloud")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let mut entry = Entry::default();
        while let Some(key) = map.next_key::<String>()? {
            match normal(&key).as_str() {
                "auth" => entry.auth = map.next_value::<OrEmpty<Auth>>()?.0.0,
                "regions" => {
                    let OrEmpty::<Vec<Region>>(regions) = map.next_value()?;
                    entry.regions = regions.into_iter().filter(|region| !region.name.is_empty()).collect();
                }
                name => {
                    let text = map.next_value::<AnyText>()?.0.map(|text| text.trim().to_owned());
                    put(&mut entry.keys, name, text);
                }
            }
        }
        Ok(entry)
    }
}

/// A map or a list, or nothing where there is an empty text.
struct OrEmpty<T>(T);

impl<'de, T: Default + Deserialize<'de>> Deserialize<'de> for OrEmpty<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OrEmptyVisitor(PhantomData)).map(Self)
    }
}

struct OrEmptyVisitor<T>(PhantomData<T>);

impl<'de, T: Default + Deserialize<'de>> Visitor<'de> for OrEmptyVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map, a list, or nothing")
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        if text.trim().is_empty() { Ok(T::default()) } else { Err(E::custom("a text is not expected here")) }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::deserialize(SeqAccessDeserializer::new(list))
    }
}

/// `auth-url` is `auth_url`.
fn normal(key: &str) -> String {
    key.trim().replace('-', "_")
}

fn put(texts: &mut Texts, key: &str, text: Option<String>) {
    match text.filter(|text| !text.is_empty()) {
        Some(text) => drop(texts.insert(key.to_owned(), text)),
        None => drop(texts.remove(key)),
    }
}

#[derive(Default)]
struct Auth(Texts);

impl<'de> Deserialize<'de> for Auth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AuthVisitor).map(Self)
    }
}

struct AuthVisitor;

impl<'de> Visitor<'de> for AuthVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
        let mut texts = Texts::new();
        while let Some(key) = map.next_key::<String>()? {
            // Not trimmed: a password may begin with a blank.
            put(&mut texts, &normal(&key), map.next_value::<Option<String>>()?);
        }
        Ok(texts)
    }
}

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RegionVisitor)
    }
}

struct RegionVisitor;

impl<'de> Visitor<'de> for RegionVisitor {
    type Value = Region;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a region")
    }

    fn visit_unit<E>(self) -> Result<Region, E> {
        Ok(Region::default())
    }

    fn visit_str<E>(self, name: &str) -> Result<Region, E> {
        Ok(Region::named(name))
    }

    fn visit_i64<E>(self, name: i64) -> Result<Region, E> {
        Ok(Region::named(&name.to_string()))
    }

    fn visit_u64<E>(self, name: u64) -> Result<Region, E> {
        Ok(Region::named(&name.to_string()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Region, A::Error> {
        let mut region = Region::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "name" => region.name = map.next_value::<Option<String>>()?.unwrap_or_default(),
                "values" => region.values = map.next_value::<OrEmpty<Entry>>()?.0,
                _ => return Err(A::Error::custom("a region has a name and values")),
            }
        }
        Ok(region)
    }
}

/// Any value as text: a list is its members, and a map, which only other clients read, is nothing.
struct AnyText(Option<String>);

impl<'de> Deserialize<'de> for AnyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor).map(Self)
    }
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_none<E>(self) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Option<String>, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Option<String>, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Option<String>, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Option<String>, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Option<String>, E> {
        Ok(Some(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<String>, A::Error> {
        let mut members = Vec::new();
        while let Some(AnyText(member)) = list.next_element()? {
            members.extend(member);
        }
        Ok(Some(members.join(",")))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<String>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}
