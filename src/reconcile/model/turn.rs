//! One turn: look, plan by the given rules, act, report. And the questions, and the writes of the object.

use std::collections::BTreeSet;

use super::cloud::Cloud;
use super::laws::Truth;
use super::process::Books;
use super::scenario::{MINUTE, SECOND};
use super::things::Server;
use super::world::{Roused, Rules, UID, World};
use super::zone::Answer;
use crate::inventory::shelf::Owned;
use crate::reconcile::memory;
use crate::reconcile::observe::in_motion;
use crate::reconcile::plan::{Change, MemoryChange, Step, Waiting, plan_by};
use crate::reconcile::state::{Desired, Kind, Observed, Problem, ServerState, Verdict};
use crate::reconcile::status::{self, Outcome};

impl Books {
    /// The answer of a create is folded in.
    pub fn fold(&mut self, kind: Kind, id: &str, cloud: &Cloud, now: tokio::time::Instant) {
        match kind {
            // The answer has just the id; the first list tells the rest.
            Kind::Server => {
                if let Some(machine) = cloud.servers.get(id) {
                    let state = ServerState::Building;
                    let shown = Server {
                        state,
                        created: None,
                        fault: None,
                        deleting: false,
                        ..machine.shown.clone()
                    };
                    self.servers.fold(shown, now);
                }
            }
            Kind::Volume => {
                cloud
                    .volumes
                    .get(id)
                    .into_iter()
                    .for_each(|(shown, _)| self.volumes.fold(shown.clone(), now));
            }
            Kind::Port => cloud.ports.get(id).into_iter().for_each(|port| self.ports.fold(port.clone(), now)),
        }
    }

    /// Something happened to the server that changes its volumes, if it has any.
    pub fn outdate_volumes(&mut self, now: tokio::time::Instant) {
        if self.volumes.of(UID).next().is_some() {
            self.volumes.ledger.outdated(UID, now);
        }
    }

    /// A deletion was answered.
    pub fn deleted(&mut self, kind: Kind, id: &str, now: tokio::time::Instant) {
        match kind {
            Kind::Server => {
                self.servers.deleted(id, now);
                if let Some(owner) = self.servers.entry(id).map(|entry| entry.owner.clone()) {
                    self.volumes.go_along(now, |volume| volume.owner().as_ref() == Some(&owner));
                    self.outdate_volumes(now);
                }
            }
            Kind::Volume => self.volumes.deleted(id, now),
            Kind::Port => self.ports.deleted(id, now),
        }
    }

    /// As the inventory takes it.
    pub fn port_deleted(&mut self, id: &str, now: tokio::time::Instant) {
        if let Some(owner) = self.ports.entry(id).map(|entry| entry.owner.clone()) {
            self.ports.gone(id, &owner, now);
        }
    }
}

impl World {
    /// One turn, and the time until the next.
    pub fn turn(&mut self, rules: Rules<'_>) {
        let (desired, mut seen) = (self.desired(), self.look());
        (rules.belief)(&mut seen);
        let step = plan_by(rules.bring_up, rules.tear_down, &desired, &seen);
        let truth = Truth { now: self.now, clouds: &self.clouds };
        self.laws.plans(&truth, &step, &desired, &seen);
        self.tell(|| match &step {
            Step::Do(change) => format!("{change}"),
            Step::Ask(question) => format!("{question}?"),
            Step::Wait(waiting) => format!("wait: {} {}", waiting.reason, waiting.message),
            Step::Rest => "rest".into(),
        });
        match &step {
            Step::Do(change) => self.act(change, &desired, &seen),
            Step::Ask(question) => self.ask(question, &seen),
            Step::Wait(_) | Step::Rest => self.rest(&step, &desired, &seen),
        }
    }

    fn act(&mut self, change: &Change, desired: &Desired, seen: &Observed) {
        match change {
            Change::SetName { address } | Change::ParkName { address } => {
                self.set_name(*address, &change.key());
            }
            Change::Cloud { cloud, change } => self.request(cloud, change),
            Change::AddFinalizer { .. }
            | Change::RemoveFinalizer { .. }
            | Change::AnswerAbandon { .. }
            | Change::Expire { .. }
            | Change::Memory(_) => self.write(change, desired, seen),
        }
    }

    /// A write of the object: done, refused for a conflict, done without a reply, or the last that the process did.
    fn write(&mut self, change: &Change, desired: &Desired, seen: &Observed) {
        let (generation, was, lives) = (self.object.generation, self.object.status.clone(), self.lives);
        self.laws.claims(change, &self.object, self.now < self.held_until);
        self.pass(self.now + SECOND / 20, Roused::Never);
        let luck = self.luck();
        if self.lives != lives {
            return;
        }
        // Somebody wrote meanwhile.
        if luck / 8 == 30
            || self.object.generation != generation
            || self.object.deleting != seen.deleting
            || self.object.status != was
        {
            return self.pass(self.now + SECOND / 4, Roused::Never);
        }
        if luck != 250 {
            self.written(change, desired, seen);
        }
        match luck {
            250 | 251 => self.crash(),
            252 | 253 => self.pass(self.now + SECOND, Roused::Never),
            _ => self.noted(change, seen),
        }
        if self.object.deleting && self.object.held.is_empty() {
            self.object.gone = true;
        }
    }

