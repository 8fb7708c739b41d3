//! How much of what a machine takes. Pure.

use crate::api::Kind;
use crate::api::cloud::Usage;
use crate::api::testnode_status::{Resolved, ResolvedVolume};

/// What clouds count.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Quantity {
    /// Nova's servers; of a Cloud's own limits, nodes.
    Instances,
    /// Nova's virtual CPUs.
    Cores,
    /// Nova's memory, in MiB.
    Ram,
    /// Cinder's volumes.
    Volumes,
    /// Their size, in GiB.
    Gigabytes,
    /// Neutron's floating IPs.
    FloatingIps,
    /// Neutron's ports.
    Ports,
}

impl Quantity {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Instances,
        Self::Cores,
        Self::Ram,
        Self::Volumes,
        Self::Gigabytes,
        Self::FloatingIps,
        Self::Ports,
    ];

    /// Whose service counts it.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Instances | Self::Cores | Self::Ram => Kind::Server,
            Self::Volumes | Self::Gigabytes => Kind::Volume,
            Self::FloatingIps => Kind::FloatingIp,
            Self::Ports => Kind::Port,
        }
    }

    /// So much of it, for people.
    #[must_use]
    pub fn tell(self, amount: i64) -> String {
        let word = match self {
            Self::Instances => "instance",
            Self::Cores => "core",
            Self::Ram => return format!("{amount} MiB of RAM"),
            Self::Volumes => "volume",
            Self::Gigabytes => return format!("{amount} GiB of volumes"),
            Self::FloatingIps => "floating IP",
            Self::Ports => "port",
        };
        format!("{amount} {word}{}", if amount == 1 { "" } else { "s" })
    }
}

/// One number of each quantity.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Amounts {
    instances: i64,
    cores: i64,
    ram: i64,
    volumes: i64,
    gigabytes: i64,
    floating_ips: i64,
    ports: i64,
}

impl Amounts {
    /// Makes the numbers.
    #[must_use]
    pub fn from_fn(of: impl Fn(Quantity) -> i64) -> Self {
        Self {
            instances: of(Quantity::Instances),
            cores: of(Quantity::Cores),
            ram: of(Quantity::Ram),
            volumes: of(Quantity::Volumes),
            gigabytes: of(Quantity::Gigabytes),
            floating_ips: of(Quantity::FloatingIps),
            ports: of(Quantity::Ports),
        }
    }

    /// What one machine takes.
    #[must_use]
    pub fn of_machine(resolved: &Resolved) -> Self {
        Self {
            instances: 1,
            cores: resolved.flavor.vcpus,
            ram: resolved.flavor.ram_mib,
            floating_ips: i64::from(resolved.floating_ip.as_ref().is_some_and(|ip| ip.pool.is_some())),
            ports: count(resolved.networks.iter().filter(|network| network.port.is_none()).count()),
            ..Self::of_volumes(resolved.volumes.iter())
        }
    }

    /// What some volumes take.
    #[must_use]
    pub fn of_volumes<'a>(volumes: impl Iterator<Item = &'a ResolvedVolume>) -> Self {
        volumes.fold(Self::default(), |sum, volume| Self {
            volumes: sum.volumes + 1,
            gigabytes: sum.gigabytes + volume.size_gib,
            ..sum
        })
    }

    /// How much of one quantity.
    #[must_use]
    pub fn of(&self, quantity: Quantity) -> i64 {
        match quantity {
            Quantity::Instances => self.instances,
            Quantity::Cores => self.cores,
            Quantity::Ram => self.ram,
            Quantity::Volumes => self.volumes,
            Quantity::Gigabytes => self.gigabytes,
            Quantity::FloatingIps => self.floating_ips,
            Quantity::Ports => self.ports,
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self::from_fn(|quantity| self.of(quantity) + other.of(quantity))
    }

    /// The first without the other.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self::from_fn(|quantity| self.of(quantity) - other.of(quantity))
    }

    /// Only what one service counts.
    #[must_use]
    pub fn only(&self, kind: Kind) -> Self {
        Self::from_fn(|quantity| if quantity.kind() == kind { self.of(quantity) } else { 0 })
    }

    /// Whether any of it is one service's.
    #[must_use]
    pub fn has(&self, kind: Kind) -> bool {
        Quantity::ALL.into_iter().any(|quantity| quantity.kind() == kind && self.of(quantity) > 0)
    }
}

impl From<Amounts> for Usage {
    fn from(amounts: Amounts) -> Self {
        Self {
            vcpus: amounts.cores,
            ram_mib: amounts.ram,
            volumes: amounts.volumes,
            volume_gib: amounts.gigabytes,
            floating_ips: amounts.floating_ips,
        }
    }
}

/// A length as a number of the API's.
#[must_use]
pub fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
