//! Data volumes: groups become `osd-0`, `osd-1`, ….

use super::problem::list_sorted;
use super::{Problem, VolumeType, listed};
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
    types: Option<&[VolumeType]>,
) -> Result<Vec<ResolvedVolume>, Problem> {
    let (groups, field) = listed(&node.volumes, &machine.volumes, "volumes");
    let total = groups.iter().fold(0_i64, |sum, group| sum.saturating_add(group.count.max(0)));
    if total > MOST_VOLUMES {
        let message =
            format!("{field}: {total} volumes, a server takes {MOST_VOLUMES}; ask for fewer, larger ones");
        return Err(Problem::new(Reason::TooManyVolumes, message));
    }
    let mut all = Vec::new();
    for group in groups {
        let kind = kind(group.kind.as_deref(), &format!("{field} {}", group.name), types)?;
        all.extend(expanded(group, kind.as_deref()));
    }
    Ok(all)
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

/// The name of the type that a field asks for, by its name or its id. Quotas are by names.
pub(super) fn kind(
    wanted: Option<&str>,
    field: &str,
    types: Option<&[VolumeType]>,
) -> Result<Option<String>, Problem> {
    let Some(wanted) = wanted else { return Ok(None) };
    let types = types.ok_or_else(|| Problem::unread("volume types"))?;
    let named = types.iter().find(|known| known.name == wanted);
    if let Some(known) = named.or_else(|| types.iter().find(|known| known.id == wanted)) {
        return Ok(Some(known.name.clone()));
    }
    let known = list_sorted(types.iter().map(|known| known.name.clone()));
    let cure = format!("name one that it has, or none for its default: {known}");
    let message = format!("{field}: the cloud has no volume type {wanted}; {cure}");
    Err(Problem::new(Reason::VolumeTypeNotFound, message))
}

fn expanded(group: &Volumes, kind: Option<&str>) -> impl Iterator<Item = ResolvedVolume> {
    (0..group.count).map(move |index| ResolvedVolume {
        name: format!("{}-{index}", group.name),
        size_gib: group.size_gib,
        kind: kind.map(ToOwned::to_owned),
        ..ResolvedVolume::default()
    })
}
