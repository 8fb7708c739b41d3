//! Who uses what: places, quota and names, over all nodes of this process. Taken in the turn that opens an attempt,
//! before the write that remembers it, so that two nodes never take the same.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::api::cloud::{Limits, Usage};
use crate::api::testnode_status::Resolved;
use crate::reconcile::state::Room;

/// While a cloud's figures show no room, one node may try this often: figures can be wrong.
const TRY_ANYWAY: Duration = Duration::from_mins(1);

/// While somebody queues, figures are read this often.
const FIGURES_LAST: Duration = Duration::from_secs(10);

/// What one node uses, or is about to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claim {
    /// `namespace/name`.
    pub node: String,
    /// The cloud.
    pub cloud: String,
    /// What it takes.
    pub need: Usage,
    /// How far its machine is.
    pub stage: Stage,
    /// The full name it holds.
    pub fqdn: Option<String>,
    /// Orders claims on one name: recorded addresses, then age, then UID.
    pub rank: Rank,
}

/// How far a machine is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Stage {
    /// Under construction.
    #[default]
    Building,
    /// It runs, or ran.
    Made,
    /// Its attempt failed, and is being ended.
    Ending,
}

/// Which of two claims on a name stays: the lower.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Rank {
    /// No address is recorded under the name.
    pub unset: bool,
    /// When the object was created.
    pub created: Option<jiff::Timestamp>,
    /// The object's UID.
    pub uid: String,
}

/// What one attempt takes of a cloud.
#[must_use]
pub fn need(resolved: &Resolved) -> Usage {
    Usage {
        vcpus: resolved.flavor.vcpus,
        ram_mib: resolved.flavor.ram_mib,
        volumes: i64::try_from(resolved.volumes.len()).unwrap_or(i64::MAX),
        volume_gib: resolved.volumes.iter().map(|volume| volume.size_gib).sum(),
    }
}

/// What a cloud says of one of its quotas: what is left, and of how much.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Nova's or Cinder's name for it.
    pub name: &'static str,
    /// In use.
    pub used: i64,
    /// The limit; `None` is none.
    pub limit: Option<i64>,
}

#[derive(Debug, Default)]
struct State {
    claims: HashMap<String, Claim>,
    refusals: HashMap<String, Refusal>,
}

#[derive(Debug)]
struct Refusal {
    /// What the cloud said.
    said: String,
    figures: Vec<Figure>,
    read: Option<Instant>,
    tried: Instant,
    /// It refused although its figures showed room: they do not tell of what is short.
    misleading: bool,
}

/// The claims of all nodes.
#[derive(Debug, Default)]
pub struct Gate(Mutex<State>);

/// Bounds of one cloud.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    /// The Cloud's own limits.
    pub limits: Limits,
    /// Nodes under construction at once.
    pub concurrent_creates: i64,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what a node uses, as its object remembers it. Returns whether it let go of a name or a place.
    pub fn set(&self, uid: &str, claim: Option<Claim>) -> bool {
        let mut state = self.lock();
        let before = match claim.clone() {
            Some(claim) => state.claims.insert(uid.to_owned(), claim),
            None => state.claims.remove(uid),
        };
        let now = claim.unwrap_or_default();
        if now.stage == Stage::Made && before.as_ref().is_some_and(|before| before.stage == Stage::Building) {
            // A machine was made: there was room.
            state.refusals.remove(&now.cloud);
        }
        before.is_some_and(|before| {
            (before.fqdn.is_some() && before.fqdn != now.fqdn)
                || before.cloud != now.cloud
                || (before.stage == Stage::Building && now.stage != Stage::Building)
        })
    }

    /// Takes a place for an attempt. It is refused if another node took it since the look.
    pub fn take(&self, uid: &str, claim: Claim, bounds: &Bounds) -> bool {
        let mut state = self.lock();
        let now = Instant::now();
        let free = state.room(uid, &claim.cloud, &claim.need, bounds, now) == Room::Free;
        let held = claim.fqdn.as_ref().is_some_and(|fqdn| state.holder(uid, fqdn, None).is_some());
        if !free || held {
            return false;
        }
        if let Some(refusal) = state.refusals.get_mut(&claim.cloud) {
            refusal.tried = now;
        }
        state.claims.insert(uid.to_owned(), claim);
        true
    }

    /// Whether there is room for what a node needs.
    #[must_use]
    pub fn room(&self, uid: &str, cloud: &str, need: &Usage, bounds: &Bounds) -> Room {
        self.lock().room(uid, cloud, need, bounds, Instant::now())
    }

    /// Another node that holds a name. With a claim of one's own, only one of lower rank does.
    #[must_use]
    pub fn holder(&self, uid: &str, fqdn: &str, own: Option<&Rank>) -> Option<String> {
        self.lock().holder(uid, fqdn, own)
    }

    /// The cloud refused a create for quota, in these words.
    pub fn refused(&self, cloud: &str, said: String) {
        let mut state = self.lock();
        let misleading =
            state.refusals.get(cloud).is_some_and(|refusal| refusal.misleading || refusal.read.is_some());
        let refusal = Refusal { said, figures: Vec::new(), read: None, tried: Instant::now(), misleading };
        state.refusals.insert(cloud.to_owned(), refusal);
    }

    /// The cloud's figures were read.
    pub fn read(&self, cloud: &str, figures: Vec<Figure>) {
        if let Some(refusal) = self.lock().refusals.get_mut(cloud) {
            refusal.figures = figures;
            refusal.read = Some(Instant::now());
        }
    }

    /// What a cloud that refused for quota last said of its quotas, while it is believed to be full.
    #[must_use]
    pub fn refusal(&self, cloud: &str) -> Option<String> {
        let state = self.lock();
        let refusal =
            state.refusals.get(cloud).filter(|refusal| Instant::now() < refusal.tried + TRY_ANYWAY)?;
        let limited = refusal
            .figures
            .iter()
            .filter_map(|figure| Some(format!("{} of {} {}", figure.used, figure.limit?, figure.name)));
        let figures: Vec<String> = limited.collect();
        Some(if figures.is_empty() { refusal.said.clone() } else { figures.join(", ") })
    }

    /// What all nodes use of a cloud, and how many they are.
    #[must_use]
    pub fn usage(&self, cloud: &str) -> (i64, Usage) {
        self.lock().usage(cloud, "")
    }
}

