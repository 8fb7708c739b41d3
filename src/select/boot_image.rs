//! The image of a node: one that somebody names, or that of its operating system.

use super::image::{ImageChoice, image, newest_first, offered, only_shared, told};
use super::offerings::Image;
use super::pattern::Patterns;
use super::{Choice, Problem, os};
use crate::api::machine_type::MachineTypeSpec;
use crate::api::server::ImageRef;
use crate::api::testnode::TestNodeSpec;
use crate::reason::Reason;

/// The image of a node: the one that it names, or that its machine type names for it, else that of its operating system.
///
/// # Errors
/// `OSNotGiven`, `ImageNotFound`, `ImageAmbiguous`, `NotAllowed` or `InvalidPattern`.
pub fn boot_image<'a>(
    machine: &'a MachineTypeSpec,
    node: &'a TestNodeSpec,
    images: &'a [Image],
) -> Result<Choice<ImageChoice<'a>>, Problem> {
    let named = match (&node.image, &machine.image) {
        (Some(image), _) => Some(("spec.image", image)),
        (None, Some(image)) if node.os.is_none() || node.os == machine.default_os => {
            Some(("the machine type's image", image))
        }
        (None, _) => None,
    };
    let os = os(machine, node);
    let Some((field, reference)) = named else { return image(machine, &os?, images) };
    let exclude = Patterns::of("excludeImages", &machine.exclude_images)?;
    let found = referred(field, reference, images)?;
    if let Some(by) = exclude.matching(&found.name) {
        let kind = &node.machine_type;
        let message = format!(
            "{field}: MachineType {kind} does not allow image {}: its name matches excludeImages `{by}`; name another, or \
             ask the lab's admin to change its excludeImages",
            found.name
        );
        return Err(Problem::new(Reason::NotAllowed, message));
    }
    let rule = os.ok().and_then(|os| machine.images.iter().find(|rule| rule.os == os));
    let user = rule.and_then(|rule| rule.user.as_deref());
    let why = format!("{}: named by {field}", found.name);
    Ok(Choice { what: ImageChoice { image: found, user }, why })
}

/// The one active image that is meant.
fn referred<'a>(field: &str, reference: &ImageRef, images: &'a [Image]) -> Result<&'a Image, Problem> {
    let id = reference.id.as_deref();
    let name = reference.name.as_deref().unwrap_or_default();
    let meant = |image: &&Image| match id {
        Some(id) => image.id == id,
        None => image.name == name && !image.unlisted && !image.community,
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
