//! The lab as it is when nobody chose otherwise: flavors, images, networks and security groups.

use serde::{Deserialize, Serialize};

/// A flavor.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Flavor {
    /// Its id, which is what `flavorRef` takes.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Cores.
    pub vcpus: i64,
    /// Memory in MiB.
    pub ram: i64,
    /// Root disk in GB; 0 takes only servers that boot from a volume.
    pub disk: i64,
}

/// An image.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Image {
    /// Its id.
    pub id: String,
    /// Its name, which need not be unique.
    pub name: String,
    /// `active`, `queued`, `deactivated`…
    pub status: String,
    /// `public`, `private`, `shared`, `community`.
    pub visibility: String,
    /// As in `ubuntu`.
    pub os_distro: String,
    /// As in `22.04`.
    pub os_version: String,
    /// The least root disk in GB.
    pub min_disk: i64,
    /// The least memory in MiB.
    pub min_ram: i64,
    /// When it was made, as in `2024-05-02T09:00:00Z`.
    pub created_at: String,
    /// The project that it belongs to; the caller's if empty.
    #[serde(default)]
    pub owner: String,
}

/// A network with its subnets.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Network {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `router:external`: floating IPs come from it.
    pub external: bool,
    /// Whether other projects see it.
    pub shared: bool,
    /// Of several external networks it is the one to take.
    #[serde(default)]
    pub is_default: bool,
    /// Ids of the external networks that a router joins it to. `None`: all.
    #[serde(default)]
    pub routes: Option<Vec<String>>,
    /// Its subnets.
    pub subnets: Vec<Subnet>,
}

/// An IPv4 subnet.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Subnet {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// As in `10.77.0.0/16`.
    pub cidr: String,
    /// The first address that is given out.
    pub first: std::net::Ipv4Addr,
    /// The last address that is given out.
    pub last: std::net::Ipv4Addr,
    /// The router.
    pub gateway: std::net::Ipv4Addr,
}

/// A security group.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SecurityGroup {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// A server group.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ServerGroup {
    /// Its id.
    pub id: String,
    /// Its name, which need not be unique.
    pub name: String,
    /// As in `anti-affinity`.
    pub policy: String,
}

pub(crate) fn server_groups() -> Vec<ServerGroup> {
    [("apart", "soft-anti-affinity"), ("together", "affinity"), ("together", "soft-affinity")]
        .into_iter()
        .zip(1..)
        .map(|((name, policy), n)| ServerGroup {
            id: id("9009", n),
            name: name.into(),
            policy: policy.into(),
        })
        .collect()
}

pub(crate) fn flavors() -> Vec<Flavor> {
    [
        ("d2-2", 1, 2000, 25),
        ("b2-7", 2, 7000, 50),
        ("b2-15", 4, 15_000, 100),
        ("b2-30", 8, 30_000, 200),
        ("win-b2-7", 2, 7000, 50),
        ("v1-4", 2, 4000, 0),
    ]
    .into_iter()
    .zip(1..)
    .map(|((name, vcpus, ram, disk), n)| Flavor { id: id("f1a0", n), name: name.into(), vcpus, ram, disk })
    .collect()
}

pub(crate) fn images() -> Vec<Image> {
    [
        ("Ubuntu 22.04", "ubuntu", "22.04", "2024-02-05T08:00:00Z"),
        ("Ubuntu 24.04", "ubuntu", "24.04", "2024-06-03T08:00:00Z"),
        ("Debian 12", "debian", "12", "2024-03-11T08:00:00Z"),
        ("CentOS Stream 9", "centos", "9", "2024-04-15T08:00:00Z"),
        ("rocky 9.4", "rocky", "9.4", "2024-05-20T08:00:00Z"),
        ("rocky 9.4", "rocky", "9.4", "2024-09-23T08:00:00Z"),
    ]
    .into_iter()
    .zip(1..)
    .map(|((name, distro, version, created), n)| Image {
        id: id("1a6e", n),
        name: name.into(),
        status: "active".into(),
        visibility: "public".into(),
        os_distro: distro.into(),
        os_version: version.into(),
        min_disk: 10,
        min_ram: 0,
        created_at: created.into(),
        owner: String::new(),
    })
    .collect()
}

pub(crate) fn networks() -> Vec<Network> {
    let subnet = |n, name: &str, a, b| Subnet {
        id: id("5b7e", n),
        name: name.into(),
        cidr: format!("{a}.{b}.0.0/16"),
        first: [a, b, 0, 10].into(),
        last: [a, b, 255, 250].into(),
        gateway: [a, b, 0, 1].into(),
    };
    vec![
        Network {
            id: id("4e70", 1),
            name: "lab-net".into(),
            external: false,
            shared: false,
            is_default: false,
            routes: None,
            subnets: vec![subnet(1, "lab-subnet", 10, 77)],
        },
        Network {
            id: id("4e70", 2),
            name: "Ext-Net".into(),
            external: true,
            shared: true,
            is_default: false,
            routes: None,
            subnets: vec![subnet(2, "ext-subnet", 198, 18)],
        },
    ]
}

pub(crate) fn security_groups() -> Vec<SecurityGroup> {
    vec![
        SecurityGroup { id: id("5ec6", 1), name: "default".into() },
        SecurityGroup { id: id("5ec6", 2), name: "ssh-only".into() },
    ]
}

fn id(kind: &str, n: u32) -> String {
    format!("7e57{kind}-0000-4000-8000-{n:012}")
}
