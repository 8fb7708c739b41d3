//! Neutron: networks, security groups and ports.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::json;

use super::request::Request;
use super::session::Page;
use super::wire::{Link, has_next, or_default};
use super::{Error, NetworkId, PortId, SecurityGroupId, Service, Session};

/// Calls on Neutron.
#[derive(Clone, Debug)]
pub struct Networks(pub(super) Session);

/// A network that the project can see.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Its id.
    pub id: NetworkId,
    /// Its name, which need not be unique.
    pub name: String,
    /// What it can be used for.
    pub reach: Reach,
    /// Whose it is.
    pub owner: Owner,
    /// Whether its operators have it switched on.
    pub admin_up: bool,
    /// Whether a port on it gets an address.
    pub has_subnets: bool,
    /// The project that made it.
    pub project: String,
}

/// What a network can be used for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// A way out: floating IPs come from here.
    External,
    /// Everything else.
    Internal,
}

/// Whose a network is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Owner {
    /// Every project may use it.
    Shared,
    /// One project's.
    Project,
}

/// A set of firewall rules.
#[derive(Clone, Debug, PartialEq)]
pub struct SecurityGroup {
    /// Its id.
    pub id: SecurityGroupId,
    /// Its name, which need not be unique.
    pub name: String,
}

/// A network interface, made before its server.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// Its id.
    pub id: PortId,
    /// Its name.
    pub name: String,
    /// Where our mark is.
    pub description: String,
    /// Where it is plugged in.
    pub network: NetworkId,
    /// The server that has it; absent for a while even when one does.
    pub device_id: Option<String>,
    /// Its own addresses.
    pub addresses: Vec<IpAddr>,
    /// Its hardware address.
    pub mac: String,
    /// Neutron's word: `ACTIVE`, `DOWN`, `BUILD`, `ERROR`.
    pub status: String,
}

/// A port to make.
#[derive(Clone, Debug, PartialEq)]
pub struct NewPort {
    /// Where.
    pub network: NetworkId,
    /// Its name.
    pub name: String,
    /// Our mark.
    pub description: String,
    /// The project's `default` group if absent, none if empty.
    pub security_groups: Option<Vec<SecurityGroupId>>,
    /// Any free one if absent.
    pub fixed_ip: Option<IpAddr>,
}

impl Networks {
    /// The networks that the project can see.
    ///
    /// # Errors
    /// If any page could not be had.
    pub async fn networks(&self) -> Result<Vec<Network>, Error> {
        let request = Request::get("list networks", Service::Network, &["networks"]);
        Ok(self.0.pages::<NetworkPage>(request).await?.into_iter().map(Network::from).collect())
    }

    /// The security groups that the project can see.
    ///
    /// # Errors
    /// If any page could not be had.
    pub async fn security_groups(&self) -> Result<Vec<SecurityGroup>, Error> {
        let request = Request::get("list security groups", Service::Network, &["security-groups"]);
        let groups = self.0.pages::<SecurityGroupPage>(request).await?;
        Ok(groups.into_iter().map(|wire| SecurityGroup { id: wire.id, name: wire.name }).collect())
    }

    /// All ports with exactly this description.
    ///
    /// # Errors
    /// If any page could not be had.
    pub async fn list_ports(&self, description: &str) -> Result<Vec<Port>, Error> {
        let request =
            Request::get("list ports", Service::Network, &["ports"]).query("description", description);
        let ports = self.0.pages::<PortPage>(request).await?;
        Ok(ports.into_iter().map(Port::from).filter(|port| port.description == description).collect())
    }

    /// One port.
    ///
    /// # Errors
    /// As Neutron answers; 404 is [`Error::is_not_found`].
    pub async fn port(&self, id: &PortId) -> Result<Port, Error> {
        let request = Request::get("look at port", Service::Network, &["ports", &id.0]);
        Ok(self.0.json::<PortBody>(request).await?.port.into())
    }

