//! What a cloud offers, as far as a choice needs to know.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::image::ImageChoice;
use crate::api::testnode_status::{ResolvedFlavor, ResolvedImage};

/// What one project of one cloud can be given.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Offerings {
    /// Sizes of server.
    pub flavors: Vec<Flavor>,
    /// Images to boot.
    pub images: Vec<Image>,
    /// Networks to have a port on.
    pub networks: Vec<Network>,
    /// Sets of firewall rules; absent if they were not read.
    pub security_groups: Option<Vec<SecurityGroup>>,
    /// Names of Cinder's volume types; absent if they were not read.
    pub volume_types: Option<Vec<String>>,
}

/// A size of server.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Flavor {
    /// Nova's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Virtual CPUs.
    pub vcpus: i64,
    /// Memory in MiB.
    pub ram_mib: i64,
    /// Root disk in GiB.
    pub disk_gib: i64,
    /// Closed for new servers.
    pub disabled: bool,
}

/// An image.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Image {
    /// Glance's id.
    pub id: String,
    /// Its name, which need not be unique.
    pub name: String,
    /// Glance's word; only `active` can be booted.
    pub status: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// The smallest root disk that it fits on.
    pub min_disk_gib: i64,
    /// The least memory that it boots with.
    pub min_ram_mib: i64,
    /// What else is said of it.
    pub properties: BTreeMap<String, String>,
}

/// A network.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Network {
    /// Neutron's id.
    pub id: String,
    /// Its name, which need not be unique.
    pub name: String,
    /// What it can be used for.
    pub reach: Reach,
    /// Whose it is.
    pub owner: Owner,
    /// Its operators have it switched on.
    pub admin_up: bool,
    /// A port on it gets an address.
    pub has_subnets: bool,
}

/// What a network can be used for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// A way out, where floating IPs come from.
    External,
    /// Everything else.
    Internal,
}

/// Whose a network is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Owner {
    /// The project's.
    Project,
    /// Someone's who shares it with every project.
    Shared,
    /// Another project's; only an admin sees those.
    Other,
}

/// A set of firewall rules.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SecurityGroup {
    /// Neutron's id.
    pub id: String,
    /// Its name, which need not be unique.
    pub name: String,
}

impl From<&Flavor> for ResolvedFlavor {
    fn from(flavor: &Flavor) -> Self {
        Self {
            id: flavor.id.clone(),
            name: flavor.name.clone(),
            vcpus: flavor.vcpus,
            ram_mib: flavor.ram_mib,
            disk_gib: flavor.disk_gib,
        }
    }
}

impl From<&ImageChoice<'_>> for ResolvedImage {
    fn from(choice: &ImageChoice<'_>) -> Self {
        let image = choice.image;
        Self { id: image.id.clone(), name: image.name.clone(), user: choice.user.map(str::to_owned) }
    }
}
