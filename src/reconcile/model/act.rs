//! Requests to the clouds: sent, lost, refused, late; and what the inventory is told of them.

use super::cloud::{Effect, No, Order};
use super::laws::Sent;
use super::scenario::{MINUTE, SECOND};
use super::things;
use super::world::{Due, FORMER, Roused, UID, World};
use crate::reconcile::plan::CloudChange;
use crate::reconcile::state::{Kind, ServerState, Verdict, VolumeState};
use crate::things::Owner;

/// What became of a request.
#[derive(Debug)]
pub enum Reply {
    /// Answered as wished; of a create, with the id of what was made.
    Done(Option<String>),
    /// Refused.
    No(No),
    /// Nothing happened.
    NotSent,
    /// Nobody knows.
    Lost,
}

impl World {
    /// Sends one request to a cloud and tells the inventory what came of it.
    pub fn request(&mut self, cloud: &str, change: &CloudChange) {
        let known = self.process.known(cloud);
        let sent = Sent {
            object: &self.object,
            name: cloud,
            cloud: &self.clouds[cloud],
            zone: &self.zone,
            known,
            now: self.now,
            one: self.clouds.are_one(),
            former: self.has_former(),
        };
        self.laws.sends(change, &sent);
        let lives = self.lives;
        let reply = self.send(cloud, change);
        self.tell(|| format!("    > {reply:?}"));
        if self.lives == lives {
            self.settle(cloud, change, &reply);
        }
    }

    fn has_former(&self) -> bool {
        self.process.books.iter().any(|(name, books)| {
            let away = Kind::ALL.into_iter().any(|kind| books.state.ledger(kind).away().is_some());
            !away && self.clouds[name].former_servers().iter().any(|id| self.laws.was_there(id))
        })
    }

    fn send(&mut self, cloud: &str, change: &CloudChange) -> Reply {
        let luck = self.luck();
        if self.now < self.clouds[cloud].away_until {
            let pause = if luck.is_multiple_of(2) { SECOND / 5 } else { 10 * SECOND };
            self.pass(self.now + pause, Roused::Never);
            return if luck.is_multiple_of(2) { Reply::NotSent } else { Reply::Lost };
        }
        let creating = change.may_come_late();
        let verdict = |luck: u8| match luck % 8 {
            0 => Verdict::Quota,
            1 => Verdict::Capacity,
            2 => Verdict::Invalid,
            _ => Verdict::Passing,
        };
        match luck {
            0..=199 => self.answered(cloud, change, SECOND / 5 + u64::from(luck / 20) * SECOND / 4),
            200..=205 if creating => Reply::No(No::Because(verdict(luck))),
            // Refused, but done: one look decides.
            206..=214 if creating => {
                if let Ok(Served::Ordered(cloud, order)) = self.serve(cloud, change, true) {
                    self.appears(&cloud, order);
                }
                Reply::No(No::Because(Verdict::Passing))
            }
            200..=214 => Reply::No(No::Because(Verdict::Passing)),
            215..=222 => Reply::NotSent,
            223..=246 => {
                self.happens_or_not(cloud, change);
                self.pass(self.now + 10 * SECOND, Roused::Never);
                Reply::Lost
            }
            247..=255 => {
                self.happens_or_not(cloud, change);
                self.crash();
                self.pass(self.now + SECOND, Roused::Never);
                Reply::Lost
            }
        }
    }

    /// Done at the beginning or at the end of the time that the reply takes.
    fn answered(&mut self, cloud: &str, change: &CloudChange, takes: u64) -> Reply {
        let served = self.serve(cloud, change, true);
        let restores = self.restores;
        self.pass(self.now + takes, Roused::Never);
        match served {
            Ok(Served::Made(id)) => Reply::Done(Some(id)),
            Ok(Served::Ordered(cloud, mut order)) => {
                if self.restores > restores {
                    order.owner.uid = FORMER.into();
                }
                Reply::Done(Some(self.appears(&cloud, order)))
            }
            Ok(Served::Done) => Reply::Done(None),
            Err(no) => Reply::No(no),
        }
    }

