//! One cloud: what is really there, and what its services answer. Slow, forgetful and odd as `OpenStack` is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::scenario::{MINUTE, SECOND};
use super::things;
use crate::reconcile::state::{Fault, ServerState, Verdict, VolumeState};
use crate::things::{FloatingIp, Kind, Owner, Port, Server, Volume};

/// A cloud.
#[derive(Debug, Default)]
pub struct Cloud {
    /// Distinguishes its addresses from another's.
    pub octet: u8,
    /// All servers.
    pub servers: BTreeMap<String, Machine>,
    /// All volumes, and what reserves or holds them: attachment and server.
    pub volumes: BTreeMap<String, (Volume, Option<Attachment>)>,
    /// All floating IPs.
    pub floating_ips: BTreeMap<String, FloatingIp>,
    /// All ports.
    pub ports: BTreeMap<String, Port>,
    /// It answers nothing until then.
    pub away_until: u64,
    /// Lists leave out the servers that there were when the cell went down, until then.
    pub cell_down: (u64, BTreeSet<String>),
    /// It has no room until then.
    pub full_until: u64,
    /// As many servers as may be are made there until then.
    pub busy_until: u64,
    /// It keeps for a while what is deleted.
    pub soft_delete: bool,
    /// Until then nothing that is deleted goes.
    pub sticks_until: u64,
    /// Addresses of our ports that a stranger deleted.
    pub robbed: BTreeSet<IpAddr>,
}

/// A server, and what its create mapped.
#[derive(Clone, Debug)]
pub struct Machine {
    /// As it is shown.
    pub shown: Server,
    /// Mapped volumes.
    pub volumes: Vec<String>,
    /// Its ports.
    pub ports: Vec<String>,
    /// When its guest has booted.
    pub booted_at: Option<u64>,
    /// By number: how often Nova began to rebuild it.
    pub rebuilds: BTreeMap<i64, u32>,
}

/// What holds a volume.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// Cinder's id.
    pub id: String,
    /// Nova's; `None` while, or because, the server was never made.
    pub server: Option<String>,
}

/// Something that happens in a cloud by itself.
#[derive(Clone, Debug)]
pub enum Effect {
    /// The second half of `POST /servers`.
    Appears(Order),
    /// A server becomes ACTIVE; its guest needs so long to boot.
    Active(String, u64),
    /// A build fails.
    Fails(String, Verdict),
    /// A rebuild is done; its guest needs so long to boot.
    Rebuilt(String, u64),
    /// A rebuild fails: with the new metadata, and the old image.
    NotRebuilt(String, String),
    /// The compute host binds the ports.
    Binds(String),
    /// A deletion of a server is done.
    Gone(String),
    /// A deletion of a server has failed.
    Stays(String),
    /// A server is kept for a while.
    Kept(String),
    /// A volume is made, or not.
    Made(String, VolumeState),
    /// A volume is deleted, or not; not is mended by an administrator.
    Erased(String, bool),
}

/// What `POST /servers` has promised.
#[derive(Clone, Debug)]
pub struct Order {
    /// Whose.
    pub owner: Owner,
    /// Mapped volumes.
    pub volumes: Vec<String>,
    /// Its ports.
    pub ports: Vec<String>,
}

/// A refusal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum No {
    /// 404.
    NotFound,
    /// The state of something forbids it: look again.
    Conflict,
    /// No router leads there.
    Unrouted,
    /// It means something for an attempt.
    Because(Verdict),
}

impl Cloud {
    /// Another node of ours has a server, a volume and a port here too.
    pub fn neighbour(&mut self) {
        let owner = Owner { uid: "u-2".into(), attempt: Some(1) };
        let order = Order { owner: owner.clone(), volumes: Vec::new(), ports: Vec::new() };
        self.appears("s-other", order, 0);
        let (id, state) = ("v-other".to_owned(), VolumeState::Available);
        let volume = things::volume(&id, owner.clone(), "osd-0", state, 0);
        self.volumes.insert(id, (volume, None));
        let port = things::port("p-other", owner, 0, self.free_address());
        self.ports.insert("p-other".into(), port);
    }

