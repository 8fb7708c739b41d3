//! What the turns of all MachineImages share: clients, sessions, and what is remembered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::Api;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::Instant;

use super::refresh::SourceMemory;
use super::state::{Memory, Standing, Trouble};
use super::transfers::Transfers;
use super::unpack::Line;
use super::web::Web;
use crate::api::machine_image::CanaryRecord;
use crate::api::{Cloud, MachineImage};
use crate::controller::credentials;
use crate::error::Class;
use crate::kubernetes::error::said;
use crate::kubernetes::events::Events;
use crate::kubernetes::status::StatusWriter;
use crate::metrics::Metrics;
use crate::openstack::{self, Session};
use crate::reason::Reason;
use crate::reconcile::context::Seams;

/// A Cloud and its Secret are read again after this.
const FRESH: Duration = Duration::from_secs(15);

/// What all turns share.
pub struct Desk {
    /// The API server.
    pub client: kube::Client,
    /// How the world is reached.
    pub seams: Seams,
    /// The way to sources.
    pub web: Web,
    /// Who decompresses now.
    pub line: Line,
    /// The mark on everything that is ours.
    pub cluster_id: String,
    /// Where Secrets are.
    pub namespace: String,
    /// Where TestNodes that test images are, if there is such a place.
    pub canaries: Option<String>,
    /// Counters.
    pub metrics: Metrics,
    /// Publishes events.
    pub events: Events,
    /// Writes statuses.
    pub statuses: StatusWriter,
    /// The transfers that are under way.
    pub transfers: Transfers,
    /// What is remembered of each MachineImage, by UID.
    pub notes: Mutex<BTreeMap<String, Notes>>,
    /// Clouds by name.
    pub clouds: tokio::sync::Mutex<BTreeMap<String, Open>>,
}

/// What this process remembers of a MachineImage.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// Its source.
    pub source: SourceMemory,
    /// Its clouds.
    pub clouds: BTreeMap<String, Memory>,
    /// The object as we wrote it last.
    pub written: Option<Arc<MachineImage>>,
}

/// A cloud as it was opened.
#[derive(Clone)]
pub struct Open {
    at: Instant,
    stale: bool,
    print: String,
    cloud: Option<Arc<Cloud>>,
    session: Option<Session>,
    trouble: Option<Trouble>,
}

/// A cloud that can be asked, or why it cannot.
pub struct Reached {
    /// Whether it can.
    pub standing: Standing,
    /// Its session.
    pub session: Option<Session>,
    /// The project.
    pub project: String,
    /// Bytes a second at most.
    pub rate: Option<u64>,
}

