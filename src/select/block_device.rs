//! `blockDevices`: volumes that are made of images and snapshots, volumes that exist, and the server's own disk.

use std::collections::BTreeSet;

use super::boot::size;
use super::boot_image::allowed;
use super::device::root;
use super::flavor::least_disk;
use super::offerings::{Flavor, Image, Offerings, Owner};
use super::{Problem, listed};
use crate::api::block_device::{BlockDevice, DestinationType, SourceType};
use crate::api::machine_type::MachineTypeSpec;
use crate::api::server::ImageRef;
use crate::api::testnode::TestNodeSpec;
use crate::api::testnode_status::{ExistingVolume, ResolvedVolume};
use crate::reason::Reason;

/// What the block devices of a node come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Disks {
    /// Volumes to be made, that to boot from first.
    pub made: Vec<ResolvedVolume>,
    /// Volumes that exist.
    pub existing: Vec<ExistingVolume>,
    /// What the server's own disk is called.
    pub root_device: Option<String>,
    /// Why, if one of them is what the server boots from.
    pub why: Option<String>,
}

/// All block devices of a node that boots `image` on `flavor`.
///
/// # Errors
/// `InvalidBlockDevices`, `ImageNotFound`, `BootVolumeTooSmall`, `FlavorTooSmall`, `SnapshotNotFound`, `VolumeNotFound`,
/// `NotAllowed`, or `CatalogueUnread` if something that is named was not read.
pub fn block_devices(
    machine: &MachineTypeSpec,
    node: &TestNodeSpec,
    image: &Image,
    flavor: &Flavor,
    offerings: &Offerings,
) -> Result<Disks, Problem> {
    let (devices, field) = listed(&node.block_devices, &machine.block_devices, "blockDevices");
    check(devices, &field, node)?;
    let mut disks = Disks::default();
    for (index, device) in devices.iter().enumerate() {
        let field = format!("{field}[{index}]");
        let least = if device.boots() { least_disk(machine, node) } else { 0 };
        let volume = match (device.source_type, device.destination_type, &device.uuid) {
            (SourceType::Image, DestinationType::Local, _) if flavor.disk_gib == 0 => {
                let message = format!(
                    "{field}: flavor {} has no disk; use destinationType: volume, or name another flavor",
                    flavor.name
                );
                return Err(Problem::new(Reason::FlavorTooSmall, message));
            }
            (SourceType::Image, DestinationType::Local, _) if device.boots() => {
                disks.root_device = Some(device.device().to_owned());
                continue;
            }
            (SourceType::Image, DestinationType::Volume, uuid) => {
                let own = uuid.as_ref().filter(|_| !device.boots());
                let image = match own {
                    None => image,
                    Some(id) => {
                        let reference = ImageRef { id: Some(id.clone()), name: None };
                        let field = format!("{field}.uuid");
                        allowed(machine, &node.machine_type, &field, &reference, &offerings.images)?
                    }
                };
                if image.id.is_empty() {
                    let message = format!(
                        "{field}: the node boots from no image; give the uuid of the one to make it of"
                    );
                    return Err(Problem::new(Reason::InvalidBlockDevices, message));
                }
                let size_gib = size(device.volume_size, image, least, &format!("{field}.volumeSize"))?;
                ResolvedVolume { size_gib, image: Some(image.id.clone()), ..ResolvedVolume::default() }
            }
            (SourceType::Snapshot, DestinationType::Volume, Some(id)) => {
                let size_gib = snapshot(id, device, least, &field, offerings)?;
                ResolvedVolume { size_gib, snapshot: Some(id.clone()), ..ResolvedVolume::default() }
            }
            (SourceType::Volume, DestinationType::Volume, Some(id)) => {
                exists(id, device, &field, offerings)?;
                disks.existing.push(ExistingVolume {
                    id: id.clone(),
                    device_name: device.device().to_owned(),
                    boot_index: device.boot_index,
                });
                continue;
            }
            // The schema lets none of these in.
            (_, DestinationType::Local, _) | (_, _, None) => {
                let message = format!(
                    "{field}: a {} cannot be that; only the image to boot from can be local, and all else needs a uuid",
                    device.source_type
                );
                return Err(Problem::new(Reason::InvalidBlockDevices, message));
            }
        };
        let volume = ResolvedVolume {
            name: device.device().to_owned(),
            device_name: Some(device.device().to_owned()),
            boot_index: Some(device.boot_index),
            ..volume
        };
        disks.made.push(volume);
    }
    disks.made.sort_by_key(|volume| volume.boot_index != Some(0));
    disks.why =
        root(machine, node).map(|(device, field)| match (device.destination_type, disks.made.first()) {
            (DestinationType::Volume, Some(volume)) if volume.boot_index == Some(0) => {
                format!("boots from a volume of {} GiB ({field})", volume.size_gib)
            }
            (DestinationType::Volume, _) => {
                format!("boots from volume {} ({field})", device.uuid.as_deref().unwrap_or_default())
            }
            (DestinationType::Local, _) => format!("boots from the flavor's disk ({field})"),
        });
    Ok(disks)
}

