//! Nova's JSON.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Response;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Address, AddressKind, ComputeLimits, Flavor, NewServer, NewSystem, Server, ServerGroup, Usage};
use crate::openstack::page::Page;
use crate::openstack::wire::{
    Link, WithId, has_next, instant, items, items_if_any, lenient, maybe_number, number, texts, word,
};
use crate::openstack::{FlavorId, ImageId, ServerId, VolumeId};
use crate::saying::Saying;
use crate::transport::Beheaded;

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
    if !new.volumes.is_empty() || new.extras.root_device.is_some() {
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
    if let Some(config_drive) = new.extras.config_drive {
        server.insert("config_drive".to_owned(), json!(config_drive));
    }
    if let Some(description) = &new.extras.description {
        server.insert("description".to_owned(), json!(description));
    }
    if new.extras.hints.is_empty() {
        return json!({ "server": server });
    }
    let hint = |values: &Vec<String>| match values.as_slice() {
        [value] => json!(value),
        values => json!(values),
    };
    let hints = new.extras.hints.iter().map(|(name, values)| (name.clone(), hint(values)));
    let hints: Map<String, Value> = hints.collect();
    json!({ "server": server, "os:scheduler_hints": hints })
}

/// User data that is null is taken away; left out, the old one would stay.
pub(super) fn rebuild(new: &NewSystem) -> Value {
    let user_data = new.user_data.as_ref().map(|data| STANDARD.encode(data));
    json!({ "rebuild": { "imageRef": new.image, "metadata": new.metadata, "user_data": user_data } })
}

/// An image beside volumes must be in the mapping too, else Nova refuses the
/// "boot sequence".
fn block_devices(new: &NewServer) -> Value {
    let image = new.image.as_ref().map(|image| {
        let device = json!({
            "uuid": image,
            "source_type": "image",
            "destination_type": "local",
            "boot_index": 0,
            "delete_on_termination": true,
        });
        called(device, new.extras.root_device.as_ref())
    });
    let volumes = new.volumes.iter().map(|volume| {
        let device = json!({
            "uuid": volume.id,
            "source_type": "volume",
            "destination_type": "volume",
            "boot_index": volume.boot_index,
            "delete_on_termination": volume.goes,
        });
        called(device, volume.device.as_ref())
    });
    image.into_iter().chain(volumes).collect()
}

fn called(mut device: Value, name: Option<&String>) -> Value {
    if let (Some(name), Some(fields)) = (name, device.as_object_mut()) {
        fields.insert("device_name".to_owned(), json!(format!("/dev/{name}")));
    }
    device
}

#[derive(Deserialize)]
pub(super) struct ServerGroupPage {
    #[serde(deserialize_with = "items")]
    server_groups: Vec<WireServerGroup>,
}

#[derive(Deserialize)]
pub(super) struct WireServerGroup {
    id: String,
    #[serde(default, deserialize_with = "word")]
    name: String,
}

impl From<WireServerGroup> for ServerGroup {
    fn from(wire: WireServerGroup) -> Self {
        Self { id: wire.id, name: Saying::name(&wire.name) }
    }
}

/// Nova marks no page's end here.
impl Page for ServerGroupPage {
    type Item = WireServerGroup;

    fn next(&self) -> Option<String> {
        None
    }

    fn items(self) -> Vec<WireServerGroup> {
        self.server_groups
    }
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
    #[serde(deserialize_with = "items")]
    servers: Vec<WireServer>,
    #[serde(default, deserialize_with = "items_if_any")]
    servers_links: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct WireServer {
    id: ServerId,
    #[serde(default, deserialize_with = "word")]
    name: String,
    #[serde(default, deserialize_with = "word")]
    status: String,
    #[serde(default, rename = "OS-EXT-STS:task_state", deserialize_with = "word")]
    task_state: String,
    #[serde(default, deserialize_with = "lenient")]
    fault: Fault,
    #[serde(default, deserialize_with = "lenient")]
    addresses: BTreeMap<String, Addresses>,
    #[serde(default, deserialize_with = "texts")]
    metadata: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "instant")]
    created: Option<Timestamp>,
    #[serde(default, rename = "hostId", deserialize_with = "word")]
    host_id: String,
    #[serde(default, rename = "OS-EXT-AZ:availability_zone", deserialize_with = "word")]
    availability_zone: String,
    #[serde(default, rename = "os-extended-volumes:volumes_attached", deserialize_with = "items_if_any")]
    volumes_attached: Vec<WithId<VolumeId>>,
    #[serde(default, deserialize_with = "items_if_any")]
    tags: Vec<String>,
    /// The empty text when booted from a volume.
    #[serde(default, deserialize_with = "lenient")]
    image: Option<WithId<ImageId>>,
}

