//! What the inventory and the notes are told of a request.

use jiff::SignedDuration;

use super::act::Reply;
use super::cloud::No;
use super::world::{UID, World};
use crate::reconcile::backoff::backoff;
use crate::reconcile::plan::CloudChange;
use crate::reconcile::state::{Kind, Trouble, Verdict};

impl World {
    /// Answered, refused (one fresh look decides) or lost (it may still take effect).
    pub fn settle(&mut self, cloud: &str, change: &CloudChange, reply: &Reply) {
        let now = self.instant(self.now);
        let (kind, creating) = (change.kind(), change.creates());
        let books = self.process.books.get_mut(cloud).unwrap();
        if let CloudChange::FreeVolume { id, .. } = change {
            self.process.reservations.remove(id);
            books.volumes.ledger.refused(UID, now);
        } else {
            match reply {
                Reply::Done(made) => {
                    match change.deletes() {
                        Some(id) if kind == Kind::Port => books.port_deleted(id, now),
                        Some(id) => books.deleted(kind, id, now),
                        None => {}
                    }
                    if let Some(id) = made {
                        books.fold(kind, id, &self.clouds[cloud], now);
                    }
                    if let CloudChange::ForceDeleteServer { id, .. } = change {
                        self.process.forced.insert(id.clone());
                    }
                    let books = self.process.books.get_mut(cloud).unwrap();
                    books.ledger_mut(kind).answered(UID, now);
                    if creating && kind == Kind::Server {
                        books.outdate_volumes(now);
                    }
                }
                Reply::No(No::NotFound) if !creating => {
                    if let Some(id) = change.deletes() {
                        books.deleted(kind, id, now);
                    }
                    books.ledger_mut(kind).refused(UID, now);
                }
                Reply::No(_) => {
                    books.ledger_mut(kind).refused(UID, now);
                    if kind == Kind::Server {
                        books.volumes.ledger.refused(UID, now);
                        books.ports.ledger.refused(UID, now);
                    }
                }
                Reply::Lost if creating => books.ledger_mut(kind).lost(UID, now),
                Reply::Lost => books.ledger_mut(kind).refused(UID, now),
                Reply::NotSent => {}
            }
        }
        // As `Change::key`.
        let key = change.to_string();
        let verdict = match reply {
            Reply::Done(_) => return self.well(&key),
            Reply::No(No::NotFound) if !creating && change.deletes().is_some() => return self.well(&key),
            Reply::No(No::Because(verdict)) => *verdict,
            Reply::No(_) | Reply::NotSent | Reply::Lost => Verdict::Passing,
        };
        if verdict == Verdict::Quota {
            self.process.books.get_mut(cloud).unwrap().refused = true;
        }
        if verdict == Verdict::Invalid {
            self.process.books.get_mut(cloud).unwrap().catalogue = false;
        }
        self.trouble(key, creating, verdict, 0);
    }

    /// A request failed.
    pub fn trouble(&mut self, key: String, creating: bool, verdict: Verdict, least: i64) {
        let now = self.timestamp();
        let before = self.process.troubles.iter().position(|trouble| trouble.key == key);
        let before = before.map(|index| self.process.troubles.swap_remove(index));
        let since = before.as_ref().map_or(now, |before| before.since);
        let pause = backoff(
            (now - since)
                .total(jiff::Unit::Second)
                .map_or_else(|_| std::time::Duration::ZERO, std::time::Duration::from_secs_f64),
        );
        let pause = SignedDuration::try_from(pause).unwrap().max(SignedDuration::from_secs(least));
        let reason = match verdict {
            Verdict::Quota => "QuotaExceeded",
            Verdict::Capacity => "NoValidHost",
            Verdict::Invalid => "RequestRefused",
            Verdict::Passing if least > 0 => "DNSUpdateFailed",
            Verdict::Passing => "CloudUnreachable",
        };
        self.process.troubles.push(Trouble {
            key,
            creating,
            verdict,
            reason,
            message: "the cloud's own words".into(),
            since,
            failures: before.map_or(0, |before| before.failures) + 1,
            retry_at: now.checked_add(pause).unwrap(),
        });
    }

    /// A streak of failures is over.
    pub fn well(&mut self, key: &str) {
        self.process.troubles.retain(|trouble| trouble.key != key);
    }
}
