//! Neutron's JSON.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Network, NewPort, Owner, Port, Reach, SecurityGroup};
use crate::openstack::compute::Usage;
use crate::openstack::page::Page;
use crate::openstack::wire::{Link, has_next, instant, or_default};
use crate::openstack::{NetworkId, PortId, SecurityGroupId};

pub(super) fn create_port(new: &NewPort) -> Value {
    let mut port = json!({ "network_id": new.network, "name": new.name, "description": new.description });
    if let Some(map) = port.as_object_mut() {
        map.extend(new.security_groups.iter().map(|ids| ("security_groups".to_owned(), json!(ids))));
        let fixed_ip = new.fixed_ip.iter();
        map.extend(fixed_ip.map(|ip| ("fixed_ips".to_owned(), json!([{ "ip_address": ip }]))));
    }
    json!({ "port": port })
}

#[derive(Deserialize)]
pub(super) struct NetworkPage {
    networks: Vec<WireNetwork>,
    #[serde(default)]
    networks_links: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct WireNetwork {
    id: NetworkId,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, rename = "router:external")]
    external: Option<bool>,
    shared: Option<bool>,
    admin_state_up: Option<bool>,
    #[serde(default, deserialize_with = "or_default")]
    subnets: Vec<String>,
    project_id: Option<String>,
    /// The older name of the same; most clouds send both.
    tenant_id: Option<String>,
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
            project: wire.project_id.or(wire.tenant_id).unwrap_or_default(),
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
pub(super) struct SecurityGroupPage {
    security_groups: Vec<WireSecurityGroup>,
    #[serde(default)]
    security_groups_links: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct WireSecurityGroup {
    id: SecurityGroupId,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
}

impl From<WireSecurityGroup> for SecurityGroup {
    fn from(wire: WireSecurityGroup) -> Self {
        Self { id: wire.id, name: wire.name }
    }
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
pub(super) struct QuotaBody {
    quota: Quota,
}

#[derive(Deserialize)]
struct Quota {
    port: Detail,
}

#[derive(Deserialize)]
struct Detail {
    limit: Option<i64>,
    #[serde(default)]
    used: i64,
    #[serde(default)]
    reserved: i64,
}

impl From<QuotaBody> for Usage {
    fn from(body: QuotaBody) -> Self {
        let port = body.quota.port;
        Self::new(port.used + port.reserved, port.limit)
    }
}

#[derive(Deserialize)]
pub(super) struct PortBody {
    pub port: WirePort,
}

#[derive(Deserialize)]
pub(super) struct PortPage {
    ports: Vec<WirePort>,
    #[serde(default)]
    ports_links: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct WirePort {
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
    #[serde(default, deserialize_with = "instant")]
    created_at: Option<Timestamp>,
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
            created: wire.created_at,
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
