//! What a restore does to the clouds of the model: nothing but that what is there bears a UID that no longer lives.

use std::collections::BTreeSet;

use super::cloud::{Cloud, No};
use super::clouds::Clouds;
use super::world::{FORMER, UID};
use crate::reconcile::plan::Mark;
use crate::reconcile::state::{Kind, ServerState};
use crate::things::{Meta, Owner};

fn give(meta: &mut Meta, from: &str, to: &str) {
    if let Some(owner) = meta.owner.as_mut().filter(|owner| owner.uid == from) {
        owner.uid = to.into();
    }
}

impl Cloud {
    /// The node has another UID now.
    pub fn become_former(&mut self) {
        for machine in self.servers.values_mut() {
            give(&mut machine.shown.meta, UID, FORMER);
            if machine.shown.tagged.remove(UID) {
                machine.shown.tagged.insert(FORMER.into());
            }
        }
        self.volumes.values_mut().for_each(|(volume, _)| give(&mut volume.meta, UID, FORMER));
        self.floating_ips.values_mut().for_each(|ip| give(&mut ip.meta, UID, FORMER));
        self.ports.values_mut().for_each(|port| give(&mut port.meta, UID, FORMER));
    }

    /// Writes the node's UID into one mark.
    pub fn adopt(&mut self, kind: Kind, id: &str, mark: &Mark) -> Result<(), No> {
        let meta = match kind {
            Kind::Server => {
                let shown = &mut self.servers.get_mut(id).ok_or(No::NotFound)?.shown;
                if !matches!(shown.state, ServerState::Active | ServerState::Stopped) || shown.deleting {
                    return Err(No::Conflict);
                }
                match mark {
                    Mark::Tag => drop(shown.tagged.insert(UID.into())),
                    Mark::Untag(uid) => drop(shown.tagged.remove(uid)),
                    Mark::Owner => give(&mut shown.meta, FORMER, UID),
                }
                return Ok(());
            }
            Kind::Volume => &mut self.volumes.get_mut(id).ok_or(No::NotFound)?.0.meta,
            Kind::FloatingIp => &mut self.floating_ips.get_mut(id).ok_or(No::NotFound)?.meta,
            Kind::Port => &mut self.ports.get_mut(id).ok_or(No::NotFound)?.meta,
        };
        give(meta, FORMER, UID);
        Ok(())
    }

    /// Servers of a former UID.
    pub fn former_servers(&self) -> BTreeSet<String> {
        let former = self.servers.values().filter(|machine| machine.shown.meta.is_of(FORMER));
        former.map(|machine| machine.shown.meta.id.clone()).collect()
    }

    /// What is left is one server that runs, with no volume or port twice, and nothing of it goes.
    fn is_whole(&self) -> bool {
        let ours = |owner: &&Owner| [UID, FORMER].contains(&owner.uid.as_str());
        let servers: Vec<_> = self.servers.values().map(|machine| &machine.shown).collect();
        let servers: Vec<_> =
            servers.into_iter().filter(|shown| shown.meta.owner.as_ref().is_some_and(|o| ours(&o))).collect();
        let volumes = self.volumes.values().map(|(volume, _)| volume);
        let volumes: Vec<_> =
            volumes.filter(|volume| volume.meta.owner.as_ref().is_some_and(|o| ours(&o))).collect();
        let names: BTreeSet<_> =
            volumes.iter().map(|v| (v.meta.owner.as_ref().and_then(|o| o.attempt), v.key.clone())).collect();
        let ports = self.ports.values().filter(|port| port.meta.owner.as_ref().is_some_and(|o| ours(&o)));
        let ports: Vec<_> = ports.map(|p| (p.meta.owner.as_ref().and_then(|o| o.attempt), p.index)).collect();
        let indexes: BTreeSet<_> = ports.iter().collect();
        let runs = matches!(servers.as_slice(), [one] if one.state == ServerState::Active && !one.deleting);
        let stays = volumes.iter().all(|volume| !crate::things::Thing::is_leaving(*volume));
        runs && stays && names.len() == volumes.len() && indexes.len() == ports.len()
    }
}

impl Clouds {
    /// There is one former machine that can be adopted whole.
    pub fn former_is_whole(&self) -> bool {
        let mut used = self.values().filter(|cloud| cloud.has_any(FORMER) || cloud.has_any(UID));
        used.next().is_some_and(Cloud::is_whole) && used.next().is_none()
    }
}