    /// A request whose reply is lost takes effect now, later, or never.
    fn happens_or_not(&mut self, cloud: &str, change: &CloudChange) {
        let luck = self.luck();
        match luck % 4 {
            0 | 1 => {
                let at = self.now + 10 * SECOND + u64::from(luck) * MINUTE / 256;
                self.schedule(at, Due::Late(cloud.to_owned(), change.clone()));
            }
            2 => drop(self.serve(cloud, change, false)),
            _ => {}
        }
    }

    /// A cloud does what it was asked.
    pub fn serve(&mut self, cloud: &str, change: &CloudChange, replied: bool) -> Result<Served, No> {
        let now = self.now;
        let done = |()| Served::Done;
        match change {
            CloudChange::CreateVolume { attempt, volume } => {
                let (id, luck) = (self.id('v'), self.luck());
                let owner = Owner { uid: UID.into(), attempt: Some(*attempt) };
                let made = things::volume(&id, owner, &volume.name, VolumeState::Creating, now);
                self.clouds.get_mut(cloud).unwrap().volumes.insert(id.clone(), (made, None));
                let state = if luck >= 240 { VolumeState::Error } else { VolumeState::Available };
                let at = now + SECOND / 5 + u64::from(luck) * SECOND / 16;
                self.schedule(at, Due::In(cloud.to_owned(), Effect::Made(id.clone(), state)));
                Ok(Served::Made(id))
            }
            CloudChange::CreatePort { attempt, index } => {
                let id = self.id('p');
                let there = self.clouds.get_mut(cloud).unwrap();
                let owner = Owner { uid: UID.into(), attempt: Some(*attempt) };
                let address = there.free_address();
                let made = things::port(&id, owner, *index, address);
                there.ports.insert(id.clone(), made);
                there.robbed.remove(&address);
                Ok(Served::Made(id))
            }
            CloudChange::CreateFloatingIp { attempt, port, .. } => {
                if self.life.no_router {
                    return Err(No::Unrouted);
                }
                let id = self.id('f');
                let there = self.clouds.get_mut(cloud).unwrap();
                if !there.ports.contains_key(port) || there.leads_to(port).is_some() {
                    return Err(No::Conflict);
                }
                let owner = Owner { uid: UID.into(), attempt: Some(*attempt) };
                let address = there.free_outside();
                there.floating_ips.insert(id.clone(), things::floating_ip(&id, owner, address, port));
                there.robbed.remove(&address);
                Ok(Served::Made(id))
            }
            CloudChange::CreateServer { attempt, volumes, ports } => {
                let owner = Owner { uid: UID.into(), attempt: Some(*attempt) };
                let order = Order { owner, volumes: volumes.clone(), ports: ports.clone() };
                let (serial, luck) = (self.serial(), self.luck());
                let there = self.clouds.get_mut(cloud).unwrap();
                there.reserve(&order, serial, luck >= 240)?;
                if replied {
                    return Ok(Served::Ordered(cloud.to_owned(), order));
                }
                let at = now + u64::from(luck) * SECOND / 16;
                self.schedule(at, Due::In(cloud.to_owned(), Effect::Appears(order)));
                Ok(Served::Done)
            }
            CloudChange::RebuildServer { id, number, image } => {
                let luck = self.luck();
                let before = self.clouds.get_mut(cloud).unwrap().rebuild(id, *number, image)?;
                let at = now + 2 * SECOND + u64::from(luck) * SECOND / 16;
                let effect = match luck {
                    236..=245 => Effect::NotRebuilt(id.clone(), before),
                    // Its guest never boots.
                    246..=255 => Effect::Rebuilt(id.clone(), 60 * MINUTE),
                    _ => Effect::Rebuilt(id.clone(), u64::from(luck) * 200),
                };
                self.schedule(at, Due::In(cloud.to_owned(), effect));
                Ok(Served::Done)
            }
            CloudChange::DeleteServer { id } => self.delete_server(cloud, id).map(done),
            CloudChange::ForceDeleteServer { id } => {
                let there = self.clouds.get_mut(cloud).unwrap();
                there.servers.get_mut(id).ok_or(No::NotFound)?.shown.deleting = true;
                self.schedule(now + SECOND, Due::In(cloud.to_owned(), Effect::Gone(id.clone())));
                Ok(Served::Done)
            }
            CloudChange::FreeVolume { id, attachment } => {
                self.sticks(cloud)?;
                self.clouds.get_mut(cloud).unwrap().free_volume(id, attachment).map(done)
            }
            CloudChange::DeleteVolume { id } => {
                self.sticks(cloud)?;
                self.clouds.get_mut(cloud).unwrap().delete_volume(id)?;
                let luck = self.luck();
                let at = now + SECOND / 2 + u64::from(luck) * SECOND / 32;
                self.schedule(at, Due::In(cloud.to_owned(), Effect::Erased(id.clone(), luck < 240)));
                Ok(Served::Done)
            }
            CloudChange::DeleteFloatingIp { id } => {
                self.sticks(cloud)?;
                let there = self.clouds.get_mut(cloud).unwrap();
                there.floating_ips.remove(id).map(drop).ok_or(No::NotFound).map(done)
            }
            CloudChange::Adopt { kind, id, mark } => {
                self.clouds.get_mut(cloud).unwrap().adopt(*kind, id, mark).map(done)
            }
            CloudChange::DeletePort { id } => {
                self.sticks(cloud)?;
                let there = self.clouds.get_mut(cloud).unwrap();
                there.delete_port(id).map(drop).ok_or(No::NotFound).map(done)
            }
        }
    }