/// What Nova would answer with a success that is none, or with words that nobody understands.
fn check(devices: &[BlockDevice], field: &str, node: &TestNodeSpec) -> Result<(), Problem> {
    let invalid = |message: String| Err(Problem::new(Reason::InvalidBlockDevices, message));
    let mut names = BTreeSet::new();
    let mut volumes = BTreeSet::new();
    let mut order = Vec::new();
    for (index, device) in devices.iter().enumerate() {
        let field = format!("{field}[{index}]");
        if !names.insert(device.device()) {
            return invalid(format!(
                "{field}.deviceName: {} is there twice, and the first volume would stay in use for ever; give each device \
                 another name",
                device.device()
            ));
        }
        if device.device() == "vda" && !device.boots() && !devices.iter().any(BlockDevice::boots) {
            return invalid(format!(
                "{field}.deviceName: vda, which it is where nothing is said, is the disk that the server boots from; name another, \
                 as vdb"
            ));
        }
        let volume = device.uuid.as_ref().filter(|_| device.source_type == SourceType::Volume);
        if volume.is_some_and(|id| !volumes.insert(id)) {
            return invalid(format!("{field}.uuid: this volume is there twice; leave one of them out"));
        }
        if device.boot_index >= 0 {
            order.push(device.boot_index);
        }
    }
    order.sort_unstable();
    let first = i64::from(!order.contains(&0));
    if order.iter().zip(first..).any(|(has, wanted)| *has != wanted) {
        let order: Vec<String> = order.iter().map(ToString::to_string).collect();
        return invalid(format!(
            "{field}: bootIndex is {}; each number once, and none left out: 0 for what the server boots from, -1 for disks that \
             are never booted",
            order.join(", ")
        ));
    }
    if first == 0 && node.boot_volume.is_some() {
        return invalid(format!(
            "spec.bootVolume and {field} with bootIndex 0 both say what to boot from; leave one of them out"
        ));
    }
    Ok(())
}

/// The size of the volume that is made of a snapshot.
fn snapshot(
    id: &str,
    device: &BlockDevice,
    least: i64,
    field: &str,
    offerings: &Offerings,
) -> Result<i64, Problem> {
    let Some(found) = offerings.snapshots.get(id).ok_or_else(|| Problem::unread("snapshots"))? else {
        let message = format!(
            "{field}.uuid: Cinder shows this project no snapshot {id}; name one that `openstack volume snapshot list` shows"
        );
        return Err(Problem::new(Reason::SnapshotNotFound, message));
    };
    of_the_project(&found.owner, &format!("{field}.uuid: snapshot {id}"), Reason::SnapshotNotFound)?;
    if found.status != "available" {
        let message = format!(
            "{field}.uuid: snapshot {id} is {}; wait until it is available, or name another",
            found.status
        );
        return Err(Problem::new(Reason::SnapshotNotFound, message));
    }
    let size_gib = device.volume_size.unwrap_or(found.size_gib.max(least));
    if size_gib < found.size_gib {
        let message = format!(
            "{field}.volumeSize: {size_gib} GiB, and snapshot {id} has {}; make it larger, or leave it out",
            found.size_gib
        );
        return Err(Problem::new(Reason::BootVolumeTooSmall, message));
    }
    Ok(size_gib)
}

/// Credentials of an admin show what other projects have, too.
fn of_the_project(owner: &Owner, what: &str, reason: Reason) -> Result<(), Problem> {
    match owner {
        Owner::Project => Ok(()),
        Owner::Other(project) => {
            let message = format!("{what} belongs to project {project}; name one of the project's own");
            Err(Problem::new(reason, message))
        }
    }
}

fn exists(id: &str, device: &BlockDevice, field: &str, offerings: &Offerings) -> Result<(), Problem> {
    let Some(found) = offerings.volumes.get(id).ok_or_else(|| Problem::unread("volumes"))? else {
        let message = format!(
            "{field}.uuid: Cinder shows this project no volume {id}; name one that `openstack volume list` shows"
        );
        return Err(Problem::new(Reason::VolumeNotFound, message));
    };
    of_the_project(&found.owner, &format!("{field}.uuid: volume {id}"), Reason::VolumeNotFound)?;
    if found.marked {
        let message = format!(
            "{field}.uuid: volume {id} was made for a TestNode and is deleted with that; name one that you made yourself"
        );
        return Err(Problem::new(Reason::NotAllowed, message));
    }
    if device.boots() && !found.bootable {
        let message = format!(
            "{field}.uuid: volume {id} is not bootable; if there is a system on it, say so: `openstack volume set --bootable \
             {id}`"
        );
        return Err(Problem::new(Reason::InvalidBlockDevices, message));
    }
    Ok(())
}
