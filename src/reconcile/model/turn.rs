//! One turn: look, plan by the given rules, act, report. And the questions, and the writes of the object.

use std::collections::BTreeSet;
use std::time::Duration;

use super::cloud::Cloud;
use super::laws::Truth;
use super::process::Books;
use super::scenario::{MINUTE, SECOND};
use super::things;
use super::world::{Due, Roused, Rules, UID, World};
use super::zone::Answer;
use crate::reason::Reason;
use crate::reconcile::look::{in_motion, to_settle};
use crate::reconcile::memory;
use crate::reconcile::notes::SentName;
use crate::reconcile::plan::{Change, MemoryChange, Step, Waiting, plan_by};
use crate::reconcile::state::{Abandon, Desired, Kind, Observed, Problem, RequestKey, Verdict};
use crate::reconcile::status::{self, Outcome};

impl Books {
    /// Takes in what a cloud says of a thing; `false` if it is gone.
    pub fn take(&mut self, kind: Kind, id: &str, cloud: &Cloud, now: tokio::time::Instant) -> bool {
        let state = &mut self.state;
        let there = match kind {
            Kind::Server => {
                cloud.servers.get(id).map(|machine| state.servers.fold(machine.shown.clone(), now))
            }
            Kind::Volume => cloud.volumes.get(id).map(|(shown, _)| state.volumes.fold(shown.clone(), now)),
            Kind::FloatingIp => cloud.floating_ips.get(id).map(|ip| state.floating_ips.fold(ip.clone(), now)),
            Kind::Port => cloud.ports.get(id).map(|port| state.ports.fold(port.clone(), now)),
        };
        there.is_some()
    }

    /// Takes in the answer of a create. Nova's has just the id; the first list tells the rest.
    pub fn made(&mut self, kind: Kind, id: &str, cloud: &Cloud, now: tokio::time::Instant) {
        match cloud.servers.get(id) {
            Some(machine) => self.state.servers.fold(things::requested(&machine.shown), now),
            None => drop(self.take(kind, id, cloud, now)),
        }
    }
}

