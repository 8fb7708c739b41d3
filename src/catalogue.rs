//! What one cloud offers, read one list at a time and kept.
//!
//! A list is read anew when it is older than [`FRESH`]. If that fails, the old one serves on, up to [`LONGEST`], and
//! is asked for again after [`PAUSE`]: a cloud that is slow to list its flavors must not fail nodes that need one it
//! had ten minutes ago. When the cloud itself says that something is not there, call [`Catalogue::forget`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::api::block_device::SourceType;
use crate::api::machine_type::MachineTypeSpec;
use crate::api::testnode::TestNodeSpec;
use crate::openstack::{self, Session};
use crate::select::{self, Offerings};

mod read;
#[cfg(test)]
mod tests;

use read::Read;
pub use read::image as offered_image;

/// A list is not read again before this.
pub const FRESH: Duration = Duration::from_mins(10);
/// While a node cannot be served by what was read, it is read again after this.
pub const FRESH_FOR_BLOCKED: Duration = Duration::from_mins(1);
/// A list that could not be read again serves no longer than this.
pub const LONGEST: Duration = Duration::from_hours(1);
/// How long after a failure a list that still serves is left alone.
pub const PAUSE: Duration = Duration::from_mins(1);

/// What can be read of a cloud's offerings, each by one request.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum List {
    /// Nova's flavors.
    Flavors,
    /// Glance's images.
    Images,
    /// One image by its id, where that list does not have it: a community image or a hidden one.
    Image(String),
    /// Glance's community images, which no other list has.
    CommunityImages,
    /// Neutron's networks.
    Networks,
    /// Neutron's security groups.
    SecurityGroups,
    /// Nova's server groups.
    ServerGroups,
    /// Cinder's volume types.
    VolumeTypes,
    /// A port that is named by its id.
    Port(String),
    /// A volume that is named by its id.
    Volume(String),
    /// A snapshot that is named by its id.
    Snapshot(String),
}

impl List {
    /// It shows images.
    #[must_use]
    pub fn is_of_images(&self) -> bool {
        matches!(self, Self::Images | Self::Image(_) | Self::CommunityImages)
    }

    /// What [`select::resolve`] needs of a cloud for this node.
    #[must_use]
    pub fn wanted(machine: &MachineTypeSpec, node: &TestNodeSpec) -> Vec<Self> {
        let mut wanted = vec![Self::Flavors, Self::Images];
        wanted.extend(select::needs_community_images(machine).then_some(Self::CommunityImages));
        wanted.extend(select::image_ids(machine, node).map(|id| Self::Image(id.to_owned())));
        wanted.push(Self::Networks);
        wanted.extend(select::needs_security_groups(machine, node).then_some(Self::SecurityGroups));
        wanted.extend(select::needs_server_groups(machine, node).then_some(Self::ServerGroups));
        wanted.extend(select::needs_volume_types(machine, node).then_some(Self::VolumeTypes));
        wanted.extend(select::port_ids(machine, node).map(|id| Self::Port(id.to_owned())));
        let ids = |source| select::uuids(machine, node, source).map(ToOwned::to_owned);
        wanted.extend(ids(SourceType::Volume).map(Self::Volume));
        wanted.extend(ids(SourceType::Snapshot).map(Self::Snapshot));
        wanted
    }

    /// How long it serves. What anybody can take is not known for long.
    fn fresh(&self, fresh: Duration) -> Duration {
        fresh.min(self.longest())
    }

    /// How long it serves where it cannot be read again.
    fn longest(&self) -> Duration {
        let thing = matches!(self, Self::Port(_) | Self::Volume(_) | Self::Snapshot(_));
        if thing { FRESH_FOR_BLOCKED } else { LONGEST }
    }
}

/// What one cloud offers to one project, as far as it was read.
#[derive(Debug, Default)]
pub struct Catalogue {
    kept: Mutex<Kept>,
    loads: Mutex<BTreeMap<List, Arc<Load>>>,
}

/// Held while a list is being read, so that one does it for all who wait.
#[derive(Debug, Default)]
struct Load(tokio::sync::Mutex<Option<Result<(), openstack::Error>>>);

#[derive(Debug, Default)]
struct Kept {
    offerings: Arc<Offerings>,
    ages: BTreeMap<List, Age>,
    /// How often all was forgotten: what was asked before is not believed after.
    forgotten: u64,
}

/// What is known of the age of a list.
#[derive(Clone, Copy, Debug, Default)]
struct Age {
    /// When the request was sent that the list came from.
    read_at: Option<Instant>,
    /// When it could not be read again.
    failed_at: Option<Instant>,
    /// How many loads have ended.
    ended: u64,
}

impl Age {
    fn is_missing(self, now: Instant, fresh: Duration, longest: Duration) -> bool {
        let Some(read_at) = self.read_at else { return true };
        let age = now.saturating_duration_since(read_at);
        let paused = self.failed_at.is_some_and(|failed| now.saturating_duration_since(failed) < PAUSE);
        age >= longest || (age >= fresh && !paused)
    }
}

impl Catalogue {
    /// Nothing was read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The first of the lists that is not there, or is due to be read again.
    #[must_use]
    pub fn missing(&self, wanted: &[List], now: Instant) -> Option<List> {
        self.older_than(FRESH, wanted, now)
    }

