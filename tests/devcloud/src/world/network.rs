//! Ports and floating IPs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;
use tokio::time::Instant;

use crate::world::World;

/// A port of Neutron.
#[derive(Clone, Debug, Serialize)]
pub struct Port {
    /// Its id.
    pub id: String,
    /// The project it belongs to.
    pub project: String,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its network's id.
    pub network: String,
    /// Its subnet's id.
    pub subnet: String,
    /// Its address, the first if it was asked to have several.
    pub address: Ipv4Addr,
    /// Its other addresses.
    pub more: Vec<Ipv4Addr>,
    /// Addresses that it got later, by itself.
    pub slaac: Vec<Ipv6Addr>,
    /// It is held to its addresses and its security groups.
    pub port_security: bool,
    /// Its MAC address.
    pub mac: String,
    /// The server that has it, or nothing.
    pub device_id: String,
    /// `compute:nova` while a server has it.
    pub device_owner: String,
    /// `ACTIVE` or `DOWN`.
    pub status: String,
    /// Ids of its security groups.
    pub security_groups: Vec<String>,
    /// Made by Nova, hence going with its server.
    pub by_nova: bool,
    /// When it was made.
    #[serde(skip)]
    pub created: Instant,
}

/// A floating IP of Neutron.
#[derive(Clone, Debug, Serialize)]
pub struct FloatingIp {
    /// Its id.
    pub id: String,
    /// The project it belongs to.
    pub project: String,
    /// Its description.
    pub description: String,
    /// The network it comes from.
    pub network: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// The port it leads to.
    pub port: Option<String>,
    /// Since when it leads there.
    #[serde(skip)]
    pub since: Instant,
    /// When it was made.
    #[serde(skip)]
    pub created: Instant,
}

impl Port {
    /// All its addresses, of both versions.
    pub fn all_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses().map(IpAddr::from).chain(self.slaac.iter().copied().map(IpAddr::from))
    }

    /// All its addresses of IPv4.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        std::iter::once(self.address).chain(self.more.iter().copied())
    }
}

impl World {
    pub fn port(&self, id: &str) -> Option<&Port> {
        self.ports.iter().find(|port| port.id == id)
    }

    pub fn port_mut(&mut self, id: &str) -> Option<&mut Port> {
        self.ports.iter_mut().find(|port| port.id == id)
    }

    /// Whether an address of a network is in use.
    pub fn taken(&self, network: &str, address: Ipv4Addr) -> bool {
        self.ports.iter().any(|port| port.network == network && port.addresses().any(|own| own == address))
            || self.floating_ips.iter().any(|ip| ip.network == network && ip.address == address)
    }

    /// The lowest free address of a network with its subnet: what was freed is used again at once.
    pub fn free_address(&self, network: &str) -> Option<(String, Ipv4Addr)> {
        let network = self.settings.networks.iter().find(|known| known.id == network)?;
        network.subnets.iter().find_map(|subnet| {
            (subnet.first.to_bits()..=subnet.last.to_bits())
                .map(Ipv4Addr::from_bits)
                .find(|address| *address != subnet.gateway && !self.taken(&network.id, *address))
                .map(|address| (subnet.id.clone(), address))
        })
    }

    /// Makes a port, with a given address or the lowest free one.
    pub fn make_port(&mut self, project: &str, network: &str, fixed: Option<Ipv4Addr>) -> Option<Port> {
        let (subnet, free) = self.free_address(network)?;
        let group = self.settings.security_groups.iter().find(|group| group.name == "default");
        Some(Port {
            security_groups: group.map(|group| group.id.clone()).into_iter().collect(),
            id: self.uuid(),
            project: project.into(),
            name: String::new(),
            description: String::new(),
            tags: Vec::new(),
            network: network.into(),
            subnet,
            address: fixed.unwrap_or(free),
            more: Vec::new(),
            slaac: Vec::new(),
            port_security: true,
            mac: self.mac(),
            device_id: String::new(),
            device_owner: String::new(),
            status: "DOWN".into(),
            by_nova: false,
            created: self.now,
        })
    }

    /// Takes a port away from whatever has it.
    pub fn unbind(&mut self, port: &str) {
        if let Some(port) = self.port_mut(port) {
            port.device_id.clear();
            port.device_owner.clear();
            port.status = "DOWN".into();
        }
    }

    /// Deletes a port; its floating IPs stay, leading nowhere.
    pub fn drop_port(&mut self, id: &str) {
        self.ports.retain(|port| port.id != id);
        for ip in &mut self.floating_ips {
            if ip.port.as_deref() == Some(id) {
                ip.port = None;
            }
        }
    }
}
