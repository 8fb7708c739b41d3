//! Floating IPs: addresses that outlive the server they point at.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::json;

use super::Networks;
use crate::openstack::page::Page;
use crate::openstack::request::Request;
use crate::openstack::wire::{Link, has_next, or_default};
use crate::openstack::{Error, FloatingIpId, NetworkId, PortId, Service};

/// An address of an external network, on loan.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatingIp {
    /// Its id.
    pub id: FloatingIpId,
    /// The address.
    pub address: Option<IpAddr>,
    /// Where our marks are: it has neither name nor tags in a create.
    pub description: String,
    /// The port it points at; absent once the port is gone.
    pub port: Option<PortId>,
}

/// A floating IP to ask for, pointing at a port from the start.
#[derive(Clone, Debug, PartialEq)]
pub struct NewFloatingIp {
    /// The external network.
    pub network: NetworkId,
    /// What it points at.
    pub port: PortId,
    /// Our marks.
    pub description: String,
}

impl Networks {
    /// All floating IPs of the project; a project has few.
    ///
    /// # Errors
    /// If any page could not be had.
    pub async fn floating_ips(&self) -> Result<Vec<FloatingIp>, Error> {
        let request = Request::get("list floating IPs", Service::Network, &["floatingips"]);
        Ok(self.0.pages::<FloatingIpPage>(request).await?.into_iter().map(FloatingIp::from).collect())
    }

    /// Asks for a floating IP.
    ///
    /// # Errors
    /// As Neutron answers.
    pub async fn create_floating_ip(&self, new: &NewFloatingIp) -> Result<FloatingIp, Error> {
        let body = json!({ "floatingip": {
            "floating_network_id": new.network, "port_id": new.port, "description": new.description,
        }});
        let request = Request::post("create floating IP", Service::Network, &["floatingips"], body);
        Ok(self.0.json::<FloatingIpBody>(request).await?.floatingip.into())
    }

    /// Gives a floating IP back.
    ///
    /// # Errors
    /// As Neutron answers; 404 is [`Error::is_not_found`].
    pub async fn delete_floating_ip(&self, id: &FloatingIpId) -> Result<(), Error> {
        self.0.done(Request::delete("delete floating IP", Service::Network, &["floatingips", &id.0])).await
    }
}

#[derive(Deserialize)]
struct FloatingIpBody {
    floatingip: WireFloatingIp,
}

#[derive(Deserialize)]
struct FloatingIpPage {
    floatingips: Vec<WireFloatingIp>,
    #[serde(default)]
    floatingips_links: Vec<Link>,
}

#[derive(Deserialize)]
struct WireFloatingIp {
    id: FloatingIpId,
    #[serde(default, deserialize_with = "or_default")]
    floating_ip_address: String,
    #[serde(default, deserialize_with = "or_default")]
    description: String,
    port_id: Option<PortId>,
}

impl From<WireFloatingIp> for FloatingIp {
    fn from(wire: WireFloatingIp) -> Self {
        Self {
            id: wire.id,
            address: wire.floating_ip_address.parse().ok(),
            description: wire.description,
            port: wire.port_id.filter(|port| !port.0.is_empty()),
        }
    }
}

impl Page for FloatingIpPage {
    type Item = WireFloatingIp;

    fn next(&self) -> Option<String> {
        self.floatingips.last().filter(|_| has_next(&self.floatingips_links)).map(|last| last.id.0.clone())
    }

    fn items(self) -> Vec<WireFloatingIp> {
        self.floatingips
    }
}
