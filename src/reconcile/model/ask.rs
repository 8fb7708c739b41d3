//! Questions that no list answers.

use super::scenario::SECOND;
use super::world::{Roused, UID, World};
use crate::guest::console::{Finished, Reading, Sign};
use crate::reconcile::notes::ConsoleNotes;
use crate::reconcile::plan::Question;
use crate::reconcile::state::{Kind, Observed, Verdict};
use crate::ssh_key::PublicKey;
use crate::things::Owner;

/// How long after the end of cloud-init sshd answers.
pub const SSHD: u64 = 7 * SECOND;

/// The host key of every guest.
fn host_key() -> PublicKey {
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO0XaPr8Sq+T/3no50j2j2TUo45KYDx2APl2wFX9+sIS".parse().unwrap()
}

impl World {
    /// Asks, and notes the answer.
    pub fn ask(&mut self, question: &Question, seen: &Observed) {
        let key = question.key();
        let (luck, lives) = (self.luck(), self.lives);
        self.pass(self.now + SECOND / 10, Roused::Never);
        if self.lives != lives {
            return;
        }
        let away = match question {
            Question::Catalogue { cloud }
            | Question::Limits { cloud, .. }
            | Question::Presence { cloud, .. }
            | Question::Reservations { cloud, .. }
            | Question::ShowConsole { cloud, .. }
            | Question::Console { cloud, .. } => self.now < self.clouds[cloud].away_until,
            Question::Name { .. }
            | Question::Tcp { .. }
            | Question::Ssh { .. }
            | Question::UserData(_)
            | Question::Keeper(_) => false,
        };
        let answered = luck < 236 && !away && self.answer(question, seen);
        if answered {
            self.well(&key);
        } else {
            let least = if matches!(question, Question::Name { .. }) { 5 } else { 0 };
            self.laws.dns_failed |= least > 0;
            self.trouble(key, Verdict::Passing, least);
        }
    }

    fn answer(&mut self, question: &Question, seen: &Observed) -> bool {
        match question {
            Question::Catalogue { cloud } => self.process.books.get_mut(cloud).unwrap().catalogue = true,
            Question::Limits { cloud, .. } => self.process.books.get_mut(cloud).unwrap().refused = false,
            Question::Presence { cloud, kind, id } => return self.presence(cloud, *kind, id, seen),
            Question::Reservations { cloud, id } => {
                let loose = self.clouds[cloud].loose(id);
                if loose.is_empty() {
                    let now = self.instant(self.now);
                    let state = &mut self.process.books.get_mut(cloud).unwrap().state;
                    state.hindered(Kind::Volume, id, "the cloud's own words".into(), now);
                    return false;
                }
                self.process.notes.reservations.insert(id.clone(), loose);
            }
            Question::Console { cloud, boot } => {
                let server = &boot.server;
                let machine = self.clouds[cloud].servers.get(server);
                let booted = machine.and_then(|machine| machine.booted_at).is_some_and(|at| at <= self.now);
                let console = ConsoleNotes {
                    reading: Some(Reading {
                        finished: booted.then(|| Finished { sign: Sign::FinalMessage, line: String::new() }),
                        ..Reading::default()
                    }),
                    tail: Some("tail".into()),
                    next: Some(self.instant(self.now + 5 * SECOND)),
                    ..ConsoleNotes::default()
                };
                self.process.notes.guests.entry(boot.clone()).or_default().console = console;
                return machine.is_some();
            }
            Question::Name { .. } => match self.zone.ask(self.now) {
                Some(found) => self.process.notes.found = Some((self.instant(self.now), found)),
                None => return false,
            },
            Question::Ssh { boot, check, .. } => {
                // The guest has its sshd a while after the end of cloud-init.
                let mut machines = self.clouds.values().filter_map(|cloud| cloud.servers.get(&boot.server));
                let booted = machines.next().and_then(|machine| machine.booted_at);
                let answers = booted.is_some_and(|at| at + SSHD <= self.now);
                let again = self.instant(self.now + 3 * SECOND);
                let ssh = &mut self.process.notes.guests.entry(boot.clone()).or_default().ssh;
                ssh.next = Some(again);
                if answers {
                    ssh.passed.push(((**check).clone(), host_key()));
                }
            }
            Question::Tcp { .. }
            | Question::UserData(_)
            | Question::ShowConsole { .. }
            | Question::Keeper(_) => {}
        }
        true
    }

    fn presence(&mut self, cloud: &str, kind: Kind, id: &str, seen: &Observed) -> bool {
        let (there, now) = (&self.clouds[cloud], self.instant(self.now));
        let books = self.process.books.get_mut(cloud).unwrap();
        let (down, hidden) = &there.cell_down;
        if kind == Kind::Server && self.now < *down && hidden.contains(id) {
            return false;
        }
        let attempt = seen.memory.last().map(|attempt| attempt.number);
        let owner = Owner { uid: UID.into(), attempt };
        if !books.take(kind, id, there, now) {
            books.state.gone(kind, id, &owner, now, now);
        }
        true
    }
}
