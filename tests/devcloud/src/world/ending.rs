//! How a server goes.

use crate::world::{
    Event, World,
    server::{Server, Status},
};

/// Whether a soft delete is wanted where the cloud has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Force {
    Yes,
    No,
}

impl World {
    /// Asks a server to go. One that was never scheduled is gone at once; one that builds finishes building first.
    pub fn delete_server(&mut self, id: &str, force: Force) {
        let (now, soft) = (self.now, self.settings.soft_delete && force == Force::No);
        let Some(server) = self.server_mut(id) else { return };
        if soft && matches!(server.status, Status::Active | Status::Shutoff | Status::SoftDeleted) {
            server.status = Status::SoftDeleted;
            server.updated = now;
            return;
        }
        if server.deleting {
            return;
        }
        server.deleting = true;
        server.updated = now;
        server.task = Some("deleting".into());
        server.actions.push(("delete".into(), None));
        let waits = server.status == Status::Build && server.scheduled;
        if !waits {
            self.start_vanishing(id);
        }
    }

    pub fn start_vanishing(&mut self, id: &str) {
        let delay = self.settings.server_delete;
        let Some(server) = self.server_mut(id) else { return };
        server.task = Some("deleting".into());
        if server.fate.delete_sticks {
            return;
        }
        if let Some(message) = server.fate.delete_fails.take() {
            return self.after(delay, Event::DeleteFails(id.into(), message));
        }
        if !server.scheduled {
            return self.vanish(id);
        }
        self.after(delay / 2, Event::Unplug(id.into()));
        self.after(delay, Event::Vanish(id.into()));
    }

    pub fn delete_fails(&mut self, id: &str, message: String) {
        if let Some(server) = self.server_mut(id) {
            server.status = Status::Error;
            server.fault = Some(message);
            server.task = None;
            server.deleting = false;
        }
    }

    /// Lets go of the ports: those of Nova are deleted, the others are unbound, whoever has them by now.
    pub fn unplug(&mut self, id: &str) {
        let ours: Vec<_> = self
            .ports
            .iter()
            .filter(|port| port.by_nova && port.device_id == id)
            .map(|port| port.id.clone())
            .collect();
        for port in ours {
            self.drop_port(&port);
        }
        let server = self.servers.iter().find(|server| server.id == id);
        let wrecks = server.is_some_and(|server| server.doomed);
        let given = server.map(|server| server.ports.clone()).unwrap_or_default();
        for port in given {
            if wrecks || self.port(&port).is_some_and(|port| port.device_id == id) {
                self.unbind(&port);
            }
        }
        if let Some(server) = self.server_mut(id) {
            server.doomed = false;
        }
    }

    pub fn vanish(&mut self, id: &str) {
        let now = self.now;
        self.unplug(id);
        let Some(server) = self.server_mut(id) else { return };
        server.status = Status::Deleted;
        server.task = None;
        server.deleted = Some(now);
        server.updated = now;
        let volumes = if server.fate.keeps_volumes { Vec::new() } else { server.volumes.clone() };
        for mapped in volumes {
            if let Some(attachment) = &mapped.attachment {
                self.detach(attachment);
            }
            // Nova asks Cinder to delete it, and goes on if Cinder refuses.
            let may_go = |id: &String| self.volume(id).is_some_and(|volume| !volume.fate.has_snapshot);
            if let Some(volume) = mapped.volume.filter(|_| mapped.delete_on_termination).filter(may_go) {
                self.drop_volume(&volume);
            }
        }
    }

    /// The servers of a project that are not gone.
    pub fn living(&self, project: &str) -> impl Iterator<Item = &Server> {
        self.servers.iter().filter(move |server| server.deleted.is_none() && server.project == project)
    }
}
