//! Glance in the model: what it does with each request, and what becomes of the answer.

use jiff::SignedDuration;

use super::{Made, Sim};
use crate::image::plan::Ask;
use crate::image::state::{Known, Look, Picture, Sent, Trouble, Uses, after};
use crate::reason::Reason;

impl Sim {
    pub(super) fn post(&mut self, id: &str, digest: &str) -> bool {
        let made = self.spent.insert(id.to_owned());
        if made {
            self.glance
                .insert(id.to_owned(), Made { status: "queued", digest: digest.to_owned(), right: false });
        }
        made
    }

    pub(super) fn look(&self, id: &str) -> Look {
        if self.golden.contains_key(id) {
            return self.look_at_golden(id);
        }
        self.glance.get(id).map_or(Look::Missing, |made| {
            Look::There(Picture {
                status: made.status.to_owned(),
                size: 10,
                hash_algo: "sha512".into(),
                hash: if made.right { format!("right {}", made.digest) } else { "wrong".into() },
                digest: made.digest.clone(),
                described: self.status.wanted.clone().unwrap_or_default().described,
            })
        })
    }

    pub(super) fn known(&mut self, id: &str) -> &mut Known {
        self.memory.images.entry(id.to_owned()).or_default()
    }

    pub(super) fn learn(&mut self, id: &str) {
        let (look, now) = (self.look(id), self.now);
        let known = self.known(id);
        if known.since.is_none() || known.look.as_ref() != Some(&look) {
            known.since = Some(now);
        }
        known.looked = Some(now);
        known.unasked = false;
        known.spent |= matches!(look, Look::There(_) | Look::Source(_));
        known.look = Some(look);
    }

    pub(super) fn fails(&mut self) {
        self.memory.pause = Some((
            Trouble::new(Reason::CloudUnreachable, "no"),
            after(self.now, SignedDuration::from_secs(5)),
        ));
    }

    pub(super) fn ask(&mut self, ask: &Ask) {
        // 0 works; 1 never arrives; 2 the reply is lost; 3 it arrives late.
        let fate = self.chance(8);
        self.spares_golden(ask);
        if self.about_test(ask, fate) {
            return;
        }
        if fate == 1 {
            if let Ask::Create(id) | Ask::Burn(id) = ask {
                self.known(id).unasked = false;
                self.known(id).look = None;
            }
            return self.fails();
        }
        match ask {
            Ask::List | Ask::ListHidden | Ask::Look(_) if fate == 2 => self.fails(),
            Ask::List => {
                let ids = self.glance.keys().filter(|id| !self.golden.contains_key(*id));
                let ids: Vec<String> = ids.cloned().collect();
                for known in self.memory.images.values_mut().filter(|known| !known.unasked) {
                    known.look = None;
                }
                for id in ids {
                    if !self.here().images.iter().any(|record| record.id == id)
                        && let Look::There(picture) = self.look(&id)
                    {
                        self.memory.found.insert(id.clone(), picture);
                    }
                    self.learn(&id);
                }
                self.memory.listed = Some(self.now);
            }
            Ask::ListHidden => self.memory.listed_hidden = Some(self.now),
            Ask::Look(id) => self.learn(id),
            Ask::Create(id) | Ask::Burn(id) => {
                let digest = self
                    .here()
                    .images
                    .iter()
                    .find(|record| record.id == *id)
                    .map(|record| record.digest.clone());
                let digest = digest.unwrap_or_default();
                self.known(id).unasked = false;
                self.known(id).look = None;
                if fate == 3 {
                    let late = SignedDuration::from_secs(i64::from(self.chance(80)));
                    self.late.push((after(self.now, late), id.clone(), digest));
                    return self.fails();
                }
                let made = self.post(id, &digest);
                if fate == 2 {
                    return self.fails();
                }
                if made { self.learn(id) } else { self.known(id).spent = true }
            }
            Ask::Upload(id) => {
                let wrong = self.chance(5) == 1;
                let sent = self.glance.get(id).map(|made| Sent {
                    sha512: format!("right {}", made.digest),
                    size: 10,
                    virtual_size: None,
                });
                let known = self.known(id);
                known.look = None;
                match (fate, sent) {
                    (0 | 4.., Some(sent)) => {
                        known.ended = Some(Ok(sent));
                        if let Some(made) = self.glance.get_mut(id) {
                            // A store that breaks bytes.
                            (made.status, made.right) = ("active", !wrong);
                        }
                    }
                    (2, _) => {
                        known.ended = Some(Err(Trouble::new(Reason::SourceUnreachable, "cut")));
                        self.glance.entry(id.clone()).and_modify(|made| made.status = "saving");
                    }
                    _ => known.ended = Some(Err(Trouble::new(Reason::ChecksumMismatch, "cut"))),
                }
            }
            Ask::Cancel(id) => self.known(id).look = None,
            Ask::Delete(id) => {
                let current = self.here().current.is_some_and(|current| current.id == *id);
                self.law(!current, "4: what is current is never deleted");
                self.law(!self.used.contains(id), "4: what is used is never deleted");
                let tested = self.nodes.values().any(|test| test.image == *id);
                self.law(!tested, "4: what a test uses is never deleted");
                self.glance.remove(id);
                if fate == 2 {
                    self.known(id).look = None;
                    return self.fails();
                }
                let known = self.known(id);
                known.deleted = true;
                known.look = None;
                self.memory.uses = None;
            }
            Ask::FindCanary(_) | Ask::ReadType(_) | Ask::MakeCanary(_) | Ask::DropCanary(_) => {}
            Ask::Uses => {
                let by = self.used.iter().map(|id| (id.clone(), "a node".to_owned())).collect();
                self.memory.uses = Some(Uses { at: Some(self.now), by });
            }
        }
    }
}
