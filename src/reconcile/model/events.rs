//! What strangers do.

use std::collections::BTreeSet;

use super::cloud::{Effect, Order};
use super::scenario::{Event, MINUTE, SECOND};
use super::things;
use super::world::{Due, FORMER, UID, World};
use super::zone::STRANGER;
use crate::api::FormerMachine;
use crate::clouds::Login;
use crate::reason::Reason;
use crate::reconcile::state::{Pins, Problem, ServerState, VolumeState};
use crate::things::Owner;

impl World {
    /// Lets one thing happen.
    pub fn befall(&mut self, event: Event) {
        let now = self.now;
        let length = 5 * SECOND + u64::from(self.luck()) * SECOND;
        self.tell(|| format!("      {event:?}"));
        match event {
            Event::Crash => self.crash(),
            Event::Delete => self.delete(),
            Event::DeleteWiped => {
                self.befall(Event::WipeStatus);
                self.delete();
            }
            Event::Unheld => {
                self.laws.unheld = true;
                self.object.held.clear();
                self.object.gone = self.object.deleting;
                self.woken = true;
            }
            Event::WipeStatus => {
                self.object.status = None;
                self.laws.wiped = true;
                self.woken = true;
            }
            Event::Restored => self.restore(false),
            Event::RestoredWithStatus => self.restore(true),
            Event::Adopt => {
                self.object.former = Some(FormerMachine::Adopt);
                self.woken = true;
            }
            Event::Edit => self.object.generation += 1,
            Event::Rebuild => {
                let memory = crate::reconcile::memory::read(self.object.own());
                if memory.open().is_none() && !self.object.deleting {
                    self.object.generation += 1;
                    self.object.rebuild += 1;
                    self.woken = true;
                }
            }
            Event::Pause => self.object.paused_until = now + MINUTE,
            Event::CloudAway(place) => {
                self.laws.unseen(now, now + length);
                self.clouds.get_mut(place.name()).unwrap().away_until = now + length;
            }
            Event::CellDown(place) => {
                self.laws.unseen(now, now + length);
                let known = self.process.known(place.name());
                let hint = self.object.own().and_then(|status| status.server.as_ref());
                let known = known.into_iter().chain(hint.map(|server| server.id.clone())).collect();
                self.clouds.get_mut(place.name()).unwrap().cell_down = (now + length, known);
            }
            Event::CloudBusy(place) => {
                self.clouds.get_mut(place.name()).unwrap().busy_until = now + 4 * length;
            }
            Event::CloudFull(place) => self.clouds.get_mut(place.name()).unwrap().full_until = now + length,
            Event::Sticks(place) => {
                self.clouds.get_mut(place.name()).unwrap().sticks_until = now + 3 * length;
            }
            Event::CloudLost(place) => {
                let problem = Problem { reason: Reason::AuthenticationFailed, message: "no".into() };
                self.logins.insert(place.name().to_owned(), Login::Refused(problem));
                self.laws.cloud_was_lost = true;
                self.woken = true;
            }
            Event::CloudFound(place) => {
                self.logins.insert(place.name().to_owned(), Login::In(Pins::default()));
                self.woken = true;
            }
            Event::Abandon => {
                self.object.abandon = true;
                self.woken = true;
            }
            Event::DnsAway => {
                self.laws.dns_failed = true;
                self.zone.away_until = now + length;
            }
            Event::WebRestarts => self.zone.restart(),
            Event::RecordRemoved => self.zone.strange(BTreeSet::new(), now),
            Event::RecordTaken => {
                self.laws.harmed = true;
                self.zone.strange(BTreeSet::from([STRANGER]), now);
            }
            Event::NameHeld => self.held_until = now + MINUTE,
            Event::ServerDeleted
            | Event::ServerStopped
            | Event::VolumeDeleted
            | Event::PortDeleted
            | Event::FloatingIpDeleted
            | Event::SecondServer => self.harm(event),
        }
    }

    /// Whatever was made for the object bears its former UID from now on.
    fn restore(&mut self, with_status: bool) {
        if self.object.deleting {
            return;
        }
        self.restores += 1;
        self.clouds.iter_mut().for_each(|(_, cloud)| cloud.become_former());
        self.due_become_former();
        self.object.status = self.object.status.take().filter(|_| with_status);
        if let Some(status) = &mut self.object.status {
            status.uid = Some(FORMER.into());
        }
        self.laws.restored(&self.clouds);
        self.crash();
    }

    fn delete(&mut self) {
        self.object.deleting = true;
        self.object.gone = self.object.held.is_empty();
        self.woken = true;
    }

    fn harm(&mut self, event: Event) {
        self.laws.harmed = true;
        let mut gone = None;
        for (name, cloud) in self.clouds.iter_mut() {
            let server =
                cloud.servers.values_mut().find(|machine| machine.shown.state == ServerState::Active);
            match (event, server) {
                (Event::ServerDeleted, Some(machine)) => {
                    gone = Some(Due::In(name.clone(), Effect::Gone(machine.shown.meta.id.clone())));
                }
                (Event::ServerStopped, Some(machine)) => machine.shown.state = ServerState::Stopped,
                (Event::VolumeDeleted, _) => {
                    let first = |(volume, _): &&(_, _)| is_free(volume);
                    let id = cloud.volumes.values().find(first).map(|(volume, _)| volume.meta.id.clone());
                    drop(id.and_then(|id| cloud.volumes.remove(&id)));
                }
                (Event::PortDeleted, _) => {
                    let first = cloud.ports.keys().next().cloned();
                    if let Some(port) = first.and_then(|id| cloud.delete_port(&id)) {
                        cloud.robbed.insert(things::address(&port));
                    }
                }
                (Event::FloatingIpDeleted, _) => {
                    if let Some((_, ip)) = cloud.floating_ips.pop_first() {
                        cloud.robbed.extend(ip.address);
                    }
                }
                _ => {}
            }
        }
        if let Some(gone) = gone {
            self.schedule(self.now + SECOND, gone);
        }
        if event == Event::SecondServer {
            self.second_server();
        }
    }

    /// Another operator, not quite dead yet, sends the create that this one sent too.
    fn second_server(&mut self) {
        let memory = crate::reconcile::memory::read(self.object.own());
        let Some(attempt) = memory.open() else { return };
        let Some(cloud) = self.clouds.get_mut(&attempt.cloud) else { return };
        let owner = Owner { uid: UID.into(), attempt: Some(attempt.number) };
        if cloud.servers.values().any(|machine| machine.shown.meta.owner.as_ref() == Some(&owner)) {
            let order = Order { owner, volumes: Vec::new(), ports: Vec::new() };
            self.laws.second_operator = true;
            let name = attempt.cloud.clone();
            self.appears(&name, order);
        }
    }
}

fn is_free(volume: &crate::things::Volume) -> bool {
    matches!(volume.state, VolumeState::Available | VolumeState::Error)
}
