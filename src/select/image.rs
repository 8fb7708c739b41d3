//! The image of an operating system: by the machine type's rule for it, or by its name.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use regex::Regex;

use super::offerings::Image;
use super::pattern::{Patterns, pattern};
use super::problem::list;
use super::{Choice, Problem};
use crate::api::common::Os;
use crate::api::machine_type::{ImageRule, MachineTypeSpec, Selection};

/// An image, and who logs in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ImageChoice<'a> {
    /// The image.
    pub image: &'a Image,
    /// The user to log in as, where the machine type says so.
    pub user: Option<&'a str>,
}

/// The image that an operating system is. Never one that is not active, nor one that `excludeImages` matches.
///
/// # Errors
/// `ImageNotFound`, `ImageAmbiguous` or `InvalidPattern`.
pub fn image<'a>(
    machine: &'a MachineTypeSpec,
    os: &Os,
    images: &'a [Image],
) -> Result<Choice<ImageChoice<'a>>, Problem> {
    let exclude = Patterns::compile("excludeImages", &machine.exclude_images)?;
    let rule = machine.images.iter().enumerate().find(|(_, rule)| rule.os == *os);
    let search = rule.map_or_else(|| Ok(Search::OsName(os)), |(index, rule)| Search::of(index, rule))?;
    let selection = rule.map_or(Selection::Error, |(_, rule)| rule.selection);
    let user = rule.and_then(|(_, rule)| rule.user.as_deref());
    let (usable, unusable): (Vec<&Image>, Vec<&Image>) =
        images.iter().partition(|image| image.status == "active" && exclude.matching(&image.name).is_none());
    let Found { images: mut found, how } = search.among(&usable);
    found.sort_by(|a, b| newest_first(a).cmp(&newest_first(b)));
    let why = |image: &Image, of: &str| format!("{}: {of}{how}", image.name);
    match (found.as_slice(), selection) {
        ([], _) => Err(not_found(os, &search, &unusable, &exclude)),
        ([image], _) => Ok(Choice { what: ImageChoice { image, user }, why: why(image, "") }),
        ([image, ..], Selection::Newest) => {
            let of = format!("newest of {}, ", found.len());
            Ok(Choice { what: ImageChoice { image, user }, why: why(image, &of) })
        }
        (_, Selection::Error) => Err(ambiguous(os, &found, &how)),
    }
}

/// What an image is looked for by.
enum Search<'a> {
    Id(&'a str),
    Name(&'a str),
    Regex(&'a str, Box<Regex>),
    Properties(&'a BTreeMap<String, String>),
    /// teuthology's rule.
    OsName(&'a Os),
}

/// What was found, and how.
struct Found<'a> {
    images: Vec<&'a Image>,
    how: String,
}

impl<'a> Search<'a> {
    fn of(index: usize, rule: &'a ImageRule) -> Result<Self, Problem> {
        if let Some(id) = &rule.id {
            return Ok(Self::Id(id));
        }
        if let Some(name) = &rule.name {
            return Ok(Self::Name(name));
        }
        if let Some(text) = &rule.name_regex {
            let regex = pattern(&format!("images[{index}].nameRegex"), text)?;
            return Ok(Self::Regex(text, Box::new(regex)));
        }
        // No property asked would be any image at all.
        let properties = rule.properties.as_ref().filter(|properties| !properties.is_empty());
        Ok(properties.map_or(Self::OsName(&rule.os), Self::Properties))
    }

    fn among<'i>(&self, images: &[&'i Image]) -> Found<'i> {
        let matching = |matches: &dyn Fn(&Image) -> bool| -> Vec<&'i Image> {
            images.iter().copied().filter(|image| matches(image)).collect()
        };
        let how = self.describe();
        match self {
            Self::Id(id) => Found { images: matching(&|image| image.id == *id), how },
            Self::Name(name) => Found { images: matching(&|image| image.name == *name), how },
            Self::Regex(_, regex) => Found { images: matching(&|image| regex.is_match(&image.name)), how },
            Self::Properties(wanted) => {
                let has = |image: &Image| {
                    wanted.iter().all(|(key, value)| image.properties.get(key) == Some(value))
                };
                Found { images: matching(&has), how }
            }
            Self::OsName(os) => {
                let [spaced, dashed] = os_names(os);
                let containing = |part: String| {
                    let images = matching(&|image| image.name.to_lowercase().contains(&part));
                    Found { images, how: format!("name contains \"{part}\"") }
                };
                let found = containing(spaced);
                if found.images.is_empty() { containing(dashed) } else { found }
            }
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Id(id) => format!("id is {id}"),
            Self::Name(name) => format!("name is \"{name}\""),
            Self::Regex(text, _) => format!("name matches `{text}`"),
            Self::Properties(wanted) => {
                let wanted = list(wanted.iter().map(|(key, value)| format!("{key}={value}")));
                format!("properties have {wanted}")
            }
            Self::OsName(os) => {
                let [spaced, dashed] = os_names(os);
                format!("name contains \"{spaced}\" or \"{dashed}\"")
            }
        }
    }
}

/// In the order they are looked for.
fn os_names(Os { kind, version }: &Os) -> [String; 2] {
    [format!("{kind} {version}").to_lowercase(), format!("{kind}-{version}").to_lowercase()]
}

fn newest_first(image: &Image) -> (Reverse<Option<jiff::Timestamp>>, &str) {
    (Reverse(image.created), &image.id)
}

fn ambiguous(os: &Os, found: &[&Image], how: &str) -> Problem {
    let candidates = list(found.iter().map(|image| {
        let created = image.created.map_or_else(|| "unknown".into(), |created| created.to_string());
        format!("{} ({}, {created})", image.name, image.id)
    }));
    let cure = "under the machine type's images give the id, or nameRegex and selection: Newest";
    let message = format!("{os}: {} images whose {how}: {candidates}; {cure}", found.len());
    Problem::new("ImageAmbiguous", message)
}

/// Says also what would have been taken, were it allowed.
fn not_found(os: &Os, search: &Search<'_>, unusable: &[&Image], exclude: &Patterns<'_>) -> Problem {
    let mut barred = search.among(unusable).images;
    barred.sort_by(|a, b| newest_first(a).cmp(&newest_first(b)));
    let barred: Vec<String> = barred
        .into_iter()
        .map(|image| match exclude.matching(&image.name) {
            Some(by) => format!("{} (excluded by `{by}`)", image.name),
            None => format!("{} (status {})", image.name, image.status),
        })
        .collect();
    let but = if barred.is_empty() { String::new() } else { format!(", but for {}", list(barred)) };
    let cure = "upload one, or say under the machine type's images which image it is";
    let looked_for = search.describe();
    Problem::new(
        "ImageNotFound",
        format!("{os}: the cloud has no active image whose {looked_for}{but}; {cure}"),
    )
}
