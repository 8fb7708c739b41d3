//! Nova's JSON.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Address, AddressKind, ComputeLimits, Flavor, NewServer, Server, Usage};
use crate::openstack::page::Page;
use crate::openstack::wire::{Link, WithId, has_next, instant, or_default, texts};
use crate::openstack::{FlavorId, ImageId, ServerId, VolumeId};

pub(super) fn create_server(new: &NewServer) -> Value {
    let networks: Value = if new.ports.is_empty() {
        json!("none")
    } else {
        new.ports.iter().map(|port| json!({ "port": port })).collect()
    };
    let mut server = Map::new();
    server.insert("name".to_owned(), json!(new.name));
    server.insert("flavorRef".to_owned(), json!(new.flavor));
    server.insert("networks".to_owned(), networks);
    server.insert("metadata".to_owned(), json!(new.metadata));
    server.insert("tags".to_owned(), json!(new.tags));
    if let Some(image) = &new.image {
        server.insert("imageRef".to_owned(), json!(image));
    }
    if !new.volumes.is_empty() {
        server.insert("block_device_mapping_v2".to_owned(), block_devices(new));
    }
    if let Some(key) = &new.key_name {
        server.insert("key_name".to_owned(), json!(key));
    }
    if let Some(user_data) = &new.user_data {
        server.insert("user_data".to_owned(), json!(STANDARD.encode(user_data)));
    }
    if let Some(zone) = &new.availability_zone {
        server.insert("availability_zone".to_owned(), json!(zone));
    }
    json!({ "server": server })
}

/// An image beside volumes must be in the mapping too, else Nova refuses the
/// "boot sequence". Without one the first volume is what boots.
fn block_devices(new: &NewServer) -> Value {
    let image = new.image.as_ref().map(|image| {
        json!({
            "uuid": image,
            "source_type": "image",
            "destination_type": "local",
            "boot_index": 0,
            "delete_on_termination": true,
        })
    });
    let boots = usize::from(image.is_none());
    let volumes = new.volumes.iter().enumerate().map(|(place, volume)| {
        json!({
            "uuid": volume,
            "source_type": "volume",
            "destination_type": "volume",
            "boot_index": if place < boots { 0 } else { -1 },
            "delete_on_termination": true,
        })
    });
    image.into_iter().chain(volumes).collect()
}

#[derive(Deserialize)]
pub(super) struct CreatedBody {
    pub server: WithId<ServerId>,
}

#[derive(Deserialize)]
pub(super) struct ServerBody {
    pub server: WireServer,
}

#[derive(Deserialize)]
pub(super) struct ServerPage {
    servers: Vec<WireServer>,
    #[serde(default)]
    servers_links: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct WireServer {
    id: ServerId,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    status: String,
    #[serde(default, rename = "OS-EXT-STS:task_state")]
    task_state: Option<String>,
    fault: Option<Fault>,
    #[serde(default, deserialize_with = "or_default")]
    addresses: BTreeMap<String, Vec<WireAddress>>,
    #[serde(default, deserialize_with = "texts")]
    metadata: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "instant")]
    created: Option<Timestamp>,
    #[serde(default, rename = "hostId", deserialize_with = "or_default")]
    host_id: String,
    #[serde(default, rename = "OS-EXT-AZ:availability_zone", deserialize_with = "or_default")]
    availability_zone: String,
    #[serde(default, rename = "os-extended-volumes:volumes_attached", deserialize_with = "or_default")]
    volumes_attached: Vec<WithId<VolumeId>>,
    #[serde(default, deserialize_with = "or_default")]
    tags: Vec<String>,
    #[serde(default)]
    image: Value,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct WireAddress {
    addr: String,
    #[serde(rename = "OS-EXT-IPS:type")]
    kind: Option<String>,
    #[serde(rename = "OS-EXT-IPS-MAC:mac_addr")]
    mac: Option<String>,
}

