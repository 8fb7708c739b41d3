//! Whether there is room in a cloud: all its bounds at once, in the order of those who wait.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::amounts::{Amounts, Quantity};
use super::figures::FIGURES_LAST;
use super::names::{Age, named_in};
use super::queue::{self, Bound, By, Turn, Wish};
use super::{Bounds, Queued, Stage, State, count};
use crate::api::Kind;
use crate::api::cloud::Limits;
use crate::reconcile::state::{self, READ_AGAIN, Room};

/// One who waits looks far more often. A node that did not for so long holds up nobody.
const LOOKS_AGAIN: Duration = Duration::from_secs(30);

impl State {
    pub(super) fn room(
        &mut self,
        age: &Age,
        cloud: &str,
        need: &Amounts,
        bounds: &Bounds,
        now: Instant,
    ) -> Room {
        let mut all = self.limits(age, cloud, &bounds.limits);
        let never: Vec<Bound> = all.iter().filter(|bound| need.of(bound.of) > bound.limit).cloned().collect();
        if !never.is_empty() {
            return Room::Never(queue::tell(&never, need));
        }
        let account = self.accounts.get(cloud);
        let refusal = account.and_then(|account| account.refusal.as_ref());
        if let Some(said) = refusal.and_then(|refusal| refusal.forbids(now)) {
            return Room::Full(said.to_owned());
        }
        let doubted =
            refusal.filter(|refusal| refusal.is_misleading()).map(|refusal| refusal.said().to_owned());
        if doubted.is_some() {
            all.push(pace(0, 1));
        }
        let building = self.of(cloud, &age.uid).filter(|(_, used)| used.stage == Stage::Building).count();
        all.push(pace(count(building), bounds.concurrent_creates));
        let ours = self.sum(cloud, &age.uid, super::Use::share);
        let kinds = if bounds.limits.ignore_quota { Vec::new() } else { self.kinds(cloud, need) };
        for kind in &kinds {
            let figures = account.and_then(|account| account.figures.get(kind));
            all.extend(figures.iter().flat_map(|figures| figures.bounds(&ours)));
        }
        match queue::turn(need, &self.before(age, cloud, now), &all) {
            Turn::Now => match kinds.into_iter().find(|kind| self.is_old(cloud, *kind, now, FIGURES_LAST)) {
                Some(kind) => Room::Unread(kind),
                None => Room::Free,
            },
            Turn::Short(bounds) => self.short(cloud, need, &bounds, now),
            Turn::Behind(bounds) if bounds.iter().all(|bound| bound.by == By::Pace) => {
                doubted.map_or(Room::Busy, Room::Full)
            }
            Turn::Behind(bounds) => {
                Room::Full(format!("other nodes come first: {}", queue::tell(&lasting(&bounds), need)))
            }
            Turn::Kept(node) => {
                let node = named_in(age.namespace(), &node);
                Room::Full(format!("the room there is is kept for TestNode {node}, which has waited longer"))
            }
        }
    }

    fn limits(&self, age: &Age, cloud: &str, limits: &Limits) -> Vec<Bound> {
        let used = self.sum(cloud, &age.uid, |used| used.need);
        [
            ("limits.maxNodes", Quantity::Instances, limits.max_nodes),
            ("limits.maxVCPUs", Quantity::Cores, limits.max_vcpus),
            ("limits.maxRAMMiB", Quantity::Ram, limits.max_ram_mib),
            ("limits.maxVolumes", Quantity::Volumes, limits.max_volumes),
            ("limits.maxVolumeGiB", Quantity::Gigabytes, limits.max_volume_gib),
            ("limits.maxFloatingIPs", Quantity::FloatingIps, limits.max_floating_ips),
        ]
        .into_iter()
        .filter_map(|(field, of, limit)| {
            Some(Bound { by: By::Limits(field), of, used: used.of(of), foreign: 0, limit: limit? })
        })
        .collect()
    }