impl World {
    /// One turn, and the time until the next.
    pub fn turn(&mut self, rules: Rules<'_>) {
        let (desired, mut seen) = (self.desired(), self.look());
        (rules.belief)(&mut seen);
        let step = plan_by(rules.bring_up, rules.tear_down, &desired, &seen);
        let now = self.instant(self.now);
        self.process.notes.planned(&step, now);
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
            Change::PublishName { address } => self.change_name(Some(*address), &change.key()),
            Change::WithdrawName => self.change_name(None, &change.key()),
            Change::Cloud { cloud, change } => self.request(cloud, change),
            Change::AnswerAbandon { cloud } => self.answer_abandon(cloud, seen),
            Change::AddFinalizer { .. }
            | Change::RemoveFinalizer { .. }
            | Change::AbandonUntouched { .. }
            | Change::Expire { .. }
            | Change::Release { .. }
            | Change::Memory(_) => self.write(change, desired, seen),
        }
    }

    /// An event; and, if the wish is honoured, a record that the Cloud's own turn writes a moment later.
    fn answer_abandon(&mut self, cloud: &str, seen: &Observed) {
        let honoured = seen.clouds[cloud].abandon == Some(Abandon::Honoured);
        self.laws.check(!honoured || self.is_lost(cloud), "only what is lost is abandoned");
        self.pass(self.now + SECOND / 20, Roused::Never);
        self.process.notes.abandon.insert(cloud.to_owned(), honoured);
        if honoured {
            self.schedule(self.now + SECOND, Due::Recorded(cloud.to_owned()));
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
                let status = status::project(self.object.own(), desired, &after, &outcome);
                self.laws.status(&status, &self.object, &after);
                self.object.status = Some(status);
            }
            _ => return,
        }
        let given_up =
            |cloud: &String| self.is_lost(cloud) && self.object.abandon && self.records.contains(cloud);
        let given_up = matches!(change, Change::RemoveFinalizer { cloud } if given_up(cloud));
        self.laws.abandoned |= given_up;
        self.laws.wrote(change, &self.object, &self.clouds, given_up);
    }

    fn noted(&mut self, change: &Change, seen: &Observed) {
        match change {
            Change::AddFinalizer { cloud } if seen.held.is_empty() && seen.memory.attempts.is_empty() => {
                self.process.notes.born.insert(cloud.clone());
            }
            Change::RemoveFinalizer { cloud } => {
                self.process.notes.born.remove(cloud);
            }
            Change::Memory(MemoryChange::OpenAttempt { attempt, .. }) => {
                self.process.notes.opens(attempt.number);
            }
            Change::Memory(MemoryChange::OpenRebuild(_)) => {
                self.process.notes.opened.extend(seen.memory.current().map(|attempt| attempt.number));
                self.process.notes.troubles.retain(|failed| failed.trouble.key != RequestKey::RebuildServer);
            }
            Change::Memory(MemoryChange::CloseRebuild(_)) => {
                self.process.notes.troubles.retain(|failed| failed.trouble.key != RequestKey::RebuildServer);
            }
            Change::Memory(MemoryChange::CloseAttempt(_)) => {
                self.process.notes.troubles.retain(|failed| !failed.trouble.key.creates());
            }
            _ => {}
        }
        self.well(&change.key());
    }

    fn change_name(&mut self, address: Option<std::net::IpAddr>, key: &RequestKey) {
        if let Some(address) = address {
            // What a port of ours has counts as recorded: after a lost status nothing else tells.
            let mut ports = self.clouds.values().flat_map(|cloud| cloud.ports.values());
            let mut ips = self.clouds.values().flat_map(|cloud| cloud.floating_ips.values());
            let floating = ips.any(|ip| ip.address == Some(address));
            let held = floating || ports.any(|port| port.addresses.contains(&address));
            self.laws.publishes(address, held, &self.object);
        }
        let luck = self.luck();
        let known = self.process.notes.found.as_ref().map(|(_, record)| record.clone());
        let known = known.or_else(|| self.life.verifiable.then(Default::default));
        let answer = match luck {
            240..=247 => Answer::Unknown,
            _ => self.zone.change(address, known.as_ref(), self.now, luck),
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
        self.process.notes.found = None;
        self.process.notes.sent = None;
        // The reply of what was done can be lost too.
        if answer == Answer::Unknown || luck >= 248 {
            self.laws.dns_failed = true;
            if address.is_some() {
                self.process.notes.unanswered = Some(self.instant(self.now));
            }
            self.trouble(key.clone(), Verdict::Passing, 5);
        } else {
            let at = self.instant(self.now);
            self.process.notes.sent = Some(SentName { at, address, proved: answer == Answer::Done });
            self.well(key);
        }
    }

    fn rest(&mut self, step: &Step, desired: &Desired, seen: &Observed) {
        self.look_out(step, seen);
        let outcome = Outcome::of(step, seen);
        let later = self.told_later(&outcome);
        if !(seen.deleting && seen.held.is_empty()) && later.is_none() {
            let status = status::project(self.object.own(), desired, seen, &outcome);
            if self.object.own() != Some(&status) {
                self.laws.status(&status, &self.object, seen);
                self.object.status = Some(status);
            }
        }
        let pause = match step {
            Step::Wait(Waiting { until: Some(until), .. }) => {
                let pause = u64::try_from(until.as_millisecond() - seen.now.as_millisecond()).unwrap_or(0);
                pause.clamp(SECOND / 10, 15 * SECOND)
            }
            Step::Wait(waiting) if waiting.reason == Reason::Booting => SECOND,
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
            self.process.notes.step = None;
            return None;
        };
        let now = self.instant(self.now);
        let since = match self.process.notes.step {
            Some((step, since)) if step == *reason => since,
            Some(_) | None => now,
        };
        self.process.notes.step = Some((*reason, since));
        let first = self.object.status.is_none();
        let left = (since + Duration::from_millis(2 * SECOND)).saturating_duration_since(now);
        (!left.is_zero() && !first).then(|| u64::try_from(left.as_millis()).unwrap())
    }

    /// Tells the pollers what the node waits for.
    fn look_out(&mut self, step: &Step, seen: &Observed) {
        let (now, started) = (self.instant(self.now), self.instant(self.process.started));
        if let Step::Wait(waiting) = step {
            for (cloud, kind) in waiting.looks.iter().collect::<BTreeSet<_>>() {
                let ledger = self.process.books.get_mut(cloud).unwrap().state.ledger_mut(*kind);
                match ledger.settles_at(UID, Some(started)) {
                    Some(at) if waiting.settling => ledger.want(UID, at),
                    Some(_) | None => ledger.want_news(UID, now),
                }
            }
        }
        if let Some((cloud, kind)) = to_settle(seen) {
            let ledger = self.process.books.get_mut(&cloud).unwrap().state.ledger_mut(kind);
            match ledger.settles_at(UID, Some(started)) {
                Some(at) => ledger.want(UID, at),
                None => ledger.want_news(UID, now),
            }
        }
        for (cloud, kind) in in_motion(seen) {
            self.process.books.get_mut(&cloud).unwrap().state.ledger_mut(kind).want_news(UID, now);
        }
    }
}
