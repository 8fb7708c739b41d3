//! What there is of a machine: facts for reading.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The Nova server of a node.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerFacts {
    /// Nova's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Nova's word for its state.
    pub status: String,
    /// The host, hashed by Nova for the project.
    #[serde(default, rename = "hostID", skip_serializing_if = "Option::is_none")]
    pub host_id: Option<String>,
    /// Where it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
    /// When Nova made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
}

/// An address of a machine.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddressFacts {
    /// The address.
    pub address: String,
    /// 4 or 6.
    pub version: i32,
    /// Name of the network.
    pub network: String,
    /// `fixed` or `floating`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A Cinder volume of a node.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeFacts {
    /// Which of the node's volumes: `osd-0`.
    pub name: String,
    /// Cinder's id.
    pub id: String,
    /// Cinder's word for its state.
    pub status: String,
    /// The device Cinder was told; the guest may see another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The serial number of the disk, as `lsblk -o SERIAL` shows it in the guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Where the guest finds the disk, whatever its order, if it is a virtio disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A Neutron port of a node.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PortFacts {
    /// Neutron's id.
    pub id: String,
    /// Neutron's id of the network.
    pub network: String,
    /// Its addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// Its hardware address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
}

/// A floating IP of Neutron.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FloatingIpFacts {
    /// Neutron's id.
    pub id: String,
    /// The address.
    pub address: String,
    /// Neutron's id of the port that it leads to.
    pub port: String,
}

/// What a node holds in DNS.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsFacts {
    /// The full name that is claimed.
    pub name: String,
    /// Every address that was or may have been set under it. Written before the request that sets it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// Addresses that were withdrawn. A request that was sent long ago may set one of them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<String>,
    /// When the authority was last seen to say what it should.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Time>,
}

/// One boot of one server: what a guest says of itself belongs to it, and to no other.
///
/// A reboot is no boot in this sense: the disk stays, and with it all that the guest said.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BootId {
    /// Nova's id of the server.
    pub server: String,
    /// Counts from 1 how often the root disk of the server was made: a rebuild makes it again.
    pub number: i64,
}

/// How to log in to a machine.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SshFacts {
    /// The image's user, where the machine type names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The port.
    pub port: i32,
    /// The boot in which the machine showed the host keys. Other keys replace them only with another boot, or if the console
    /// shows them after all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<BootId>,
    /// Lines for `known_hosts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_keys: Vec<String>,
    /// How they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_keys_from: Option<KeySource>,
}

/// How host keys are known.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum KeySource {
    /// The machine printed them on its console, which nobody between us and the machine can alter.
    #[default]
    Console,
    /// The readiness check `ssh` saw it first in the network, when no key was known: somebody between the
    /// operator and the machine may have shown it.
    FirstSeen,
}
