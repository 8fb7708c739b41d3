//! One cloud as a sweep sees it, from its inventory; and the nodes, from their objects.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use kube::{Resource, ResourceExt};

use super::decide::{Name, Nodes, Policy, Scene, State, Step, Thing};
use crate::api::orphans::Abandoned;
use crate::api::{FINALIZER_PREFIX, FormerMachine, Kind, PerKind, TestNode};
use crate::clouds::{Config, Handle, Login};
use crate::dns::Dns;
use crate::inventory::kinds;
use crate::inventory::ledger::Born;
use crate::inventory::shelf::{Entry, Shelf};
use crate::openstack::Session;
use crate::reconcile::context::Context;
use crate::reconcile::state::Standing;
use crate::things::{self, FloatingIp, Port, Server, ServerState, Volume, VolumeState};

/// Adds a node to those that live, also one that this version could not read.
pub(super) fn add(mut nodes: Nodes, node: &impl Resource, read: Option<&TestNode>) -> Nodes {
    let uid = node.meta().uid.clone().unwrap_or_default();
    let held = || node.finalizers().iter().filter_map(|name| name.strip_prefix(FINALIZER_PREFIX));
    let held = node.meta().deletion_timestamp.is_some().then(|| held().map(ToOwned::to_owned).collect());
    let status = read.and_then(TestNode::own_status);
    if let Some(dns) = status.and_then(|status| status.dns.as_ref()) {
        nodes.names.entry(dns.name.clone()).or_default().insert(uid.clone());
    }
    let begun = status.is_some_and(|status| !status.attempts.is_empty());
    if let (Some(node), None, false) = (read, &held, begun) {
        let name = format!("{}/{}", node.namespace().unwrap_or_default(), node.name_any());
        nodes.beginning.insert(name, FormerMachine::wished_by(node));
    }
    nodes.living.insert(uid, held);
    nodes
}

/// Looks.
pub(super) fn look(cloud: &Handle, ctx: &Context, nodes: Option<&Nodes>, done: &[Step]) -> Scene {
    let config = cloud.config();
    let records = cloud.abandoned.open();
    let (things, names) = things(cloud, ctx, &records);
    let date = |service| config.session.as_ref().and_then(|session: &Session| session.date(service));
    Scene {
        cloud: cloud.name.clone(),
        now: ctx.unset_clock(),
        policy: policy(&config),
        believed: matches!(config.login, Login::In(_))
            && config.session.as_ref().is_some_and(|session| !session.has_strayed())
            && cloud.standing(Born::Before) == Standing::Seen,
        authority: config.dns.as_ref().is_some_and(Dns::is_verifiable),
        nodes: nodes.cloned(),
        dates: PerKind::from_fn(|kind| date(kinds::service(kind))),
        things,
        names,
        done: done.to_vec(),
    }
}

fn policy(config: &Config) -> Policy {
    let orphans = config.spec.as_ref().map(|spec| spec.orphans.clone()).unwrap_or_default();
    Policy {
        mode: orphans.mode,
        min_age: orphans.min_age.or(Duration::from_mins(30)),
        max: usize::try_from(orphans.max_per_sweep).unwrap_or(1),
        former: config.former,
    }
}

fn things(cloud: &Handle, ctx: &Context, records: &[Abandoned]) -> (Vec<Thing>, Vec<Name>) {
    let state = cloud.inventory.lock();
    let mut things = Vec::new();
    for kind in Kind::ALL {
        match kind {
            Kind::Server => things.extend(all(&state.servers, ctx, server)),
            Kind::Volume => things.extend(all(&state.volumes, ctx, volume)),
            Kind::FloatingIp => things.extend(all(&state.floating_ips, ctx, floating_ip)),
            Kind::Port => things.extend(all(&state.ports, ctx, port)),
        }
    }
    let mut names = BTreeMap::new();
    for entry in state.servers.all() {
        let Some(fqdn) = &entry.object.fqdn else { continue };
        let name = name(&mut names, &entry.owner.uid, fqdn);
        name.node.clone_from(&entry.object.meta.node);
        name.own.extend(&entry.object.addresses);
    }
    for record in records {
        let ids = |kind| match kind {
            Kind::Server => &record.servers,
            Kind::Volume => &record.volumes,
            Kind::FloatingIp => &record.floating_ips,
            Kind::Port => &record.ports,
        };
        let left = Kind::ALL.into_iter().flat_map(|kind| ids(kind).iter().map(move |id| (kind, id)));
        let left = left.filter(|(kind, id)| !state.shelf(*kind).is_known(&record.uid, id));
        things.extend(left.map(|(kind, id)| hint(kind, id, record)));
        if let Some(fqdn) = &record.fqdn {
            let name = name(&mut names, &record.uid, fqdn);
            name.node = Some(record.node.clone());
            name.own.extend(record.addresses.iter().filter_map(|address| address.parse::<IpAddr>().ok()));
            name.recorded = true;
        }
    }
    for name in names.values_mut() {
        name.own.extend(state.floating_ips.of(&name.uid).filter_map(|ip| ip.object.address));
        name.own.extend(state.ports.of(&name.uid).flat_map(|port| port.object.addresses.iter().copied()));
    }
    // A port's mark does not say whose it is in words.
    let of: BTreeMap<String, String> =
        things.iter().filter_map(|thing| Some((thing.uid.clone(), thing.node.clone()?))).collect();
    for thing in &mut things {
        thing.node = thing.node.take().or_else(|| of.get(&thing.uid).cloned());
        thing.let_go |= records.iter().any(|record| record.uid == thing.uid);
    }
    (things, names.into_values().collect())
}