impl From<WireServer> for Server {
    fn from(wire: WireServer) -> Self {
        let going = ["deleting", "soft-deleting", "force-deleting"];
        Self {
            id: wire.id,
            name: wire.name,
            status: wire.status.as_str().into(),
            deleting: wire.task_state.is_some_and(|task| going.contains(&task.as_str())),
            fault: wire.fault.map(|fault| fault.message.trim().to_owned()),
            addresses: wire
                .addresses
                .into_iter()
                .flat_map(|(network, list)| {
                    list.into_iter().filter_map(move |address| address.named(network.clone()))
                })
                .collect(),
            metadata: wire.metadata,
            created: wire.created,
            host_id: wire.host_id,
            availability_zone: wire.availability_zone,
            attached_volumes: wire.volumes_attached.into_iter().map(|volume| volume.id).collect(),
            tags: wire.tags,
            // The empty text when booted from a volume.
            image: wire.image.get("id").and_then(Value::as_str).map(ImageId::from),
        }
    }
}

impl WireAddress {
    fn named(self, network: String) -> Option<Address> {
        let address: IpAddr = self.addr.parse().ok()?;
        let kind = match self.kind.as_deref() {
            Some("floating") => AddressKind::Floating,
            Some(_) | None => AddressKind::Fixed,
        };
        Some(Address { address, network, kind, mac: self.mac })
    }
}

impl Page for ServerPage {
    type Item = WireServer;

    fn next(&self) -> Option<String> {
        self.servers.last().filter(|_| has_next(&self.servers_links)).map(|last| last.id.0.clone())
    }

    fn items(self) -> Vec<WireServer> {
        self.servers
    }
}

#[derive(Deserialize)]
pub(super) struct ConsoleBody {
    #[serde(default, deserialize_with = "or_default")]
    pub output: String,
}

#[derive(Deserialize)]
pub(super) struct FlavorPage {
    flavors: Vec<WireFlavor>,
    #[serde(default)]
    flavors_links: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct WireFlavor {
    id: FlavorId,
    name: String,
    #[serde(default)]
    vcpus: u32,
    #[serde(default)]
    ram: u32,
    #[serde(default)]
    disk: u32,
    #[serde(default, rename = "OS-FLV-EXT-DATA:ephemeral")]
    ephemeral: u32,
    #[serde(default, rename = "OS-FLV-DISABLED:disabled")]
    disabled: bool,
    #[serde(default = "yes", rename = "os-flavor-access:is_public")]
    public: bool,
}

fn yes() -> bool {
    true
}

impl From<WireFlavor> for Flavor {
    fn from(wire: WireFlavor) -> Self {
        Self {
            id: wire.id,
            name: wire.name,
            vcpus: wire.vcpus,
            ram_mib: wire.ram,
            disk_gib: wire.disk,
            ephemeral_gib: wire.ephemeral,
            disabled: wire.disabled,
            public: wire.public,
        }
    }
}

impl Page for FlavorPage {
    type Item = WireFlavor;

    fn next(&self) -> Option<String> {
        self.flavors.last().filter(|_| has_next(&self.flavors_links)).map(|last| last.id.0.clone())
    }

    fn items(self) -> Vec<WireFlavor> {
        self.flavors
    }
}

#[derive(Deserialize)]
pub(super) struct LimitsBody {
    limits: Limits,
}

#[derive(Deserialize)]
struct Limits {
    absolute: Absolute,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Absolute {
    #[serde(default)]
    total_instances_used: i64,
    max_total_instances: Option<i64>,
    #[serde(default)]
    total_cores_used: i64,
    max_total_cores: Option<i64>,
    #[serde(default, rename = "totalRAMUsed")]
    total_ram_used: i64,
    #[serde(rename = "maxTotalRAMSize")]
    max_total_ram_size: Option<i64>,
}

impl From<LimitsBody> for ComputeLimits {
    fn from(body: LimitsBody) -> Self {
        let limits = body.limits.absolute;
        Self {
            instances: Usage::new(limits.total_instances_used, limits.max_total_instances),
            cores: Usage::new(limits.total_cores_used, limits.max_total_cores),
            ram_mib: Usage::new(limits.total_ram_used, limits.max_total_ram_size),
        }
    }
}