impl State {
    fn of<'a>(&'a self, cloud: &'a str, but: &'a str) -> impl Iterator<Item = &'a Claim> {
        self.claims
            .iter()
            .filter(move |(uid, claim)| claim.cloud == cloud && *uid != but)
            .map(|(_, claim)| claim)
    }

    fn usage(&self, cloud: &str, but: &str) -> (i64, Usage) {
        let mut usage = Usage::default();
        let mut nodes = 0;
        for claim in self.of(cloud, but) {
            nodes += 1;
            usage.vcpus += claim.need.vcpus;
            usage.ram_mib += claim.need.ram_mib;
            usage.volumes += claim.need.volumes;
            usage.volume_gib += claim.need.volume_gib;
        }
        (nodes, usage)
    }

    fn room(&self, uid: &str, cloud: &str, need: &Usage, bounds: &Bounds, now: Instant) -> Room {
        let (nodes, used) = self.usage(cloud, uid);
        let limits = &bounds.limits;
        let own = [
            ("limits.maxNodes", nodes, 1, limits.max_nodes),
            ("limits.maxVCPUs", used.vcpus, need.vcpus, limits.max_vcpus),
            ("limits.maxRAMMiB", used.ram_mib, need.ram_mib, limits.max_ram_mib),
            ("limits.maxVolumes", used.volumes, need.volumes, limits.max_volumes),
            ("limits.maxVolumeGiB", used.volume_gib, need.volume_gib, limits.max_volume_gib),
        ];
        if let Some(full) =
            own.into_iter().find_map(|(name, used, need, limit)| over(name, used, need, limit))
        {
            return Room::Full(full);
        }
        if let Some(refusal) = self.refusals.get(cloud) {
            let room = refusal.room(need, now);
            if room != Room::Free {
                return room;
            }
        }
        let building = self.of(cloud, uid).filter(|claim| claim.stage == Stage::Building).count();
        if i64::try_from(building).unwrap_or(i64::MAX) >= bounds.concurrent_creates {
            Room::Busy
        } else {
            Room::Free
        }
    }

    fn holder(&self, uid: &str, fqdn: &str, own: Option<&Rank>) -> Option<String> {
        self.claims
            .iter()
            .filter(|(other, claim)| *other != uid && claim.fqdn.as_deref() == Some(fqdn))
            .filter(|(_, claim)| own.is_none_or(|own| claim.rank < *own))
            .map(|(_, claim)| claim.node.clone())
            .min()
    }
}

/// "12 of 16 in use, 8 needed", if that is too much.
fn over(name: &str, used: i64, need: i64, limit: Option<i64>) -> Option<String> {
    let limit = limit.filter(|limit| need > 0 && used + need > *limit)?;
    Some(format!("{name}: {used} of {limit} in use, {need} needed"))
}

