//! The system of a machine that is to be rebuilt: its image, and what follows from that.

use std::collections::BTreeMap;

use super::offerings::Image;
use super::server::{filled_in, metadata};
use super::{Problem, Published, boot_image, os, problem};
use crate::api::TestNode;
use crate::api::common::Os;
use crate::api::machine_type::MachineTypeSpec;
use crate::api::testnode_status::{Resolved, ResolvedImage};
use crate::reason::Reason;

/// A system that a machine can be given in place of the one that it has.
#[derive(Clone, Debug, PartialEq)]
pub struct System {
    /// The image.
    pub image: ResolvedImage,
    /// The operating system.
    pub os: Option<Os>,
    /// Metadata of the server beside our marks, where another system changes it.
    pub metadata: Option<BTreeMap<String, String>>,
    /// Why, for people; it begins with the image's name.
    pub why: String,
}

impl System {
    /// The one that a machine has.
    #[must_use]
    pub fn again(resolved: &Resolved) -> Self {
        let why = format!("{}: the same again", resolved.image.name);
        Self { image: resolved.image.clone(), os: resolved.os.clone(), metadata: None, why }
    }
}

/// The system that a node asks for now.
///
/// # Errors
/// As [`boot_image()`] says, `RebuildRefused` if it is no image, or `InvalidMetadata`.
pub fn system(
    machine: &MachineTypeSpec,
    node: &TestNode,
    images: &[Image],
    published: &Published,
) -> Result<System, Problem> {
    let image = boot_image(machine, &node.spec, images, published)?;
    if image.what.image.id.is_empty() {
        let message = format!("{}; a rebuild needs an image", image.why);
        return Err(Problem::new(Reason::RebuildRefused, message));
    }
    let os = os(machine, &node.spec).ok();
    let metadata = filled_in(metadata(machine, &node.spec), os.as_ref(), node)?;
    Ok(System {
        image: ResolvedImage::from(&image.what),
        os,
        metadata: Some(metadata),
        why: problem::one_line(&image.why),
    })
}