    /// A snapshot, say: the thing's state forbids its end.
    fn sticks(&self, cloud: &str) -> Result<(), No> {
        if self.now < self.clouds[cloud].sticks_until { Err(No::Conflict) } else { Ok(()) }
    }

    fn delete_server(&mut self, cloud: &str, id: &str) -> Result<(), No> {
        let (luck, now) = (self.luck(), self.now);
        let there = self.clouds.get_mut(cloud).unwrap();
        let machine = there.servers.get_mut(id).ok_or(No::NotFound)?;
        if machine.shown.deleting {
            return Ok(());
        }
        machine.shown.deleting = true;
        let id = id.to_owned();
        let effect = match machine.shown.state {
            ServerState::Active | ServerState::Stopped if there.soft_delete => Effect::Kept(id),
            _ if luck >= 240 => Effect::Stays(id),
            _ => Effect::Gone(id),
        };
        let takes = SECOND + u64::from(luck) * SECOND / 16;
        let at = now.max(self.clouds[cloud].sticks_until) + takes;
        self.schedule(at, Due::In(cloud.to_owned(), effect));
        Ok(())
    }

    /// The second half of `POST /servers`, and what becomes of it.
    pub fn appears(&mut self, cloud: &str, order: Order) -> String {
        let (id, now, luck) = (self.id('s'), self.now, self.luck());
        self.clouds.get_mut(cloud).unwrap().appears(&id, order, now);
        let mut at =
            |seconds: u64, effect| self.schedule(now + seconds * SECOND, Due::In(cloud.to_owned(), effect));
        match luck {
            0..=199 => {
                at(1 + u64::from(luck) / 40, Effect::Binds(id.clone()));
                at(2 + u64::from(luck) / 16, Effect::Active(id.clone(), u64::from(luck) * 200));
            }
            200..=225 => {
                let verdicts = [Verdict::Quota, Verdict::Capacity, Verdict::Passing, Verdict::Passing];
                let verdict = verdicts[usize::from(luck) % verdicts.len()];
                at(3, Effect::Binds(id.clone()));
                at(u64::from(luck) - 198, Effect::Fails(id.clone(), verdict));
            }
            226..=232 => {}
            // Active, but its guest never boots.
            233..=238 => {
                at(1, Effect::Binds(id.clone()));
                at(5, Effect::Active(id.clone(), 60 * MINUTE));
            }
            239..=255 => {
                at(10, Effect::Binds(id.clone()));
                at(20, Effect::Active(id.clone(), 5 * SECOND));
            }
        }
        id
    }
}

/// What a cloud did.
pub enum Served {
    /// It made something with this id.
    Made(String),
    /// A server is being made.
    Ordered(String, Order),
    /// It is done.
    Done,
}
