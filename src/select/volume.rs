//! Data volumes: groups become `osd-0`, `osd-1`, ….

use super::problem::list_sorted;
use super::{Problem, listed};
use crate::api::common::Volumes;
use crate::api::machine_type::MachineTypeSpec;
use crate::api::testnode::TestNodeSpec;
use crate::api::testnode_status::{ExistingVolume, ResolvedVolume};
use crate::reason::Reason;

/// A server has no more virtio disks than this beside its root.
pub const MOST_VOLUMES: i64 = 24;

/// Whether the cloud's volume types must be read for this node.
#[must_use]
pub fn needs_volume_types(machine: &MachineTypeSpec, node: &TestNodeSpec) -> bool {
    let boot = node.boot_volume.as_ref().or(machine.boot_volume.as_ref());
    boot.is_some_and(|boot| boot.kind.is_some())
        || listed(&node.volumes, &machine.volumes, "volumes").0.iter().any(|group| group.kind.is_some())
}

/// The volumes of a node, in the order of attaching.
///
/// # Errors
/// `TooManyVolumes`, `VolumeTypeNotFound`, or `CatalogueUnread` if `types` is absent and a type is named.
pub fn volumes(
    machine: &MachineTypeSpec,
    node: &TestNodeSpec,
    types: Option<&[String]>,
) -> Result<Vec<ResolvedVolume>, Problem> {
    let (groups, field) = listed(&node.volumes, &machine.volumes, "volumes");
    let total = groups.iter().fold(0_i64, |sum, group| sum.saturating_add(group.count.max(0)));
    if total > MOST_VOLUMES {
        let message =
            format!("{field}: {total} volumes, a server takes {MOST_VOLUMES}; ask for fewer, larger ones");
        return Err(Problem::new(Reason::TooManyVolumes, message));
    }
    for group in groups {
        if let Some(kind) = &group.kind {
            check_type(kind, &format!("{field} {}", group.name), types)?;
        }
    }
    Ok(groups.iter().flat_map(expanded).collect())
}

/// All disks together, beside the one to boot from, must have room on the server.
pub(super) fn few_enough(made: &[ResolvedVolume], existing: &[ExistingVolume]) -> Result<(), Problem> {
    let data = made.iter().filter(|volume| volume.boot_index != Some(0)).count();
    let more = existing.iter().filter(|volume| volume.boot_index != 0).count();
    if data + more > usize::try_from(MOST_VOLUMES).unwrap_or(usize::MAX) {
        let message = format!(
            "volumes and blockDevices together are {} disks beside the root, a server takes {MOST_VOLUMES}; ask for fewer, larger \
             ones",
            data + more
        );
        return Err(Problem::new(Reason::TooManyVolumes, message));
    }
    Ok(())
}

/// The cloud must have a type that is named in a field.
pub(super) fn check_type(wanted: &str, field: &str, types: Option<&[String]>) -> Result<(), Problem> {
    let types = types.ok_or_else(|| Problem::unread("volume types"))?;
    if types.iter().any(|known| known == wanted) {
        return Ok(());
    }
    let known = list_sorted(types.iter().cloned());
    let cure = format!("name one that it has, or none for its default: {known}");
    let message = format!("{field}: the cloud has no volume type {wanted}; {cure}");
    Err(Problem::new(Reason::VolumeTypeNotFound, message))
}

fn expanded(group: &Volumes) -> impl Iterator<Item = ResolvedVolume> + '_ {
    (0..group.count).map(|index| ResolvedVolume {
        name: format!("{}-{index}", group.name),
        size_gib: group.size_gib,
        kind: group.kind.clone(),
        ..ResolvedVolume::default()
    })
}
