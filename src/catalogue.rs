//! What one cloud offers, read one list at a time and kept.
//!
//! A list is read anew when it is older than [`FRESH`]. If that fails, the old one serves on, up to [`LONGEST`], and
//! is asked for again after [`PAUSE`]: a cloud that is slow to list its flavors must not fail nodes that need one it
//! had ten minutes ago. When the cloud itself says that something is not there, call [`Catalogue::forget`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::api::machine_type::MachineTypeSpec;
use crate::api::testnode::TestNodeSpec;
use crate::openstack::{self, Session};
use crate::select::{self, Offerings};

mod read;
#[cfg(test)]
mod tests;

use read::Read;

/// A list is not read again before this.
pub const FRESH: Duration = Duration::from_mins(10);
/// While a node cannot be served by what was read, it is read again after this.
pub const FRESH_FOR_BLOCKED: Duration = Duration::from_mins(1);
/// A list that could not be read again serves no longer than this.
pub const LONGEST: Duration = Duration::from_hours(1);
/// How long after a failure a list that still serves is left alone.
pub const PAUSE: Duration = Duration::from_mins(1);

/// What can be read of a cloud's offerings, each by one request.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum List {
    /// Nova's flavors.
    Flavors,
    /// Glance's images.
    Images,
    /// Neutron's networks.
    Networks,
    /// Neutron's security groups.
    SecurityGroups,
    /// Cinder's volume types.
    VolumeTypes,
}

impl List {
    /// What [`select::resolve`] needs of a cloud for this node.
    #[must_use]
    pub fn wanted(machine: &MachineTypeSpec, node: &TestNodeSpec) -> Vec<Self> {
        let mut wanted = vec![Self::Flavors, Self::Images, Self::Networks];
        wanted.extend(select::needs_security_groups(machine, node).then_some(Self::SecurityGroups));
        wanted.extend(select::needs_volume_types(machine, node).then_some(Self::VolumeTypes));
        wanted
    }
}

/// What one cloud offers to one project, as far as it was read.
#[derive(Debug, Default)]
pub struct Catalogue {
    kept: Mutex<Kept>,
    loads: PerList<Load>,
}

/// One value per list.
#[derive(Debug, Default)]
struct PerList<T> {
    flavors: T,
    images: T,
    networks: T,
    security_groups: T,
    volume_types: T,
}

impl<T> PerList<T> {
    fn of(&self, list: List) -> &T {
        match list {
            List::Flavors => &self.flavors,
            List::Images => &self.images,
            List::Networks => &self.networks,
            List::SecurityGroups => &self.security_groups,
            List::VolumeTypes => &self.volume_types,
        }
    }

    fn of_mut(&mut self, list: List) -> &mut T {
        match list {
            List::Flavors => &mut self.flavors,
            List::Images => &mut self.images,
            List::Networks => &mut self.networks,
            List::SecurityGroups => &mut self.security_groups,
            List::VolumeTypes => &mut self.volume_types,
        }
    }
}

/// Held while a list is being read, so that one does it for all who wait.
#[derive(Debug, Default)]
struct Load(tokio::sync::Mutex<Option<Result<(), openstack::Error>>>);

#[derive(Debug, Default)]
struct Kept {
    offerings: Arc<Offerings>,
    ages: PerList<Age>,
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
    fn is_missing(self, now: Instant, fresh: Duration) -> bool {
        let Some(read_at) = self.read_at else { return true };
        let age = now.saturating_duration_since(read_at);
        let paused = self.failed_at.is_some_and(|failed| now.saturating_duration_since(failed) < PAUSE);
        age >= LONGEST || (age >= fresh && !paused)
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
        wanted.iter().copied().find(|list| kept.ages.of(*list).is_missing(now, fresh))
    }

    /// Reads one list, by one request. Who calls while another reads the same list shares its answer.
    ///
    /// # Errors
    /// As the cloud answers, unless an older list can serve on: then the failure is only logged.
    pub async fn load(&self, session: &Session, list: List) -> Result<(), openstack::Error> {
        let ended = self.kept().ages.of(list).ended;
        let mut shared = self.loads.of(list).0.lock().await;
        let forgotten = {
            let kept = self.kept();
            // Somebody's load ended while we waited: its answer is ours too.
            if let Some(answer) = shared.as_ref().filter(|_| kept.ages.of(list).ended != ended) {
                return answer.clone();
            }
            kept.forgotten
        };
        let asked_at = Instant::now();
        let answer = read::read(session, list).await;
        let answer = self.kept().take(list, answer, asked_at, forgotten);
        *shared = Some(answer.clone());
        answer
    }

    /// What the cloud offers, once flavors, images and networks have been read.
    #[must_use]
    pub fn offerings(&self) -> Option<Arc<Offerings>> {
        let kept = self.kept();
        let read = [List::Flavors, List::Images, List::Networks].map(|list| kept.ages.of(list).read_at);
        read.iter().all(Option::is_some).then(|| Arc::clone(&kept.offerings))
    }

    /// Everything must be read anew: the cloud said that something named here is not there.
    pub fn forget(&self) {
        let mut kept = self.kept();
        kept.forgotten += 1;
        kept.offerings = Arc::default();
        for list in [List::Flavors, List::Images, List::Networks, List::SecurityGroups, List::VolumeTypes] {
            let age = kept.ages.of_mut(list);
            *age = Age { ended: age.ended, ..Age::default() };
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn take(
        &mut self,
        list: List,
        answer: Result<Read, openstack::Error>,
        asked_at: Instant,
        forgotten: u64,
    ) -> Result<(), openstack::Error> {
        let current = self.forgotten == forgotten;
        let age = self.ages.of_mut(list);
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
                let serves = age.read_at.is_some_and(|read| now.saturating_duration_since(read) < LONGEST);
                if serves {
                    tracing::warn!(?list, %error, retry_in = ?PAUSE, "keep the old list");
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
            Read::Images(images) => offerings.images = images,
            Read::Networks(networks) => offerings.networks = networks,
            Read::SecurityGroups(groups) => offerings.security_groups = Some(groups),
            Read::VolumeTypes(types) => offerings.volume_types = Some(types),
        }
    }
}
