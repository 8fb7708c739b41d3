//! One request to a cloud, or about the TestNode that tests an image; and what is learned from its answer.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use kube::api::{Api, ListParams};
use kube::{Resource as _, ResourceExt as _};
use tracing::{info, warn};

use super::desk::{Desk, Reached, reason};
use super::golden;
use super::plan::Ask;
use super::state::{Known, Look, Memory, Picture, Trouble, Uses, after};
use super::transfer::refused;
use crate::api::machine_image::{ImageRecord, MachineImageStatus, SourceImage};
use crate::api::{MachineImage, TestNode, mark};
use crate::error::{Class, Effect};
use crate::kubernetes::error::said;
use crate::kubernetes::slim::PAGE;
use crate::openstack::image::{Image, NewImage};
use crate::openstack::{self, ImageId, Session};
use crate::reason::Reason;
use crate::select;

mod canary;
mod upload;

/// What cannot be deleted is tried again after this.
const STAYS: SignedDuration = SignedDuration::from_mins(10);
/// The longest pause after a request that failed.
const LONGEST: SignedDuration = SignedDuration::from_mins(5);
/// An id that could not be used up is tried again after this.
const BURN_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// Whose turn it is, and where.
pub struct At<'a> {
    /// What all share.
    pub desk: &'a Desk,
    /// The MachineImage.
    pub image: &'a MachineImage,
    /// Its status as it is now.
    pub status: &'a MachineImageStatus,
    /// The cloud.
    pub cloud: &'a str,
    /// The way there.
    pub reached: &'a Reached,
}