/// All of one kind.
fn all<T: things::Thing>(shelf: &Shelf<T>, ctx: &Context, state: fn(&Entry<T>) -> State) -> Vec<Thing> {
    let listed = |entry: &Entry<T>| Some(entry.sightings.last()?.0.saturating_duration_since(ctx.started));
    let things = shelf.all().map(|entry| {
        let meta = entry.object.meta();
        Thing {
            kind: T::KIND,
            id: meta.id.clone(),
            name: meta.name.clone(),
            uid: entry.owner.uid.clone(),
            node: meta.node.clone(),
            created: meta.created,
            listed: listed(entry),
            kept: meta.kept,
            let_go: false,
            state: match (entry.missing, meta.is_unmarked()) {
                (true, _) => State::Missing,
                // Without a mark of ours nothing is touched.
                (false, true) => State::Bound("somebody removed its marks".into()),
                (false, false) => state(entry),
            },
        }
    });
    things.collect()
}

/// Something that a record speaks of and no list shows.
fn hint(kind: Kind, id: &str, record: &Abandoned) -> Thing {
    Thing {
        kind,
        id: id.to_owned(),
        name: String::new(),
        uid: record.uid.clone(),
        node: Some(record.node.clone()),
        created: None,
        listed: None,
        kept: false,
        let_go: true,
        state: State::Missing,
    }
}

fn name<'a>(names: &'a mut BTreeMap<String, Name>, uid: &str, fqdn: &str) -> &'a mut Name {
    names.entry(uid.to_owned()).or_insert_with(|| Name {
        uid: uid.to_owned(),
        node: None,
        fqdn: fqdn.to_owned(),
        own: BTreeSet::new(),
        recorded: false,
    })
}

fn server(entry: &Entry<Server>) -> State {
    let going = entry.object.deleting || entry.deleted.is_some();
    match entry.object.state {
        ServerState::SoftDeleted => State::SoftDeleted,
        ServerState::Building
        | ServerState::Active
        | ServerState::Error
        | ServerState::Stopped
        | ServerState::Rebuilding
        | ServerState::Other => going_or(going, State::Free),
    }
}

fn going_or(going: bool, state: State) -> State {
    if going { State::Going } else { state }
}

fn volume(entry: &Entry<Volume>) -> State {
    let found = &entry.object;
    let deleted = entry.deleted.is_some();
    match found.state {
        VolumeState::Available | VolumeState::Error | VolumeState::Other if found.servers.is_empty() => {
            going_or(deleted, State::Free)
        }
        VolumeState::Reserved => State::Reserved,
        VolumeState::Deleting => State::Going,
        VolumeState::ErrorDeleting => {
            State::Bound("it is in error_deleting, which only an administrator of the cloud can end".into())
        }
        VolumeState::Available
        | VolumeState::Error
        | VolumeState::Creating
        | VolumeState::Attached
        | VolumeState::Other => {
            let on = found.servers.join(", ");
            let on = if on.is_empty() { on } else { format!(", on server {on}") };
            State::Bound(format!("it is {}{on}", found.status))
        }
    }
}

fn floating_ip(entry: &Entry<FloatingIp>) -> State {
    going_or(entry.deleted.is_some(), State::Free)
}

fn port(entry: &Entry<Port>) -> State {
    match &entry.object.device {
        Some(device) => State::Bound(format!("it is on server {device}")),
        None => going_or(entry.deleted.is_some(), State::Free),
    }
}
