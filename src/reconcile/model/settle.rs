//! What the inventory and the notes are told of a request.

use std::time::Duration;

use super::act::Reply;
use super::cloud::No;
use super::world::{UID, World};
use crate::reason::Reason;
use crate::reconcile::backoff::backoff;
use crate::reconcile::notes::Failed;
use crate::reconcile::plan::{CloudChange, Mark};
use crate::reconcile::state::{Kind, RequestKey, Trouble, Verdict};

impl World {
    /// Answered, refused (one fresh look decides) or lost (it may still take effect).
    pub fn settle(&mut self, cloud: &str, change: &CloudChange, reply: &Reply) {
        let now = self.instant(self.now);
        let (kind, creating) = (change.kind(), change.creates());
        let books = self.process.books.get_mut(cloud).unwrap();
        if let CloudChange::FreeVolume { id, .. } = change {
            self.process.notes.reservations.remove(id);
            books.state.volumes.ledger.refused(UID, now);
        } else {
            match reply {
                Reply::Done(made) => {
                    if let Some(id) = change.deletes() {
                        books.state.deleted(kind, id, true, now);
                    }
                    if let Some(id) = made {
                        books.made(kind, id, &self.clouds[cloud], now);
                    }
                    if let CloudChange::RebuildServer { id, number, image } = change {
                        books.state.rebuilds(id, *number, image, now);
                    }
                    if let CloudChange::ForceDeleteServer { id, .. } = change {
                        self.process.notes.forced.insert(id.clone());
                    }
                    let books = self.process.books.get_mut(cloud).unwrap();
                    books.state.ledger_mut(kind).answered(UID, now);
                    if creating && kind == Kind::Server {
                        books.state.outdate_volumes(UID, now);
                    }
                }
                Reply::No(No::NotFound) if !creating => {
                    if let Some(id) = change.deletes() {
                        books.state.deleted(kind, id, false, now);
                    }
                    books.state.ledger_mut(kind).refused(UID, now);
                }
                Reply::No(_) => {
                    books.state.ledger_mut(kind).refused(UID, now);
                    if kind == Kind::Server {
                        books.state.volumes.ledger.refused(UID, now);
                        books.state.ports.ledger.refused(UID, now);
                    }
                    if matches!((kind, reply), (Kind::FloatingIp, Reply::No(No::Conflict))) {
                        books.state.ports.ledger.refused(UID, now);
                    }
                }
                Reply::Lost if change.may_come_late() => books.state.ledger_mut(kind).lost(UID, now),
                Reply::Lost => books.state.ledger_mut(kind).refused(UID, now),
                Reply::NotSent => {}
            }
        }
        if let (CloudChange::Adopt { id, mark, .. }, Reply::Done(_)) = (change, reply) {
            // Another Cloud of the same project lists it too.
            for books in self.process.books.values_mut() {
                match mark {
                    Mark::Tag => books.state.tagged(id, UID, true),
                    Mark::Untag(uid) => books.state.tagged(id, uid, false),
                    Mark::Owner => books.state.adopted(kind, id, UID, now),
                }
            }
        }
        let failed = match reply {
            Reply::Done(_) => false,
            Reply::No(No::NotFound) => change.deletes().is_none(),
            Reply::No(_) | Reply::Lost | Reply::NotSent => true,
        };
        if let (true, Some(id)) = (failed, change.ends()) {
            let state = &mut self.process.books.get_mut(cloud).unwrap().state;
            state.hindered(kind, id, "the cloud's own words".into(), now);
        }
        let key = change.key();
        let verdict = match reply {
            Reply::Done(_) => return self.well(&key),
            Reply::No(No::NotFound) if !creating && change.deletes().is_some() => return self.well(&key),
            Reply::No(No::Because(verdict)) => *verdict,
            Reply::No(No::Unrouted) => Verdict::Invalid,
            Reply::No(_) | Reply::NotSent | Reply::Lost => Verdict::Passing,
        };
        if verdict == Verdict::Quota {
            self.process.books.get_mut(cloud).unwrap().refused = true;
        }
        if verdict == Verdict::Invalid && !matches!(reply, Reply::No(No::Unrouted)) {
            self.process.books.get_mut(cloud).unwrap().catalogue = false;
        }
        self.trouble(key, verdict, 0);
        if let (Reply::No(No::Unrouted), Some(last)) = (reply, self.process.notes.troubles.last_mut()) {
            last.trouble.reason = Reason::NoRouter;
        }
    }

    /// A request failed.
    pub fn trouble(&mut self, key: RequestKey, verdict: Verdict, least: u64) {
        let (clock, now) = (self.timestamp(), self.instant(self.now));
        let troubles = &mut self.process.notes.troubles;
        let before = troubles.iter().position(|failed| failed.trouble.key == key);
        let before = before.map(|index| troubles.swap_remove(index));
        let since = before.as_ref().map_or(now, |before| before.since);
        let pause = backoff(now - since).max(Duration::from_secs(least));
        let reason = match verdict {
            Verdict::Quota => Reason::QuotaExceeded,
            Verdict::Capacity => Reason::NoValidHost,
            Verdict::Invalid => Reason::RequestRefused,
            Verdict::Passing if least > 0 => Reason::DNSUpdateFailed,
            Verdict::Passing => Reason::CloudUnreachable,
        };
        let trouble = Trouble {
            key,
            verdict,
            reason,
            message: "the cloud's own words".into(),
            since: clock,
            failures: before.map_or(0, |before| before.trouble.failures) + 1,
            retry_at: clock,
        };
        self.process.notes.troubles.push(Failed { trouble, since, retry_at: now + pause });
    }

    /// A streak of failures is over.
    pub fn well(&mut self, key: &RequestKey) {
        self.process.notes.troubles.retain(|failed| failed.trouble.key != *key);
    }
}
