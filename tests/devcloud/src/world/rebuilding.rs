//! How a server gets a new root disk: its volumes are taken from it and given back, and its ports stay.

use crate::world::{
    Event, World,
    server::{Server, Status},
};

impl World {
    /// The compute host begins.
    pub fn start_rebuilding(&mut self, id: &str) {
        let takes = self.settings.server_rebuild;
        self.after(takes / 4, Event::RebuildDetaches(id.into()));
        self.after(takes, Event::Rebuilt(id.into()));
    }

    fn rebuilding(&mut self, id: &str) -> Option<&mut Server> {
        self.server_mut(id).filter(|server| server.task.as_deref() == Some("rebuilding"))
    }

    /// Each volume has a new attachment, which claims it until the domain runs.
    pub fn rebuild_detaches(&mut self, id: &str) {
        let Some(server) = self.rebuilding(id) else { return };
        let mapped = server.volumes.clone();
        for (at, mapped) in mapped.into_iter().enumerate() {
            let (Some(volume), Some(attachment)) = (mapped.volume, mapped.attachment) else { continue };
            self.attachments.retain(|known| known.id != attachment);
            let claim = self.reserve(&volume, id, &mapped.device);
            if let Some(mapped) = self.server_mut(id).and_then(|server| server.volumes.get_mut(at)) {
                mapped.attachment = Some(claim);
            }
        }
    }

    pub fn rebuilt(&mut self, id: &str) {
        let now = self.now;
        let Some(server) = self.rebuilding(id) else { return };
        server.task = None;
        server.updated = now;
        if let Some(fault) = server.fate.rebuild_fails.take() {
            server.status = Status::Error;
            server.fault = Some(fault);
            server.image = server.image_before.take();
            return self.give_back(id);
        }
        server.fault = None;
        server.boots = vec![now];
        // From a volume: nothing is made anew.
        if server.image.is_some() {
            server.rebuilds += 1;
        }
        if server.status == Status::Error {
            server.status = Status::Active;
        }
        if !server.fate.rebuild_keeps_volumes {
            self.give_back(id);
        }
    }

    fn give_back(&mut self, id: &str) {
        let claims: Vec<String> = self
            .attachments
            .iter()
            .filter(|known| known.server == id && known.status == "reserved")
            .map(|known| known.id.clone())
            .collect();
        for claim in claims {
            self.attached(&claim);
        }
    }
}
