//! How a server comes to be: scheduled, bound to its ports, given its volumes, run; or not.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::world::{
    Event, World,
    server::{Server, Status},
    volume::NewVolume,
};

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
        let turn = self.building_place(build);
        let sticks = server.fate.sticks;
        self.servers.push(server);
        if sticks {
            return;
        }
        self.after(turn + (build / 8).min(Duration::from_millis(250)), Event::Schedule(id.clone()));
        self.after(turn + self.settings.port_bind.min(build), Event::Bind(id.clone()));
        self.after(turn + build / 2, Event::Attach(id.clone()));
        self.after(turn + build, Event::Spawn(id));
    }

    /// How long a server waits until one of the places in which servers are built is free; it takes it.
    fn building_place(&mut self, build: Duration) -> Duration {
        let (now, places) = (self.now, self.settings.builds_at_once);
        self.building_until.retain(|until| *until > now);
        self.building_until.sort();
        // As many as there are places build now; whoever comes after them waits for the first that ends.
        let begins = match self.building_until.len().checked_sub(places) {
            Some(before) if places > 0 => self.building_until.get(before).copied().unwrap_or(now),
            Some(_) | None => now,
        };
        self.building_until.push(begins + build);
        begins - now
    }

    /// No further server is built now.
    pub(crate) fn is_busy(&self) -> bool {
        let places = self.settings.builds_at_once;
        let builds = |server: &&Server| server.status == Status::Build && server.deleted.is_none();
        self.settings.refuses_beyond && places > 0 && self.servers.iter().filter(builds).count() >= places
    }

    fn building(&mut self, id: &str) -> Option<&mut Server> {
        self.server_mut(id).filter(|server| server.status == Status::Build && !server.doomed)
    }

    pub fn schedule(&mut self, id: &str) {
        let Some(server) = self.building(id) else { return };
        if let Some(fault) = server.fate.fault.clone().filter(|fault| fault.starts_with("No valid host")) {
            return self.fail(id, &fault);
        }
        server.scheduled = true;
        if !server.deleting {
            server.task = Some("networking".into());
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