impl At<'_> {
    fn uid(&self) -> String {
        self.image.uid().unwrap_or_default()
    }

    fn note<R>(&self, alter: impl FnOnce(&mut Memory) -> R) -> R {
        self.desk.note(&self.uid(), self.cloud, alter)
    }

    fn known<R>(&self, id: &str, alter: impl FnOnce(&mut Known) -> R) -> R {
        self.note(|memory| alter(memory.images.entry(id.to_owned()).or_default()))
    }

    fn record(&self, id: &str) -> Option<&ImageRecord> {
        self.status.cloud(self.cloud).into_iter().flat_map(|here| &here.images).find(|record| record.id == id)
    }

    /// The tags of an image of ours.
    fn tags(&self, record: &ImageRecord) -> Vec<String> {
        vec![
            mark::tag(mark::CLUSTER, &self.desk.cluster_id),
            mark::tag(mark::UID, &self.uid()),
            mark::tag(mark::DIGEST, &record.digest),
            mark::tag(mark::DESCRIBED, &record.described),
        ]
    }

    /// Whether an image of this cloud is the source of a version, and so not ours.
    fn is_source(&self, id: &str) -> bool {
        let is_it = |image: &SourceImage| image.cloud == self.cloud && image.id == id;
        self.record(id).is_some_and(|record| record.source)
            || self.status.versions.iter().filter_map(|version| version.image.as_ref()).any(is_it)
    }

    /// What Glance says, if it is ours: of our project, and with our tags.
    fn seen(&self, image: &Image) -> Look {
        if self.is_source(&image.id.0) {
            return golden::seen(image, &self.reached.project);
        }
        let has = |key, value: &str| image.tags.contains(&mark::tag(key, value));
        let ours = image.owner == self.reached.project
            && has(mark::CLUSTER, &self.desk.cluster_id)
            && has(mark::UID, &self.uid());
        let read = |key| {
            let prefix = mark::tag(key, "");
            image.tags.iter().find_map(|tag| tag.strip_prefix(&prefix)).unwrap_or_default().to_owned()
        };
        if !ours {
            return Look::Stranger;
        }
        Look::There(Picture {
            status: image.status.clone(),
            size: image.size,
            hash_algo: image.hash_algo.clone(),
            hash: image.hash.clone(),
            digest: read(mark::DIGEST),
            described: read(mark::DESCRIBED),
        })
    }

    /// Remembers what Glance said of an image.
    fn learn(&self, id: &str, look: Look) {
        let now = self.desk.now();
        self.known(id, |known| {
            let word = |look: &Option<Look>| match look {
                Some(Look::There(picture) | Look::Source(picture)) => picture.status.clone(),
                Some(Look::Missing | Look::Stranger) | None => String::new(),
            };
            let look = Some(look);
            if known.since.is_none() || word(&known.look) != word(&look) {
                known.since = Some(now);
            }
            known.unasked = false;
            known.spent |= matches!(look, Some(Look::There(_) | Look::Source(_) | Look::Stranger));
            known.look = look;
            known.looked = Some(now);
        });
    }

    /// A request failed in a way that says nothing of the image.
    fn trouble(&self, error: &openstack::Error) {
        let now = self.desk.now();
        let reason = reason(error);
        let asked = error.retry_after().and_then(|pause| SignedDuration::try_from(pause).ok());
        self.note(|memory| {
            let throttled = matches!(error, openstack::Error::Throttled { .. });
            let doubled =
                SignedDuration::from_secs(1).checked_mul(1 << memory.failures.min(8)).unwrap_or(LONGEST);
            memory.failures += u32::from(!throttled);
            let pause = if throttled { SignedDuration::from_millis(50) } else { doubled };
            let pause = pause.max(asked.unwrap_or_default()).min(LONGEST);
            memory.pause = Some((Trouble::new(reason, error.to_string()), after(now, pause)));
        });
    }

    fn worked(&self) {
        self.note(|memory| {
            memory.failures = 0;
            memory.pause = None;
        });
    }

    /// Asks.
    pub async fn ask(&self, session: &Session, ask: &Ask) {
        match ask {
            Ask::List => self.list(session, false).await,
            Ask::ListHidden => self.list(session, true).await,
            Ask::Look(id) => self.look(session, id).await,
            Ask::Create(id) => self.create(session, id).await,
            Ask::Upload(id) => self.upload(session, id).await,
            Ask::Cancel(id) => {
                self.desk.transfers.cancel(&self.uid(), self.cloud);
                self.known(id, |known| known.look = None);
            }
            Ask::Delete(id) => self.delete(session, id).await,
            Ask::Burn(id) => self.burn(session, id).await,
            Ask::Uses => self.uses(session).await,
            Ask::FindCanary(id) => self.find_canary(id).await,
            Ask::ReadType(name) => self.read_type(name).await,
            Ask::MakeCanary(id) => self.make_canary(id).await,
            Ask::DropCanary(id) => self.drop_canary(id).await,
        }
    }

    async fn list(&self, session: &Session, hidden: bool) {
        let began = self.desk.now();
        let tag = mark::tag(mark::CLUSTER, &self.desk.cluster_id);
        let listed = match session.image().tagged(&self.reached.project, &tag, hidden).await {
            Ok(listed) => listed,
            Err(error) => return self.trouble(&error),
        };
        self.worked();
        let ours: Vec<(String, Picture)> = listed
            .iter()
            .filter_map(|image| match self.seen(image) {
                Look::There(picture) => Some((image.id.0.clone(), picture)),
                Look::Source(_) | Look::Missing | Look::Stranger => None,
            })
            .collect();
        let sending = self.desk.transfers.slot(&self.uid(), self.cloud);
        let is_sent = |id: &str| matches!(&sending, super::state::Slot::Ours(sent, _) if sent == id);
        if !hidden {
            // What is not in it may be hidden, and is asked for by its id.
            self.note(|memory| {
                for (id, known) in &mut memory.images {
                    if !is_sent(id) && !ours.iter().any(|(listed, _)| listed == id) {
                        known.look = None;
                    }
                }
            });
        }
        for (id, picture) in ours {
            if self.record(&id).is_none() {
                self.note(|memory| memory.found.insert(id.clone(), picture.clone()));
            }
            self.learn(&id, Look::There(picture));
        }
        self.note(|memory| {
            let when = if hidden { &mut memory.listed_hidden } else { &mut memory.listed };
            *when = Some(began);
        });
    }

    async fn look(&self, session: &Session, id: &str) {
        match session.image().image(&ImageId(id.to_owned())).await {
            Ok(image) => self.learn(id, self.seen(&image)),
            Err(error) if error.is_not_found() => self.learn(id, Look::Missing),
            Err(error) => return self.trouble(&error),
        }
        self.worked();
    }

    fn new_image(&self, record: &ImageRecord) -> NewImage {
        let spec = &self.image.spec;
        let version = self.status.known(&record.digest, &record.described).cloned().unwrap_or_default();
        NewImage {
            id: ImageId(record.id.clone()),
            name: select::image_name(&self.image.name_any(), &record.digest),
            disk_format: spec.format.word().to_owned(),
            min_disk_gib: version.min_disk_gib.unwrap_or(0),
            min_ram_mib: version.min_ram_mib.unwrap_or(0),
            properties: spec.properties.clone(),
            tags: self.tags(record),
        }
    }

    async fn create(&self, session: &Session, id: &str) {
        let Some(record) = self.record(id) else { return };
        let made = session.image().create(&self.new_image(record)).await;
        // From here on it may be there, whatever was answered.
        self.known(id, |known| {
            known.unasked = false;
            known.look = None;
        });
        match made {
            Ok(image) if image.id.0 == id => {
                info!(cloud = self.cloud, image = id, "made an image");
                self.learn(id, self.seen(&image));
                self.worked();
            }
            Ok(image) => {
                // Some clouds take no id of ours: what is made there cannot be made once only.
                drop(session.image().delete(&image.id).await);
                let message =
                    "the cloud gave the image another id than was asked for; no image is made there";
                self.known(id, |known| known.ended = Some(Err(Trouble::new(Reason::OwnIdIgnored, message))));
            }
            Err(error) if error.status().is_some_and(|status| status == 409) => {
                self.known(id, |known| known.spent = true);
            }
            Err(error) if matches!(error.class(), Class::Quota | Class::Invalid) => {
                self.known(id, |known| known.ended = Some(Err(refused(&error))));
            }
            Err(error) => self.trouble(&error),
        }
    }

    async fn delete(&self, session: &Session, id: &str) {
        if self.is_source(id) {
            // No rule asks for it; and none may, ever.
            return warn!(cloud = self.cloud, image = id, "the source's own image is not deleted");
        }
        let deleted = session.image().delete(&ImageId(id.to_owned())).await;
        let now = self.desk.now();
        let stays = |reason, why: String| {
            self.known(id, |known| known.stays = Some((Trouble::new(reason, why), after(now, STAYS))));
        };
        match deleted {
            Err(error) if error.status().is_some_and(|status| status == 403) => stays(
                Reason::ImageProtected,
                format!(
                    "image {id} is protected: {error}; it stays until somebody runs: openstack image set --unprotect {id}"
                ),
            ),
            Err(error) if error.status().is_some_and(|status| status == 409) => {
                stays(Reason::ImageInUse, format!("image {id} is in use, says the cloud: {error}"));
            }
            Err(error) if !error.is_not_found() => self.trouble(&error),
            Ok(()) | Err(_) => {
                info!(cloud = self.cloud, image = id, "deleted an image");
                self.known(id, |known| {
                    known.deleted = true;
                    known.look = None;
                });
                self.worked();
            }
        }
    }

    /// Makes an image under an id that is not wanted any longer, so that no request that is still on its way can.
    async fn burn(&self, session: &Session, id: &str) {
        let Some(record) = self.record(id) else { return };
        match session.image().create(&self.new_image(record)).await {
            Ok(image) => {
                self.learn(&image.id.0, self.seen(&image));
                self.known(id, |known| known.spent = true);
            }
            Err(error) if error.status().is_some_and(|status| status == 409) => {
                self.known(id, |known| {
                    known.spent = true;
                    known.look = None;
                });
            }
            Err(error)
                if error.effect() == Effect::Answered
                    && matches!(error.class(), Class::Quota | Class::Invalid) =>
            {
                let now = self.desk.now();
                self.delete(session, id).await;
                // 404 all the same: nothing was there.
                self.known(id, |known| {
                    known.deleted = false;
                    known.unburned = known.unburned.or(Some(now));
                    known.burn_again = Some(after(now, BURN_AGAIN));
                });
            }
            Err(error) => self.trouble(&error),
        }
    }

    /// What uses images: all nodes as they are now, and what we have in this cloud.
    async fn uses(&self, session: &Session) {
        let at = self.desk.now();
        let mut by = BTreeMap::new();
        if let Err(error) = self.used_by_nodes(&mut by).await {
            warn!(error = said(&error), "the TestNodes cannot be listed");
            let trouble = Trouble::new(
                Reason::KubernetesAPI,
                format!("the TestNodes cannot be listed: {}", said(&error)),
            );
            return self
                .note(|memory| memory.pause = Some((trouble, after(at, SignedDuration::from_secs(30)))));
        }
        let tag = mark::tag(mark::CLUSTER, &self.desk.cluster_id);
        let servers = match session.compute().list_servers(&tag).await {
            Ok(servers) => servers,
            Err(error) => return self.trouble(&error),
        };
        let volumes = match session.block_storage().list_volumes(mark::CLUSTER, &self.desk.cluster_id).await {
            Ok(volumes) => volumes,
            Err(error) => return self.trouble(&error),
        };
        for server in servers {
            by.extend(server.image.map(|image| (image.0, format!("server {}", server.id))));
        }
        for volume in volumes {
            by.extend(volume.image.map(|image| (image, format!("volume {}", volume.id))));
        }
        self.worked();
        self.note(|memory| memory.uses = Some(Uses { at: Some(at), by }));
    }

    async fn used_by_nodes(&self, by: &mut BTreeMap<String, String>) -> Result<(), kube::Error> {
        let nodes = Api::<TestNode>::all(self.desk.client.clone());
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let page = nodes.list(&params).await?;
            for node in &page.items {
                let name = format!(
                    "{} {}/{}",
                    TestNode::kind(&()),
                    node.namespace().unwrap_or_default(),
                    node.name_any()
                );
                let named = node.spec.image.iter().filter_map(|image| image.id.clone());
                let attempts = node.status.iter().flat_map(|status| &status.attempts);
                let resolved = attempts.filter_map(|attempt| attempt.resolved.as_ref());
                let resolved = resolved.flat_map(|resolved| {
                    let volumes = resolved.volumes.iter().filter_map(|volume| volume.image.clone());
                    volumes.chain([resolved.image.id.clone()])
                });
                by.extend(named.chain(resolved).map(|id| (id, name.clone())));
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(()),
            }
        }
    }
}
