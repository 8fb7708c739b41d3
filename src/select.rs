//! What a machine type and a node come to among what a cloud offers: one image, one flavor, networks, security
//! groups, volumes. Pure. Begin with [`resolve`].
//!
//! The order of a list never matters: what is chosen, and what is said, is the same whichever way a cloud lists it.

use crate::api::common::Os;
use crate::api::machine_type::MachineTypeSpec;
use crate::api::testnode::TestNodeSpec;
use crate::api::testnode_status::{
    Resolved, ResolvedFlavor, ResolvedImage, ResolvedMachineType, ResolvedVolume,
};
use crate::reason::Reason;

mod block_device;
mod boot;
mod boot_image;
mod boundary;
mod device;
mod existing;
mod flavor;
mod floating;
mod group;
mod image;
mod network;
mod offerings;
mod pattern;
mod port;
mod problem;
mod published;
mod server;
mod source;
mod system;
#[cfg(test)]
mod tests;
mod user_data;
mod volume;

pub use block_device::{Disks, block_devices};
pub use boot::{DEFAULT_GIB, boot_volume};
pub use boot_image::boot_image;
pub use boundary::within;
pub use device::uuids;
pub use existing::in_use;
pub use flavor::flavor;
pub use floating::floating_ip;
pub use group::{needs_security_groups, security_groups};
pub use image::{ImageChoice, image, image_ids, needs_community_images};
pub use network::networks;
pub use offerings::{
    Flavor, Image, Network, Offerings, Owner, Port, Reach, SecurityGroup, ServerGroup, Snapshot, Volume,
    VolumeType,
};
pub use port::port_ids;
pub use problem::Problem;
pub use published::{Published, in_cloud, kept_ids, name as image_name};
pub use server::{fill, needs_server_groups, server};
pub use source::source;
pub use system::{System, system};
pub use user_data::{user_data, user_data_digest};
pub use volume::{MOST_VOLUMES, needs_volume_types, volumes};

/// Something that was chosen, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Choice<T> {
    /// What was chosen.
    pub what: T,
    /// Why, for people; it begins with the name.
    pub why: String,
}

/// The operating system of a node.
///
/// # Errors
/// `OSNotGiven`: neither the node nor its machine type names one.
pub fn os(machine: &MachineTypeSpec, node: &TestNodeSpec) -> Result<Os, Problem> {
    node.os.clone().or_else(|| machine.default_os.clone()).ok_or_else(|| {
        let cure = "give the node spec.os, or the machine type a defaultOS";
        Problem::new(Reason::OSNotGiven, format!("no operating system is given; {cure}"))
    })
}

/// Everything that the creates need to know. The image goes before the flavor, which must be large enough for it.
///
/// # Errors
/// The first thing that cannot be chosen, with its cause and its cure.
pub fn resolve(
    machine: &MachineTypeSpec,
    node: &TestNodeSpec,
    offerings: &Offerings,
    published: &Published,
) -> Result<Resolved, Problem> {
    let image = boot_image(machine, node, &offerings.images, published)?;
    let os = os(machine, node).ok();
    let flavor = flavor(machine, node, image.what.image, &offerings.flavors)?;
    let groups = offerings.security_groups.as_deref();
    let networks = networks(machine, node, offerings)?;
    let floating_ip = floating_ip(machine, node, &networks.what, &offerings.networks)?;
    let security_groups = security_groups(machine, node, groups)?;
    let types = offerings.volume_types.as_deref();
    let data = volumes(machine, node, types)?;
    let boot = boot_volume(machine, node, image.what.image, flavor.what, types)?;
    let disks = block_devices(machine, node, image.what.image, flavor.what, offerings)?;
    let server = server(machine, node, offerings.server_groups.as_deref())?;
    let mut why = format!("flavor {}; image {}", flavor.why, image.why);
    if !networks.why.is_empty() {
        why = format!("{why}; network {}", networks.why);
    }
    if let Some(floating_ip) = &floating_ip {
        why = format!("{why}; floating IP {}", floating_ip.why);
    }
    if let Some(boot) = &boot {
        why = format!("{why}; {}", boot.why);
    }
    if let Some(root) = &disks.why {
        why = format!("{why}; {root}");
    }
    // First the one to boot from.
    let boot = boot.map(|boot| boot.what).into_iter();
    let volumes: Vec<ResolvedVolume> = boot.chain(disks.made).chain(data).collect();
    volume::few_enough(&volumes, &disks.existing)?;
    boundary::volumes_within(machine, &node.machine_type, &volumes)?;
    if !server.why.is_empty() {
        why = format!("{why}; {}", server.why);
    }
    Ok(Resolved {
        flavor: ResolvedFlavor::from(flavor.what),
        image: ResolvedImage::from(&image.what),
        networks: networks.what,
        floating_ip: floating_ip.map(|chosen| chosen.what),
        security_groups,
        volumes,
        existing_volumes: disks.existing,
        root_device: disks.root_device,
        key_name: node.key_name.clone().or_else(|| machine.key_name.clone()),
        machine_type: Some(ResolvedMachineType {
            readiness: machine.readiness.clone(),
            on_failure: machine.on_failure,
            timeouts: machine.timeouts.clone(),
            launch_retries: machine.launch_retries,
            user_data_digest: user_data_digest(machine, os.as_ref()),
        }),
        os,
        server: server.what,
        why: Some(problem::one_line(&why)),
    })
}

/// The node's list, or the machine type's if the node has none; and whose it is, as the path of the field.
fn listed<'a, T>(node: &'a [T], machine: &'a [T], field: &str) -> (&'a [T], String) {
    if node.is_empty() {
        (machine, format!("the machine type's {field}"))
    } else {
        (node, format!("spec.{field}"))
    }
}