    /// Whose figures count for a node. Ports are hardly ever what is short: their figures are read only where somebody
    /// waits, or was refused.
    fn kinds(&self, cloud: &str, need: &Amounts) -> Vec<Kind> {
        let scarce = self.queue.values().any(|queued| queued.waiter.wishes.contains_key(cloud))
            || self.accounts.get(cloud).is_some_and(|account| account.refusal.is_some());
        Kind::ALL.into_iter().filter(|kind| need.has(*kind) && (*kind != Kind::Port || scarce)).collect()
    }

    /// Who comes before a node: those of its own namespace that are older, and as many of each other namespace. Nodes
    /// that a namespace has under construction count as served, so that two hundred nodes of one namespace do not keep
    /// the single node of another waiting.
    fn before(&self, age: &Age, cloud: &str, now: Instant) -> Vec<Wish<'_>> {
        let mut served: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, used) in self.of(cloud, &age.uid).filter(|(_, used)| used.stage == Stage::Building) {
            *served.entry(used.rank.age.namespace()).or_default() += 1;
        }
        let mut own = served.get(age.namespace()).copied().unwrap_or_default();
        let mut before = Vec::new();
        for (other, queued) in &self.queue {
            let Some((need, _)) = queued.waiter.wishes.get(cloud) else { continue };
            if other == age || now >= queued.looked + LOOKS_AGAIN {
                continue;
            }
            let place = served.entry(other.namespace()).or_default();
            let wish = Wish {
                node: &queued.waiter.node,
                need: *need,
                waited: now.saturating_duration_since(queued.since),
            };
            before.push((*place, other, wish));
            *place += 1;
            own += usize::from(other < age && other.namespace() == age.namespace());
        }
        // Younger nodes of its own namespace are behind it.
        before.retain(|(place, other, _)| {
            (*place, *other) < (own, age) && !(other.namespace() == age.namespace() && *other > age)
        });
        before.sort_by(|(place, other, _), (other_place, another, _)| {
            (place, other).cmp(&(other_place, another))
        });
        before.into_iter().map(|(_, _, wish)| wish).collect()
    }

    /// A node's place among those that wait for room in a cloud.
    pub(super) fn place(&self, age: &Age, cloud: &str, now: Instant) -> state::Turn {
        let waits = |(other, queued): &(&Age, &Queued)| {
            *other != age && queued.waiter.wishes.contains_key(cloud) && now < queued.looked + LOOKS_AGAIN
        };
        let others = self.queue.iter().filter(waits).count();
        state::Turn { place: self.before(age, cloud, now).len() + 1, of: others + 1 }
    }

    fn is_old(&self, cloud: &str, kind: Kind, now: Instant, patience: Duration) -> bool {
        let figures = self.accounts.get(cloud).and_then(|account| account.figures.get(&kind));
        figures.is_none_or(|figures| figures.is_old(now, patience))
    }

    /// There is too little. Of figures that say so one service's are read every [`READ_AGAIN`], in turn if nodes wait
    /// for several.
    fn short(&mut self, cloud: &str, need: &Amounts, bounds: &[Bound], now: Instant) -> Room {
        let lasting = lasting(bounds);
        let Some(first) = lasting.first() else { return Room::Busy };
        if first.by == By::Quota {
            let kind = first.of.kind();
            let short = &mut self.accounts.entry(cloud.to_owned()).or_default().short;
            short.insert(kind, now);
            short.retain(|_, at| now < *at + READ_AGAIN * 3 / 2);
            let services = u32::try_from(short.len()).unwrap_or(1);
            if self.is_old(cloud, kind, now, READ_AGAIN * services) {
                return Room::Unread(kind);
            }
        }
        Room::Full(queue::tell(&lasting, need))
    }
}

fn pace(used: i64, limit: i64) -> Bound {
    Bound { by: By::Pace, of: Quantity::Instances, used, foreign: 0, limit }
}

fn lasting(bounds: &[Bound]) -> Vec<Bound> {
    bounds.iter().filter(|bound| bound.by != By::Pace).cloned().collect()
}
