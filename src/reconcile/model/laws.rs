//! What must be true at every moment, whatever befalls.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::ask::SSHD;
use super::cloud::Cloud;
use super::clouds::Clouds;
use super::look::DELETE_TIMEOUT;
use super::scenario::{MINUTE, SECOND};
use super::things;
use super::world::{FORMER, Object, UID};
use super::zone::Zone;
use crate::api::common::CheckKind;
use crate::api::testnode_status::{Outcome, TestNodeStatus};
use crate::reason::Reason;
use crate::reconcile::memory;
use crate::reconcile::plan::{Change, CloudChange, MemoryChange, Step, Waiting, target_address};
use crate::reconcile::state::{
    Abandon, Desired, Found, Observed, Presence, ServerState, Standing, VolumeState,
};
use crate::things::Owner;

/// Keeps the laws.
#[derive(Debug, Default)]
pub struct Laws {
    /// The first law that was broken.
    pub broken: Option<String>,
    /// The status was wiped once.
    pub wiped: bool,
    /// By id: servers that were there when the object was restored.
    former: BTreeSet<String>,
    /// A stranger did something to what is ours.
    pub harmed: bool,
    /// Somebody took our finalizers.
    pub unheld: bool,
    /// There was another operator.
    pub second_operator: bool,
    /// DNS had trouble once.
    pub dns_failed: bool,
    /// A cloud refused our credentials once.
    pub cloud_was_lost: bool,
    /// What the node had in a lost cloud was abandoned.
    pub abandoned: bool,
    /// By attempt: the Cloud it was opened in.
    clouds: BTreeMap<i64, String>,
    /// By id: when this process first asked for its end.
    asked: BTreeMap<String, u64>,
    /// When a cloud could not be looked at, or not all of it.
    unseen: Vec<(u64, u64)>,
    /// When something was last changed.
    pub last_change: u64,
    highest: i64,
    /// The server that the node was Ready with.
    protected: Option<String>,
}

impl Laws {
    /// A law.
    pub fn check(&mut self, holds: bool, law: &str) {
        if !holds && self.broken.is_none() {
            self.broken = Some(law.to_owned());
        }
    }

    /// A cloud cannot be looked at for a while, or not at all of it.
    pub fn unseen(&mut self, from: u64, to: u64) {
        self.unseen.push((from, to));
    }

    /// The object has another UID now.
    pub fn restored(&mut self, clouds: &Clouds) {
        self.wiped = true;
        self.former = clouds.values().flat_map(Cloud::former_servers).collect();
    }

    /// This server was there when the object was restored.
    pub fn was_there(&self, id: &str) -> bool {
        self.former.contains(id)
    }

    /// The operator is another: it begins to ask.
    pub fn crashed(&mut self) {
        self.asked.clear();
    }

    /// Never a twin. A build that failed is no machine: its husk is surplus.
    pub fn twins(&mut self, now: u64, clouds: &Clouds) {
        let all = clouds.values().flat_map(|cloud| cloud.servers.values()).map(|machine| &machine.shown);
        let alive = all.filter(|server| {
            let husk = matches!(server.state, ServerState::SoftDeleted | ServerState::Error);
            let former = server.meta.is_of(FORMER) && self.former.contains(&server.meta.id);
            (server.meta.is_of(UID) || former) && !server.deleting && !husk
        });
        let count = alive.count();
        self.check(count <= 1 || self.second_operator, &format!("never twins: {count} servers at {now} ms"));
    }

