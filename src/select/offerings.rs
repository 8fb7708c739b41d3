//! What a cloud offers, as far as a choice needs to know.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;

use crate::api::testnode_status::ResolvedFlavor;

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
    /// Nova's server groups; absent if they were not read.
    pub server_groups: Option<Vec<ServerGroup>>,
    /// Cinder's volume types; absent if they were not read.
    pub volume_types: Option<Vec<VolumeType>>,
    /// Ports that somebody names, by their ids; `None` if Neutron shows the project no such one.
    pub ports: BTreeMap<String, Option<Port>>,
    /// Volumes that somebody names, likewise.
    pub volumes: BTreeMap<String, Option<Volume>>,
    /// Snapshots that somebody names, likewise.
    pub snapshots: BTreeMap<String, Option<Snapshot>>,
}

/// A port that exists.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Port {
    /// Its network.
    pub network: String,
    /// Whose it is.
    pub owner: Owner,
    /// What has it.
    pub device: Option<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its hardware address.
    pub mac: String,
    /// It bears the mark of a TestNode.
    pub marked: bool,
}

/// A volume that exists.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Volume {
    /// Cinder's word; only one that is `available` can be attached.
    pub status: String,
    /// Whose it is.
    pub owner: Owner,
    /// A server can boot from it.
    pub bootable: bool,
    /// It bears the mark of a TestNode.
    pub marked: bool,
}

/// A snapshot of a volume.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Snapshot {
    /// Cinder's word; a volume is made only of one that is `available`.
    pub status: String,
    /// Whose it is.
    pub owner: Owner,
    /// The size of what it is a snapshot of.
    pub size_gib: i64,
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
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
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
    /// How large its file is, in GiB and rounded up; 0 if nobody says.
    pub size_gib: i64,
    /// The least memory that it boots with.
    pub min_ram_mib: i64,
    /// What else is said of it.
    pub properties: BTreeMap<String, String>,
    /// The project that it belongs to, by its id; may be empty.
    pub owner: String,
    /// It is another project's.
    pub foreign: bool,
    /// To whom it shows itself, in Glance's word.
    pub visibility: String,
    /// Only the list of community images has it. Any member of any project can make such a one.
    pub community: bool,
    /// No list has it: it was asked for by its id, and is chosen by that only.
    pub unlisted: bool,
    /// It bears the mark of a cluster: it is a version of some MachineImage, and is chosen by that, or by its id, only.
    pub marked: bool,
    /// The MachineImage that it is a version of, and the version's digest, where that is how it was chosen.
    pub version: Option<(String, String)>,
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
    /// Of several external networks it is the one to take.
    pub is_default: bool,
}

/// What a network can be used for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// A way out, where floating IPs come from.
    External,
    /// Everything else.
    Internal,
}

/// Whose something is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Owner {
    /// The project's own.
    #[default]
    Project,
    /// Another project's, by its id, which shares it with ours, or lets everybody use it.
    Other(String),
}

impl Owner {
    /// Whose it is, seen from `ours`. What is said to belong to nobody is taken for ours.
    #[must_use]
    pub fn of(project: String, ours: &str) -> Self {
        if project.is_empty() || project == ours { Self::Project } else { Self::Other(project) }
    }
}

/// A set of firewall rules.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SecurityGroup {
    /// Neutron's id.
    pub id: String,
    /// Its name, which need not be unique.
    pub name: String,
    /// Whose it is.
    pub owner: Owner,
}

/// A server group.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServerGroup {
    /// Nova's id.
    pub id: String,
    /// Its name, which need not be unique.
    pub name: String,
}

/// A volume type.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct VolumeType {
    /// Cinder's id.
    pub id: String,
    /// Its name, which no other type has.
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
