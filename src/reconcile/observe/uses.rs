//! What a node uses, or is about to, told to the gate.

use std::collections::BTreeMap;

use kube::ResourceExt;

use crate::age::Age;
use crate::api::TestNode;
use crate::api::testnode_status::{Attempt, Resolved};
use crate::gate::{Amounts, Quantity, Rank, Stage, Use, count};
use crate::reconcile::context::Context;
use crate::reconcile::state::{CloudView, Kind, Memory, Standing, is_failed};

/// `namespace/name`.
#[must_use]
pub fn path(node: &TestNode) -> String {
    format!("{}/{}", node.namespace().unwrap_or_default(), node.name_any())
}

/// Orders nodes.
#[must_use]
pub fn age(node: &TestNode) -> Age {
    Age {
        created: node.creation_timestamp().map(|time| time.0),
        node: path(node),
        uid: node.uid().unwrap_or_default(),
    }
}

pub(super) fn rank(node: &TestNode, memory: &Memory) -> Rank {
    Rank { unset: memory.dns.as_ref().is_none_or(|dns| dns.addresses.is_empty()), age: age(node) }
}

/// What a node uses, as its object remembers it, and what of it is seen in its cloud.
#[must_use]
pub fn used(node: &TestNode, memory: &Memory, view: Option<&CloudView>) -> Option<Use> {
    let attempt = memory.current().or_else(|| memory.to_end())?;
    let resolved = attempt.resolved.as_ref();
    let goes = node.metadata.deletion_timestamp.is_some();
    // A name that was withdrawn is free, but for a machine that will have it.
    let stays = !goes && !is_failed(attempt);
    Some(Use {
        node: path(node),
        cloud: attempt.cloud.clone(),
        need: resolved.map(Amounts::of_machine).unwrap_or_default(),
        made: resolved.zip(view).map(|(resolved, view)| made(resolved, view)).unwrap_or_default(),
        stage: if goes { Stage::Ending } else { stage(attempt, view) },
        fqdn: memory
            .dns
            .as_ref()
            .filter(|dns| stays || !dns.addresses.is_empty())
            .map(|dns| dns.name.clone()),
        existing: resolved.map(|resolved| resolved.existing().cloned().collect()).unwrap_or_default(),
        rank: rank(node, memory),
    })
}

fn stage(attempt: &Attempt, view: Option<&CloudView>) -> Stage {
    // Until its cloud was looked at, a server may be there.
    let bare = view.is_some_and(|view| view.standing == Standing::Seen && view.servers.is_empty());
    match (is_failed(attempt), &attempt.closed_at, &attempt.server_active_at) {
        (true, _, _) => Stage::Ending,
        (false, None, None) if bare => Stage::Preparing,
        (false, None, None) => Stage::Building,
        (false, _, _) => Stage::Made,
    }
}

fn made(resolved: &Resolved, view: &CloudView) -> Amounts {
    let whole = Amounts::of_machine(resolved);
    let server = if view.servers.is_empty() { Amounts::default() } else { whole.only(Kind::Server) };
    let seen = |name: &String| view.volumes.iter().any(|volume| volume.key == *name);
    let volumes = Amounts::of_volumes(resolved.volumes.iter().filter(|volume| seen(&volume.name)));
    let ports = count(view.ports.len()).min(whole.of(Quantity::Ports));
    let floating = count(view.floating_ips.len()).min(whole.of(Quantity::FloatingIps));
    let ports = Amounts::from_fn(|of| match of {
        Quantity::Ports => ports,
        Quantity::FloatingIps => floating,
        Quantity::Instances | Quantity::Cores | Quantity::Ram | Quantity::Volumes | Quantity::Gigabytes => 0,
    });
    server.plus(&volumes).plus(&ports)
}

/// Tells the gate what this node uses.
pub(super) fn keep(ctx: &Context, node: &TestNode, memory: &Memory, clouds: &BTreeMap<String, CloudView>) {
    let view = memory.current().or_else(|| memory.to_end()).and_then(|attempt| clouds.get(&attempt.cloud));
    if ctx.gate.set(&node.uid().unwrap_or_default(), used(node, memory, view)) {
        ctx.wake_queue();
    }
}
