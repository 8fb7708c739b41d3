//! Whether there is room in a cloud: all its bounds at once, in the order of those who wait.

use std::time::Duration;

use tokio::time::Instant;

use super::amounts::{Amounts, Quantity};
use super::building::{WAVES, for_idle};
use super::figures::FIGURES_LAST;
use super::line::{Line, Scene, Short};
use super::names::named_in;
use super::queue::{self, Bound, By, Turn};
use super::refusals::Refusal;
use super::sums::Sums;
use super::{Account, Bounds, Stage, State, count};
use crate::age::Age;
use crate::api::Kind;
use crate::api::cloud::Limits;
use crate::reconcile::state::{self, READ_AGAIN, Room};

impl State {
    pub(super) fn room(
        &mut self,
        age: &Age,
        cloud: &str,
        need: &Amounts,
        bounds: &Bounds,
        now: Instant,
    ) -> Room {
        let sums = self.uses.sums_but(cloud, &age.uid);
        let never = limits(&sums, &bounds.limits).filter(|bound| need.of(bound.of) > bound.limit);
        let never: Vec<Bound> = never.collect();
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
        let kinds = if bounds.limits.ignore_quota { Vec::new() } else { self.kinds(cloud, need) };
        let is_idle = self.is_idle(&age.uid);
        let mut all = self.bounds(cloud, &sums, bounds, &kinds);
        if is_idle && account.is_some_and(|account| account.line.waits(&all, now)) {
            return Room::Busy;
        }
        if is_idle {
            all.push(self.idle_pace(cloud, &age.uid, bounds));
        }
        let scene = Scene { served: &sums.building, bounds: &all, now };
        let empty = Line::default();
        let line = account.map_or(&empty, |account| if is_idle { &account.idle } else { &account.line });
        match line.turn(age, need, &scene) {
            Turn::Now => match kinds.into_iter().find(|kind| !self.lets_in(cloud, *kind, need, &all, now)) {
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

    /// Of what nobody waits for, only half as much is under construction at once.
    fn idle_pace(&self, cloud: &str, but: &str, bounds: &Bounds) -> Bound {
        let used = self.idle_in(cloud, Stage::is_under_construction, but);
        pace(used, for_idle(WAVES * self.creates(cloud, bounds)))
    }

    /// See [`super::Gate::short`].
    pub(super) fn lacks(&self, cloud: &str, bounds: &Bounds, now: Instant) -> Option<Short> {
        let account = self.accounts.get(cloud)?;
        let kinds: &[Kind] = if bounds.limits.ignore_quota { &[] } else { &Kind::ALL };
        let all = self.bounds(cloud, &self.uses.sums(cloud), bounds, kinds);
        account.line.short(&all, now)
    }

    /// How many servers may be made at once.
    pub(super) fn creates(&self, cloud: &str, bounds: &Bounds) -> i64 {
        let new = || Account::default().creates(bounds);
        self.accounts.get(cloud).map_or_else(new, |account| account.creates(bounds))
    }

    /// All that bounds a cloud.
    fn bounds(&self, cloud: &str, sums: &Sums, bounds: &Bounds, kinds: &[Kind]) -> Vec<Bound> {
        let account = self.accounts.get(cloud);
        let mut all: Vec<Bound> = limits(sums, &bounds.limits).collect();
        if account.and_then(|account| account.refusal.as_ref()).is_some_and(Refusal::is_misleading) {
            all.push(pace(0, 1));
        }
        all.push(pace(count(sums.under_construction()), WAVES * self.creates(cloud, bounds)));
        for kind in kinds {
            let figures = account.and_then(|account| account.figures.get(kind));
            all.extend(figures.iter().flat_map(|figures| figures.bounds(&sums.share)));
        }
        all
    }

    /// Who is to look: those for whom there is room, and who is now the first of its size.
    pub(super) fn call(&mut self, cloud: &str, bounds: &Bounds, now: Instant) -> Vec<String> {
        let Some(account) = self.accounts.get(cloud).filter(|account| account.waiting() > 0) else {
            return Vec::new();
        };
        let sums = self.uses.sums(cloud);
        let forbidden = account.refusal.as_ref().is_some_and(|refusal| refusal.forbids(now).is_some());
        let kinds: &[Kind] = if bounds.limits.ignore_quota { &[] } else { &Kind::ALL };
        let mut all = self.bounds(cloud, &sums, bounds, kinds);
        if forbidden {
            all.push(pace(0, 0));
        }
        let is_idle = !account.line.waits(&all, now);
        if is_idle {
            all.push(self.idle_pace(cloud, "", bounds));
        }
        let scene = Scene { served: &sums.building, bounds: &all, now };
        let line = self.account(cloud).line(is_idle);
        line.call(&scene).into_iter().map(|age| age.uid).collect()
    }

    /// Whose figures count for a node. Ports are hardly ever what is short: their figures are read only where somebody
    /// waits, or was refused.
    fn kinds(&self, cloud: &str, need: &Amounts) -> Vec<Kind> {
        let scarce = self
            .accounts
            .get(cloud)
            .is_some_and(|account| account.waiting() > 0 || account.refusal.is_some());
        Kind::ALL.into_iter().filter(|kind| need.has(*kind) && (*kind != Kind::Port || scarce)).collect()
    }

    /// A node's place among those that wait for room in a cloud. Nodes that a namespace has under construction count as
    /// served, so that two hundred nodes of one namespace do not keep the single node of another waiting.
    pub(super) fn place(&self, age: &Age, cloud: &str) -> state::Turn {
        let Some(account) = self.accounts.get(cloud) else { return state::Turn { place: 1, of: 1 } };
        let sums = self.uses.sums_but(cloud, &age.uid);
        let waits = self.queue.get(&age.uid).is_some_and(|queued| queued.clouds.contains(cloud));
        let before = if self.is_idle(&age.uid) {
            account.line.len() + account.idle.before(age, &sums.building)
        } else {
            account.line.before(age, &sums.building)
        };
        state::Turn { place: before + 1, of: account.waiting() + usize::from(!waits) }
    }

    /// Whether a service's figures are young, or show plenty.
    fn lets_in(&self, cloud: &str, kind: Kind, need: &Amounts, all: &[Bound], now: Instant) -> bool {
        let Some(figures) = self.accounts.get(cloud).and_then(|account| account.figures.get(&kind)) else {
            return false;
        };
        let own = all.iter().filter(|bound| bound.by == By::Quota && bound.of.kind() == kind);
        !figures.is_old(now, FIGURES_LAST) || figures.shows_plenty(own, need, now)
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
            let short = &mut self.account(cloud).short;
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

fn limits(sums: &Sums, limits: &Limits) -> impl Iterator<Item = Bound> {
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
        Some(Bound { by: By::Limits(field), of, used: sums.need.of(of), foreign: 0, limit: limit? })
    })
}

fn pace(used: i64, limit: i64) -> Bound {
    Bound { by: By::Pace, of: Quantity::Instances, used, foreign: 0, limit }
}

fn lasting(bounds: &[Bound]) -> Vec<Bound> {
    bounds.iter().filter(|bound| bound.by != By::Pace).cloned().collect()
}
