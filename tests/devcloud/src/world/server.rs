//! Servers: what they are, and what happens to them by themselves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    lab::Flavor,
    world::{Event, World, volume::NewVolume},
};

/// A server of Nova.
#[derive(Clone, Debug, Serialize)]
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
    /// The kernel starts, cloud-init never ends.
    pub never_boots: bool,
    /// cloud-init finds no data source.
    pub no_datasource: bool,
    /// cloud-init does not print the host keys.
    pub no_host_keys: bool,
    /// It stays in `deleting`.
    pub delete_sticks: bool,
    /// Its deletion fails once, with this text.
    pub delete_fails: Option<String>,
}

/// What a client reads when all hosts failed, whatever the cause.
pub(crate) fn exhausted(id: &str) -> String {
    format!(
        "Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance {id}."
    )
}

impl World {
    /// A server that is there, seen by id: one that is just gone is shown for a moment.
    pub fn server(&self, id: &str) -> Option<&Server> {
        self.servers.iter().find(|server| {
            server.id == id && server.deleted.is_none_or(|gone| self.now < gone + self.settings.deleted_shown)
        })
    }

    pub fn server_mut(&mut self, id: &str) -> Option<&mut Server> {
        self.servers.iter_mut().find(|server| server.id == id && server.deleted.is_none())
    }

    /// Takes a server into the database and starts to build it.
    pub fn arrive(&mut self, server: Server) {
        let (id, build) = (server.id.clone(), self.settings.server_build);
        let sticks = server.fate.sticks;
        self.servers.push(server);
        if sticks {
            return;
        }
        self.after((build / 8).min(std::time::Duration::from_millis(250)), Event::Schedule(id.clone()));
        self.after(self.settings.port_bind.min(build), Event::Bind(id.clone()));
        self.after(build / 2, Event::Attach(id.clone()));
        self.after(build, Event::Spawn(id));
    }

    fn building(&mut self, id: &str) -> Option<&mut Server> {
        self.server_mut(id).filter(|server| server.status == Status::Build && !server.doomed)
    }

    pub fn schedule(&mut self, id: &str) {
        let Some(server) = self.building(id) else { return };
        match server.fate.fault.clone().filter(|fault| fault.starts_with("No valid host")) {
            Some(fault) => self.fail(id, &fault),
            None => {
                server.scheduled = true;
                if !server.deleting {
                    server.task = Some("networking".into());
                }
            }
        }
    }

    /// The compute host takes the ports; it loses if another server was faster, and then wrecks the other's.
    pub fn bind(&mut self, id: &str) {
        let Some(server) = self.building(id) else { return };
        let (ports, networks) = (server.ports.clone(), server.networks.clone());
        let (project, zone) = (server.project.clone(), server.zone.clone());
        let owner = format!("compute:{}", zone.as_deref().unwrap_or("nova"));
        let lost = ports.iter().any(|port| {
            self.port(port).is_none_or(|port| !port.device_id.is_empty() && port.device_id != id)
        });
        if lost {
            if let Some(server) = self.server_mut(id) {
                server.doomed = true;
            }
            let wait = self.settings.port_loser.saturating_sub(self.settings.port_bind);
            self.after(wait, Event::Fail(id.into(), exhausted(id)));
            return;
        }
        let mut made = Vec::new();
        for wanted in networks {
            if let Some(mut port) = self.make_port(&project, &wanted.network, wanted.fixed_ip) {
                port.by_nova = true;
                made.push(port.id.clone());
                self.ports.push(port);
            }
        }
        for port in ports.iter().chain(&made) {
            if let Some(port) = self.port_mut(port) {
                port.device_id = id.into();
                port.device_owner.clone_from(&owner);
                port.status = "ACTIVE".into();
            }
        }
    }

    /// The compute host takes the volumes that were reserved and makes those that were not.
    pub fn attach(&mut self, id: &str) {
        let Some(server) = self.building(id) else { return };
        if !server.deleting {
            server.task = Some("block_device_mapping".into());
        }
        let (project, mapped) = (server.project.clone(), server.volumes.clone());
        for (at, wanted) in mapped.into_iter().enumerate() {
            if let Some((size, image)) = wanted.make.clone().filter(|_| wanted.volume.is_none()) {
                if let Some(refusal) = self.volume_refusal(&project, size) {
                    return self.fail(id, &format!("Build of instance {id} aborted: {refusal}"));
                }
                let name = if image.is_some() { String::new() } else { format!("{id}-blank-vol") };
                let new =
                    NewVolume { project: project.clone(), name, size, volume_type: None, zone: None, image };
                let volume = self.make_volume(new, BTreeMap::new());
                let broken =
                    self.volume(&volume).is_some_and(|volume| volume.fate.fails || volume.fate.sticks);
                let attachment = self.reserve(&volume, id, &wanted.device);
                if let Some(mapped) = self.server_mut(id).and_then(|server| server.volumes.get_mut(at)) {
                    mapped.volume = Some(volume.clone());
                    mapped.attachment = Some(attachment);
                }
                if broken {
                    self.set_volume(&volume, "error");
                    return self.fail(
                        id,
                        &format!(
                            "Build of instance {id} aborted: Volume {volume} did not finish being created even after \
                             we waited 3 seconds or 2 attempts. And its status is error."
                        ),
                    );
                }
            }
        }
        let claims = self.claims(id);
        for attachment in claims {
            match self.attachments.iter_mut().find(|known| known.id == attachment) {
                Some(attachment) => {
                    attachment.status = "attaching".into();
                    let volume = attachment.volume.clone();
                    self.set_volume(&volume, "attaching");
                }
                // Somebody freed the volume while the server was being made.
                None => return self.fail(id, &exhausted(id)),
            }
        }
        if let Some(server) = self.server_mut(id).filter(|server| !server.deleting) {
            server.task = Some("spawning".into());
        }
    }

    fn claims(&self, id: &str) -> Vec<String> {
        let mapped = self.servers.iter().filter(|server| server.id == id).flat_map(|server| &server.volumes);
        mapped.filter_map(|mapped| mapped.attachment.clone()).collect()
    }

    pub fn spawn(&mut self, id: &str) {
        let now = self.now;
        let Some(server) = self.building(id) else { return };
        if let Some(fault) = server.fate.fault.clone() {
            return self.fail(id, &fault);
        }
        server.status = Status::Active;
        server.updated = now;
        server.boots.push(now);
        if !server.deleting {
            server.task = None;
        }
        let deleting = server.deleting;
        for claim in self.claims(id) {
            if let Some(attachment) = self.attachments.iter_mut().find(|known| known.id == claim) {
                attachment.status = "attached".into();
                attachment.since = now;
                let volume = attachment.volume.clone();
                self.set_volume(&volume, "in-use");
            }
        }
        if deleting {
            self.start_vanishing(id);
        }
    }

    /// The build fails: ports of Nova go, ports made first are let go, volumes stay claimed until the server goes.
    pub fn fail(&mut self, id: &str, message: &str) {
        let now = self.now;
        let Some(server) = self.server_mut(id) else { return };
        server.status = Status::Error;
        server.fault = Some(message.into());
        server.updated = now;
        server.task = None;
        let (deleting, scheduled) = (server.deleting, server.scheduled);
        if scheduled {
            self.unplug(id);
        }
        if deleting {
            self.start_vanishing(id);
        }
    }
}
