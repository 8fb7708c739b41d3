//! One cloud as a sweep sees it, from its inventory; and the nodes, from their objects.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use kube::ResourceExt;

use super::decide::{Name, Nodes, Policy, Scene, State, Step, Thing};
use crate::api::orphans::Abandoned;
use crate::api::{FINALIZER_PREFIX, Kind, PerKind, TestNode, mark};
use crate::clouds::{Config, Handle, Login};
use crate::inventory::ledger::Born;
use crate::inventory::shelf::{Entry, Owned, Shelf};
use crate::openstack::block_storage::{Volume, VolumeStatus};
use crate::openstack::compute::{Server, ServerStatus};
use crate::openstack::network::Port;
use crate::openstack::{Service, Session};
use crate::reconcile::context::Context;
use crate::reconcile::state::Standing;

/// Adds a node to those that live.
pub(super) fn add(mut nodes: Nodes, node: &TestNode) -> Nodes {
    let uid = node.uid().unwrap_or_default();
    let held = || node.finalizers().iter().filter_map(|name| name.strip_prefix(FINALIZER_PREFIX));
    let held = node.metadata.deletion_timestamp.is_some().then(|| held().map(ToOwned::to_owned).collect());
    if let Some(dns) = node.status.as_ref().and_then(|status| status.dns.as_ref()) {
        nodes.names.entry(dns.name.clone()).or_default().insert(uid.clone());
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
        now: (ctx.seams.clock)(),
        policy: policy(&config),
        believed: matches!(config.login, Login::In(_))
            && config.session.as_ref().is_some_and(|session| !session.has_strayed())
            && cloud.standing(Born::Before) == Standing::Seen,
        authority: config.dns.as_ref().is_some_and(|dns| dns.verify.is_some()),
        nodes: nodes.cloned(),
        dates: PerKind::from_fn(|kind| match kind {
            Kind::Server => date(Service::Compute),
            Kind::Volume => date(Service::BlockStorage),
            Kind::Port => date(Service::Network),
        }),
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
    }
}

fn things(cloud: &Handle, ctx: &Context, records: &[Abandoned]) -> (Vec<Thing>, Vec<Name>) {
    let state = cloud.inventory.lock();
    let since = |entry: Option<&tokio::time::Instant>| Some(entry?.saturating_duration_since(ctx.started));
    let mut things = Vec::new();
    for entry in state.servers.all() {
        let listed = since(entry.sightings.last().map(|(began, _)| began));
        let found = &entry.object;
        let marks = Some(&found.metadata);
        things.push(Thing {
            created: found.created,
            ..thing(Kind::Server, entry, &found.name, marks, server(entry), listed)
        });
    }
    for entry in state.volumes.all() {
        let listed = since(entry.sightings.last().map(|(began, _)| began));
        let found = &entry.object;
        let marks = Some(&found.metadata);
        things.push(Thing {
            created: found.created,
            ..thing(Kind::Volume, entry, &found.name, marks, volume(entry), listed)
        });
    }
    for entry in state.ports.all() {
        let listed = since(entry.sightings.last().map(|(began, _)| began));
        let found = &entry.object;
        things.push(Thing {
            created: found.created,
            ..thing(Kind::Port, entry, &found.name, None, port(entry), listed)
        });
    }
    let mut names = BTreeMap::new();
    for entry in state.servers.all() {
        let fqdn = entry.object.metadata.get(mark::FQDN).filter(|fqdn| !fqdn.is_empty());
        let Some(fqdn) = fqdn else { continue };
        let name = name(&mut names, &entry.owner.uid, fqdn);
        name.node = entry.object.metadata.get(mark::NODE).cloned();
        name.own.extend(entry.object.addresses.iter().map(|address| address.address));
    }
    for record in records {
        let gone = |kind: Kind, id: &String| match kind {
            Kind::Server => is_known(&state.servers, id, &record.uid),
            Kind::Volume => is_known(&state.volumes, id, &record.uid),
            Kind::Port => is_known(&state.ports, id, &record.uid),
        };
        let left =
            [(Kind::Server, &record.servers), (Kind::Volume, &record.volumes), (Kind::Port, &record.ports)];
        let left = left.into_iter().flat_map(|(kind, ids)| ids.iter().map(move |id| (kind, id)));
        things.extend(left.filter(|(kind, id)| !gone(*kind, id)).map(|(kind, id)| hint(kind, id, record)));
        if let Some(fqdn) = &record.fqdn {
            let name = name(&mut names, &record.uid, fqdn);
            name.node = Some(record.node.clone());
            name.own.extend(record.addresses.iter().filter_map(|address| address.parse::<IpAddr>().ok()));
            name.recorded = true;
        }
    }
    for name in names.values_mut() {
        name.own.extend(state.ports.of(&name.uid).flat_map(|port| port.object.addresses.iter().copied()));
    }
    // A port's mark does not say whose it is in words.
    let of: BTreeMap<String, String> =
        things.iter().filter_map(|thing| Some((thing.uid.clone(), thing.node.clone()?))).collect();
    for thing in &mut things {
        thing.node = thing.node.take().or_else(|| of.get(&thing.uid).cloned());
    }
    (things, names.into_values().collect())
}