impl Refusal {
    /// Figures that show no room keep nodes away, but for one a minute.
    fn room(&self, need: &Usage, now: Instant) -> Room {
        if now >= self.tried + TRY_ANYWAY {
            return Room::Free;
        }
        if self.misleading {
            return Room::Full(self.said.clone());
        }
        if self.read.is_none_or(|read| now >= read + FIGURES_LAST) {
            return Room::Unread;
        }
        let wanted = |name: &str| match name {
            "instances" => 1,
            "cores" => need.vcpus,
            "ram" => need.ram_mib,
            "volumes" => need.volumes,
            "gigabytes" => need.volume_gib,
            _ => 0,
        };
        let full = self.figures.iter().find_map(|f| over(f.name, f.used, wanted(f.name), f.limit));
        full.map_or(Room::Free, |figures| Room::Full(format!("quota {figures}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(node: &str, vcpus: i64) -> Claim {
        Claim {
            node: node.into(),
            cloud: "c".into(),
            need: Usage { vcpus, ..Usage::default() },
            stage: Stage::Building,
            fqdn: Some("n.z".into()),
            rank: Rank { unset: true, created: None, uid: node.into() },
        }
    }

    fn bounds(vcpus: i64) -> Bounds {
        Bounds { limits: Limits { max_vcpus: Some(vcpus), ..Limits::default() }, concurrent_creates: 2 }
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_and_a_name_are_taken_once() {
        let gate = Gate::default();

        assert!(gate.take("a", claim("ns/a", 2), &bounds(8)));
        assert!(!gate.take("b", claim("ns/b", 2), &bounds(8)), "the name is held");
        assert_eq!(gate.holder("b", "n.z", None).as_deref(), Some("ns/a"));
        assert!(gate.take("a", claim("ns/a", 2), &bounds(8)), "its own");
        assert!(gate.set("a", None));
        assert!(gate.take("b", claim("ns/b", 2), &bounds(8)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_cloud_says_so_with_figures_and_a_busy_one_says_that() {
        let gate = Gate::default();
        let mut other = claim("ns/a", 6);
        other.fqdn = None;
        gate.set("a", Some(other.clone()));

        let four = Usage { vcpus: 4, ..Usage::default() };
        let said = Room::Full("limits.maxVCPUs: 6 of 8 in use, 4 needed".into());
        assert_eq!(gate.room("b", "c", &four, &bounds(8)), said);
        assert_eq!(gate.room("b", "c", &four, &bounds(16)), Room::Free);
        gate.set("d", Some(other));
        assert_eq!(gate.room("b", "c", &four, &bounds(100)), Room::Busy);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_refusal_figures_are_read_and_one_node_a_minute_may_try_against_them() {
        let gate = Gate::default();
        let two = Usage { vcpus: 2, ..Usage::default() };
        let room = || gate.room("b", "c", &two, &bounds(100));
        gate.refused("c", "no".into());
        assert_eq!(room(), Room::Unread);

        gate.read("c", vec![Figure { name: "cores", used: 31, limit: Some(32) }]);
        assert_eq!(room(), Room::Full("quota cores: 31 of 32 in use, 2 needed".into()));
        tokio::time::advance(FIGURES_LAST).await;
        assert_eq!(room(), Room::Unread);
        gate.read("c", vec![Figure { name: "cores", used: 30, limit: Some(32) }]);
        assert_eq!(room(), Room::Free);
        gate.read("c", vec![Figure { name: "cores", used: 32, limit: Some(32) }]);
        tokio::time::advance(TRY_ANYWAY).await;
        assert_eq!(room(), Room::Free);
        assert!(gate.take("b", claim("ns/b", 2), &bounds(100)));
        assert_ne!(gate.room("d", "c", &two, &bounds(100)), Room::Free, "one a minute");
    }

    #[tokio::test(start_paused = true)]
    async fn figures_that_show_room_where_the_cloud_refuses_again_are_not_believed() {
        let gate = Gate::default();
        let two = Usage { vcpus: 2, ..Usage::default() };
        let room = || gate.room("b", "c", &two, &bounds(100));
        gate.refused("c", "no ports".into());
        gate.read("c", vec![Figure { name: "cores", used: 0, limit: Some(32) }]);
        assert_eq!(room(), Room::Free);

        gate.refused("c", "no ports".into());
        assert_eq!(room(), Room::Full("no ports".into()));
        tokio::time::advance(TRY_ANYWAY).await;
        assert_eq!(room(), Room::Free, "one a minute");
        gate.refused("c", "no ports".into());
        assert_eq!(room(), Room::Full("no ports".into()));

        gate.set("a", Some(claim("ns/a", 1)));
        gate.set("a", Some(Claim { stage: Stage::Made, ..claim("ns/a", 1) }));
        assert_eq!(room(), Room::Free, "a machine was made");
    }

    #[test]
    fn of_two_claims_on_one_name_the_one_with_an_address_stays_then_the_older() {
        let gate = Gate::default();
        let mut set = claim("ns/young", 1);
        set.rank.unset = false;
        gate.set("young", Some(set.clone()));
        let unset = Rank { unset: true, created: Some(jiff::Timestamp::UNIX_EPOCH), uid: "old".into() };

        assert_eq!(gate.holder("old", "n.z", Some(&unset)).as_deref(), Some("ns/young"));
        assert_eq!(gate.holder("young", "n.z", Some(&set.rank)), None);
    }
}