impl Desk {
    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.seams.clock)()
    }

    /// What is remembered.
    pub fn notes(&self) -> MutexGuard<'_, BTreeMap<String, Notes>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Alters what is remembered of a MachineImage in a cloud.
    pub fn note<R>(&self, uid: &str, cloud: &str, alter: impl FnOnce(&mut Memory) -> R) -> R {
        let mut notes = self.notes();
        alter(notes.entry(uid.to_owned()).or_default().clouds.entry(cloud.to_owned()).or_default())
    }

    /// An id that nobody ever used: a random UUID.
    ///
    /// # Errors
    /// If the system has nothing random.
    pub fn fresh_id(&self) -> Result<String, Trouble> {
        let mut bytes = [0_u8; 16];
        let filled = SystemRandom::new().fill(&mut bytes);
        filled.map_err(|_| Trouble::new(Reason::KubernetesAPI, "the system has no random numbers"))?;
        let [.., seventh, _, ninth, _, _, _, _, _, _, _] = &mut bytes;
        *seventh = (*seventh & 0x0f) | 0x40;
        *ninth = (*ninth & 0x3f) | 0x80;
        let text = HEXLOWER.encode(&bytes);
        let part = |from, to| text.get(from..to).unwrap_or_default();
        Ok(format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)))
    }

    /// A cloud, logged in.
    pub async fn reach(&self, name: &str, pinned: Option<&str>) -> Reached {
        let mut clouds = self.clouds.lock().await;
        let known = clouds.get(name).cloned();
        let open = match known {
            Some(open) if !open.stale && open.at.elapsed() < FRESH => open,
            before => {
                let open = self.open(name, before).await;
                clouds.insert(name.to_owned(), open.clone());
                open
            }
        };
        drop(clouds);
        let spec = open.cloud.as_ref().map(|cloud| &cloud.spec);
        let rate = spec.and_then(|spec| spec.rate.image_mib_per_second);
        let rate = rate.and_then(|rate| u64::try_from(rate).ok()).map(|rate| rate << 20);
        let away = |trouble| Reached {
            standing: Standing::Away(trouble),
            session: None,
            project: String::new(),
            rate,
        };
        if let Some(trouble) = open.trouble {
            return away(trouble);
        }
        let Some(session) = open.session else {
            return away(Trouble::new(Reason::CloudUnreachable, "not logged in yet"));
        };
        match session.login().await {
            Ok(project) => {
                let status = open.cloud.as_ref().and_then(|cloud| cloud.status.clone()).unwrap_or_default();
                let pins = [pinned.map(str::to_owned), status.project_id];
                if let Some(pin) = pins.into_iter().flatten().find(|pin| *pin != project.id.0) {
                    return away(Trouble::new(
                        Reason::ProjectChanged,
                        format!(
                            "the credentials open project {}, and images of ours are in project {pin}; put the old ones back",
                            project.id
                        ),
                    ));
                }
                // Nothing new is made in a Cloud that is being deleted, either.
                let drained = open
                    .cloud
                    .as_ref()
                    .is_some_and(|cloud| cloud.spec.drain || cloud.metadata.deletion_timestamp.is_some());
                let standing = if drained { Standing::Drained } else { Standing::Up };
                Reached { standing, session: Some(session), project: project.id.0, rate }
            }
            Err(error) => away(match error.class() {
                Class::Unreachable | Class::Busy => Trouble::new(Reason::CloudUnreachable, error.to_string()),
                Class::Auth
                | Class::NotFound
                | Class::Quota
                | Class::Capacity
                | Class::Conflict
                | Class::Invalid => Trouble::new(
                    Reason::AuthenticationFailed,
                    format!("{error}; fix clouds.yaml in the Cloud's Secret"),
                ),
            }),
        }
    }

    async fn open(&self, name: &str, before: Option<Open>) -> Open {
        let nothing = Open {
            at: Instant::now(),
            stale: false,
            print: String::new(),
            cloud: None,
            session: None,
            trouble: None,
        };
        let failed = |trouble| Open { trouble: Some(trouble), ..nothing.clone() };
        let unread = |error: &kube::Error| {
            Trouble::new(Reason::KubernetesAPI, format!("the API server says: {}", said(error)))
        };
        let cloud = match Api::<Cloud>::all(self.client.clone()).get_opt(name).await {
            Ok(Some(cloud)) => Arc::new(cloud),
            Ok(None) => {
                let message = format!(
                    "there is no Cloud {name}; make it, or take it out of spec.clouds and spec.source"
                );
                return failed(Trouble::new(Reason::CloudNotFound, message));
            }
            Err(error) => return failed(unread(&error)),
        };
        let secrets = Api::<Secret>::namespaced(self.client.clone(), &self.namespace);
        let secret = &cloud.spec.openstack.secret_ref.name;
        let secret = match secrets.get_opt(secret).await {
            Ok(Some(secret)) => secret,
            Ok(None) => {
                let message = format!(
                    "there is no Secret {}/{secret}; make it, with the key clouds.yaml",
                    self.namespace
                );
                return failed(Trouble::new(Reason::AuthenticationFailed, message));
            }
            Err(error) => return failed(unread(&error)),
        };
        let spec = &cloud.spec;
        let print =
            format!("{:?} {:?} {:?} {:?}", cloud.uid(), spec.openstack, spec.rate, secret.resource_version());
        // A session keeps its token and its pace as long as nothing changes.
        let session = before.filter(|before| before.print == print).and_then(|before| before.session);
        let session = match session {
            Some(session) => Ok(session),
            None => credentials::session(name, spec, &secret, &self.seams, &self.metrics),
        };
        match session {
            Ok(session) => Open { print, cloud: Some(cloud), session: Some(session), ..nothing },
            Err(problem) => failed(Trouble::new(Reason::AuthenticationFailed, problem.message)),
        }
    }

    /// A Cloud is read anew before it is used again; its session stays.
    pub async fn forget_cloud(&self, name: &str) {
        if let Some(open) = self.clouds.lock().await.get_mut(name) {
            open.stale = true;
        }
    }

    /// Something of a TestNode changed: if it tests an image, it is read again. Returns whether it does.
    pub fn saw_canary(&self, image: &MachineImage, node: &str) -> bool {
        let uid = image.uid().unwrap_or_default();
        let mut tests = false;
        for here in image.status.iter().flat_map(|status| &status.clouds) {
            let tested = |test: &CanaryRecord| test.name == node;
            for record in here.images.iter().filter(|record| record.canary.as_ref().is_some_and(tested)) {
                tests = true;
                self.note(&uid, &here.name, |memory| {
                    memory.images.entry(record.id.clone()).or_default().canary.look = None;
                });
            }
        }
        tests
    }

    /// The object is gone.
    pub fn forget(&self, uid: &str) {
        self.notes().remove(uid);
        self.transfers.forget(uid);
        self.statuses.forget(uid);
    }
}

/// Why a request failed that says nothing of an image.
pub(super) fn reason(error: &openstack::Error) -> Reason {
    match error.class() {
        Class::Busy => Reason::RateLimited,
        Class::Auth => Reason::AuthenticationFailed,
        Class::Quota
        | Class::Capacity
        | Class::Unreachable
        | Class::NotFound
        | Class::Conflict
        | Class::Invalid => Reason::CloudUnreachable,
    }
}