    /// The first of the lists that is not there, or is older than [`FRESH_FOR_BLOCKED`]: somebody who cannot be served
    /// waits for an image or a network that is brought in.
    #[must_use]
    pub fn missing_for_blocked(&self, wanted: &[List], now: Instant) -> Option<List> {
        self.older_than(FRESH_FOR_BLOCKED, wanted, now)
    }

    fn older_than(&self, fresh: Duration, wanted: &[List], now: Instant) -> Option<List> {
        let kept = self.kept();
        wanted.iter().find(|list| kept.is_missing(list, now, fresh)).cloned()
    }

    /// Reads one list, by one request. Who calls while another reads the same list shares its answer.
    ///
    /// # Errors
    /// As the cloud answers, unless an older list can serve on: then the failure is only logged.
    pub async fn load(&self, session: &Session, list: List) -> Result<(), openstack::Error> {
        let ended = self.kept().age(&list).ended;
        let load = self.loads().entry(list.clone()).or_default().clone();
        let mut shared = load.0.lock().await;
        let forgotten = {
            let kept = self.kept();
            // Somebody's load ended while we waited: its answer is ours too.
            if let Some(answer) = shared.as_ref().filter(|_| kept.age(&list).ended != ended) {
                return answer.clone();
            }
            kept.forgotten
        };
        let asked_at = Instant::now();
        let answer = read::read(session, &list).await;
        let answer = self.kept().take(list, answer, asked_at, forgotten);
        *shared = Some(answer.clone());
        answer
    }

    /// What the cloud offers, once flavors, images and networks have been read.
    #[must_use]
    pub fn offerings(&self) -> Option<Arc<Offerings>> {
        let kept = self.kept();
        let read = [List::Flavors, List::Images, List::Networks].map(|list| kept.age(&list).read_at);
        read.iter().all(Option::is_some).then(|| Arc::clone(&kept.offerings))
    }

    /// Everything must be read anew: the cloud said that something named here is not there.
    pub fn forget(&self) {
        let mut kept = self.kept();
        kept.forgotten += 1;
        kept.offerings = Arc::default();
        for age in kept.ages.values_mut() {
            *age = Age { ended: age.ended, ..Age::default() };
        }
    }

    fn loads(&self) -> MutexGuard<'_, BTreeMap<List, Arc<Load>>> {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn age(&self, list: &List) -> Age {
        self.ages.get(list).copied().unwrap_or_default()
    }

    fn is_missing(&self, list: &List, now: Instant, fresh: Duration) -> bool {
        let is_listed =
            |id: &String| self.offerings.images.iter().any(|image| image.id == *id && !image.unlisted);
        let needless = if let List::Image(id) = list { is_listed(id) } else { false };
        !needless && self.age(list).is_missing(now, list.fresh(fresh), list.longest())
    }

    fn take(
        &mut self,
        list: List,
        answer: Result<Read, openstack::Error>,
        asked_at: Instant,
        forgotten: u64,
    ) -> Result<(), openstack::Error> {
        let current = self.forgotten == forgotten;
        let (name, longest) = (format!("{list:?}"), list.longest());
        let age = self.ages.entry(list).or_default();
        age.ended += 1;
        match answer {
            Ok(read) if current => {
                *age = Age { read_at: Some(asked_at), failed_at: None, ended: age.ended };
                self.keep(read);
                Ok(())
            }
            // Asked before all was forgotten. It is still missing, and will be asked for again.
            Ok(_) => Ok(()),
            Err(error) => {
                let now = Instant::now();
                age.failed_at = Some(now);
                let serves = age.read_at.is_some_and(|read| now.saturating_duration_since(read) < longest);
                if serves {
                    tracing::warn!(list = name, %error, retry_in = ?PAUSE, "keep the old list");
                    Ok(())
                } else {
                    age.read_at = None;
                    Err(error)
                }
            }
        }
    }

    fn keep(&mut self, read: Read) {
        let offerings = Arc::make_mut(&mut self.offerings);
        match read {
            Read::Flavors(flavors) => offerings.flavors = flavors,
            Read::Images(images) => {
                let ids: BTreeSet<&str> = images.iter().map(|image| image.id.as_str()).collect();
                offerings
                    .images
                    .retain(|image| (image.unlisted || image.community) && !ids.contains(image.id.as_str()));
                offerings.images.extend(images);
            }
            Read::CommunityImages(images) => {
                let ids: BTreeSet<&str> = images.iter().map(|image| image.id.as_str()).collect();
                offerings
                    .images
                    .retain(|image| !(image.community || image.unlisted && ids.contains(image.id.as_str())));
                let listed: BTreeSet<String> =
                    offerings.images.iter().map(|image| image.id.clone()).collect();
                offerings.images.extend(images.into_iter().filter(|image| !listed.contains(&image.id)));
            }
            Read::Image(id, image) => {
                offerings.images.retain(|image| image.id != id);
                offerings.images.extend(image);
            }
            Read::Networks(networks) => offerings.networks = networks,
            Read::SecurityGroups(groups) => offerings.security_groups = Some(groups),
            Read::ServerGroups(groups) => offerings.server_groups = Some(groups),
            Read::VolumeTypes(types) => offerings.volume_types = Some(types),
            Read::Port(id, port) => drop(offerings.ports.insert(id, port)),
            Read::Volume(id, volume) => drop(offerings.volumes.insert(id, volume)),
            Read::Snapshot(id, snapshot) => drop(offerings.snapshots.insert(id, snapshot)),
        }
    }
}
