//! Servers: what they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::lab::Flavor;

/// A server of Nova.
#[derive(Clone, Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Server {
    /// Its id.
    pub id: String,
    /// The project it belongs to.
    pub project: String,
    /// Its name.
    pub name: String,
    /// Its hostname, one label.
    pub hostname: String,
    /// Its status.
    pub status: Status,
    /// What is being done to it.
    pub task: Option<String>,
    /// Its flavor.
    pub flavor: Flavor,
    /// Its image's id; none when booted from a volume.
    pub image: Option<String>,
    /// The image that it had before it was rebuilt last.
    pub image_before: Option<String>,
    /// Its metadata.
    pub metadata: BTreeMap<String, String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its key pair.
    pub key_name: Option<String>,
    /// Its user data, as it was sent: base64.
    pub user_data: Option<String>,
    /// The availability zone that was asked for.
    pub zone: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// What the scheduler was told.
    pub hints: serde_json::Value,
    /// The minor part of the microversion that it was created with: 90 is 2.90.
    pub microversion: u32,
    /// Whether it has a config drive.
    pub config_drive: bool,
    /// Names of its security groups.
    pub security_groups: Vec<String>,
    /// Why it is in ERROR.
    pub fault: Option<String>,
    /// Whether the scheduler found it a host.
    pub scheduled: bool,
    /// Ports that were made first; they outlive it.
    pub ports: Vec<String>,
    /// Networks in which Nova makes a port.
    pub networks: Vec<WantedPort>,
    /// Its volumes.
    pub volumes: Vec<Mapped>,
    /// Asked to go.
    pub deleting: bool,
    /// It lost a port to another server and will fail.
    pub doomed: bool,
    /// What it will go through.
    pub fate: ServerFate,
    /// What was done to it, newest last: action, and `Error` or nothing.
    pub actions: Vec<(String, Option<String>)>,
    /// When it was made.
    #[serde(skip)]
    pub created: Instant,
    /// When it last changed.
    #[serde(skip)]
    pub updated: Instant,
    /// When its guest was started, each time since the last rebuild.
    #[serde(skip)]
    pub boots: Vec<Instant>,
    /// How often it was rebuilt: a new disk has new host keys.
    pub rebuilds: u32,
    /// When it was gone.
    #[serde(skip)]
    pub deleted: Option<Instant>,
}

/// A port that Nova makes when it builds.
#[derive(Clone, Debug, Serialize)]
pub struct WantedPort {
    /// The network.
    pub network: String,
    /// The address that was asked for.
    pub fixed_ip: Option<std::net::Ipv4Addr>,
}

/// A volume in a server's block device mapping.
#[derive(Clone, Debug, Serialize)]
pub struct Mapped {
    /// The volume; none until Nova has made it.
    pub volume: Option<String>,
    /// The attachment; none until Nova has made it.
    pub attachment: Option<String>,
    /// Size and image of a volume that Nova makes.
    pub make: Option<(i64, Option<String>)>,
    /// Whether it goes with the server.
    pub delete_on_termination: bool,
    /// As in `/dev/vdb`.
    pub device: String,
}

/// A server's status.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Being built.
    Build,
    /// Running.
    Active,
    /// Stopped.
    Shutoff,
    /// Broken.
    Error,
    /// Deleted, and kept for a while.
    SoftDeleted,
    /// Gone.
    Deleted,
}

impl Status {
    /// The word of the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Build => "BUILD",
            Self::Active => "ACTIVE",
            Self::Shutoff => "SHUTOFF",
            Self::Error => "ERROR",
            Self::SoftDeleted => "SOFT_DELETED",
            Self::Deleted => "DELETED",
        }
    }
}

/// What goes wrong with a server.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that can go wrong, in any combination")]
pub struct ServerFate {
    /// It goes to ERROR with this text: when it is scheduled if the text begins with `No valid host`, else when it
    /// would have become ACTIVE.
    pub fault: Option<String>,
    /// It stays in BUILD/scheduling.
    pub sticks: bool,
    /// The guest never says anything.
    pub no_console: bool,
    /// No port of the guest answers. For whoever dials: the cloud itself carries no packets.
    pub no_answer: bool,
    /// Its sshd shows another host key than the console.
    pub other_host_key: bool,
    /// Its sshd refuses connections until so many seconds after the boot began.
    pub sshd_takes: u64,
    /// The guest says this once it is up, and nothing else: an image of another kind.
    pub console: Option<String>,
    /// Lines that the guest says before cloud-init's last stage, as of a unit that failed.
    pub says: Vec<String>,
    /// The kernel starts, cloud-init never ends.
    pub never_boots: bool,
    /// cloud-init finds no data source.
    pub no_datasource: bool,
    /// cloud-init does not print the host keys.
    pub no_host_keys: bool,
    /// Its next rebuild ends in ERROR with this text, and with the image that it had.
    pub rebuild_fails: Option<String>,
    /// Its rebuilds end in ACTIVE, and its volumes stay `reserved`.
    pub rebuild_keeps_volumes: bool,
    /// It stays in `deleting`.
    pub delete_sticks: bool,
    /// Cinder was away when it went, and did not hear of it: its volumes stay in use, and are not deleted with it.
    pub keeps_volumes: bool,
    /// Its deletion fails once, with this text.
    pub delete_fails: Option<String>,
}
