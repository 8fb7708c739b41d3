//! Which block devices are asked for, before anything is looked up.

use super::listed;
use crate::api::block_device::{BlockDevice, SourceType};
use crate::api::machine_type::MachineTypeSpec;
use crate::api::testnode::TestNodeSpec;

/// The device that a node boots from, and its field, if one of its devices is that.
#[must_use]
pub fn root<'a>(machine: &'a MachineTypeSpec, node: &'a TestNodeSpec) -> Option<(&'a BlockDevice, String)> {
    let (devices, field) = listed(&node.block_devices, &machine.block_devices, "blockDevices");
    let (index, device) = devices.iter().enumerate().find(|(_, device)| device.boots())?;
    Some((device, format!("{field}[{index}]")))
}

/// The ids that are named for one kind of source.
pub fn uuids<'a>(
    machine: &'a MachineTypeSpec,
    node: &'a TestNodeSpec,
    source: SourceType,
) -> impl Iterator<Item = &'a str> {
    let (devices, _) = listed(&node.block_devices, &machine.block_devices, "blockDevices");
    devices
        .iter()
        .filter(move |device| device.source_type == source)
        .filter_map(|device| device.uuid.as_deref())
}
