//! One turn of a MachineImage: its source, then each of its clouds, one request after the other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use kube::api::Api;
use kube::runtime::controller::Action;
use kube::{Resource as _, ResourceExt};
use tracing::{info, instrument, warn};

use super::act::At;
use super::desk::Desk;
use super::look::look;
use super::plan::{self, Ask, Record, Step, Waiting};
use super::record;
use super::refresh::{self, Found, Source};
use super::state::{Seen, Trouble, needs_somebody};
use super::status::{Waits, tell};
use crate::api::machine_image::{CloudImages, MachineImageStatus, SourceImage};
use crate::api::{FINALIZER_PREFIX, MachineImage, finalizer};
use crate::kubernetes::conditions::news;
use crate::kubernetes::error::{is_conflict, is_gone, said};
use crate::kubernetes::events::{Event, Severity};
use crate::kubernetes::finalizers;
use crate::kubernetes::status::Reported;
use crate::reason::Reason;
use crate::reconcile::context::version;

/// So many steps in one turn at most: others have theirs, too.
const STEPS: usize = 24;
/// The longest pause between two turns.
const REST: Duration = Duration::from_mins(10);
/// What somebody else wrote meanwhile is read again.
const AGAIN: Duration = Duration::from_secs(1);

/// One turn.
///
/// # Errors
/// If the API server cannot be read or written.
#[instrument(name = "machine_image", skip_all, fields(machine_image = image.name_any()))]
pub async fn reconcile(image: Arc<MachineImage>, desk: Arc<Desk>) -> Result<Action, kube::Error> {
    let image = newest(&desk, image);
    let turned = Turn { desk: &desk, image, waits: Waits::new() }.take().await;
    match turned {
        Err(error) if is_conflict(&error) || is_gone(&error) => Ok(Action::requeue(AGAIN)),
        turned => turned,
    }
}

/// The newer of the watch's object and the one that our last write left.
fn newest(desk: &Desk, image: Arc<MachineImage>) -> Arc<MachineImage> {
    let written = desk.notes().get(&image.uid().unwrap_or_default()).and_then(|notes| notes.written.clone());
    written.filter(|written| version(&**written) > version(&*image)).unwrap_or(image)
}

struct Turn<'a> {
    desk: &'a Desk,
    image: Arc<MachineImage>,
    waits: Waits,
}