    /// Asks for a port.
    ///
    /// # Errors
    /// As Neutron answers.
    pub async fn create_port(&self, new: &NewPort) -> Result<Port, Error> {
        let mut port = json!({ "network_id": new.network, "name": new.name, "description": new.description });
        if let Some(map) = port.as_object_mut() {
            map.extend(new.security_groups.iter().map(|ids| ("security_groups".to_owned(), json!(ids))));
            let fixed_ip = new.fixed_ip.iter();
            map.extend(fixed_ip.map(|ip| ("fixed_ips".to_owned(), json!([{ "ip_address": ip }]))));
        }
        let body = json!({ "port": port });
        let request = Request::post("create port", Service::Network, &["ports"], body);
        Ok(self.0.json::<PortBody>(request).await?.port.into())
    }

    /// Removes a port, also from under a server.
    ///
    /// # Errors
    /// As Neutron answers; 404 is [`Error::is_not_found`].
    pub async fn delete_port(&self, id: &PortId) -> Result<(), Error> {
        self.0.done(Request::delete("delete port", Service::Network, &["ports", &id.0])).await
    }
}

#[derive(Deserialize)]
struct NetworkPage {
    networks: Vec<WireNetwork>,
    #[serde(default)]
    networks_links: Vec<Link>,
}

#[derive(Deserialize)]
struct WireNetwork {
    id: NetworkId,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, rename = "router:external")]
    external: Option<bool>,
    shared: Option<bool>,
    admin_state_up: Option<bool>,
    #[serde(default, deserialize_with = "or_default")]
    subnets: Vec<String>,
    #[serde(default, deserialize_with = "or_default", alias = "tenant_id")]
    project_id: String,
}

impl From<WireNetwork> for Network {
    fn from(wire: WireNetwork) -> Self {
        Self {
            id: wire.id,
            name: wire.name,
            reach: if wire.external == Some(true) { Reach::External } else { Reach::Internal },
            owner: if wire.shared == Some(true) { Owner::Shared } else { Owner::Project },
            admin_up: wire.admin_state_up.unwrap_or(true),
            has_subnets: !wire.subnets.is_empty(),
            project: wire.project_id,
        }
    }
}

impl Page for NetworkPage {
    type Item = WireNetwork;

    fn next(&self) -> Option<String> {
        self.networks.last().filter(|_| has_next(&self.networks_links)).map(|last| last.id.0.clone())
    }

    fn items(self) -> Vec<WireNetwork> {
        self.networks
    }
}

#[derive(Deserialize)]
struct SecurityGroupPage {
    security_groups: Vec<WireSecurityGroup>,
    #[serde(default)]
    security_groups_links: Vec<Link>,
}

#[derive(Deserialize)]
struct WireSecurityGroup {
    id: SecurityGroupId,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
}

impl Page for SecurityGroupPage {
    type Item = WireSecurityGroup;

    fn next(&self) -> Option<String> {
        let more = has_next(&self.security_groups_links);
        self.security_groups.last().filter(|_| more).map(|last| last.id.0.clone())
    }

    fn items(self) -> Vec<WireSecurityGroup> {
        self.security_groups
    }
}

#[derive(Deserialize)]
struct PortBody {
    port: WirePort,
}

#[derive(Deserialize)]
struct PortPage {
    ports: Vec<WirePort>,
    #[serde(default)]
    ports_links: Vec<Link>,
}

#[derive(Deserialize)]
struct WirePort {
    id: PortId,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    description: String,
    network_id: NetworkId,
    #[serde(default)]
    device_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    fixed_ips: Vec<FixedIp>,
    #[serde(default, deserialize_with = "or_default")]
    mac_address: String,
    #[serde(default, deserialize_with = "or_default")]
    status: String,
}

#[derive(Deserialize)]
struct FixedIp {
    ip_address: String,
}

impl From<WirePort> for Port {
    fn from(wire: WirePort) -> Self {
        Self {
            id: wire.id,
            name: wire.name,
            description: wire.description,
            network: wire.network_id,
            device_id: wire.device_id.filter(|id| !id.is_empty()),
            addresses: wire.fixed_ips.iter().filter_map(|ip| ip.ip_address.parse().ok()).collect(),
            mac: wire.mac_address,
            status: wire.status,
        }
    }
}

impl Page for PortPage {
    type Item = WirePort;

    fn next(&self) -> Option<String> {
        self.ports.last().filter(|_| has_next(&self.ports_links)).map(|last| last.id.0.clone())
    }

    fn items(self) -> Vec<WirePort> {
        self.ports
    }
}
