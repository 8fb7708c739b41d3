//! Whether a node stays inside the boundary that its machine type draws. Messages name what to ask the lab's admin for.

use std::collections::BTreeSet;

use super::pattern::Patterns;
use super::{Problem, listed};
use crate::api::boundary::OVERRIDES;
use crate::api::machine_type::MachineTypeSpec;
use crate::api::testnode::TestNodeSpec;
use crate::api::testnode_status::ResolvedVolume;
use crate::reason::Reason;

/// Holds a node in `namespace` against its machine type: whether it may have a machine of it at all, the fields that it
/// sets, and its volumes. An image that one of the type's MachineImages keeps (`kept`) may be named by its id. The flavor it asks for is held against the type where it is chosen.
///
/// # Errors
/// `NotAllowed`, or `InvalidPattern`.
pub fn within(
    machine: &MachineTypeSpec,
    namespace: &str,
    node: &TestNodeSpec,
    kept: &BTreeSet<String>,
) -> Result<(), Problem> {
    let kind = &node.machine_type;
    let patterns = Patterns::of("allowedNamespaces", &machine.allowed_namespaces)?;
    if !patterns.is_empty() && patterns.matching(namespace).is_none() {
        return refused(format!(
            "namespace {namespace} may not have nodes of MachineType {kind}; use another MachineType, or ask the lab's admin \
             to add {namespace} to its allowedNamespaces"
        ));
    }
    let of_the_type =
        |id: &String| kept.contains(id) && node.image.as_ref().is_some_and(|image| image.name.is_none());
    let named = node.image.as_ref().and_then(|image| image.id.as_ref()).is_some_and(of_the_type);
    let refused_fields: Vec<&str> = OVERRIDES
        .iter()
        .filter(|known| !(named && known.field == "image"))
        .filter(|known| (known.is_set)(node) && !machine.overrides.iter().any(|field| field == known.field))
        .map(|known| known.field)
        .collect();
    if !refused_fields.is_empty() {
        let fields = refused_fields.join(", ");
        return refused(format!(
            "MachineType {kind} does not let its nodes set {fields}; leave that out of the spec, or ask the lab's admin to add \
             {fields} to its overrides"
        ));
    }
    volumes(machine, node)
}

/// Holds all volumes that are to be made against the machine type's limits, that from which the machine boots included.
///
/// # Errors
/// `NotAllowed`.
pub(super) fn volumes_within(
    machine: &MachineTypeSpec,
    kind: &str,
    volumes: &[ResolvedVolume],
) -> Result<(), Problem> {
    let limits = machine.limits.as_ref();
    let data = volumes.iter().filter(|volume| volume.boot_index != Some(0)).count();
    let most = limits.and_then(|limits| limits.max_volumes).and_then(|most| usize::try_from(most).ok());
    if let Some(most) = most.filter(|most| data > *most) {
        return refused(format!(
            "volumes and blockDevices together are {data} data volumes, and MachineType {kind} allows each node {most}; ask for \
             fewer, or ask the lab's admin to raise its limits.maxVolumes"
        ));
    }
    let most = limits.and_then(|limits| limits.max_volume_gib);
    let gib = volumes.iter().fold(0_i64, |sum, volume| sum.saturating_add(volume.size_gib.max(0)));
    match most.filter(|most| gib > *most) {
        Some(most) => refused(format!(
            "all volumes together have {gib} GiB, that to boot from included, and MachineType {kind} allows each node {most}; \
             ask for less, or ask the lab's admin to raise its limits.maxVolumeGiB"
        )),
        None => Ok(()),
    }
}

fn refused<T>(message: String) -> Result<T, Problem> {
    Err(Problem::new(Reason::NotAllowed, message))
}

fn volumes(machine: &MachineTypeSpec, node: &TestNodeSpec) -> Result<(), Problem> {
    let Some(limits) = &machine.limits else { return Ok(()) };
    let (groups, field) = listed(&node.volumes, &machine.volumes, "volumes");
    let count = groups.iter().fold(0_i64, |sum, group| sum.saturating_add(group.count.max(0)));
    let gib = groups.iter().fold(0_i64, |sum, group| {
        sum.saturating_add(group.count.max(0).saturating_mul(group.size_gib.max(0)))
    });
    let kind = &node.machine_type;
    for (has, most, what, limit) in [
        (count, limits.max_volumes, "volumes", "maxVolumes"),
        (gib, limits.max_volume_gib, "GiB of volumes", "maxVolumeGiB"),
    ] {
        if let Some(most) = most.filter(|most| has > *most) {
            return refused(format!(
                "{field}: {has} {what}, and MachineType {kind} allows each node {most}; ask for less, or ask the lab's admin \
                 to raise its limits.{limit}"
            ));
        }
    }
    Ok(())
}