    /// The lowest free address: what is freed is soon somebody else's.
    pub fn free_address(&self) -> IpAddr {
        let taken: BTreeSet<IpAddr> = self.ports.values().map(things::address).collect();
        let all = (2..=250).map(|last| IpAddr::V4(Ipv4Addr::new(10, 0, self.octet, last)));
        all.into_iter().find(|address| !taken.contains(address)).unwrap()
    }

    /// The lowest free address outside.
    pub fn free_outside(&self) -> IpAddr {
        let taken: BTreeSet<IpAddr> = self.floating_ips.values().filter_map(|ip| ip.address).collect();
        let all = (2..=250).map(|last| IpAddr::V4(Ipv4Addr::new(198, 18, self.octet, last)));
        all.into_iter().find(|address| !taken.contains(address)).unwrap()
    }

    /// A port takes one floating IP.
    pub fn leads_to(&self, port: &str) -> Option<&FloatingIp> {
        self.floating_ips.values().find(|ip| ip.port.as_deref() == Some(port))
    }

    /// Deletes a port. Its floating IP stays, and leads nowhere.
    pub fn delete_port(&mut self, id: &str) -> Option<Port> {
        let port = self.ports.remove(id)?;
        for ip in self.floating_ips.values_mut().filter(|ip| ip.port.as_deref() == Some(id)) {
            ip.port = None;
        }
        Some(port)
    }

    /// The first half of `POST /servers`: volumes are reserved inside it, in order, and stay so when it fails.
    pub fn reserve(&mut self, order: &Order, serial: u64, breaks: bool) -> Result<(), No> {
        for port in &order.ports {
            if self.ports.get(port).ok_or(No::Conflict)?.device.is_some() {
                return Err(No::Conflict);
            }
        }
        for id in &order.volumes {
            let (volume, held) = self.volumes.get_mut(id).ok_or(No::Conflict)?;
            if volume.state != VolumeState::Available {
                return Err(No::Conflict);
            }
            volume.state = VolumeState::Reserved;
            *held = Some(Attachment { id: format!("a{serial}-{id}"), server: None });
        }
        if breaks { Err(No::Because(Verdict::Passing)) } else { Ok(()) }
    }

    /// One server more.
    pub fn appears(&mut self, id: &str, order: Order, now: u64) {
        for volume in &order.volumes {
            if let Some((volume, held)) = self.volumes.get_mut(volume) {
                volume.state = VolumeState::Reserved;
                *held = Some(Attachment { id: format!("b-{id}"), server: Some(id.to_owned()) });
            }
        }
        let shown = things::server(id, order.owner, order.volumes.clone(), now);
        let machine = Machine {
            shown,
            volumes: order.volumes,
            ports: order.ports,
            booted_at: None,
            rebuilds: BTreeMap::new(),
        };
        self.servers.insert(id.to_owned(), machine);
    }

    /// What an effect brings about, and what follows it later.
    pub fn happens(&mut self, effect: &Effect, now: u64) -> Option<(u64, Effect)> {
        match effect {
            Effect::Appears(_) => {}
            Effect::Active(id, boot) => self.active(id, now + boot),
            Effect::Fails(id, verdict) => self.fails(id, *verdict),
            Effect::Rebuilt(id, boot) => self.rebuilt(id, now + boot),
            Effect::NotRebuilt(id, image) => {
                let machine =
                    self.servers.get_mut(id).filter(|m| m.shown.state == ServerState::Rebuilding)?;
                machine.shown.state = ServerState::Error;
                machine.shown.image = Some(image.clone());
                let message = "No valid host was found. ".into();
                machine.shown.fault = Some(Fault { verdict: Verdict::Capacity, message });
                self.give_back(id);
            }
            Effect::Binds(id) => {
                let ports = self.servers.get(id)?.ports.clone();
                let bound = |port: &Port| port.device.as_ref().is_some_and(|device| device != id);
                if ports.iter().any(|port| self.ports.get(port).is_none_or(bound)) {
                    // Its clean-up unbinds the winner's port.
                    self.unbind(&ports);
                    self.fails(id, Verdict::Passing);
                    return None;
                }
                for port in ports {
                    self.ports.get_mut(&port)?.device = Some(id.clone());
                }
            }
            Effect::Gone(id) => return self.gone(id, now),
            Effect::Stays(id) => {
                let machine = self.servers.get_mut(id)?;
                machine.shown.deleting = false;
                machine.shown.state = ServerState::Error;
            }
            Effect::Kept(id) => {
                let machine = self.servers.get_mut(id)?;
                machine.shown.deleting = false;
                machine.shown.state = ServerState::SoftDeleted;
            }
            Effect::Made(id, state) => {
                let (volume, _) = self.volumes.get_mut(id)?;
                if volume.state == VolumeState::Creating {
                    volume.state = *state;
                }
            }
            Effect::Erased(id, true) => {
                self.volumes.remove(id);
            }
            Effect::Erased(id, false) => {
                let (volume, _) = self.volumes.get_mut(id)?;
                let stuck = volume.state == VolumeState::ErrorDeleting;
                volume.state = if stuck { VolumeState::Error } else { VolumeState::ErrorDeleting };
                return (!stuck).then(|| (now + 5 * MINUTE, effect.clone()));
            }
        }
        None
    }

