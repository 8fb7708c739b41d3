//! Neutron: networks, security groups and ports. What it speaks on the wire is
//! in `wire`.

use std::net::IpAddr;

use jiff::Timestamp;

use super::compute::Usage;
use super::request::Request;
use super::{Error, NetworkId, PortId, SecurityGroupId, Service, Session};

mod floating;
#[cfg(test)]
mod tests;
mod wire;

pub use floating::{FloatingIp, NewFloatingIp};

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
    /// Whether its operators have it switched on.
    pub admin_up: bool,
    /// Whether a port on it gets an address.
    pub has_subnets: bool,
    /// Of several external networks it is the one to take.
    pub is_default: bool,
    /// The project that made it; empty if Neutron does not say.
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

/// A set of firewall rules.
#[derive(Clone, Debug, PartialEq)]
pub struct SecurityGroup {
    /// Its id.
    pub id: SecurityGroupId,
    /// Its name, which need not be unique.
    pub name: String,
    /// The project that made it; empty if Neutron does not say.
    pub project: String,
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
    /// When Neutron says it was made, where it says so.
    pub created: Option<Timestamp>,
    /// The project that it belongs to; empty if Neutron does not say.
    pub project: String,
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
    /// Any free ones if empty.
    pub fixed_ips: Vec<IpAddr>,
    /// As the network has it if absent.
    pub port_security: Option<bool>,
}

impl Networks {
    /// The networks that the project can see.
    ///
    /// # Errors
    /// If any page could not be had.
    pub async fn networks(&self) -> Result<Vec<Network>, Error> {
        let request = Request::get("list networks", Service::Network, &["networks"]);
        Ok(self.0.pages::<wire::NetworkPage>(request).await?.into_iter().map(Network::from).collect())
    }

    /// The security groups that the project can see.
    ///
    /// # Errors
    /// If any page could not be had.
    pub async fn security_groups(&self) -> Result<Vec<SecurityGroup>, Error> {
        let request = Request::get("list security groups", Service::Network, &["security-groups"]);
        let groups = self.0.pages::<wire::SecurityGroupPage>(request).await?;
        Ok(groups.into_iter().map(SecurityGroup::from).collect())
    }

    /// All ports with exactly this description.
    ///
    /// # Errors
    /// If any page could not be had.
    pub async fn list_ports(&self, description: &str) -> Result<Vec<Port>, Error> {
        // An administrator is shown those of every project.
        let project = self.0.login().await?.id;
        let request = Request::get("list ports", Service::Network, &["ports"])
            .query("project_id", &project.0)
            .query("description", description);
        let ports = self.0.pages::<wire::PortPage>(request).await?;
        Ok(ports.into_iter().map(Port::from).filter(|port| port.description == description).collect())
    }

    /// One port.
    ///
    /// # Errors
    /// As Neutron answers; 404 is [`Error::is_not_found`].
    pub async fn port(&self, id: &PortId) -> Result<Port, Error> {
        let request = Request::get("look at port", Service::Network, &["ports", &id.0]);
        Ok(self.0.json::<wire::PortBody>(request).await?.port.into())
    }

    /// How many ports the project may have, and has.
    ///
    /// # Errors
    /// As Neutron answers.
    pub async fn port_quota(&self) -> Result<Usage, Error> {
        let project = self.0.login().await?.id;
        let path = ["quotas", &project.0, "details.json"];
        let request = Request::get("read port quota", Service::Network, &path);
        Ok(self.0.json::<wire::QuotaBody>(request).await?.into())
    }

    /// Asks for a port.
    ///
    /// # Errors
    /// As Neutron answers.
    pub async fn create_port(&self, new: &NewPort) -> Result<Port, Error> {
        let body = wire::create_port(new);
        let request = Request::post("create port", Service::Network, &["ports"], body);
        Ok(self.0.json::<wire::PortBody>(request).await?.port.into())
    }

    /// Gives a port another name.
    ///
    /// # Errors
    /// As Neutron answers; 404 is [`Error::is_not_found`].
    pub async fn rename_port(&self, id: &PortId, name: &str) -> Result<(), Error> {
        let body = serde_json::json!({ "port": { "name": name } });
        self.0.done(Request::put("rename port", Service::Network, &["ports", &id.0], Some(body))).await
    }

    /// Removes a port, also from under a server.
    ///
    /// # Errors
    /// As Neutron answers; 404 is [`Error::is_not_found`].
    pub async fn delete_port(&self, id: &PortId) -> Result<(), Error> {
        self.0.done(Request::delete("delete port", Service::Network, &["ports", &id.0])).await
    }
}