    /// What a plan may say.
    pub fn plans(&mut self, world: &Truth<'_>, step: &Step, desired: &Desired, seen: &Observed) {
        if let Step::Wait(waiting) = step {
            self.waits(world, waiting);
        }
        if matches!(step, Step::Do(_) | Step::Ask(_)) {
            self.check(seen.deleting || !desired.paused, "paused is paused");
        }
        let Step::Do(change) = step else { return };
        self.last_change = world.now;
        if let Some(view) = change_of(change).and_then(|cloud| seen.clouds.get(cloud)) {
            // What may be left in a cloud that is lost is on record: nothing of it will be seen again.
            let given_up =
                matches!(change, Change::RemoveFinalizer { .. }) && view.abandon == Some(Abandon::Recorded);
            let seen = view.standing == Standing::Seen || given_up;
            self.check(seen, "nothing is changed where nothing could be seen");
        }
        match change {
            Change::Cloud { cloud, change: CloudChange::CreateServer { volumes, .. } } => {
                let view = seen.clouds.get(cloud);
                let free = |id: &String| {
                    let volume = view.and_then(|view| view.volumes.iter().find(|volume| volume.id == *id));
                    volume.is_some_and(|volume| volume.state == VolumeState::Available)
                };
                self.check(volumes.iter().all(free), "a server is made of volumes that are available");
            }
            Change::Memory(MemoryChange::CloseAttempt(closing)) if closing.outcome == Outcome::Ready => {
                self.ready(world, desired, seen);
            }
            Change::Memory(MemoryChange::CloseRebuild(closing)) if closing.outcome == Outcome::Ready => {
                self.rebuilt(world, desired, seen);
            }
            Change::Memory(MemoryChange::CloseAttempt(closing)) if closing.reason == Reason::BootTimeout => {
                self.check(!seen.guest.finished, "DNS is never a reason to end an attempt");
            }
            Change::RemoveFinalizer { .. } if seen.deleting && seen.name.verifiable => {
                let withdrawn = seen.memory.dns.as_ref().is_some_and(|dns| !dns.withdrawn.is_empty());
                let free = seen.name.holder.is_none();
                self.check(
                    !(withdrawn && free) || seen.name.found.is_some(),
                    "the name is looked at before the object goes",
                );
            }
            _ => {}
        }
    }

    /// What is not gone in time is told. The clock stands while we could not look.
    fn waits(&mut self, world: &Truth<'_>, waiting: &Waiting) {
        let ends = [
            Reason::DeletingServer,
            Reason::DeletingVolumes,
            Reason::DeletingFloatingIPs,
            Reason::DeletingPorts,
        ];
        if !ends.contains(&waiting.reason) {
            return;
        }
        let patience = u64::try_from(DELETE_TIMEOUT.as_millis()).unwrap() + 30 * SECOND;
        let clouds: Vec<&Cloud> =
            waiting.looks.iter().filter_map(|(cloud, _)| world.clouds.get(cloud)).collect();
        let late = self.asked.iter().find(|(id, since)| {
            let blind = self.unseen.iter().any(|(_, to)| to + MINUTE > **since);
            let there = clouds.iter().any(|cloud| cloud.has(waiting.looks[0].1, id));
            there && !blind && **since + patience < world.now
        });
        let late = late.map(|(id, _)| id.clone());
        self.check(late.is_none(), &format!("what is not gone in time is told: {late:?}"));
    }

    /// Ready is what the tester means by it.
    fn ready(&mut self, world: &Truth<'_>, desired: &Desired, seen: &Observed) {
        let Some(attempt) = seen.memory.current() else { return };
        let Some(cloud) = world.clouds.get(&attempt.cloud) else { return };
        let owned = |owner: &Owner| owner.uid == UID && owner.attempt == Some(attempt.number);
        let mut servers = cloud.servers.values().filter(|m| m.shown.meta.owner.as_ref().is_some_and(owned));
        let machine = servers.find(|machine| machine.booted_at.is_some());
        self.check(machine.is_some() || self.harmed, "Ready follows ACTIVE");
        let booted = machine.and_then(|machine| machine.booted_at).is_some_and(|at| at <= world.now);
        let sshd = machine.and_then(|machine| machine.booted_at).is_some_and(|at| at + SSHD <= world.now);
        let asks_sshd = desired.readiness.iter().any(|check| check.kind == CheckKind::Ssh);
        self.check(sshd || !asks_sshd || self.harmed, "Ready follows sshd's answer");
        self.check(booted || desired.readiness.is_empty() || self.harmed, "Ready follows cloud-init's end");
        let target = target_address(seen);
        let found = seen.name.found == Some(Found::Ours(target.into_iter().collect()));
        let sent = seen.name.sent.as_ref().is_some_and(|sent| target.is_some() && sent.address == target);
        let named = if seen.name.verifiable { found } else { sent };
        self.check(seen.memory.dns.is_none() || named, "Ready has its name");
    }