impl Turn<'_> {
    fn api(&self) -> Api<MachineImage> {
        Api::all(self.desk.client.clone())
    }

    fn status(&self) -> MachineImageStatus {
        self.image.status.clone().unwrap_or_default()
    }

    fn uid(&self) -> String {
        self.image.uid().unwrap_or_default()
    }

    fn is_going(&self) -> bool {
        self.image.metadata.deletion_timestamp.is_some()
    }

    async fn take(mut self) -> Result<Action, kube::Error> {
        if !self.is_going() {
            self.refresh().await?;
        }
        let mut steps = STEPS;
        for cloud in self.clouds() {
            while steps > 0 && self.step(&cloud).await? {
                steps -= 1;
            }
        }
        let status = self.status();
        self.write(status).await?;
        if self.is_going() && self.image.finalizers().iter().all(|name| !name.starts_with(FINALIZER_PREFIX)) {
            self.desk.forget(&self.uid());
            return Ok(Action::await_change());
        }
        Ok(Action::requeue(self.rest(steps)))
    }

    fn rest(&self, steps: usize) -> Duration {
        if steps == 0 {
            return Duration::from_millis(100);
        }
        let now = self.desk.now();
        let until = self.waits.iter().filter_map(|(_, wait)| wait.until).min();
        let until = until.map_or(SignedDuration::MAX, |until| until.duration_since(now));
        let waits = self.waits.iter().any(|(_, wait)| wait.until.is_none());
        let pause = Duration::try_from(until).unwrap_or(Duration::ZERO).max(Duration::from_millis(50));
        pause.min(if waits { Duration::from_secs(15) } else { REST })
    }

    /// The clouds of the spec, and those that something of ours may be in.
    fn clouds(&self) -> BTreeSet<String> {
        let asked = self.image.spec.clouds.iter().map(|cloud| cloud.name.clone());
        let held = self.image.finalizers().iter().filter_map(|name| name.strip_prefix(FINALIZER_PREFIX));
        let told = self.image.status.iter().flat_map(|status| &status.clouds).map(|here| here.name.clone());
        asked.chain(held.map(str::to_owned)).chain(told).collect()
    }

    /// Looks at the source, if that is due.
    async fn refresh(&mut self) -> Result<(), kube::Error> {
        let (now, uid) = (self.desk.now(), self.uid());
        let memory = self.desk.notes().entry(uid).or_default().source.clone();
        let generation = self.image.metadata.generation;
        let mut status = self.status();
        match refresh::due(now, generation, &self.image.spec, &status, &memory) {
            Source::Rest(waiting) => self.waits.extend(waiting.map(|waiting| (None, waiting))),
            Source::Look => {
                let looked = look(self.desk, &self.image, &status).await;
                let waiting = self.learn(looked, &mut status);
                self.waits.extend(waiting.map(|waiting| (None, waiting)));
                refresh::obeyed(&self.image.spec, &mut status);
                self.look_again(&status);
                self.write(status).await?;
            }
        }
        Ok(())
    }

    /// What the source has, or has no longer, is looked at in its own cloud, too.
    fn look_again(&self, status: &MachineImageStatus) {
        let Some(source) = &self.image.spec.source.image else { return };
        let here = record::here(status, &source.cloud);
        self.desk.note(&self.uid(), &source.cloud, |memory| {
            for record in here.images.iter().filter(|record| record.source) {
                memory.images.entry(record.id.clone()).or_default().look = None;
            }
        });
    }

    /// Remembers what came of a look at the source. Returns what is waited for, if it failed.
    fn learn(&self, looked: Result<Found, Trouble>, status: &mut MachineImageStatus) -> Option<Waiting> {
        let (now, generation) = (self.desk.now(), self.image.metadata.generation);
        let mut notes = self.desk.notes();
        let memory = &mut notes.entry(self.uid()).or_default().source;
        memory.generation = generation;
        match looked {
            Ok(found) => {
                *memory = refresh::SourceMemory { generation, ..refresh::SourceMemory::default() };
                refresh::found(now, &self.image.spec, status, &found);
                None
            }
            Err(trouble) => {
                warn!(reason = %trouble.reason, message = trouble.message, "the source cannot be used");
                refresh::failed(now, memory, trouble.clone());
                Some(Waiting { why: trouble, until: memory.pause.as_ref().map(|(_, until)| *until) })
            }
        }
    }

    /// One step in a cloud. Returns whether there was one.
    async fn step(&mut self, cloud: &str) -> Result<bool, kube::Error> {
        let uid = self.uid();
        if let Some((id, ended)) = self.desk.transfers.ended(&uid, cloud) {
            self.desk.note(&uid, cloud, |memory| {
                let known = memory.images.entry(id).or_default();
                known.ended = Some(ended);
                known.look = None;
            });
        }
        let status = self.status();
        let here = record::here(&status, cloud);
        let asked = !self.is_going() && self.image.spec.is_for(cloud);
        let held = finalizers::has(&*self.image, &finalizer(cloud));
        if !asked && !held && here.images.is_empty() && status.cloud(cloud).is_none() {
            return Ok(false);
        }
        let reached = self.desk.reach(cloud, here.project_id.as_deref()).await;
        let memory = self.desk.note(&uid, cloud, |memory| memory.clone());
        let seen = Seen {
            now: self.desk.now(),
            name: self.image.metadata.name.as_deref().unwrap_or_default(),
            generation: self.image.metadata.generation.unwrap_or_default(),
            spec: &self.image.spec,
            canaries: self.desk.canaries.as_deref(),
            asked,
            going: self.is_going(),
            wanted: status.wanted.as_ref(),
            versions: &status.versions,
            held,
            here: &here,
            standing: reached.standing.clone(),
            memory: &memory,
            slot: self.desk.transfers.slot(&uid, cloud),
        };
        let current = record::current(&seen);
        let plan = plan::next(&seen);
        if current != here.current {
            let changed = CloudImages { current, ..here.clone() };
            let mut status = status.clone();
            record::put(&mut status, changed);
            self.write(status).await?;
            return Ok(true);
        }
        let Some(step) = plan.step else {
            self.waits.retain(|(at, _)| at.as_deref() != Some(cloud));
            self.waits.extend(plan.waits.into_iter().map(|wait| (Some(cloud.to_owned()), wait)));
            return Ok(false);
        };
        match step {
            Step::AddFinalizer => {
                let now = self.desk.now();
                self.desk.note(&uid, cloud, |memory| {
                    // Nothing was ever made there.
                    memory.listed = Some(now);
                    memory.listed_hidden = Some(now);
                });
                self.finalize(|names| names.push(finalizer(cloud))).await?;
                // Whether the Cloud is being deleted is asked again before anything is made there.
                self.desk.forget_cloud(cloud).await;
            }
            Step::RemoveFinalizer => {
                let mut status = status.clone();
                status.clouds.retain(|here| here.name != cloud);
                self.write(status).await?;
                self.finalize(|names| names.retain(|name| *name != finalizer(cloud))).await?;
                self.desk.notes().entry(uid).or_default().clouds.remove(cloud);
            }
            Step::Record(what) => self.record(cloud, &what, &reached.project).await?,
            Step::Ask(ask) => {
                let at =
                    At { desk: self.desk, image: &self.image, status: &status, cloud, reached: &reached };
                if let Some(session) = &reached.session {
                    at.ask(session, &ask).await;
                }
                if matches!(ask, Ask::Delete(_)) {
                    self.desk.note(&uid, cloud, |memory| memory.uses = None);
                }
            }
        }
        Ok(true)
    }

    async fn record(&mut self, cloud: &str, what: &Record, project: &str) -> Result<(), kube::Error> {
        let (now, uid) = (self.desk.now(), self.uid());
        let Ok(fresh) = self.desk.fresh_id() else { return Ok(()) };
        let mut status = self.status();
        let lost = lost(&status, cloud, what);
        let mut memory = self.desk.note(&uid, cloud, |memory| memory.clone());
        record::apply(now, cloud, &mut status, &mut memory, what, &fresh);
        let mut here = record::here(&status, cloud);
        if !project.is_empty() {
            here.project_id.get_or_insert_with(|| project.to_owned());
        }
        if matches!(what, Record::Forget(_)) && (!self.image.spec.is_for(cloud) || self.is_going()) {
            memory.listed = None;
            memory.listed_hidden = None;
        }
        record::put(&mut status, here);
        self.write(status).await?;
        // What could not be written did not happen.
        self.desk.note(&uid, cloud, |known| *known = memory);
        info!(cloud, ?what, "recorded");
        if let Some(note) = lost {
            self.event(Severity::Warning, Reason::ImageLost, &note).await;
        }
        Ok(())
    }

    async fn finalize(&mut self, alter: impl FnOnce(&mut Vec<String>)) -> Result<(), kube::Error> {
        let mut names = self.image.finalizers().to_vec();
        let before = names.clone();
        alter(&mut names);
        if names == before {
            return Ok(());
        }
        let metadata = finalizers::set(&self.api(), &*self.image, names).await?;
        let mut image = MachineImage::clone(&self.image);
        image.metadata.resource_version = metadata.resource_version;
        image.metadata.finalizers = metadata.finalizers;
        self.keep(image);
        Ok(())
    }

    /// Writes a status with what follows from it, if it says something new.
    async fn write(&mut self, mut status: MachineImageStatus) -> Result<(), kube::Error> {
        let before = self.image.status.as_ref().map(|status| status.conditions.clone()).unwrap_or_default();
        let (generation, going) = (self.image.metadata.generation, self.is_going());
        tell(self.desk.now(), generation, &self.image.spec, going, &mut status, &self.waits);
        let reported = self.desk.statuses.report(&self.api(), &*self.image, &status).await;
        match reported {
            Ok(Reported::Written(image)) => {
                self.keep(*image);
                for kind in ["Ready", "UpToDate"] {
                    let Some(news) = news(&before, &status.conditions, kind) else {
                        continue;
                    };
                    let Some(reason) = Reason::from_word(&news.reason) else { continue };
                    let severity = if needs_somebody(reason) { Severity::Warning } else { Severity::Normal };
                    let note = news.message.clone();
                    self.event(severity, reason, &note).await;
                    break;
                }
                Ok(())
            }
            // Another process is at work: what follows is done once that has ended.
            Ok(Reported::Later(_)) => Err(conflict()),
            Ok(Reported::Unchanged) => Ok(()),
            Err(error) if is_gone(&error) && going => Ok(()),
            Err(error) => {
                warn!(error = said(&error), "the status cannot be written");
                Err(error)
            }
        }
    }

    fn keep(&mut self, image: MachineImage) {
        self.image = Arc::new(image);
        self.desk.notes().entry(self.uid()).or_default().written = Some(self.image.clone());
    }

    async fn event(&self, severity: Severity, reason: Reason, note: &str) {
        let regarding = self.image.object_ref(&());
        self.desk
            .events
            .publish(Event { severity, reason, action: "Look", note, regarding, related: None })
            .await;
    }
}

/// What is told of an image that is there no longer.
fn lost(status: &MachineImageStatus, cloud: &str, what: &Record) -> Option<String> {
    let Record::Lost(id) = what else { return None };
    let is_it = |image: &SourceImage| image.cloud == cloud && image.id == *id;
    let what_next = if status.versions.iter().filter_map(|version| version.image.as_ref()).any(is_it) {
        "it was the source, which is looked at again"
    } else {
        "it is uploaded again"
    };
    Some(format!("cloud {cloud}: image {id} was deleted by somebody; {what_next}"))
}

/// As the API server says that somebody else wrote the object.
fn conflict() -> kube::Error {
    kube::Error::Api(Box::new(
        kube::core::Status::failure("another process writes it", "Conflict").with_code(409),
    ))
}
