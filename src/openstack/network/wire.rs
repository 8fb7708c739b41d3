//! Neutron's JSON.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Network, NewPort, Port, Reach, SecurityGroup};
use crate::openstack::compute::Usage;
use crate::openstack::page::Page;
use crate::openstack::wire::{
    Link, has_next, instant, items, items_if_any, lenient, maybe_number, number, word,
};
use crate::openstack::{NetworkId, PortId, SecurityGroupId};

pub(super) fn create_port(new: &NewPort) -> Value {
    let mut port = json!({ "network_id": new.network, "name": new.name, "description": new.description });
    if let Some(map) = port.as_object_mut() {
        map.extend(new.security_groups.iter().map(|ids| ("security_groups".to_owned(), json!(ids))));
        map.extend(new.port_security.map(|on| ("port_security_enabled".to_owned(), json!(on))));
        let fixed_ips: Vec<Value> = new.fixed_ips.iter().map(|ip| json!({ "ip_address": ip })).collect();
        map.extend((!fixed_ips.is_empty()).then(|| ("fixed_ips".to_owned(), json!(fixed_ips))));
    }
    json!({ "port": port })
}

#[derive(Deserialize)]
pub(super) struct NetworkPage {
    #[serde(deserialize_with = "items")]
    networks: Vec<WireNetwork>,
    #[serde(default, deserialize_with = "items_if_any")]
    networks_links: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct WireNetwork {
    id: NetworkId,
    #[serde(default, deserialize_with = "word")]
    name: String,
    #[serde(default, rename = "router:external", deserialize_with = "lenient")]
    external: bool,
    #[serde(default, deserialize_with = "lenient")]
    admin_state_up: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    is_default: bool,
    #[serde(default, deserialize_with = "items_if_any")]
    subnets: Vec<String>,
    #[serde(default, deserialize_with = "word")]
    project_id: String,
    /// The older name of the same; most clouds send both.
    #[serde(default, deserialize_with = "word")]
    tenant_id: String,
}

impl From<WireNetwork> for Network {
    fn from(wire: WireNetwork) -> Self {
        Self {
            id: wire.id,
            name: wire.name,
            reach: if wire.external { Reach::External } else { Reach::Internal },
            admin_up: wire.admin_state_up.unwrap_or(true),
            has_subnets: !wire.subnets.is_empty(),
            is_default: wire.is_default,
            project: either(wire.project_id, wire.tenant_id),
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
    #[serde(deserialize_with = "items")]
    security_groups: Vec<WireSecurityGroup>,
    #[serde(default, deserialize_with = "items_if_any")]
    security_groups_links: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct WireSecurityGroup {
    id: SecurityGroupId,
    #[serde(default, deserialize_with = "word")]
    name: String,
    #[serde(default, deserialize_with = "word")]
    project_id: String,
    #[serde(default, deserialize_with = "word")]
    tenant_id: String,
}

fn either(newer: String, older: String) -> String {
    if newer.is_empty() { older } else { newer }
}

impl From<WireSecurityGroup> for SecurityGroup {
    fn from(wire: WireSecurityGroup) -> Self {
        Self { id: wire.id, name: wire.name, project: either(wire.project_id, wire.tenant_id) }
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
    #[serde(default, deserialize_with = "lenient")]
    port: Detail,
    #[serde(default, deserialize_with = "lenient")]
    floatingip: Detail,
}

#[derive(Default, Deserialize)]
struct Detail {
    #[serde(default, deserialize_with = "maybe_number")]
    limit: Option<i64>,
    #[serde(default, deserialize_with = "number")]
    used: i64,
    #[serde(default, deserialize_with = "number")]
    reserved: i64,
}

impl From<QuotaBody> for Usage {
    fn from(body: QuotaBody) -> Self {
        body.quota.port.usage()
    }
}

impl QuotaBody {
    pub(super) fn floating_ips(&self) -> Usage {
        self.quota.floatingip.usage()
    }
}

impl Detail {
    fn usage(&self) -> Usage {
        Usage::new(self.used.saturating_add(self.reserved), self.limit)
    }
}

#[derive(Deserialize)]
pub(super) struct PortBody {
    pub port: WirePort,
}

#[derive(Deserialize)]
pub(super) struct PortPage {
    #[serde(deserialize_with = "items")]
    ports: Vec<WirePort>,
    #[serde(default, deserialize_with = "items_if_any")]
    ports_links: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct WirePort {
    id: PortId,
    #[serde(default, deserialize_with = "word")]
    name: String,
    #[serde(default, deserialize_with = "word")]
    description: String,
    #[serde(default, deserialize_with = "lenient")]
    network_id: NetworkId,
    #[serde(default, deserialize_with = "word")]
    device_id: String,
    #[serde(default, deserialize_with = "items_if_any")]
    fixed_ips: Vec<FixedIp>,
    #[serde(default, deserialize_with = "word")]
    mac_address: String,
    #[serde(default, deserialize_with = "word")]
    status: String,
    #[serde(default, deserialize_with = "instant")]
    created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "word")]
    project_id: String,
    #[serde(default, deserialize_with = "word")]
    tenant_id: String,
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
            device_id: Some(wire.device_id).filter(|id| !id.is_empty()),
            addresses: wire.fixed_ips.iter().filter_map(|ip| ip.ip_address.parse().ok()).collect(),
            mac: wire.mac_address,
            status: wire.status,
            created: wire.created_at,
            project: either(wire.project_id, wire.tenant_id),
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
