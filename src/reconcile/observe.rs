//! One look at the world, as far as it concerns one node. Reads memory only: the inventory, the catalogue, the gate
//! and this process' notes.

mod abandon;
mod claims;
mod name;
mod offers;
mod shared;
mod things;
mod user_data;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use secrecy::{ExposeSecret as _, SecretSlice};
use tokio::time::Instant;

use super::context::{Context, Notes};
use super::memory;
use super::plan::target_address;
use super::state::{
    Binding, CloudView, Desired, Expiry, GuestView, Kind, Memory, NameView, Observed, Presence, Problem,
    Standing, UserData, is_failed,
};
use crate::api::common::ReadinessCheck;
use crate::api::testnode_status::Attempt;
use crate::api::{FINALIZER_PREFIX, MachineType, TestNode};
use crate::clouds::Handle;
use crate::inventory::ledger::Born;

pub use claims::{age, claim, path};

/// A look: what is wanted and what is seen.
pub struct Look {
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
    let mut memory = memory::read(node.status.as_ref());
    let held = held(node);
    let now = (ctx.seams.clock)();
    let mut desired = desired(node, machine.as_deref());
    let user_data = user_data::read(ctx, node, &uid, now, &mut desired);
    let timeouts = machine.as_ref().map(|machine| machine.spec.timeouts.clone()).unwrap_or_default();
    let clouds = clouds(ctx, node, &uid, &memory, &held, now, timeouts.delete.or(Duration::from_mins(10)));
    if memory.dns.is_none() {
        memory.dns = name::lost(ctx, node, &uid, &memory, &clouds);
    }
    claims::keep(ctx, node, &memory, &clouds);
    let deleting = node.metadata.deletion_timestamp.is_some();
    let offers = match &machine {
        // A node that has its machine, or goes, needs no other place.
        Some(machine) if !deleting && memory.current().is_none() => {
            let read = user_data.as_ref().map(|read| read.expose_secret());
            desired.problem = desired.problem.take().or_else(|| offers::problem(node, machine, read));
            offers::offers(ctx, node, machine, now)
        }
        Some(_) | None => Vec::new(),
    };
    let mut seen = Observed {
        now,
        deleting,
        held,
        memory,
        clouds,
        offers,
        name: NameView::default(),
        guest: GuestView::default(),
        troubles: ctx.note(&uid, |notes| notes.troubles.clone()),
    };
    seen.name = name::view(ctx, node, &uid, &seen);
    seen.guest = ctx.note(&uid, |notes| guest(notes, &seen));
    Look { desired, seen, machine, user_data }
}

/// Clouds that hold a finalizer of ours.
fn held(node: &TestNode) -> BTreeSet<String> {
    node.finalizers()
        .iter()
        .filter_map(|name| name.strip_prefix(FINALIZER_PREFIX))
        .map(ToOwned::to_owned)
        .collect()
}

fn desired(node: &TestNode, machine: Option<&MachineType>) -> Desired {
    let spec = machine.map(|machine| &machine.spec);
    let readiness: Vec<ReadinessCheck> = node
        .spec
        .readiness
        .clone()
        .unwrap_or_else(|| spec.map(|spec| spec.readiness.clone()).unwrap_or_default());
    let timeouts = spec.map(|spec| spec.timeouts.clone()).unwrap_or_default();
    let problem = machine.is_none().then(|| Problem {
        reason: "MachineTypeNotFound",
        message: format!(
            "there is no MachineType {}; see kubectl get machinetypes, and make a node of one of those",
            node.spec.machine_type
        ),
    });
    Desired {
        generation: node.metadata.generation.unwrap_or(0),
        machine_type_generation: machine.and_then(|machine| machine.metadata.generation).unwrap_or(0),
        os: spec.and_then(|spec| crate::select::os(spec, &node.spec).ok()).map(|os| os.to_string()),
        paused: node.spec.paused,
        expiry: Expiry::of(node, machine),
        on_failure: node.spec.on_failure,
        readiness,
        launch_timeout: timeouts.launch.or(Duration::from_mins(15)),
        boot_timeout: timeouts.boot.or(Duration::from_mins(10)),
        user_data: UserData::Known,
        launch_retries: spec.map_or(3, |spec| spec.launch_retries),
        problem,
    }
}