    /// A machine is Ready again only when it has its new system, with all that it had.
    fn rebuilt(&mut self, world: &Truth<'_>, desired: &Desired, seen: &Observed) {
        let Some((machine, rebuild)) = seen.machine_being_rebuilt() else { return };
        let Some(cloud) = world.clouds.get(&machine.attempt.cloud) else { return };
        let there = machine.server.and_then(|server| cloud.servers.get(&server.id));
        let Some(there) = there else { return self.check(self.harmed, "a rebuilt machine is there") };
        let begun = there.rebuilds.get(&rebuild.number) == Some(&1);
        self.check(begun || self.wiped, "what is rebuilt was rebuilt, and once");
        let done = there.shown.state == ServerState::Active && there.shown.boot == rebuild.number;
        self.check(done || self.harmed, "a rebuild is done when the server is ACTIVE with it");
        let booted = there.booted_at.is_some_and(|at| at <= world.now);
        self.check(booted || desired.readiness.is_empty() || self.harmed, "a rebuilt machine has booted");
        let image = there.shown.image.as_ref() == Some(&rebuild.image.id);
        self.check(image, "a rebuilt machine has the image that was asked for");
        let on = |id: &String| {
            cloud.volumes.get(id).is_some_and(|(volume, _)| volume.state == VolumeState::Attached)
        };
        self.check(there.volumes.iter().all(on) || self.harmed, "a rebuilt machine has its volumes");
    }

    /// What may be sent to a cloud.
    pub fn sends(&mut self, change: &CloudChange, world: &Sent<'_>) {
        let Sent { object, name, cloud, zone, known, now, one, former } = world;
        if let Some(id) = change.ends() {
            self.asked.entry(id.to_owned()).or_insert(*now);
            let owner = cloud.owner(id);
            let through = owner.and_then(|owner| self.clouds.get(&owner.attempt?));
            let theirs = *one && !self.wiped && through.is_some_and(|through| through != name);
            self.check(!theirs, "what was made through one Cloud is not deleted through another");
        }
        match change {
            CloudChange::CreateVolume { attempt, .. }
            | CloudChange::CreatePort { attempt, .. }
            | CloudChange::CreateFloatingIp { attempt, .. }
            | CloudChange::CreateServer { attempt, .. } => {
                self.check(!former, "nothing is made beside a former machine");
                let turn = !matches!(change, CloudChange::CreateServer { .. }) || cloud.busy_until <= *now;
                self.check(turn, "no server is made before it is its turn");
                self.creates(name, *attempt, object);
            }
            CloudChange::RebuildServer { id, number, .. } => {
                self.check(object.held.contains(*name), "never rebuilds unheld");
                let memory = memory::read(object.own());
                let open = memory.rebuild().is_some_and(|rebuild| rebuild.number == *number);
                self.check(open, "nothing is rebuilt that is not written down");
                let Some(machine) = cloud.servers.get(id) else { return };
                self.check(machine.shown.meta.is_of(UID), "never somebody else's server");
                self.check(!machine.rebuilds.contains_key(number), "a rebuild is not asked for twice");
            }
            CloudChange::DeleteServer { id } | CloudChange::ForceDeleteServer { id } => {
                let Some(machine) = cloud.servers.get(id) else { return };
                self.check(machine.shown.meta.is_of(UID), "never somebody else's server");
                let protected = self.protected.as_deref() == Some(id) && !object.deleting;
                let active = machine.shown.state == ServerState::Active;
                self.check(!(protected && active), "the server of a Ready node stays");
                let pointed = machine.ports.iter().filter_map(|port| cloud.ports.get(port));
                let points = |port: &crate::things::Port| {
                    let floating = cloud.leads_to(&port.meta.id).and_then(|ip| ip.address);
                    named(zone).is_some_and(|named| named == things::address(port) || Some(named) == floating)
                };
                let pointed = pointed.into_iter().any(points);
                self.check(!(pointed && object.deleting && !self.dns_failed), "the name goes first of all");
            }
            CloudChange::FreeVolume { .. } => {}
            CloudChange::Adopt { id, .. } => {
                self.check(object.former.is_some(), "nothing is adopted unasked");
                self.check(object.held.contains(*name), "never adopts unheld");
                let ours = cloud.owner(id).is_none_or(|owner| [UID, FORMER].contains(&owner.uid.as_str()));
                self.check(ours, "never somebody else's machine");
            }
            CloudChange::DeleteVolume { id } => {
                let volume = cloud.volumes.get(id);
                self.check(
                    volume.is_none_or(|(volume, _)| volume.meta.is_of(UID)),
                    "never somebody else's volume",
                );
            }
            CloudChange::DeleteFloatingIp { id } => {
                let Some(ip) = cloud.floating_ips.get(id) else { return };
                self.check(ip.meta.is_of(UID), "never somebody else's floating IP");
                self.check(
                    named(zone).is_none_or(|named| Some(named) != ip.address),
                    "the name goes before its address is free",
                );
            }
            CloudChange::DeletePort { id } => {
                let Some(port) = cloud.ports.get(id) else { return };
                self.check(port.meta.is_of(UID), "never somebody else's port");
                self.check(
                    named(zone) != Some(things::address(port)),
                    "the name goes before its address is free",
                );
                // One that nobody has seen yet leads nowhere then, and goes once it is seen.
                let led = cloud.leads_to(id).filter(|ip| known.contains(&ip.meta.id));
                let led = led.filter(|ip| !self.asked.contains_key(&ip.meta.id));
                self.check(led.is_none() || self.wiped, "a floating IP goes before its port");
                let machine = port.device.as_ref().and_then(|device| cloud.servers.get(device));
                let stays = machine.is_some_and(|machine| {
                    // One that nobody has seen yet is dropped when it is.
                    let known = known.contains(&machine.shown.meta.id);
                    known && machine.shown.state == ServerState::Active && !machine.shown.deleting
                });
                self.check(!stays, "no port is taken from a server that stays");
            }
        }
    }

