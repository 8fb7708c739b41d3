//! Floating IPs: addresses that outlive the server they point at.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::Networks;
use crate::error::Class;
use crate::openstack::compute::Usage;
use crate::openstack::page::Page;
use crate::openstack::request::Request;
use crate::openstack::wire::{Link, has_next, instant, items, items_if_any, lenient, word};
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
    /// When Neutron says it was made, where it says so.
    pub created: Option<Timestamp>,
}

/// A floating IP to ask for, pointing at a port from the start.
#[derive(Clone, Debug, PartialEq)]
pub struct NewFloatingIp {
    /// The external network.
    pub network: NetworkId,
    /// What it points at.
    pub port: PortId,
    /// Which of the port's addresses; needed only where it has several.
    pub fixed: Option<IpAddr>,
    /// Our marks.
    pub description: String,
}

impl Networks {
    /// All floating IPs of the project; a project has few.
    ///
    /// # Errors
    /// If any page could not be had.
    pub async fn floating_ips(&self) -> Result<Vec<FloatingIp>, Error> {
        // An administrator is shown those of every project.
        let project = self.0.login().await?.id;
        let request = Request::get("list floating IPs", Service::Network, &["floatingips"])
            .query("project_id", &project.0);
        Ok(self.0.pages::<FloatingIpPage>(request).await?.into_iter().map(FloatingIp::from).collect())
    }

    /// One floating IP.
    ///
    /// # Errors
    /// As Neutron answers; 404 is [`Error::is_not_found`].
    pub async fn floating_ip(&self, id: &FloatingIpId) -> Result<FloatingIp, Error> {
        let request = Request::get("look at floating IP", Service::Network, &["floatingips", &id.0]);
        Ok(self.0.json::<FloatingIpBody>(request).await?.floatingip.into())
    }

    /// Asks for a floating IP. The port is a fence: it takes one of each external network, and a second request is
    /// refused.
    ///
    /// # Errors
    /// As Neutron answers. An external network that is used up means what a quota means: wait. A port that is not there
    /// any more is a matter of its state.
    pub async fn create_floating_ip(&self, new: &NewFloatingIp) -> Result<FloatingIp, Error> {
        let mut asked = json!({
            "floating_network_id": new.network, "port_id": new.port, "description": new.description,
        });
        if let (Some(asked), Some(fixed)) = (asked.as_object_mut(), new.fixed) {
            asked.insert("fixed_ip_address".to_owned(), json!(fixed));
        }
        let body = json!({ "floatingip": asked });
        let request = Request::post("create floating IP", Service::Network, &["floatingips"], body);
        let made = self.0.json::<FloatingIpBody>(request).await.map_err(judged)?;
        Ok(made.floatingip.into())
    }

    /// How many floating IPs the project may have, and has.
    ///
    /// # Errors
    /// As Neutron answers.
    pub async fn floating_ip_quota(&self) -> Result<Usage, Error> {
        let project = self.0.login().await?.id;
        let path = ["quotas", &project.0, "details.json"];
        let request = Request::get("read floating IP quota", Service::Network, &path);
        Ok(self.0.json::<super::wire::QuotaBody>(request).await?.floating_ips())
    }

    /// Whether this Neutron has routers, and with them floating IPs.
    ///
    /// # Errors
    /// As Neutron answers.
    pub async fn routes(&self) -> Result<bool, Error> {
        let request = Request::get("list extensions", Service::Network, &["extensions"]);
        let extensions = self.0.json::<Extensions>(request).await?.extensions;
        Ok(extensions.iter().any(|extension| extension.alias == "router"))
    }

    /// Gives a floating IP another description.
    ///
    /// # Errors
    /// As Neutron answers; 404 is [`Error::is_not_found`].
    pub async fn describe_floating_ip(&self, id: &FloatingIpId, description: &str) -> Result<(), Error> {
        let body = json!({ "floatingip": { "description": description } });
        let request =
            Request::put("describe floating IP", Service::Network, &["floatingips", &id.0], Some(body));
        self.0.done(request).await
    }

    /// Gives a floating IP back.
    ///
    /// # Errors
    /// As Neutron answers; 404 is [`Error::is_not_found`].
    pub async fn delete_floating_ip(&self, id: &FloatingIpId) -> Result<(), Error> {
        self.0.done(Request::delete("delete floating IP", Service::Network, &["floatingips", &id.0])).await
    }
}

fn judged(mut error: Error) -> Error {
    if let Error::Refused { class, key, .. } = &mut error {
        if *class == Class::Capacity {
            *class = Class::Quota;
        } else if &**key == "PortNotFound" {
            *class = Class::Conflict;
        }
    }
    error
}

#[derive(Deserialize)]
struct Extensions {
    #[serde(deserialize_with = "items")]
    extensions: Vec<Extension>,
}

#[derive(Deserialize)]
struct Extension {
    #[serde(default, deserialize_with = "word")]
    alias: String,
}

#[derive(Deserialize)]
struct FloatingIpBody {
    floatingip: WireFloatingIp,
}

#[derive(Deserialize)]
struct FloatingIpPage {
    #[serde(deserialize_with = "items")]
    floatingips: Vec<WireFloatingIp>,
    #[serde(default, deserialize_with = "items_if_any")]
    floatingips_links: Vec<Link>,
}

#[derive(Deserialize)]
struct WireFloatingIp {
    id: FloatingIpId,
    #[serde(default, deserialize_with = "word")]
    floating_ip_address: String,
    #[serde(default, deserialize_with = "word")]
    description: String,
    #[serde(default, deserialize_with = "lenient")]
    port_id: Option<PortId>,
    #[serde(default, deserialize_with = "instant")]
    created_at: Option<Timestamp>,
}

impl From<WireFloatingIp> for FloatingIp {
    fn from(wire: WireFloatingIp) -> Self {
        Self {
            id: wire.id,
            address: wire.floating_ip_address.parse().ok(),
            description: wire.description,
            port: wire.port_id,
            created: wire.created_at,
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