    fn active(&mut self, id: &str, booted_at: u64) {
        let Some(machine) = self.servers.get_mut(id).filter(|m| m.shown.state == ServerState::Building)
        else {
            return;
        };
        machine.shown.state = ServerState::Active;
        machine.booted_at = Some(booted_at);
        for volume in &machine.volumes {
            if let Some((volume, _)) = self.volumes.get_mut(volume) {
                volume.state = VolumeState::Attached;
                volume.servers = vec![id.to_owned()];
            }
        }
    }

    /// `POST /servers/ID/action` with `rebuild`: one database update that demands that nothing else is done to it. Returns the
    /// image that it had.
    pub fn rebuild(&mut self, id: &str, number: i64, image: &str) -> Result<String, No> {
        let machine = self.servers.get_mut(id).ok_or(No::NotFound)?;
        let able =
            matches!(machine.shown.state, ServerState::Active | ServerState::Error | ServerState::Stopped);
        if !able || machine.shown.deleting {
            return Err(No::Conflict);
        }
        *machine.rebuilds.entry(number).or_default() += 1;
        machine.shown.boot = number;
        machine.shown.state = ServerState::Rebuilding;
        machine.booted_at = None;
        for volume in &machine.volumes {
            if let Some((volume, _)) =
                self.volumes.get_mut(volume).filter(|(v, _)| v.state == VolumeState::Attached)
            {
                volume.state = VolumeState::Reserved;
                volume.servers.clear();
            }
        }
        Ok(machine.shown.image.replace(image.to_owned()).unwrap_or_default())
    }

    fn rebuilt(&mut self, id: &str, booted_at: u64) {
        let Some(machine) = self.servers.get_mut(id).filter(|m| m.shown.state == ServerState::Rebuilding)
        else {
            return;
        };
        machine.shown.state = ServerState::Active;
        machine.booted_at = Some(booted_at);
        self.give_back(id);
    }

    /// The volumes of a server are on it again.
    fn give_back(&mut self, id: &str) {
        let Some(machine) = self.servers.get(id) else { return };
        for volume in machine.volumes.clone() {
            if let Some((volume, _)) =
                self.volumes.get_mut(&volume).filter(|(v, _)| v.state == VolumeState::Reserved)
            {
                volume.state = VolumeState::Attached;
                volume.servers = vec![id.to_owned()];
            }
        }
    }

    fn fails(&mut self, id: &str, verdict: Verdict) {
        let Some(machine) = self.servers.get_mut(id).filter(|m| m.shown.state == ServerState::Building)
        else {
            return;
        };
        machine.shown.state = ServerState::Error;
        machine.shown.fault = Some(Fault { verdict, message: "No valid host was found. ".into() });
        let (volumes, ports) = (machine.volumes.clone(), machine.ports.clone());
        self.unbind_from(id, &ports);
        if verdict == Verdict::Passing {
            for volume in volumes {
                if let Some((volume, held)) = self.volumes.get_mut(&volume) {
                    volume.state = VolumeState::Available;
                    *held = None;
                }
            }
        }
    }

    fn unbind(&mut self, ports: &[String]) {
        for port in ports {
            if let Some(port) = self.ports.get_mut(port) {
                port.device = None;
            }
        }
    }

    fn unbind_from(&mut self, id: &str, ports: &[String]) {
        for port in ports {
            if let Some(port) = self.ports.get_mut(port).filter(|p| p.device.as_deref() == Some(id)) {
                port.device = None;
            }
        }
    }

