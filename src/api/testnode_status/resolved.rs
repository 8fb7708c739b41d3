//! What a node's wishes came to when an attempt began. The attempt is held to it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::common::{FloatingIpPolicy, Os, ReadinessCheck, Timeouts};
use crate::api::hold::OnFailure;
use crate::api::server::ResolvedServer;

/// What machine type and spec came to in one cloud. The creates use exactly this.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    /// The flavor.
    pub flavor: ResolvedFlavor,
    /// The image.
    pub image: ResolvedImage,
    /// The networks, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<ResolvedNetwork>,
    /// What the floating IP comes to, where the policy is not `None`.
    #[serde(default, rename = "floatingIP", skip_serializing_if = "Option::is_none")]
    pub floating_ip: Option<ResolvedFloatingIp>,
    /// Ids of the ports' security groups; empty means the project's default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security_groups: Vec<String>,
    /// The volumes, in order; first the one to boot from, if there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<ResolvedVolume>,
    /// Volumes that exist and are only attached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub existing_volumes: Vec<ExistingVolume>,
    /// What the server's own disk is called in the machine, where `blockDevices` says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_device: Option<String>,
    /// The Nova key pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
    /// The operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<Os>,
    /// What the attempt takes from the machine type beside that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_type: Option<ResolvedMachineType>,
    /// What Nova is told of the server beside that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ResolvedServer>,
    /// Why these were chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What the machine type said when the attempt was opened. An edit counts for the next attempt.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedMachineType {
    /// What must be true before a node without `spec.readiness` is Ready.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub readiness: Vec<ReadinessCheck>,
    /// What to do with a machine whose launch failed, if its node does not say.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// How long each phase may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Attempts per cloud in this round.
    pub launch_retries: i64,
    /// SHA-256 of the machine type's part of the user data. That part is read only when the server is created: if it
    /// has another digest by then, the attempt ends as `MachineTypeChanged`.
    pub user_data_digest: String,
}

/// A flavor that was chosen.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedFlavor {
    /// Nova's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Virtual CPUs.
    pub vcpus: i64,
    /// Memory in MiB.
    #[serde(rename = "ramMiB")]
    pub ram_mib: i64,
    /// Root disk in GiB.
    #[serde(rename = "diskGiB")]
    pub disk_gib: i64,
}

/// An image that was chosen.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedImage {
    /// Glance's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The user to log in as, where the machine type says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The MachineImage that it is a version of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_image: Option<String>,
    /// The digest of the file that it was made from, as its publisher gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// A network that was chosen.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedNetwork {
    /// Neutron's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The addresses asked for.
    #[serde(default, rename = "fixedIPs", skip_serializing_if = "Vec::is_empty")]
    pub fixed_ips: Vec<String>,
    /// Whether Neutron is told to hold the port to its addresses and groups, or not to; absent: as the network has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_security: Option<bool>,
    /// Ids of this port's own security groups; empty means those of all ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security_groups: Vec<String>,
    /// The port to use; one is made if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<ExistingPort>,
}

/// A port that exists and is only used.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExistingPort {
    /// Neutron's id.
    pub id: String,
    /// Its addresses, as they were when the attempt began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// Its hardware address.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mac: String,
}

/// A volume that exists and is only attached.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExistingVolume {
    /// Cinder's id.
    pub id: String,
    /// What it is called in the machine.
    pub device_name: String,
    /// Its place in the order of booting.
    pub boot_index: i64,
}

impl Resolved {
    /// Ids of what exists and is only used: no two machines can.
    pub fn existing(&self) -> impl Iterator<Item = &String> {
        let ports = self.networks.iter().filter_map(|network| network.port.as_ref());
        ports.map(|port| &port.id).chain(self.existing_volumes.iter().map(|volume| &volume.id))
    }

    /// The server boots from a volume.
    #[must_use]
    pub fn boots_from_volume(&self) -> bool {
        let made = self.volumes.iter().filter_map(|volume| volume.boot_index);
        made.chain(self.existing_volumes.iter().map(|volume| volume.boot_index)).any(|index| index == 0)
    }

    /// Ids of the security groups of the port on one of the networks; empty where it has none, or the project's default.
    #[must_use]
    pub fn security_groups_on<'a>(&'a self, network: &'a ResolvedNetwork) -> &'a [String] {
        match network.security_groups.as_slice() {
            _ if network.port_security == Some(false) => &[],
            [] => &self.security_groups,
            own => own,
        }
    }
}

/// What becomes of a machine's floating IP.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedFloatingIp {
    /// `IfNeeded` or `Always`.
    pub policy: FloatingIpPolicy,
    /// Where it is made; absent if the machine is to have none.
    #[serde(default, rename = "from", skip_serializing_if = "Option::is_none")]
    pub pool: Option<FloatingIpPool>,
}

/// Where a floating IP comes from, and where it leads to.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FloatingIpPool {
    /// Neutron's id of the external network.
    pub id: String,
    /// Its name.
    pub name: String,
    /// To which of the networks it leads, counted from 0.
    pub network: i64,
}

/// A volume to be made.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedVolume {
    /// Which of the node's volumes: `osd-0`; `boot` is the boot volume; one of `blockDevices` has the name of its device.
    pub name: String,
    /// Size in GiB.
    #[serde(rename = "sizeGiB")]
    pub size_gib: i64,
    /// Cinder volume type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The image that it is made of, by Glance's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The snapshot that it is made of, by Cinder's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// What it is called in the machine, where `blockDevices` says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    /// Its place in the order of booting; `0`: the server boots from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_index: Option<i64>,
    /// Cinder's availability zone, where the Cloud's `volumeZones` says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}
