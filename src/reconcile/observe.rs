//! Gathers what this process knows of a node, and looks at it: the inventory, the catalogue, the gate and the notes. It
//! only reads. What comes of it [`look`] says.

mod keeper;
mod offers;
mod system;
mod user_data;
mod uses;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, MutexGuard};

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use secrecy::{ExposeSecret as _, SecretSlice};

use super::context::Context;
use super::look::{Known, Naming, Place, look};
use super::memory;
use super::state::{Desired, Hold, Memory, Need, Observed};
use crate::api::{ABANDON, FINALIZER_PREFIX, FormerMachine, MachineType, TestNode};
use crate::clock::Now;
use crate::clouds::{self, Config, Handle};
use crate::gate::{Rank, named_in};
use crate::inventory::State;

pub use uses::{age, path, used};

/// A look: what is wanted and what is seen.
pub struct Look {
    /// When it was.
    pub now: Now,
    /// From the spec and its machine type.
    pub desired: Desired,
    /// From everything else.
    pub seen: Observed,
    /// The machine type.
    pub machine: Option<Arc<MachineType>>,
    /// What `spec.userDataRef` names, as it was read.
    pub user_data: Option<Arc<SecretSlice<u8>>>,
}

/// Looks.
#[must_use]
pub fn observe(node: &TestNode, ctx: &Context) -> Look {
    let uid = node.uid().unwrap_or_default();
    let machine = ctx.machine_types.get(&ObjectRef::new(&node.spec.machine_type));
    let memory = memory::read(node.own_status());
    let now = ctx.now();
    let mut desired = Desired::of(node, machine.as_deref(), &memory);
    if !*ctx.machine_types_listed.borrow() {
        // They have not been listed yet: none is known to be gone.
        desired.user_data_digest = desired.user_data_digest.take().or_else(|| pinned_digest(&memory));
    }
    desired.need = keeper::need(ctx, node, &uid, now.wall);
    if let Need::Kept(kept) = &desired.need {
        desired.hold = Some(Hold { until: kept.until, reason: kept.why.clone(), cut: None });
    }
    let user_data = user_data::read(ctx, node, &uid, now.wall, memory.is_making(), &mut desired);
    let deleting = node.metadata.deletion_timestamp.is_some();
    let offers = match &machine {
        // A node that has its machine, or is being deleted, needs no other place.
        Some(machine) if !deleting && memory.current().is_none() => {
            let read = user_data.as_ref().map(|read| read.expose_secret());
            let offers = offers::offers(ctx, node, machine, now.wall);
            desired.problem =
                desired.problem.take().or_else(|| offers::problem(ctx, node, machine, &offers, read));
            offers
        }
        Some(_) | None => Vec::new(),
    };
    let opened = memory.open().and_then(|open| ctx.clouds.find(&open.cloud));
    let may_build =
        opened.is_none_or(|handle| ctx.gate.may_build(&uses::age(node), &handle.name, &handle.bounds()));
    let wish = if deleting { None } else { system::wish(ctx, node, machine.as_deref(), &memory, &desired) };
    let handles = ctx.clouds.all();
    let configs: Vec<Arc<Config>> = handles.iter().map(|handle| handle.config()).collect();
    let names: Vec<Option<Naming>> = configs.iter().map(|config| naming(config, node)).collect();
    let holders = holders(ctx, node, &memory, &names);
    // All are locked in the order of their names, and one after the other wherever else.
    let states: Vec<MutexGuard<'_, State>> = handles.iter().map(|handle| handle.inventory.lock()).collect();
    let places = handles.iter().zip(&configs).zip(&states).zip(names);
    let clouds = places
        .map(|(((handle, config), state), naming)| {
            (handle.name.clone(), place(handle, config, state, naming, &uid))
        })
        .collect();
    let lives = |uid: &str| ctx.nodes.find(|node| node.metadata.uid.as_deref() == Some(uid)).is_some();
    let seen = ctx.note(&uid, |notes| {
        look(Known {
            now,
            desired: &desired,
            started: ctx.started,
            uid: &uid,
            node: &path(node),
            former: FormerMachine::wished_by(node),
            lives: &lives,
            deleting,
            held: held(node),
            memory,
            shown: node.own_status().and_then(|status| status.cloud.as_deref()),
            abandon: node.annotations().get(ABANDON).is_some_and(|reason| !reason.trim().is_empty()),
            notes,
            clouds,
            offers,
            may_build,
            wish,
            holders,
        })
    });
    Look { now, desired, seen, machine, user_data }
}

fn place<'a>(
    handle: &'a Handle,
    config: &'a Config,
    state: &'a State,
    naming: Option<Naming>,
    uid: &str,
) -> Place<'a> {
    Place {
        login: &config.login,
        state,
        cluster_id: handle.inventory.cluster_id(),
        address_from: config.spec.as_ref().and_then(|spec| spec.address_from.as_ref()),
        naming,
        recorded: handle.abandoned.has(uid),
        let_go: handle.abandoned.open().into_iter().map(|record| record.uid).collect(),
        former: config.former,
    }
}

fn naming(config: &Config, node: &TestNode) -> Option<Naming> {
    let dns = config.dns.as_ref()?;
    Some(Naming { fqdn: clouds::fqdn(config, node), verifiable: dns.is_verifiable(), park: dns.park() })
}

/// Which other node holds a name, as a message of this node may say it.
fn holder(ctx: &Context, node: &TestNode, name: &str, own: Option<&Rank>) -> Option<String> {
    let age = uses::age(node);
    Some(named_in(age.namespace(), &ctx.gate.holder(&age.uid, name, own)?))
}

/// Which other nodes hold the names that this one has, or would have.
fn holders(
    ctx: &Context,
    node: &TestNode,
    memory: &Memory,
    names: &[Option<Naming>],
) -> BTreeMap<String, String> {
    let own = memory.dns.as_ref().map(|dns| &dns.name);
    let names = names.iter().flatten().filter_map(|naming| naming.fqdn.as_ref());
    let rank = uses::rank(node, memory);
    let holder = |name: &String| Some((name.clone(), holder(ctx, node, name, Some(&rank))?));
    own.into_iter().chain(names).filter_map(holder).collect()
}

/// What a turn notes of what it saw: what the node uses, for the gate, and what the next looks need to know of this one.
pub fn take_note(node: &TestNode, look: &Look, ctx: &Context) {
    let uid = node.uid().unwrap_or_default();
    uses::keep(ctx, node, &look.seen.memory, &look.seen.clouds);
    ctx.note(&uid, |notes| notes.saw(&look.desired, &look.seen, ctx.started, look.now));
}

/// The digest that the attempt under way has pinned.
fn pinned_digest(memory: &Memory) -> Option<String> {
    let pinned = memory.open()?.resolved.as_ref()?.machine_type.as_ref()?;
    Some(pinned.user_data_digest.clone())
}

/// Clouds that hold a finalizer of ours.
fn held(node: &TestNode) -> BTreeSet<String> {
    node.finalizers()
        .iter()
        .filter_map(|name| name.strip_prefix(FINALIZER_PREFIX))
        .map(ToOwned::to_owned)
        .collect()
}
