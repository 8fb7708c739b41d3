//! What a sweep makes of one cloud: what is an orphan, what goes next, and why the rest stays. Pure.
//!
//! Begin with [`GUARDS`]: a thing goes only if none of them objects.

mod guards;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::orphans::OrphanMode;
use crate::api::{FormerMachine, Kind, PerKind};
use guards::{WHOSE, waits_for_its_server};

pub use guards::{GUARDS, Guard};

/// A list of nodes is believed so long.
pub const FRESH: Duration = Duration::from_mins(1);

/// A kind, and the cloud's id.
pub type Id = (Kind, String);

/// One cloud, and who lives, at one moment of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// The cloud.
    pub cloud: String,
    /// The moment.
    pub now: Timestamp,
    /// What the Cloud says about orphans.
    pub policy: Policy,
    /// It is logged in to, with its own region, project and cluster id, and every kind was listed and still can be.
    pub believed: bool,
    /// There is a name server to ask what names say.
    pub authority: bool,
    /// The nodes, if the API server told.
    pub nodes: Option<Nodes>,
    /// What the cloud's services last said of the time.
    pub dates: PerKind<Option<Timestamp>>,
    /// Everything there that carries our cluster id and some node's UID.
    pub things: Vec<Thing>,
    /// Every name that such a server, or the record of an abandoned node, speaks of.
    pub names: Vec<Name>,
    /// What was asked of the cloud or DNS in this sweep, and is not to be asked again.
    pub done: Vec<Step>,
}

/// What to do about orphans.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Whether they are deleted.
    pub mode: OrphanMode,
    /// How old they must be.
    pub min_age: Duration,
    /// How many at most, a sweep.
    pub max: usize,
    /// What the Cloud wishes for machines of nodes that were restored.
    pub former: Option<FormerMachine>,
}

/// All nodes, by a list from the API server itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Nodes {
    /// When it was asked for.
    pub asked: Timestamp,
    /// By UID: for one that is going, the clouds that hold it.
    pub living: BTreeMap<String, Option<BTreeSet<String>>>,
    /// The names they claim, and the UIDs that do.
    pub names: BTreeMap<String, BTreeSet<String>>,
    /// As `namespace/name`: those that have begun nothing yet, and what they wish for a machine of an earlier object of
    /// their name.
    pub beginning: BTreeMap<String, Option<FormerMachine>>,
}

/// Something of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Thing {
    /// What it is.
    pub kind: Kind,
    /// The cloud's id.
    pub id: String,
    /// Its name there.
    pub name: String,
    /// UID of the node it was made for.
    pub uid: String,
    /// The same as `namespace/name`, where the mark says it.
    pub node: Option<String>,
    /// When its service says it was made.
    pub created: Option<Timestamp>,
    /// When a list last showed it: the time since this process began to lead.
    pub listed: Option<Duration>,
    /// Somebody marked it to be kept.
    pub kept: bool,
    /// Its node was abandoned: it has been released already.
    pub let_go: bool,
    /// How it stands.
    pub state: State,
}

/// How a thing stands.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// It can go.
    Free,
    /// A server that was deleted, and that its cloud keeps for a while.
    SoftDeleted,
    /// A volume that is promised to a server.
    Reserved,
    /// On its way out.
    Going,
    /// It cannot go now, for this reason.
    Bound(String),
    /// Only a GET by id tells whether it is still there.
    Missing,
}

/// A name that may point at something of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    /// UID of the node.
    pub uid: String,
    /// The node, as `namespace/name`.
    pub node: Option<String>,
    /// The full name.
    pub fqdn: String,
    /// Addresses that were the node's.
    pub own: BTreeSet<IpAddr>,
    /// The node was abandoned, and its name is on record.
    pub recorded: bool,
}

/// What is remembered of one cloud from sweep to sweep; nothing of it outlives the process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// What was an orphan in the last sweep.
    pub sightings: BTreeMap<Id, Sighting>,
    /// UIDs whose name is known to point at nothing of theirs.
    pub withdrawn: BTreeSet<String>,
    /// What was said when something was to go.
    pub refused: BTreeMap<Id, String>,
}

/// How often something was an orphan in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sighting {
    /// Since when.
    pub first: Timestamp,
    /// The list that showed it last.
    pub listed: Duration,
    /// In how many lists, of as many sweeps.
    pub times: u32,
}

/// One request.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Step {
    /// Ask whether it is still there.
    Confirm(Kind, String),
    /// Ask where the name of this UID points; if that is known, or cannot be, it is done with.
    AskName(String),
    /// Make the name of this UID point at nothing of it.
    WithdrawName(String),
    /// Free a volume that is reserved for a server that does not exist.
    Free(String),
    /// Delete it.
    Delete(Kind, String),
    /// Delete a server for good.
    ForceDelete(String),
}

impl Step {
    fn deletes(&self) -> bool {
        match self {
            Self::Delete(..) | Self::ForceDelete(_) => true,
            Self::Confirm(..) | Self::AskName(_) | Self::WithdrawName(_) | Self::Free(_) => false,
        }
    }
}

/// Takes in what is there, once a sweep. What could not be judged, or was no orphan, begins anew.
pub fn remember(scene: &Scene, memory: &mut Memory) {
    let mut sightings = BTreeMap::new();
    for thing in scene.things.iter().filter(|thing| objection(WHOSE, scene, memory, thing).is_none()) {
        let Some(listed) = thing.listed else { continue };
        let id = (thing.kind, thing.id.clone());
        if thing.state == State::Missing {
            // It may be there all the same: Nova does not list a deleted server that it keeps for a while.
            sightings.extend(memory.sightings.get(&id).map(|before| (id, *before)));
            continue;
        }
        let sighting = match memory.sightings.get(&id) {
            Some(before) if before.listed < listed => Sighting { listed, times: before.times + 1, ..*before },
            Some(before) => *before,
            None => Sighting { first: scene.now, listed, times: 1 },
        };
        sightings.insert(id, sighting);
    }
    memory.refused.retain(|id, _| sightings.contains_key(id));
    let named = |uid: &String| scene.names.iter().any(|name| name.uid == *uid);
    memory.withdrawn.retain(named);
    memory.sightings = sightings;
}