#[derive(Default, Deserialize)]
struct Fault {
    #[serde(default, deserialize_with = "lenient")]
    message: String,
}

/// The addresses on one network.
#[derive(Default, Deserialize)]
#[serde(transparent)]
struct Addresses(#[serde(deserialize_with = "items_if_any")] Vec<WireAddress>);

#[derive(Deserialize)]
struct WireAddress {
    addr: String,
    #[serde(default, rename = "OS-EXT-IPS:type", deserialize_with = "word")]
    kind: String,
    #[serde(default, rename = "OS-EXT-IPS-MAC:mac_addr", deserialize_with = "word")]
    mac: String,
}

impl From<WireServer> for Server {
    fn from(wire: WireServer) -> Self {
        let going = ["deleting", "soft-deleting", "force-deleting"];
        Self {
            id: wire.id,
            name: wire.name,
            status: wire.status.as_str().into(),
            deleting: going.contains(&wire.task_state.as_str()),
            fault: Some(Saying::new(&wire.fault.message)).filter(|message| !message.is_empty()),
            addresses: wire
                .addresses
                .into_iter()
                .flat_map(|(network, list)| {
                    let network = Saying::name(&network);
                    list.0.into_iter().filter_map(move |address| address.named(network.clone()))
                })
                .collect(),
            metadata: wire.metadata,
            created: wire.created,
            host_id: wire.host_id,
            availability_zone: wire.availability_zone,
            attached_volumes: wire.volumes_attached.into_iter().map(|volume| volume.id).collect(),
            tags: wire.tags,
            image: wire.image.map(|image| image.id),
        }
    }
}

impl WireAddress {
    fn named(self, network: String) -> Option<Address> {
        let address: IpAddr = self.addr.parse().ok()?;
        let kind = if self.kind == "floating" { AddressKind::Floating } else { AddressKind::Fixed };
        Some(Address { address, network, kind, mac: Some(self.mac).filter(|mac| !mac.is_empty()) })
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

/// The text of a console. If its beginning was not kept, the text begins with the first whole line.
pub(super) fn console(answer: &Response<Vec<u8>>) -> serde_json::Result<String> {
    let mut body = String::from_utf8_lossy(answer.body()).into_owned();
    if answer.extensions().get::<Beheaded>().is_some() {
        let rest = body.split_once(r"\n").map_or("\"}", |(_, rest)| rest);
        body = format!(r#"{{"output": "{rest}"#);
    }
    Ok(serde_json::from_str::<ConsoleBody>(&body)?.output)
}

#[derive(Deserialize)]
struct ConsoleBody {
    #[serde(default, deserialize_with = "lenient")]
    output: String,
}

#[derive(Deserialize)]
pub(super) struct FlavorPage {
    #[serde(deserialize_with = "items")]
    flavors: Vec<WireFlavor>,
    #[serde(default, deserialize_with = "items_if_any")]
    flavors_links: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct WireFlavor {
    id: FlavorId,
    #[serde(default, deserialize_with = "word")]
    name: String,
    #[serde(default, deserialize_with = "number")]
    vcpus: u32,
    #[serde(default, deserialize_with = "number")]
    ram: u32,
    #[serde(default, deserialize_with = "number")]
    disk: u32,
    #[serde(default, rename = "OS-FLV-EXT-DATA:ephemeral", deserialize_with = "number")]
    ephemeral: u32,
    #[serde(default, rename = "OS-FLV-DISABLED:disabled", deserialize_with = "lenient")]
    disabled: bool,
    #[serde(default, rename = "os-flavor-access:is_public", deserialize_with = "lenient")]
    public: Option<bool>,
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
            public: wire.public.unwrap_or(true),
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
    #[serde(default, deserialize_with = "lenient")]
    absolute: Absolute,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Absolute {
    #[serde(default, deserialize_with = "number")]
    total_instances_used: i64,
    #[serde(default, deserialize_with = "maybe_number")]
    max_total_instances: Option<i64>,
    #[serde(default, deserialize_with = "number")]
    total_cores_used: i64,
    #[serde(default, deserialize_with = "maybe_number")]
    max_total_cores: Option<i64>,
    #[serde(default, rename = "totalRAMUsed", deserialize_with = "number")]
    total_ram_used: i64,
    #[serde(default, rename = "maxTotalRAMSize", deserialize_with = "maybe_number")]
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