    fn written(&mut self, change: &Change, desired: &Desired, seen: &Observed) {
        match change {
            Change::AddFinalizer { cloud } => {
                self.laws.check(!self.object.deleting, "no finalizer is added to an object that goes");
                self.object.held.insert(cloud.clone());
            }
            Change::RemoveFinalizer { cloud } => {
                self.object.held.remove(cloud);
            }
            Change::Expire { .. } => {
                let due = self.life.expires.is_some_and(|at| at <= self.now);
                self.laws.check(due, "no node goes before its time");
                self.object.deleting = true;
            }
            Change::Memory(change) => {
                let Some(memory) = memory::after(seen, change) else { return };
                let after = Observed { memory, ..seen.clone() };
                let outcome = Outcome::after(change, &after);
                let status = status::project(self.object.status.as_ref(), desired, &after, &outcome);
                self.laws.status(&status, &self.object, &after);
                self.object.status = Some(status);
            }
            _ => return,
        }
        self.laws.wrote(change, &self.object, &self.clouds);
    }

    fn noted(&mut self, change: &Change, seen: &Observed) {
        match change {
            Change::AddFinalizer { cloud } if seen.held.is_empty() && seen.memory.attempts.is_empty() => {
                self.process.born.insert(cloud.clone());
            }
            Change::RemoveFinalizer { cloud } => {
                self.process.born.remove(cloud);
            }
            Change::Memory(MemoryChange::OpenAttempt { attempt, .. }) => {
                self.process.opened.insert(attempt.number);
                self.process.troubles.clear();
            }
            Change::Memory(MemoryChange::CloseAttempt(_)) => {
                self.process.troubles.retain(|trouble| !trouble.creating);
            }
            _ => {}
        }
        self.well(&change.key());
    }

    fn set_name(&mut self, address: std::net::IpAddr, key: &str) {
        // What a port of ours has counts as recorded: after a lost status nothing else tells.
        let held =
            self.clouds.values().flat_map(|cloud| cloud.ports.values()).any(|port| port.address == address);
        self.laws.sets_name(address, held, &self.object);
        let luck = self.luck();
        let answer = match luck {
            240..=247 => Answer::Unknown,
            _ => self.zone.set(address, self.now, luck),
        };
        self.laws.zone(&self.zone, self.life.verifiable);
        let lives = self.lives;
        self.pass(self.now + if answer == Answer::Unknown { 3 * SECOND } else { SECOND / 10 }, Roused::Never);
        if self.lives != lives {
            return;
        }
        if luck >= 254 {
            return self.crash();
        }
        self.process.found = None;
        self.process.sent = None;
        // The reply of what was done can be lost too.
        if answer == Answer::Unknown || luck >= 248 {
            self.laws.dns_failed = true;
            self.trouble(key.to_owned(), false, Verdict::Passing, 5);
        } else {
            self.process.sent = Some((self.now, address, answer == Answer::NoChange));
            self.well(key);
        }
    }

    fn rest(&mut self, step: &Step, desired: &Desired, seen: &Observed) {
        self.look_out(step, seen);
        let outcome = Outcome::of(step, seen);
        let later = self.told_later(&outcome);
        if !(seen.deleting && seen.held.is_empty()) && later.is_none() {
            let status = status::project(self.object.status.as_ref(), desired, seen, &outcome);
            if self.object.status.as_ref() != Some(&status) {
                self.laws.status(&status, &self.object, seen);
                self.object.status = Some(status);
            }
        }
        let pause = match step {
            Step::Wait(Waiting { until: Some(until), .. }) => {
                let pause = u64::try_from(until.as_millisecond() - seen.now.as_millisecond()).unwrap_or(0);
                pause.clamp(SECOND / 10, 15 * SECOND)
            }
            Step::Wait(waiting) if waiting.reason == "Booting" => SECOND,
            Step::Wait(_) => 15 * SECOND,
            Step::Do(_) | Step::Ask(_) | Step::Rest => 5 * MINUTE,
        };
        let left = desired.expiry.as_ref().and_then(|expiry| expiry.left(seen.now));
        let left = left.map_or(pause, |left| u64::try_from(left.as_millis()).unwrap());
        self.pass(self.now + pause.min(left).min(later.unwrap_or(pause)), Roused::ByNews);
    }

    /// How long progress must wait until it is told.
    fn told_later(&mut self, outcome: &Outcome) -> Option<u64> {
        let Outcome::Progressing(Problem { reason, .. }) = outcome else {
            self.process.step = None;
            return None;
        };
        let since = match self.process.step {
            Some((step, since)) if step == *reason => since,
            Some(_) | None => self.now,
        };
        self.process.step = Some((reason, since));
        let first = self.object.status.is_none();
        (since + 2 * SECOND > self.now && !first).then(|| since + 2 * SECOND - self.now)
    }

    /// Tells the pollers what the node waits for.
    fn look_out(&mut self, step: &Step, seen: &Observed) {
        let (now, started) = (self.instant(self.now), self.instant(self.process.started));
        if let Step::Wait(waiting) = step {
            for (cloud, kind) in waiting.looks.iter().collect::<BTreeSet<_>>() {
                let ledger = self.process.books.get_mut(cloud).unwrap().ledger_mut(*kind);
                match ledger.settles_at(UID, Some(started)) {
                    Some(at) if waiting.settling => ledger.want(UID, at),
                    Some(_) | None => ledger.want_news(UID, now),
                }
            }
        }
        for (cloud, kind) in in_motion(seen) {
            self.process.books.get_mut(&cloud).unwrap().ledger_mut(kind).want_news(UID, now);
        }
    }
}