    fn creates(&mut self, cloud: &str, attempt: i64, object: &Object) {
        let memory = memory::read(object.own());
        let open = memory.open().is_some_and(|open| open.number == attempt && open.cloud == cloud);
        self.check(object.held.contains(cloud), "never creates unheld: no finalizer");
        self.check(open, "never creates unheld: no open attempt");
        self.check(!object.deleting || open, "never creates for a node that goes");
    }

    /// Under which name something may be recorded.
    pub fn claims(&mut self, change: &Change, object: &Object, held_by_another: bool) {
        let dns = object.own().and_then(|status| status.dns.as_ref());
        let ours = dns.is_some_and(|dns| !dns.addresses.is_empty());
        let takes =
            matches!(change, Change::Memory(MemoryChange::RecordAddress { .. })) && held_by_another && !ours;
        self.check(!takes, "the name of another is not taken");
    }

    /// At which address the name may be published.
    pub fn publishes(&mut self, address: IpAddr, held: bool, object: &Object) {
        let dns = object.own().and_then(|status| status.dns.as_ref());
        let lost = object.own().is_none_or(|status| status.attempts.is_empty());
        let recorded = dns.is_some_and(|dns| dns.addresses.contains(&address.to_string()));
        self.check(recorded || (lost && held), "an address is recorded before the name has it");
    }

    /// What the zone may hold, and over what it was written.
    pub fn zone(&mut self, zone: &Zone, verifiable: bool) {
        self.check(!(zone.overwrote && verifiable), "never a stranger's record");
    }

    /// What the object may hold after a write.
    pub fn wrote(&mut self, change: &Change, object: &Object, clouds: &Clouds, given_up: bool) {
        let memory = memory::read(object.own());
        let open = memory.attempts.iter().filter(|attempt| attempt.closed_at.is_none()).count();
        let numbers: BTreeSet<i64> = memory.attempts.iter().map(|attempt| attempt.number).collect();
        self.check(open <= 1, "one attempt is open at a time");
        self.check(numbers.len() == memory.attempts.len(), "attempts' numbers never repeat");
        self.check(memory.attempts.len() <= 32, "no more than 32 attempts are remembered");
        match change {
            Change::Memory(MemoryChange::OpenAttempt { attempt, .. }) => {
                let new = self.wiped || attempt.number > self.highest;
                self.check(new, "attempts' numbers never repeat");
                self.check(!object.deleting, "a node that goes opens no attempt");
                self.highest = self.highest.max(attempt.number);
                self.clouds.insert(attempt.number, attempt.cloud.clone());
            }
            Change::Memory(MemoryChange::RecordFound(attempt)) => {
                self.clouds.insert(attempt.number, attempt.cloud.clone());
            }
            Change::Memory(MemoryChange::CloseAttempt(closing)) if closing.outcome == Outcome::Ready => {
                let server = object.own().and_then(|status| status.server.as_ref());
                self.check(server.is_some(), "Ready has a server");
                self.protected = server.map(|server| server.id.clone());
            }
            Change::RemoveFinalizer { cloud } => {
                // What was made through the other Cloud of the project is its own.
                let here = |owner: &Owner| {
                    let through = owner.attempt.and_then(|number| self.clouds.get(&number));
                    !clouds.are_one() || through.is_none_or(|through| through == cloud)
                };
                let left = clouds[cloud].owners().any(|owner| owner.uid == UID && here(owner));
                self.check(!left || given_up, "never let go while something is left");
            }
            _ => {}
        }
    }

