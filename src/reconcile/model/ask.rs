//! Questions that no list answers.

use super::scenario::SECOND;
use super::world::{Roused, UID, World};
use crate::inventory::shelf::Owner;
use crate::reconcile::plan::Question;
use crate::reconcile::state::{Kind, Observed, Verdict};

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
            | Question::Console { cloud, .. } => self.now < self.clouds[cloud].away_until,
            Question::Name { .. } | Question::Tcp { .. } | Question::UserData(_) => false,
        };
        let answered = luck < 236 && !away && self.answer(question, seen);
        if answered {
            self.well(&key);
        } else {
            let least = if matches!(question, Question::Name { .. }) { 5 } else { 0 };
            self.laws.dns_failed |= least > 0;
            self.trouble(key, false, Verdict::Passing, least);
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
                    return false;
                }
                self.process.reservations.insert(id.clone(), loose);
            }
            Question::Console { cloud, server } => {
                let machine = self.clouds[cloud].servers.get(server);
                let booted = machine.and_then(|machine| machine.booted_at).is_some_and(|at| at <= self.now);
                self.process.console = Some((server.clone(), booted, self.now + 5 * SECOND));
                return machine.is_some();
            }
            Question::Name { .. } => match self.zone.ask(self.now) {
                Some(found) => self.process.found = Some((self.now, found)),
                None => return false,
            },
            Question::Tcp { .. } | Question::UserData(_) => {}
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
        let attempt = seen.memory.last().map_or(0, |attempt| attempt.number);
        let owner = Owner { uid: UID.into(), attempt };
        match kind {
            Kind::Server => {
                if let Some(machine) = there.servers.get(id) {
                    books.servers.fold(machine.shown.clone(), now);
                } else {
                    let owner = books.servers.entry(id).map_or(owner, |entry| entry.owner.clone());
                    books.servers.gone(id, &owner, now);
                }
            }
            Kind::Volume => match there.volumes.get(id) {
                Some((shown, _)) => books.volumes.fold(shown.clone(), now),
                None => books.volumes.gone(id, &owner, now),
            },
            Kind::Port => match there.ports.get(id) {
                Some(port) => books.ports.fold(port.clone(), now),
                None => books.ports.gone(id, &owner, now),
            },
        }
        true
    }
}