/// Every cloud that holds a finalizer, has an attempt, or has something of this node.
fn clouds(
    ctx: &Context,
    node: &TestNode,
    uid: &str,
    memory: &Memory,
    held: &BTreeSet<String>,
    now: Timestamp,
    delete_timeout: Duration,
) -> BTreeMap<String, CloudView> {
    let unsettled = memory.attempts.iter().filter(|attempt| !attempt.settled || !is_failed(attempt));
    let mut names: BTreeSet<String> = unsettled.map(|attempt| attempt.cloud.clone()).collect();
    names.extend(held.iter().cloned());
    let own = names.clone();
    let elsewhere = ctx.clouds.all();
    names.extend(
        elsewhere.iter().filter(|handle| things::has_any(handle, uid)).map(|handle| handle.name.clone()),
    );
    names
        .into_iter()
        .map(|name| {
            let mut view = match ctx.clouds.find(&name) {
                Some(handle) => things::view(ctx, node, uid, memory, &handle, now, delete_timeout),
                None => CloudView::empty(Standing::Away(Problem {
                    reason: "CloudNotFound",
                    message:
                        "there is no such Cloud; make it again, with its Secret, so that what is there can go"
                            .into(),
                })),
            };
            shared::leave_out(ctx, uid, memory, &name, &mut view);
            let abandon = abandon::asked(ctx, node, uid, &name, &view.standing);
            (name, CloudView { abandon, ..view })
        })
        .filter(|(name, view)| own.contains(name) || !view.is_empty())
        .collect()
}

/// Where a node's life in a cloud began, and since when requests of an earlier process are unknown.
fn past(ctx: &Context, uid: &str, memory: &Memory, cloud: &str) -> (Born, Option<Instant>) {
    ctx.note(uid, |notes| {
        let born = if notes.born.contains(cloud) { Born::Here } else { Born::Before };
        let stranger = |attempt: &Attempt| {
            attempt.cloud == cloud && !attempt.settled && !notes.opened.contains(&attempt.number)
        };
        let lost = memory.attempts.is_empty() && born == Born::Before;
        let suspect = memory.attempts.iter().any(stranger) || lost;
        (born, suspect.then_some(ctx.started))
    })
}

/// Under a token of another project no absence is believed.
fn pinned(handle: &Handle, memory: &Memory) -> Option<Problem> {
    let pins = handle.pins();
    let attempt = memory.attempts.iter().rev().find(|attempt| attempt.cloud == handle.name)?;
    let differs =
        |ours: &Option<String>, theirs: &Option<String>| ours.is_some() && theirs.is_some() && ours != theirs;
    if differs(&attempt.project_id, &pins.project_id) || differs(&attempt.region, &pins.region) {
        return Some(Problem {
            reason: "ProjectChanged",
            message: format!(
                "its credentials open project {}, but this node was made in {}; give it those again",
                pins.project_id.unwrap_or_default(),
                attempt.project_id.clone().unwrap_or_default()
            ),
        });
    }
    differs(&attempt.cluster_id, &pins.cluster_id).then(|| Problem {
        reason: "ClusterIDChanged",
        message: format!(
            "this node is marked with cluster id {}; start the operator with --cluster-id {0}",
            attempt.cluster_id.clone().unwrap_or_default()
        ),
    })
}

fn guest(notes: &Notes, seen: &Observed) -> GuestView {
    let Some(attempt) = seen.memory.current() else { return GuestView::default() };
    let server =
        seen.clouds.get(&attempt.cloud).and_then(|view| super::plan::kept_server(seen, view, attempt));
    let Some(server) = server else { return GuestView::default() };
    let now = Instant::now();
    let (console, due) = (&notes.console, |next: Option<Instant>| next.is_none_or(|next| next <= now));
    let known = console.server == server.id;
    let reading = console.reading.as_ref().filter(|_| known);
    let dns = seen.memory.dns.as_ref().map(|dns| dns.name.as_str());
    let addresses: Vec<IpAddr> = target_address(seen).into_iter().collect();
    GuestView {
        server: Some(server.id.clone()),
        console_due: !known || due(console.next),
        finished: reading.is_some_and(|reading| reading.finished.is_some()),
        no_datasource: reading
            .and_then(|reading| reading.finished.as_ref())
            .is_some_and(|f| f.datasource_none),
        stage: reading.and_then(|reading| reading.stage.clone()),
        host_keys: reading
            .map(|reading| crate::guest::host_keys::known_hosts(dns, &addresses, &reading.host_keys))
            .unwrap_or_default(),
        tail: console.tail.clone().filter(|_| known),
        open_ports: notes.open_ports.clone(),
        tcp_due: due(notes.tcp_next),
    }
}

/// What is on its way out, or in doubt, whatever the node itself waits for.
#[must_use]
pub fn in_motion(seen: &Observed) -> Vec<(String, Kind)> {
    let mut kinds = Vec::new();
    for (cloud, view) in &seen.clouds {
        if view.servers.iter().any(|server| server.presence == Presence::Going) {
            kinds.push((cloud.clone(), Kind::Server));
        }
        if view.volumes.iter().any(|volume| volume.presence == Presence::Going) {
            kinds.push((cloud.clone(), Kind::Volume));
        }
        if view.ports.iter().any(|port| port.presence == Presence::Going || port.binding == Binding::Doubtful)
        {
            kinds.push((cloud.clone(), Kind::Port));
        }
    }
    kinds
}