    /// What a status may say: what kstatus and its kin rely on.
    pub fn status(&mut self, status: &TestNodeStatus, object: &Object, seen: &Observed) {
        let all = &status.conditions;
        let is = |kind: &str, word: &str| all.iter().any(|c| c.type_ == kind && c.status == word);
        let has = |kind: &str| all.iter().any(|condition| condition.type_ == kind);
        let kinds: BTreeSet<&str> = all.iter().map(|condition| condition.type_.as_str()).collect();
        self.check(kinds.len() == all.len(), "each condition is there once");
        self.check(has("Ready"), "Ready is always there");
        self.check(!(has("Reconciling") && has("Stalled")), "Reconciling or Stalled, never both");
        self.check(!has("Reconciling") || is("Reconciling", "True"), "Reconciling is there only while true");
        self.check(!has("Stalled") || is("Stalled", "True"), "Stalled is there only while true");
        self.check(!is("Ready", "True") || !(has("Stalled") || has("Reconciling")), "Ready is neither");
        let told = is("Ready", "True") || has("Reconciling") || has("Stalled") || has("Paused");
        let waiting = has("Ready") && seen.memory.current().is_some_and(|a| a.closed_at.is_some());
        self.check(told || waiting, "what is not Ready is Reconciling, Stalled or Paused");
        self.check(status.observed_generation == Some(object.generation), "the generation is observed");
        self.check(status.phase.as_ref().is_some_and(|phase| !phase.is_empty()), "there is a phase");
        for condition in all {
            self.check(!condition.reason.is_empty(), "no reason is empty");
            self.check(condition.reason.chars().all(char::is_alphanumeric), "a reason is one word");
            self.check(!condition.message.contains('\n'), "a message is one line");
            self.check(condition.message.chars().count() <= 1024, "a message has at most 1024 characters");
        }
        self.check(!(object.deleting && is("Ready", "True")), "what goes is not Ready");
        if is("Ready", "True") && !has("Paused") {
            let attempt = seen.memory.current();
            self.check(attempt.is_some_and(|a| a.closed_at.is_some()), "Ready follows an attempt");
            let looked_at = attempt.and_then(|a| Some((a, seen.clouds.get(&a.cloud)?)));
            let server = looked_at.and_then(|(attempt, _)| seen.machine_of(attempt)?.server);
            let known = looked_at.is_some_and(|(_, view)| view.standing == Standing::Seen);
            let lives = server.is_some_and(|server| {
                server.presence != Presence::Going && server.state != ServerState::SoftDeleted
            });
            self.check(lives || !known, "never Ready without its server");
        }
    }
}

/// What there is in truth when a request is sent.
pub struct Sent<'a> {
    /// The object.
    pub object: &'a Object,
    /// The name of the cloud it is sent to.
    pub name: &'a str,
    /// That cloud.
    pub cloud: &'a Cloud,
    /// DNS.
    pub zone: &'a Zone,
    /// Ids of the servers and floating IPs that the operator has seen there.
    pub known: BTreeSet<String>,
    /// The time.
    pub now: u64,
    /// Another Cloud opens the same project.
    pub one: bool,
    /// A server that was there when the object was restored is still its former one, in a cloud that can be listed.
    pub former: bool,
}

/// What there is in truth when a plan is made.
pub struct Truth<'a> {
    /// The time.
    pub now: u64,
    /// The clouds.
    pub clouds: &'a Clouds,
}

/// The cloud whose things are judged or changed.
fn change_of(change: &Change) -> Option<&String> {
    match change {
        Change::RemoveFinalizer { cloud } | Change::Cloud { cloud, .. } => Some(cloud),
        _ => None,
    }
}

/// The address of ours that the name points at.
fn named(zone: &Zone) -> Option<IpAddr> {
    zone.ours().first().copied()
}