fn thing<T: Owned>(
    kind: Kind,
    entry: &Entry<T>,
    name: &str,
    marks: Option<&BTreeMap<String, String>>,
    state: State,
    listed: Option<Duration>,
) -> Thing {
    Thing {
        kind,
        id: entry.object.id().to_owned(),
        name: name.to_owned(),
        uid: entry.owner.uid.clone(),
        node: marks.and_then(|marks| marks.get(mark::NODE)).cloned(),
        created: None,
        listed,
        kept: marks.and_then(|marks| marks.get(mark::KEPT)).is_some_and(|kept| kept != "false"),
        state: if entry.missing { State::Missing } else { state },
    }
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
        state: State::Missing,
    }
}

fn is_known<T: Owned>(shelf: &Shelf<T>, id: &str, uid: &str) -> bool {
    shelf.entry(id).is_some() || shelf.graves(uid).any(|(gone, _)| gone == id)
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
    match &entry.object.status {
        ServerStatus::SoftDeleted => State::SoftDeleted,
        ServerStatus::Deleted => State::Going,
        ServerStatus::Build
        | ServerStatus::Active
        | ServerStatus::Error
        | ServerStatus::Stopped(_)
        | ServerStatus::Unknown
        | ServerStatus::Other(_) => going_or(entry.object.deleting || entry.deleted.is_some(), State::Free),
    }
}

fn going_or(going: bool, state: State) -> State {
    if going { State::Going } else { state }
}

fn volume(entry: &Entry<Volume>) -> State {
    let found = &entry.object;
    let deleted = entry.deleted.is_some();
    match &found.status {
        VolumeStatus::Available | VolumeStatus::Error if found.attached_to.is_empty() => {
            going_or(deleted, State::Free)
        }
        VolumeStatus::Reserved => State::Reserved,
        VolumeStatus::Deleting => State::Going,
        VolumeStatus::ErrorDeleting => {
            State::Bound("it is in error_deleting, which only an administrator of the cloud can end".into())
        }
        VolumeStatus::Available
        | VolumeStatus::Error
        | VolumeStatus::Creating
        | VolumeStatus::Attaching
        | VolumeStatus::InUse
        | VolumeStatus::Detaching
        | VolumeStatus::Other(_) => {
            let on: Vec<&str> = found.attached_to.iter().map(|server| server.0.as_str()).collect();
            let on = if on.is_empty() { String::new() } else { format!(", on server {}", on.join(", ")) };
            State::Bound(format!("it is {}{on}", found.status))
        }
    }
}

fn port(entry: &Entry<Port>) -> State {
    match &entry.object.device_id {
        Some(device) => State::Bound(format!("it is on server {device}")),
        None => going_or(entry.deleted.is_some(), State::Free),
    }
}