/// The next request, if there is something to be done.
#[must_use]
pub fn next(guards: &[Guard], scene: &Scene, memory: &Memory) -> Option<Step> {
    let steps = scene.things.iter().filter_map(|thing| step(guards, scene, memory, thing));
    let names = scene.names.iter().filter_map(|name| name_step(scene, memory, name));
    steps.chain(names).find(|step| !scene.done.contains(step))
}

fn step(guards: &[Guard], scene: &Scene, memory: &Memory, thing: &Thing) -> Option<Step> {
    let id = || thing.id.clone();
    let deletion = match thing.state {
        State::Missing => {
            return objection(WHOSE, scene, memory, thing).is_none().then(|| Step::Confirm(thing.kind, id()));
        }
        State::Bound(_) => return None,
        State::Going => None,
        State::Free => Some(Step::Delete(thing.kind, id())),
        State::SoftDeleted => Some(Step::ForceDelete(id())),
        State::Reserved => Some(Step::Free(id())),
    };
    if objection(guards, scene, memory, thing).is_some() {
        return None;
    }
    // The name goes before its address is free.
    match standing_name(scene, memory, &thing.uid).filter(|_| thing.kind != Kind::Volume) {
        Some(name) => Some(withdraw(scene, name)),
        None => deletion,
    }
}

/// A name of orphans is asked for, so that what is told of it is so; that of an abandoned node that left nothing else is
/// withdrawn for its own sake.
fn name_step(scene: &Scene, memory: &Memory, name: &Name) -> Option<Step> {
    let nodes = scene.nodes.as_ref().filter(|_| scene.believed)?;
    let tried = scene.done.contains(&Step::WithdrawName(name.uid.clone()));
    if tried || nodes.keep(&name.uid, &scene.cloud) {
        return None;
    }
    standing_name(scene, memory, &name.uid)?;
    let known = || orphans(scene, memory).iter().any(|(thing, _, _)| thing.uid == name.uid);
    let alone = name.recorded && !scene.has_any(&name.uid);
    match scene.policy.mode {
        OrphanMode::Delete if alone => Some(withdraw(scene, name)),
        OrphanMode::Delete | OrphanMode::Report | OrphanMode::Off => {
            (alone || (scene.authority && known())).then(|| Step::AskName(name.uid.clone()))
        }
    }
}

/// A name that another living node claims is that node's: it is only asked for.
fn withdraw(scene: &Scene, name: &Name) -> Step {
    let claims = scene.nodes.as_ref().and_then(|nodes| nodes.names.get(&name.fqdn));
    if claims.is_some_and(|uids| uids.iter().any(|uid| *uid != name.uid)) {
        Step::AskName(name.uid.clone())
    } else {
        Step::WithdrawName(name.uid.clone())
    }
}

/// The name that may point at something of this UID.
#[must_use]
pub fn standing_name<'a>(scene: &'a Scene, memory: &Memory, uid: &str) -> Option<&'a Name> {
    let name = scene.names.iter().find(|name| name.uid == uid)?;
    Some(name).filter(|_| !memory.withdrawn.contains(uid))
}

/// What is an orphan, and why it is still there.
#[must_use]
pub fn orphans<'a>(scene: &'a Scene, memory: &Memory) -> Vec<(&'a Thing, Timestamp, Option<String>)> {
    let known = scene.things.iter().filter_map(|thing| {
        let id = (thing.kind, thing.id.clone());
        let sighting = memory.sightings.get(&id).filter(|sighting| sighting.times > 1)?;
        let refused = || memory.refused.get(&id).cloned();
        Some((thing, sighting.first, refused().or_else(|| why(scene, memory, thing))))
    });
    known.filter(|(thing, _, _)| thing.state != State::Missing).collect()
}

fn why(scene: &Scene, memory: &Memory, thing: &Thing) -> Option<String> {
    let name = standing_name(scene, memory, &thing.uid).filter(|_| thing.kind != Kind::Volume);
    let stands = || name.map(|name| format!("the name {} may still point at it", name.fqdn));
    match &thing.state {
        State::Going => Some("it is on its way out".into()),
        State::Bound(why) => waits_for_its_server(scene, memory, thing).or_else(|| Some(why.clone())),
        State::Free | State::SoftDeleted | State::Reserved | State::Missing => {
            objection(GUARDS, scene, memory, thing).or_else(stands)
        }
    }
}

fn objection(guards: &[Guard], scene: &Scene, memory: &Memory, thing: &Thing) -> Option<String> {
    guards.iter().find_map(|guard| guard(scene, memory, thing))
}

impl Scene {
    /// Whether anything is there that was made for a node.
    #[must_use]
    pub fn has_any(&self, uid: &str) -> bool {
        self.things.iter().any(|thing| thing.uid == uid)
    }
}

impl Nodes {
    /// Whether a node of this UID keeps what it has in a cloud. One that is going keeps only what it is held by: it
    /// tears down nothing else.
    #[must_use]
    pub fn keep(&self, uid: &str, cloud: &str) -> bool {
        self.living.get(uid).is_some_and(|held| held.as_ref().is_none_or(|held| held.contains(cloud)))
    }
}
