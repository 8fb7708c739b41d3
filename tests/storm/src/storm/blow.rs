//! How trouble comes, and how it ends.
#![expect(clippy::wildcard_enum_match_arm, reason = "each function knows which gusts it is given")]

mod clouds;

use std::net::IpAddr;
use std::time::Duration;

use devcloud::{Backend, DevCloud, Effect, Fault, Quotas, Status, When};
use devcluster::Outage;
use tokio::time::Instant;

use super::World;
use super::gust::{Gust, Undo};
use super::world::HOSTS;
use crate::lab::{Closing, Lab, Manner, Operator, Reached};
use clouds::SERVICES;

/// Somebody else's address.
pub const THEIRS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));

impl World {
    /// Lets something befall the world.
    pub fn blow(&mut self, gust: Gust) {
        let which = *self.chance.pick(&HOSTS);
        let cloud = self.cloud(which);
        // The first login says what is right: who is wrong then stays so, and is told.
        let of_pins = matches!(gust, Gust::ProjectChanged | Gust::SecretSwapped | Gust::WrongClusterId);
        if of_pins && !self.clouds_are_logged_in() {
            return;
        }
        match gust {
            Gust::Refused | Gust::RefusedAfter | Gust::Dropped | Gust::DroppedAfter => {
                self.some_requests(gust, &cloud);
            }
            Gust::Late | Gust::Hung | Gust::InFlight | Gust::Halfway => self.creates(gust, &cloud),
            Gust::RateLimited => self.rate(&cloud),
            Gust::Slow | Gust::Stale | Gust::Omitted | Gust::NotFound | Gust::LostThenBlind => {
                self.looks(gust, &cloud);
            }
            Gust::ServiceDown => {
                let service = *self.chance.pick(&SERVICES);
                let effect = match self.chance.below(3) {
                    0 => Effect::refuse(503),
                    1 => Effect::Drop { when: When::Before },
                    _ => Effect::Hang { when: When::Before },
                };
                let lasting = self.chance.seconds(3, 120);
                cloud.fault_for(Fault::new(effect).on(service, ""), lasting).unwrap();
            }
            Gust::HostDown => {
                self.lab.wires.unplug(&format!("{which}.test"));
                self.later(3, 120, Undo::Plug(which));
            }
            Gust::ServersFail | Gust::ServerSticks | Gust::GuestFails | Gust::ServerStays => {
                self.servers(gust, &cloud);
            }
            Gust::VolumeFails | Gust::VolumeStays | Gust::VolumeReserved => self.volumes(gust, &cloud),
            Gust::Quota => self.quota(which, &cloud),
            Gust::TokensEnd => cloud.revoke_tokens(),
            Gust::CredentialsRevoked | Gust::ProjectChanged | Gust::SecretSwapped | Gust::SecretSpoilt => {
                self.credentials(gust, which, &cloud);
            }
            Gust::NamesDown | Gust::WebRestarts | Gust::RecordLost | Gust::RecordTaken => self.names(gust),
            Gust::Conflicts
            | Gust::WatchesEnd
            | Gust::WatchesExpire
            | Gust::ClusterDown
            | Gust::ClusterSilent
            | Gust::WriteUnheard
            | Gust::WriteRefused
            | Gust::ClusterSlow => self.cluster(gust),
            Gust::StatusWiped => self.wipe(),
            Gust::Restored => self.restore(),
            Gust::Crash | Gust::Kill | Gust::SecondOperator | Gust::WrongClusterId => self.operators(gust),
            Gust::Paused => self.pause(),
            Gust::Rebuilt => self.rebuild(),
            Gust::ServerTaken | Gust::ServerBroken | Gust::VolumeTaken | Gust::PortTaken => {
                self.harm(gust, &cloud);
            }
        }
    }

    fn clouds_are_logged_in(&self) -> bool {
        HOSTS.iter().all(|which| self.lab.condition("clouds", "", which, "Authenticated").0 == "True")
    }

    fn names(&mut self, gust: Gust) {
        let lab = self.lab.cloud.clone();
        let zone = lab.settings().zone;
        match gust {
            Gust::NamesDown => {
                let backend = *self.chance.pick(&[Backend::Down, Backend::Silent, Backend::BadKey]);
                self.laws.late_names |= backend == Backend::Silent;
                lab.change(|settings| settings.nsupdate_backend = backend);
                self.later(5, 120, Undo::Names);
            }
            Gust::WebRestarts => lab.restart_nsupdate_web(),
            Gust::RecordLost => {
                let life = self.chance.pick(&self.lives).clone();
                let fqdn = format!("{}.{zone}", life.name);
                if !lab.record(&fqdn).contains(&THEIRS) {
                    lab.set_record(&fqdn, []);
                }
            }
            _ => {
                let life = self.chance.pick(&self.lives).clone();
                // Not under a node that is there: nothing keeps two from writing one record at once.
                let used = self.lives.iter().any(|other| other.name == life.name && other.is_there());
                let fqdn = format!("{}.{zone}", life.name);
                if !used && lab.record(&fqdn).is_empty() {
                    lab.set_record(&fqdn, [THEIRS]);
                    self.later(20, 200, Undo::Record(fqdn));
                }
            }
        }
    }