    /// A server takes along what was mapped to be deleted with it.
    fn gone(&mut self, id: &str, now: u64) -> Option<(u64, Effect)> {
        let machine = self.servers.remove(id)?;
        self.unbind_from(id, &machine.ports);
        let mut last = None;
        for volume in &machine.volumes {
            let Some((shown, held)) = self.volumes.get_mut(volume) else { continue };
            if held.as_ref().is_some_and(|held| held.server.as_deref() == Some(id)) {
                *held = None;
                shown.servers.clear();
                // Nova asks Cinder for the first and then dies: the rest stays.
                if last.is_none() {
                    shown.state = VolumeState::Deleting;
                    last = Some((now + SECOND, Effect::Erased(volume.clone(), true)));
                } else {
                    shown.state = VolumeState::Available;
                }
            }
        }
        last
    }

    /// `DELETE` of a volume, which goes in a moment.
    pub fn delete_volume(&mut self, id: &str) -> Result<(), No> {
        let (volume, _) = self.volumes.get_mut(id).ok_or(No::NotFound)?;
        match volume.state {
            VolumeState::Available | VolumeState::Error => {
                volume.state = VolumeState::Deleting;
                Ok(())
            }
            VolumeState::Creating
            | VolumeState::Reserved
            | VolumeState::Attached
            | VolumeState::Deleting
            | VolumeState::ErrorDeleting
            | VolumeState::Other => Err(No::Conflict),
        }
    }

    /// `DELETE` of an attachment. It works while a `POST /servers` that made it is in flight.
    pub fn free_volume(&mut self, id: &str, attachment: &str) -> Result<(), No> {
        let (volume, held) = self.volumes.get_mut(id).ok_or(No::NotFound)?;
        if held.as_ref().is_none_or(|held| held.id != attachment) {
            return Err(No::NotFound);
        }
        *held = None;
        volume.state = VolumeState::Available;
        Ok(())
    }

    /// Attachments of a volume whose server does not exist.
    pub fn loose(&self, id: &str) -> Vec<String> {
        let held = self.volumes.get(id).and_then(|(_, held)| held.as_ref());
        let loose = held.filter(|held| held.server.as_ref().is_none_or(|s| !self.servers.contains_key(s)));
        loose.map(|held| held.id.clone()).into_iter().collect()
    }

    /// Whose everything is.
    pub fn owners(&self) -> impl Iterator<Item = &Owner> {
        let servers = self.servers.values().filter_map(|machine| machine.shown.meta.owner.as_ref());
        let volumes = self.volumes.values().filter_map(|(volume, _)| volume.meta.owner.as_ref());
        let ports = self.ports.values().filter_map(|port| port.meta.owner.as_ref());
        let floating = self.floating_ips.values().filter_map(|ip| ip.meta.owner.as_ref());
        servers.chain(volumes).chain(floating).chain(ports)
    }

    /// Whose a thing is.
    pub fn owner(&self, id: &str) -> Option<&Owner> {
        let server = || self.servers.get(id).and_then(|machine| machine.shown.meta.owner.as_ref());
        let volume = || self.volumes.get(id).and_then(|(volume, _)| volume.meta.owner.as_ref());
        let port = || self.ports.get(id).and_then(|port| port.meta.owner.as_ref());
        let floating = || self.floating_ips.get(id).and_then(|ip| ip.meta.owner.as_ref());
        server().or_else(volume).or_else(floating).or_else(port)
    }

    /// Whether a thing is there.
    pub fn has(&self, kind: Kind, id: &str) -> bool {
        match kind {
            Kind::Server => self.servers.contains_key(id),
            Kind::Volume => self.volumes.contains_key(id),
            Kind::FloatingIp => self.floating_ips.contains_key(id),
            Kind::Port => self.ports.contains_key(id),
        }
    }

    /// Whether it holds anything of this node.
    pub fn has_any(&self, uid: &str) -> bool {
        self.servers.values().any(|machine| machine.shown.meta.is_of(uid))
            || self.volumes.values().any(|(volume, _)| volume.meta.is_of(uid))
            || self.floating_ips.values().any(|ip| ip.meta.is_of(uid))
            || self.ports.values().any(|port| port.meta.is_of(uid))
    }
}
