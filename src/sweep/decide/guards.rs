//! What may object to a deletion.

use std::time::Duration;

use super::{FRESH, Memory, Nodes, Scene, Thing};
use crate::api::orphans::OrphanMode;
use crate::api::{FORMER_MACHINE, FormerMachine, Kind};

/// Why something stays.
pub type Guard = fn(&Scene, &Memory, &Thing) -> Option<String>;

/// Each may object to a deletion. Of those that do the first is told.
pub const GUARDS: &[Guard] = &[
    cloud_cannot_be_believed,
    nodes_were_not_listed,
    belongs_to_a_node,
    is_kept,
    a_node_waits_for_it,
    was_not_seen_twice,
    is_not_to_be_deleted,
    is_too_young,
    waits_for_its_server,
    is_one_too_many,
];

/// The guards that also keep something from being called an orphan.
pub(super) const WHOSE: &[Guard] =
    &[cloud_cannot_be_believed, nodes_were_not_listed, belongs_to_a_node, is_kept];

fn cloud_cannot_be_believed(scene: &Scene, _: &Memory, _: &Thing) -> Option<String> {
    (!scene.believed).then(|| "the cloud cannot be asked".into())
}

fn nodes_were_not_listed(scene: &Scene, _: &Memory, _: &Thing) -> Option<String> {
    // Who lives is asked after what is there was looked at: this can be less than nothing.
    let ago = |nodes: &Nodes| scene.now.duration_since(nodes.asked);
    let old = |ago| Duration::try_from(ago).is_ok_and(|ago| ago > FRESH);
    let fresh = scene.nodes.as_ref().is_some_and(|nodes| !old(ago(nodes)));
    (!fresh).then(|| "the TestNodes cannot be listed".into())
}

fn belongs_to_a_node(scene: &Scene, _: &Memory, thing: &Thing) -> Option<String> {
    let kept = scene.nodes.as_ref().is_some_and(|nodes| nodes.keep(&thing.uid, &scene.cloud));
    kept.then(|| "it belongs to a TestNode".into())
}

fn is_kept(_: &Scene, _: &Memory, thing: &Thing) -> Option<String> {
    thing.kept.then(|| "it is marked to be kept".into())
}

/// A node that was restored bears another UID than its machine. Somebody must say what is to become of that.
fn a_node_waits_for_it(scene: &Scene, _: &Memory, thing: &Thing) -> Option<String> {
    let (nodes, node) = (scene.nodes.as_ref()?, thing.node.as_ref()?);
    let wish = nodes.beginning.get(node).filter(|_| !thing.let_go)?.or(scene.policy.former);
    (wish != Some(FormerMachine::Leave)).then(|| {
        format!("TestNode {node} was made again and may adopt it: annotate it with {FORMER_MACHINE}=adopt or =leave")
    })
}

fn was_not_seen_twice(_: &Scene, memory: &Memory, thing: &Thing) -> Option<String> {
    let sighting = memory.sightings.get(&(thing.kind, thing.id.clone()));
    sighting.is_none_or(|sighting| sighting.times < 2).then(|| "it was seen once".into())
}

fn is_not_to_be_deleted(scene: &Scene, _: &Memory, _: &Thing) -> Option<String> {
    (scene.policy.mode != OrphanMode::Delete).then(|| "spec.orphans.mode is not Delete".into())
}

/// Its age by the clock of the service that made it; else the time that we have known it.
fn is_too_young(scene: &Scene, memory: &Memory, thing: &Thing) -> Option<String> {
    let sighting = || memory.sightings.get(&(thing.kind, thing.id.clone()));
    let age = match (scene.dates.of(thing.kind), thing.created) {
        (Some(date), Some(created)) => date.duration_since(created),
        (None, _) | (_, None) => {
            sighting().map(|sighting| scene.now.duration_since(sighting.first)).unwrap_or_default()
        }
    };
    let old = Duration::try_from(age).is_ok_and(|age| age >= scene.policy.min_age);
    (!old).then(|| "it is younger than spec.orphans.minAge".into())
}

/// What a server has goes with it, or after it. That includes one that only a GET can tell of.
pub(super) fn waits_for_its_server(scene: &Scene, _: &Memory, thing: &Thing) -> Option<String> {
    let server = |other: &Thing| other.kind == Kind::Server && other.uid == thing.uid;
    (thing.kind != Kind::Server && scene.things.iter().any(server))
        .then(|| "its server is still there".into())
}

fn is_one_too_many(scene: &Scene, _: &Memory, _: &Thing) -> Option<String> {
    let deleted = scene.done.iter().filter(|step| step.deletes()).count();
    (deleted >= scene.policy.max).then(|| "spec.orphans.maxPerSweep things were deleted in this sweep".into())
}
