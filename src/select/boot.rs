//! The volume that a server boots from, where it has one.

use super::device::root;
use super::flavor::least_disk;
use super::offerings::{Flavor, Image};
use super::volume::kind;
use super::{Choice, Problem, VolumeType};
use crate::api::boot_volume::{BOOT, BootVolume};
use crate::api::machine_type::MachineTypeSpec;
use crate::api::testnode::TestNodeSpec;
use crate::api::testnode_status::ResolvedVolume;
use crate::reason::Reason;

/// How large it is where nobody says anything, in GiB.
pub const DEFAULT_GIB: i64 = 20;

/// The volume that a node boots from, if it does: because somebody says so, or because the flavor has no disk. One of
/// `blockDevices` goes before it.
///
/// # Errors
/// `BootVolumeTooSmall`, `VolumeTypeNotFound`, or `CatalogueUnread` if `types` is absent and a type is named.
pub fn boot_volume(
    machine: &MachineTypeSpec,
    node: &TestNodeSpec,
    image: &Image,
    flavor: &Flavor,
    types: Option<&[VolumeType]>,
) -> Result<Option<Choice<ResolvedVolume>>, Problem> {
    if root(machine, node).is_some() {
        return Ok(None);
    }
    let (asked, field) = match (&node.boot_volume, &machine.boot_volume) {
        (Some(own), _) => (own.clone(), "spec.bootVolume"),
        (None, Some(common)) => (common.clone(), "the machine type's bootVolume"),
        (None, None) if flavor.disk_gib == 0 => (BootVolume::default(), ""),
        (None, None) => return Ok(None),
    };
    let kind = kind(asked.kind.as_deref(), field, types)?;
    let size_gib = size(asked.size_gib, image, least_disk(machine, node), &format!("{field}.sizeGiB"))?;
    let because = if field.is_empty() { "the flavor has no disk" } else { field };
    Ok(Some(Choice {
        what: ResolvedVolume {
            name: BOOT.to_owned(),
            size_gib,
            kind,
            image: Some(image.id.clone()),
            boot_index: Some(0),
            ..ResolvedVolume::default()
        },
        why: format!("boots from a volume of {size_gib} GiB ({because})"),
    }))
}

/// How large a volume of an image is: as somebody says, else as large as the image and the disk that is asked for need it.
pub(super) fn size(asked: Option<i64>, image: &Image, least: i64, field: &str) -> Result<i64, Problem> {
    let needed = image.min_disk_gib.max(image.size_gib);
    // The file says little of how large the disk in it is; so it raises a size, and gives none.
    let said = image.min_disk_gib.max(least);
    let by_itself = if said > 0 { said } else { DEFAULT_GIB };
    let size_gib = asked.unwrap_or(by_itself.max(image.size_gib));
    if size_gib < needed {
        let message = format!(
            "{field}: {size_gib} GiB, and image {} needs {needed}; make it larger, or leave it out",
            image.name
        );
        return Err(Problem::new(Reason::BootVolumeTooSmall, message));
    }
    Ok(size_gib)
}