    fn cluster(&mut self, gust: Gust) {
        let faults = self.lab.cluster.faults().clone();
        let times = 1 + self.chance.index(4);
        let write = |call: &devcluster::Call| call.verb.writes() && call.resource == "testnodes";
        match gust {
            Gust::Conflicts => {
                let resource = ["testnodes", "clouds", "leases"][self.chance.index(3)];
                faults.conflict(times, resource);
            }
            Gust::WatchesEnd => faults.drop_watches(),
            Gust::WatchesExpire => {
                self.lab.cluster.simulated().compact();
                faults.expire_watches(times);
                faults.drop_watches();
            }
            Gust::ClusterDown => faults.outage(self.chance.seconds(1, 40), Outage::Unavailable),
            Gust::ClusterSilent => faults.outage(self.chance.seconds(1, 40), Outage::Silent),
            Gust::WriteUnheard => {
                let fault = *self.chance.pick(&[devcluster::Fault::LoseReply, devcluster::Fault::FailReply]);
                faults.inject(times, write, fault);
            }
            Gust::WriteRefused => {
                let fault = *self.chance.pick(&[
                    devcluster::Fault::Refuse(500),
                    devcluster::Fault::Refuse(429),
                    devcluster::Fault::Hang,
                ]);
                faults.inject(times, write, fault);
            }
            _ => {
                faults.slow(self.chance.between(50, 4000));
                self.later(3, 60, Undo::Cluster);
            }
        }
    }

    fn wipe(&mut self) {
        let there: Vec<String> =
            self.lives.iter().filter(|life| life.is_there()).map(|life| life.name.clone()).collect();
        if !there.is_empty() {
            let name = self.chance.pick(&there).clone();
            self.lives.iter_mut().filter(|life| life.name == name).for_each(|life| life.wiped = true);
            let client = self.lab.cluster.client();
            tokio::spawn(crate::lab::wipe_status(client, name));
        }
    }

    fn restore(&mut self) {
        let there: Vec<usize> = (0..self.lives.len()).filter(|at| self.lives[*at].is_alive()).collect();
        if there.is_empty() {
            return;
        }
        let life = &mut self.lives[*self.chance.pick(&there)];
        self.lab.restore(&life.name);
        let node = self.lab.the(&life.name);
        node["metadata"]["uid"].as_str().unwrap().clone_into(&mut life.uid);
        (life.born, life.restored) = (Instant::now(), true);
        life.nameless |= life.kept.is_none();
        let name = life.name.clone();
        self.later(1, 60, Undo::Wish(name));
    }

    /// A machine that was Ready is adopted. Any other, or what became of one, is left to the orphan rule.
    pub(super) fn wish(&mut self, name: &str) {
        let Some(life) = self.lives.iter_mut().find(|life| life.name == name && life.is_alive()) else {
            return;
        };
        let word = if life.kept.is_some() && !life.harmed { "adopt" } else { "leave" };
        if word == "leave" {
            life.kept = None;
            // It may have no server any more, and only a server says the DNS name.
            life.nameless |= life.harmed;
        }
        self.lab.wish(name, word);
    }

    fn operators(&mut self, gust: Gust) {
        match gust {
            Gust::Crash if self.lab.is_running() => {
                let gate = &self.lab.operator().gate;
                let at = gate.passed() + self.chance.index(60);
                let late = self.chance.between(100, 60_000);
                let reached = match self.chance.below(3) {
                    0 => Reached::Nothing,
                    1 => Reached::World,
                    _ if self.weather.contains(&Gust::SecondOperator) => Reached::World,
                    _ => Reached::WorldLater(late),
                };
                gate.close_at(Closing { at, reached });
            }
            Gust::Kill => self.lab.kill(),
            Gust::WrongClusterId => {
                self.lab.kill();
                self.manner.cluster_id = Some("another-cluster".into());
                self.later(5, 120, Undo::ClusterId);
            }
            Gust::SecondOperator if self.second.is_none() => {
                self.laws.two_operators();
                let manner = Manner { unasked: true, ..self.manner.clone() };
                self.second = Some(Operator::start_with(&self.lab.cluster, &self.lab.wires, &manner));
                self.later(1, 20, Undo::SecondOperator);
            }
            _ => {}
        }
    }

