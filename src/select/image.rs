//! The image of an operating system: by the machine type's rule for it, or by its name.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;
use regex::Regex;

use super::offerings::Image;
use super::pattern::{self, Patterns};
use super::problem::list;
use super::published::Published;
use super::{Choice, Problem, device};
use crate::api::block_device::SourceType;
use crate::api::common::Os;
use crate::api::machine_type::{ImageRule, MachineTypeSpec, Selection, Visibility};
use crate::api::testnode::TestNodeSpec;
use crate::api::testnode_status::ResolvedImage;
use crate::reason::Reason;

/// An image, and who logs in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ImageChoice<'a> {
    /// The image.
    pub image: &'a Image,
    /// The user to log in as, where the machine type says so.
    pub user: Option<&'a str>,
}

impl From<&ImageChoice<'_>> for ResolvedImage {
    fn from(choice: &ImageChoice<'_>) -> Self {
        let image = choice.image;
        let (machine_image, digest) = image.version.clone().unzip();
        Self {
            id: image.id.clone(),
            name: image.name.clone(),
            user: choice.user.map(str::to_owned),
            machine_image,
            digest,
        }
    }
}

/// The ids of images that a node or its machine type name. A list need not show these.
pub fn image_ids<'a>(machine: &'a MachineTypeSpec, node: &'a TestNodeSpec) -> impl Iterator<Item = &'a str> {
    let rules = machine.images.iter().filter_map(|rule| rule.id.as_deref());
    rules
        .chain(device::uuids(machine, node, SourceType::Image))
        .chain([&machine.image, &node.image].into_iter().flatten().filter_map(|image| image.id.as_deref()))
}

/// Whether the community's images must be read for this machine type.
#[must_use]
pub fn needs_community_images(machine: &MachineTypeSpec) -> bool {
    machine.images.iter().any(|rule| rule.visibility == Some(Visibility::Community))
}

/// The image that an operating system is. Never one that is not active, nor one that `excludeImages` matches.
///
/// # Errors
/// `ImageNotFound`, `ImageAmbiguous` or `InvalidPattern`; of a rule with a MachineImage `ImageNotReady`, `ImageNotInCloud` or
/// `MachineImageNotFound`.
pub fn image<'a>(
    machine: &'a MachineTypeSpec,
    os: &Os,
    images: &'a [Image],
    published: &'a Published,
) -> Result<Choice<ImageChoice<'a>>, Problem> {
    let exclude = Patterns::of("excludeImages", &machine.exclude_images)?;
    let rule = machine.images.iter().enumerate().find(|(_, rule)| rule.os == *os);
    if let Some((rule, name)) = rule.and_then(|(_, rule)| Some((rule, rule.machine_image.as_deref()?))) {
        let image = published.current(name)?;
        let why = format!("{}: current of MachineImage {name}", image.name);
        return Ok(Choice { what: ImageChoice { image, user: rule.user.as_deref() }, why });
    }
    let search = rule.map_or_else(|| Ok(Search::OsName(os)), |(index, rule)| Search::of(index, rule))?;
    let selection = rule.map_or(Selection::Error, |(_, rule)| rule.selection);
    let user = rule.and_then(|(_, rule)| rule.user.as_deref());
    let among = rule.map_or_else(|| Ok(Among::default()), |(index, rule)| Among::of(index, rule))?;
    let (usable, unusable): (Vec<&Image>, Vec<&Image>) = images
        .iter()
        .filter(|image| among.has(image) || matches!(search, Search::Id(_)))
        .partition(|image| image.status == "active" && exclude.matching(&image.name).is_none());
    let Found { images: found, how } = search.among(&usable);
    let how = format!("{how}{}", among.describe());
    let by_itself = !matches!(search, Search::Id(_)) && !among.names_whose();
    let (mut found, shared) = if by_itself { offered(found) } else { (found, Vec::new()) };
    if found.is_empty() && !shared.is_empty() {
        return Err(only_shared(&os.to_string(), &how, &shared));
    }
    found.sort_by(|a, b| newest_first(a).cmp(&newest_first(b)));
    let why = |image: &Image, of: &str| format!("{}: {of}{how}", image.name);
    match (found.as_slice(), selection) {
        ([], _) => Err(not_found(os, &search, &among, &unusable, &exclude)),
        ([image], _) => Ok(Choice { what: ImageChoice { image, user }, why: why(image, "") }),
        ([image, ..], Selection::Newest) => {
            let of = format!("newest of {}, ", found.len());
            Ok(Choice { what: ImageChoice { image, user }, why: why(image, &of) })
        }
        (_, Selection::Oldest) => {
            // One whose age nobody knows is the last choice.
            let oldest = found.iter().min_by_key(|image| (image.created.is_none(), image.created, &image.id));
            let image = oldest.ok_or_else(|| not_found(os, &search, &among, &unusable, &exclude))?;
            let of = format!("oldest of {}, ", found.len());
            Ok(Choice { what: ImageChoice { image, user }, why: why(image, &of) })
        }
        (_, Selection::Error) => Err(ambiguous(os, &found, &how)),
    }
}

/// Of several that fit, those to choose from, and what is left out: the project's own go first, then what the cloud offers to
/// everybody. What another project shares is chosen only where somebody says so.
pub(super) fn offered(fitting: Vec<&Image>) -> (Vec<&Image>, Vec<&Image>) {
    let (own, others): (Vec<_>, Vec<_>) = fitting.into_iter().partition(|image| !image.foreign);
    if own.is_empty() {
        others.into_iter().partition(|image| image.visibility == "public")
    } else {
        (own, others)
    }
}

