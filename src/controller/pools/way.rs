//! Who goes first where clouds have too little room: idle nodes give way to nodes that somebody waits for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::{Pools, count, place};
use crate::api::{TestNode, TestNodePool};
use crate::gate::{Bounds, Short, named_in};
use crate::pool::keep::Stock;
use crate::pool::slot::{Slot, State};

/// An idle node gives way to whoever has waited for so long for the room of its cloud.
const SHORT_FOR: Duration = Duration::from_secs(30);
/// A pool one of whose nodes gave way is not filled for so long.
const AWAY_FOR: Duration = Duration::from_mins(5);

impl Pools {
    /// The clouds that the pool's nodes may be in, with their bounds.
    fn clouds(&self, pool: &TestNodePool) -> Vec<(String, Bounds)> {
        let template = &pool.spec.template;
        let machine = self.ctx.machine_types.get(&ObjectRef::new(&template.machine_type));
        let clouds = machine.iter().flat_map(|machine| &machine.spec.clouds).map(|choice| &choice.name);
        let meant = clouds.filter(|name| template.cloud.as_ref().is_none_or(|pinned| pinned == *name));
        meant.filter_map(|name| Some((name.clone(), self.ctx.clouds.find(name)?.bounds()))).collect()
    }

    /// An older pool whose nodes have the names of this one's: in the same namespace, or in a DNS zone of its clouds.
    pub(super) fn rival(&self, pool: &TestNodePool) -> Option<String> {
        let age = |pool: &TestNodePool| (pool.creation_timestamp().map(|at| at.0), place(pool));
        let zones = |pool: &TestNodePool| {
            let clouds = self.clouds(pool).into_iter().filter_map(|(name, _)| self.ctx.clouds.find(&name));
            clouds
                .filter_map(|handle| Some(handle.config().dns.as_ref()?.zone().clone()))
                .collect::<BTreeSet<_>>()
        };
        let pools = self.ctx.pools.state();
        let older = |other: &&Arc<TestNodePool>| {
            other.prefix() == pool.prefix()
                && age(other) < age(pool)
                && other.metadata.deletion_timestamp.is_none()
        };
        let meets = |other: &&Arc<TestNodePool>| {
            other.namespace() == pool.namespace() || !zones(other).is_disjoint(&zones(pool))
        };
        let rival = pools.iter().filter(older).find(meets)?;
        let (namespace, name) = place(rival);
        Some(named_in(&place(pool).0, &format!("{namespace}/{name}")))
    }

    /// How many nodes the pool's clouds build at once.
    pub(super) fn wave(&self, pool: &TestNodePool) -> usize {
        let clouds = self.clouds(pool).into_iter();
        clouds.map(|(name, bounds)| count(self.ctx.gate.creates(&name, &bounds).0)).sum::<usize>().max(1)
    }

    /// Whether others go before what the pool keeps for nobody: they wait in each of its clouds, or one of its nodes has just
    /// given way to them.
    pub(super) fn is_held_back(&self, pool: &TestNodePool, nodes: &[Arc<TestNode>]) -> bool {
        let gave = self.memory().gave_way.get(&pool.uid().unwrap_or_default()).copied();
        let clouds = self.clouds(pool);
        let needs = |short: &Short| nodes.is_empty() || nodes.iter().any(|node| self.has_any(node, short));
        gave.is_some_and(|at| at.elapsed() < AWAY_FOR)
            || (!clouds.is_empty()
                && clouds.iter().all(|(name, bounds)| {
                    self.ctx.gate.short(name, bounds).is_some_and(|short| needs(&short))
                }))
    }

    /// The node of this pool that gives its room to others: the oldest of all pools that is idle in a cloud where somebody waits
    /// for room, and that has some of what is short. The next only when that is gone.
    pub(super) fn gives_way(&self, nodes: &[Arc<TestNode>], stock: &Stock) -> Option<String> {
        let idle = stock.slots.iter().filter(|slot| slot.is(State::Ready));
        let clouds: BTreeSet<&String> = idle.filter_map(|slot| slot.cloud.as_ref()).collect();
        let (cloud, short) = clouds.into_iter().find_map(|cloud| {
            let gave = self.memory().gave_way_in.get(cloud).copied();
            if gave.is_some_and(|at| at.elapsed() < SHORT_FOR) {
                return None;
            }
            let short = self.ctx.gate.short(cloud, &self.ctx.clouds.find(cloud)?.bounds())?;
            (short.lasts >= SHORT_FOR).then_some((cloud, short))
        })?;
        let pools = self.ctx.pools.state();
        let may = |pool: &&Arc<TestNodePool>| {
            // One that is paused drops nothing.
            let acts = !pool.spec.paused && pool.metadata.deletion_timestamp.is_none();
            acts && pool.status.as_ref().is_none_or(|said| said.queued_nodes == 0)
        };
        let others = pools.iter().filter(may);
        let all = others.flat_map(|pool| self.nodes(&place(pool)));
        let there = |slot: &Slot| slot.cloud.as_ref() == Some(cloud) && slot.claim.is_none();
        let slots = all.map(|node| (node.namespace(), Slot::of(&node, &node.spec, self.is_down(&node))));
        let helps = |slot: &Slot| there(slot) && self.ctx.gate.has_any(&slot.uid, &short.of);
        let slots: Vec<_> = slots.filter(|(_, slot)| helps(slot)).collect();
        if slots.iter().any(|(_, slot)| slot.state == State::Going) {
            return None;
        }
        let idle = slots.iter().filter(|(_, slot)| slot.is(State::Ready));
        let (_, oldest) = idle.min_by_key(|(namespace, slot)| (slot.ready_at, namespace, &slot.name))?;
        let own = nodes.iter().any(|node| node.metadata.uid.as_ref() == Some(&oldest.uid));
        own.then(|| oldest.uid.clone())
    }

    /// Whether a node has any of what is short.
    fn has_any(&self, node: &TestNode, short: &Short) -> bool {
        self.ctx.gate.has_any(node.metadata.uid.as_deref().unwrap_or_default(), &short.of)
    }

    /// Whether somebody marked a node as down.
    fn is_down(&self, node: &TestNode) -> bool {
        let name = ObjectRef::new(&node.name_any()).within(&node.namespace().unwrap_or_default());
        self.ctx.slots.get(&name).is_some_and(|mark| mark.is_down(node.metadata.uid.as_deref()))
    }
}
