//! The image of a node: one that somebody names, or that of its operating system.

use std::collections::BTreeMap;

use super::device::root;
use super::image::{ImageChoice, image, newest_first, offered, only_shared, told};
use super::offerings::Image;
use super::pattern::Patterns;
use super::published::Published;
use super::{Choice, Problem, os};
use crate::api::block_device::SourceType;
use crate::api::machine_type::MachineTypeSpec;
use crate::api::server::ImageRef;
use crate::api::testnode::TestNodeSpec;
use crate::reason::Reason;

/// What a node boots that boots no image.
static NONE: Image = Image {
    id: String::new(),
    name: String::new(),
    status: String::new(),
    created: None,
    min_disk_gib: 0,
    size_gib: 0,
    min_ram_mib: 0,
    properties: BTreeMap::new(),
    owner: String::new(),
    foreign: false,
    visibility: String::new(),
    community: false,
    unlisted: false,
    marked: false,
    version: None,
};

/// The image of a node: the one that its root device names, or the node, or its machine type for it; else that of its
/// operating system. A node that boots from a snapshot or from a volume that exists has one without an id.
///
/// # Errors
/// `OSNotGiven`, `ImageNotFound`, `ImageAmbiguous`, `InvalidBlockDevices`, `NotAllowed` or `InvalidPattern`.
pub fn boot_image<'a>(
    machine: &'a MachineTypeSpec,
    node: &'a TestNodeSpec,
    images: &'a [Image],
    published: &'a Published,
) -> Result<Choice<ImageChoice<'a>>, Problem> {
    let os = os(machine, node);
    let rule = os.as_ref().ok().and_then(|os| machine.images.iter().find(|rule| rule.os == *os));
    let user = rule.and_then(|rule| rule.user.as_deref());
    let root = root(machine, node);
    let of_root = root.as_ref().and_then(|(device, field)| Some((device, field, device.uuid.as_ref()?)));
    let common = node.block_devices.is_empty();
    if let Some((_, field, uuid)) =
        of_root.filter(|_| common && node.os.is_some() && node.os != machine.default_os)
    {
        let message = format!(
            "{field}.uuid is {uuid} whatever os the node asks for; leave spec.os out, or make the node of a machine type whose \
             root device has no uuid"
        );
        return Err(Problem::new(Reason::InvalidBlockDevices, message));
    }
    let named = match (of_root, &node.image, &machine.image) {
        (Some((device, field, uuid)), _, _) if device.source_type != SourceType::Image => {
            let why = format!("none: {field} boots from {} {uuid}", device.source_type);
            return Ok(Choice { what: ImageChoice { image: &NONE, user }, why });
        }
        (Some((_, field, _)), Some(_), _) => {
            let message = format!("spec.image and {field}.uuid both say what to boot; leave one of them out");
            return Err(Problem::new(Reason::InvalidBlockDevices, message));
        }
        (Some((_, field, uuid)), None, _) => {
            Some((format!("{field}.uuid"), ImageRef { id: Some(uuid.clone()), name: None }))
        }
        (None, Some(image), _) => Some(("spec.image".to_owned(), image.clone())),
        (None, None, Some(image)) if node.os.is_none() || node.os == machine.default_os => {
            Some(("the machine type's image".to_owned(), image.clone()))
        }
        (None, None, _) => None,
    };
    let Some((field, reference)) = named else { return image(machine, &os?, images, published) };
    if let Some(image) = reference.id.as_deref().and_then(|id| published.kept(id)) {
        let why = format!("{}: named by {field}", image.name);
        return Ok(Choice { what: ImageChoice { image, user }, why });
    }
    let found = allowed(machine, &node.machine_type, &field, &reference, images)?;
    let why = format!("{}: named by {field}", found.name);
    Ok(Choice { what: ImageChoice { image: found, user }, why })
}

/// The one active image that is meant, if the machine type allows it.
pub(super) fn allowed<'a>(
    machine: &MachineTypeSpec,
    kind: &str,
    field: &str,
    reference: &ImageRef,
    images: &'a [Image],
) -> Result<&'a Image, Problem> {
    let exclude = Patterns::of("excludeImages", &machine.exclude_images)?;
    let found = referred(field, reference, images)?;
    match exclude.matching(&found.name) {
        None => Ok(found),
        Some(by) => {
            let message = format!(
                "{field}: MachineType {kind} does not allow image {}: its name matches excludeImages `{by}`; name another, or \
                 ask the lab's admin to change its excludeImages",
                found.name
            );
            Err(Problem::new(Reason::NotAllowed, message))
        }
    }
}

/// The one active image that is meant.
fn referred<'a>(field: &str, reference: &ImageRef, images: &'a [Image]) -> Result<&'a Image, Problem> {
    let id = reference.id.as_deref();
    let name = reference.name.as_deref().unwrap_or_default();
    let meant = |image: &&Image| match id {
        Some(id) => image.id == id,
        None => image.name == name && !image.unlisted && !image.community && !image.marked,
    };
    let (active, inactive): (Vec<&Image>, Vec<&Image>) =
        images.iter().filter(meant).partition(|image| image.status == "active");
    let (active, shared) = if id.is_none() { offered(active) } else { (active, Vec::new()) };
    if active.is_empty() && !shared.is_empty() {
        return Err(only_shared(field, &format!("name is \"{name}\""), &shared));
    }
    match (active.as_slice(), inactive.as_slice()) {
        ([image], _) => Ok(image),
        ([], [image, ..]) => {
            let message = format!(
                "{field}: image {} ({}) cannot be booted: its status is {}; name another, or have it activated",
                image.name, image.id, image.status
            );
            Err(Problem::new(Reason::ImageNotFound, message))
        }
        ([], []) if id.is_some() => {
            let message = format!(
                "{field}: Glance shows this project no image of the id {}; share it with the project, or give another",
                id.unwrap_or_default()
            );
            Err(Problem::new(Reason::ImageNotFound, message))
        }
        ([], []) => {
            let message = format!(
                "{field}: the cloud lists no active image of the name {name}; name one that it lists, or give the id of one \
                 that is hidden or a community's"
            );
            Err(Problem::new(Reason::ImageNotFound, message))
        }
        ([_, _, ..], _) => {
            let mut several = active.clone();
            several.sort_by(|a, b| newest_first(a).cmp(&newest_first(b)));
            let message = format!(
                "{field}: {} images have the name {name}: {}; give the id of the one that is meant",
                several.len(),
                told(&several)
            );
            Err(Problem::new(Reason::ImageAmbiguous, message))
        }
    }
}