    fn pause(&mut self) {
        let there: Vec<String> =
            self.lives.iter().filter(|life| life.is_alive()).map(|life| life.name.clone()).collect();
        if !there.is_empty() {
            let name = self.chance.pick(&there).clone();
            self.edit(&name, |spec| spec["paused"] = true.into());
            self.later(5, 90, Undo::Unpause(name));
        }
    }

    /// A new value of `spec.rebuild`. While a machine is being made it is refused.
    fn rebuild(&mut self) {
        let there: Vec<usize> = (0..self.lives.len()).filter(|at| self.lives[*at].is_alive()).collect();
        if there.is_empty() {
            return;
        }
        let life = &mut self.lives[*self.chance.pick(&there)];
        let mut node = self.lab.the(&life.name);
        if node["metadata"]["uid"] != *life.uid {
            return;
        }
        node["spec"]["rebuild"] = format!("r{}", life.rebuilds + 1).into();
        if self.lab.cluster.put(node).is_ok() {
            life.rebuilds += 1;
        }
    }

    /// Somebody with an account in the project lays hands on what is ours.
    fn harm(&mut self, gust: Gust, cloud: &DevCloud) {
        let active = cloud.look(|all| {
            let ours = all
                .servers
                .iter()
                .filter(|server| server.status == Status::Active && !self.strangers.contains(&server.id));
            ours.filter_map(|server| Some((server.metadata.get("testnode-uid")?.clone(), server.id.clone())))
                .collect::<Vec<_>>()
        });
        if active.is_empty() {
            return;
        }
        let (uid, server) = self.chance.pick(&active).clone();
        let Some(life) = self.lives.iter_mut().find(|life| life.uid == uid) else { return };
        life.harmed = true;
        life.portless |= gust == Gust::PortTaken;
        // An address that is taken away is no leak of ours.
        self.laws.late_names |= gust == Gust::PortTaken;
        let either = self.chance.percent(50);
        let (volume, port) = cloud.look(|all| {
            let volume = all.volumes.iter().find(|volume| {
                volume.metadata.get("testnode-uid") == Some(&uid) && !self.strangers.contains(&volume.id)
            });
            let port = all.ports.iter().find(|port| port.device_id == server);
            (volume.map(|volume| volume.id.clone()), port.map(|port| port.id.clone()))
        });
        match gust {
            Gust::ServerTaken => cloud.remove_server(&server),
            Gust::ServerBroken if either => cloud.stop_server(&server),
            Gust::ServerBroken => cloud.break_server(&server, "the host is on fire"),
            Gust::VolumeTaken => cloud.remove_volume(&volume.unwrap_or_default()),
            _ if either => cloud.remove_port(&port.unwrap_or_default()),
            _ => cloud.unbind_port(&port.unwrap_or_default()),
        }
    }

    /// Trouble that ends.
    pub fn undo(&mut self, undo: &Undo) {
        match undo {
            Undo::Plug(which) => self.lab.wires.plug(&format!("{which}.test"), self.cloud(which)),
            Undo::Quota(which) => self.cloud(which).change(|settings| settings.quotas = Quotas::default()),
            Undo::Password(which) => {
                self.cloud(which).change(|settings| settings.password = "lab-password".into());
                self.undo(&Undo::Secret(which));
            }
            Undo::Project(which) => {
                let cloud = self.cloud(which);
                cloud.change(|settings| settings.project_id = super::world::project(which));
                cloud.revoke_tokens();
            }
            Undo::Secret(which) => {
                self.lab.credentials(which, &Lab::clouds_yaml(which, &self.cloud(which)));
            }
            Undo::Names => self.lab.cloud.change(|settings| settings.nsupdate_backend = Backend::Up),
            Undo::Record(fqdn) => {
                if !self.lab.cloud.record(fqdn).contains(&THEIRS) {
                    self.laws.stranger(format!("the record {fqdn} of somebody else was overwritten"));
                }
                self.lab.cloud.set_record(fqdn, []);
            }
            Undo::Cluster => self.lab.cluster.faults().slow(Duration::ZERO),
            Undo::SecondOperator => self.second = None,
            Undo::Unpause(name) => self.edit(name, |spec| {
                spec.as_object_mut().map(|spec| spec.remove("paused"));
            }),
            Undo::Wish(name) => self.wish(name),
            Undo::ClusterId => {
                self.manner.cluster_id = None;
                self.lab.kill();
            }
            Undo::Mend => self.mend(),
        }
    }

    /// An administrator sets right what only one can.
    pub fn mend(&mut self) {
        for which in HOSTS {
            self.cloud(which).mend();
        }
        for (cloud, id) in std::mem::take(&mut self.stray) {
            let attached = cloud.attachments().iter().any(|attachment| attachment.volume == id);
            if !attached {
                cloud.remove_volume(&id);
            }
        }
    }
}