pub(super) fn only_shared(whose: &str, how: &str, shared: &[&Image]) -> Problem {
    let message = format!(
        "{whose}: the only images whose {how} belong to other projects, which share them: {}; if one is meant, give its id",
        told(shared)
    );
    Problem::new(Reason::ImageNotFound, message)
}

/// Which images are looked at, before one is looked for.
#[derive(Default)]
struct Among<'a> {
    owner: Option<&'a str>,
    visibility: Option<Visibility>,
    since: Option<Timestamp>,
}

impl<'a> Among<'a> {
    fn of(index: usize, rule: &'a ImageRule) -> Result<Self, Problem> {
        let since = rule.min_created.as_deref().map(|text| {
            text.parse::<Timestamp>().map_err(|_| {
                let cure = "give an instant as 2026-01-31T00:00:00Z";
                let message =
                    format!("the machine type's images[{index}].minCreated `{text}` is no time; {cure}");
                Problem::new(Reason::InvalidPattern, message)
            })
        });
        Ok(Self { owner: rule.owner.as_deref(), visibility: rule.visibility, since: since.transpose()? })
    }

    fn has(&self, image: &Image) -> bool {
        // Anybody can make a community image: only a rule that says so looks at them.
        let visible = match self.visibility {
            Some(visibility) => image.visibility == visibility.word(),
            None => !image.community,
        };
        visible
            && self.owner.is_none_or(|owner| image.owner == owner)
            && self.since.is_none_or(|since| image.created.is_some_and(|created| created >= since))
    }

    /// Somebody says whose image may be taken.
    fn names_whose(&self) -> bool {
        self.owner.is_some() || self.visibility.is_some()
    }

    /// As the end of what is said of a search.
    fn describe(&self) -> String {
        let owner = self.owner.map(|owner| format!(", owner is {owner}"));
        let visibility = self.visibility.map(|visibility| format!(", visibility is {}", visibility.word()));
        let since = self.since.map(|since| format!(", made at {since} or later"));
        [owner, visibility, since].into_iter().flatten().collect()
    }
}

/// What an image is looked for by.
pub(super) enum Search<'a> {
    Id(&'a str),
    Name(&'a str),
    Regex(&'a str, &'a Regex),
    Properties(&'a BTreeMap<String, String>),
    /// teuthology's rule.
    OsName(&'a Os),
}

/// What was found, and how.
pub(super) struct Found<'a> {
    pub(super) images: Vec<&'a Image>,
    pub(super) how: String,
}

impl<'a> Search<'a> {
    fn of(index: usize, rule: &'a ImageRule) -> Result<Self, Problem> {
        if let Some(id) = &rule.id {
            return Ok(Self::Id(id));
        }
        if let Some(name) = &rule.name {
            return Ok(Self::Name(name));
        }
        if let Some(pattern) = &rule.name_regex {
            let regex = pattern::regex(&format!("images[{index}].nameRegex"), pattern)?;
            return Ok(Self::Regex(pattern.text(), regex));
        }
        // No property asked would be any image at all.
        let properties = rule.properties.as_ref().filter(|properties| !properties.is_empty());
        Ok(properties.map_or(Self::OsName(&rule.os), Self::Properties))
    }

    pub(super) fn among<'i>(&self, images: &[&'i Image]) -> Found<'i> {
        let matching = |matches: &dyn Fn(&Image) -> bool| -> Vec<&'i Image> {
            images
                .iter()
                .copied()
                .filter(|image| !image.unlisted && !image.marked && matches(image))
                .collect()
        };
        let how = self.describe();
        match self {
            Self::Id(id) => {
                Found { images: images.iter().copied().filter(|image| image.id == *id).collect(), how }
            }
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

pub(super) fn newest_first(image: &Image) -> (Reverse<Option<Timestamp>>, &str) {
    (Reverse(image.created), &image.id)
}

fn ambiguous(os: &Os, found: &[&Image], how: &str) -> Problem {
    let cure = "under the machine type's images give the id, or nameRegex and selection: Newest";
    let message = format!("{os}: {} images whose {how}: {}; {cure}", found.len(), told(found));
    Problem::new(Reason::ImageAmbiguous, message)
}

/// Each with its id and its age.
pub(super) fn told(images: &[&Image]) -> String {
    list(images.iter().map(|image| {
        let created = image.created.map_or_else(|| "unknown".into(), |created| created.to_string());
        format!("{} ({}, {created})", image.name, image.id)
    }))
}

/// Says also what would have been taken, were it allowed.
fn not_found(
    os: &Os,
    search: &Search<'_>,
    among: &Among<'_>,
    unusable: &[&Image],
    exclude: &Patterns<'_>,
) -> Problem {
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
    let cure = match search {
        Search::Id(_) => {
            "Glance shows this project no image of this id; share it with the project, or give another id"
        }
        Search::Name(_) | Search::Regex(..) | Search::Properties(_) | Search::OsName(_) => {
            "upload one, or say under the machine type's images which image it is"
        }
    };
    let looked_for = format!("{}{}", search.describe(), among.describe());
    Problem::new(
        Reason::ImageNotFound,
        format!("{os}: the cloud has no active image whose {looked_for}{but}; {cure}"),
    )
}
