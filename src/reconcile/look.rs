//! One look at the world, as far as it concerns one node: what comes of everything that this process knows. Pure: the
//! clocks were read and the locks are held by the caller. The operator looks with it, and so does the property model.

mod abandon;
mod former;
mod guest;
mod name;
mod shared;
mod things;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::notes::Notes;
use super::state::{
    Binding, CloudView, Desired, GuestView, Kind, Memory, NameView, Observed, Offer, Presence, Problem,
    Standing, Wish, is_failed,
};
use crate::api::FormerMachine;
use crate::api::cloud::AddressFrom;
use crate::api::testnode_status::Attempt;
use crate::clock::{Now, Steady};
use crate::clouds::{self, Login};
use crate::inventory::State;
use crate::inventory::ledger::Born;
use crate::inventory::shelf::AnyShelf;
use crate::reason::Reason;

pub use name::addresses_of;

/// All that is known when a look begins.
pub struct Known<'a> {
    /// When that is.
    pub now: Now,
    /// What is wanted.
    pub desired: &'a Desired,
    /// When this process took the lease: it cannot know what became of requests that were sent before.
    pub started: Steady,
    /// UID of the node.
    pub uid: &'a str,
    /// The node, as `namespace/name`.
    pub node: &'a str,
    /// What it wishes for a machine of an earlier object of its name.
    pub former: Option<FormerMachine>,
    /// Whether a node of this UID lives, as far as the watch has told.
    pub lives: &'a dyn Fn(&str) -> bool,
    /// The node is being deleted.
    pub deleting: bool,
    /// Clouds that hold a finalizer of ours on the node.
    pub held: BTreeSet<String>,
    /// What is remembered in its status.
    pub memory: Memory,
    /// The cloud whose things the status shows.
    pub shown: Option<&'a str>,
    /// Somebody wishes that what it has is abandoned.
    pub abandon: bool,
    /// What this process noted of the node.
    pub notes: &'a Notes,
    /// Every cloud that there is.
    pub clouds: BTreeMap<String, Place<'a>>,
    /// Where a new machine could be made, best first.
    pub offers: Vec<Offer>,
    /// Its server may be created now.
    pub may_build: bool,
    /// The other system that the machine is to have.
    pub wish: Option<Wish>,
    /// By name: the other node that holds it, as `namespace/name`.
    pub holders: BTreeMap<String, String>,
}

/// What is known of one cloud.
pub struct Place<'a> {
    /// How the login stands.
    pub login: &'a Login,
    /// What is ours in it.
    pub state: &'a State,
    /// The mark of what is ours.
    pub cluster_id: &'a str,
    /// Which of a port's addresses counts.
    pub address_from: Option<&'a AddressFrom>,
    /// How it names machines, if it does.
    pub naming: Option<Naming>,
    /// Its status has a record of what the node left there.
    pub recorded: bool,
    /// UIDs of nodes that were abandoned there: what they left is released already.
    pub let_go: BTreeSet<String>,
    /// What it wishes for machines of earlier objects.
    pub former: Option<FormerMachine>,
}

/// How a cloud names machines.
pub struct Naming {
    /// The name that the node has there.
    pub fqdn: Option<String>,
    /// There is an authority to ask.
    pub verifiable: bool,
    /// Where names are parked, if they are.
    pub park: Option<IpAddr>,
}

/// Looks.
#[must_use]
pub fn look(known: Known<'_>) -> Observed {
    let clouds = clouds(&known);
    let mut memory = known.memory.clone();
    if memory.dns.is_none() {
        memory.dns = name::lost(&known, &clouds);
    }
    let mut seen = Observed {
        now: known.now.wall,
        uid: known.uid.to_owned(),
        deleting: known.deleting,
        held: known.held.clone(),
        memory,
        clouds,
        former: former::former(&known),
        unlooked: former::unlooked(&known),
        offers: Vec::new(),
        may_build: known.may_build,
        wish: None,
        name: NameView::default(),
        guest: GuestView::default(),
        troubles: known.notes.troubles(known.now),
        console: known.notes.console.clone(),
        step: known.notes.step.map(|(reason, since)| (reason, known.now.wall_at(since))),
    };
    seen.name = name::view(&known, &seen);
    seen.guest = guest::view(&known, &seen);
    guest::stand_still(&known, &mut seen);
    seen.offers = known.offers;
    seen.wish = known.wish;
    seen
}

/// Every cloud that holds a finalizer, has an attempt, or has something of this node.
fn clouds(known: &Known<'_>) -> BTreeMap<String, CloudView> {
    let unsettled = known.memory.attempts.iter().filter(|attempt| !attempt.settled || !is_failed(attempt));
    let mut own: BTreeSet<&String> = unsettled.map(|attempt| &attempt.cloud).collect();
    own.extend(&known.held);
    let elsewhere = known.clouds.iter().filter(|(_, place)| place.state.has_any(known.uid));
    let names: BTreeSet<&String> = own.iter().copied().chain(elsewhere.map(|(name, _)| name)).collect();
    let views = names.into_iter().map(|name| {
        let place = known.clouds.get(name);
        let mut view = place.map_or_else(not_found, |place| things::view(known, name, place));
        shared::leave_out(known, name, &mut view);
        let abandon = abandon::asked(known, name, &view.standing);
        (name.clone(), CloudView { abandon, ..view })
    });
    views.filter(|(name, view)| own.contains(name) || !view.is_empty()).collect()
}

fn not_found() -> CloudView {
    let message =
        "there is no such Cloud; make it again, with its Secret, so that what is there can be deleted";
    CloudView::empty(Standing::Away(Problem { reason: Reason::CloudNotFound, message: message.into() }))
}

/// Where a node's life in a cloud began, and since when requests of an earlier process are unknown.
fn past(known: &Known<'_>, cloud: &str) -> (Born, Option<Steady>) {
    let (notes, attempts) = (known.notes, &known.memory.attempts);
    let born = if notes.born.contains(cloud) { Born::Here } else { Born::Before };
    let stranger = |attempt: &Attempt| {
        attempt.cloud == cloud && !attempt.settled && !notes.opened.contains(&attempt.number)
    };
    let lost = attempts.is_empty() && born == Born::Before;
    let suspect = attempts.iter().any(stranger) || lost;
    (born, suspect.then_some(known.started))
}

/// Whether a cloud can be believed. Under a token of another project no absence is.
fn standing(known: &Known<'_>, cloud: &str, place: &Place<'_>, born: Born) -> Standing {
    match pinned(known, cloud, place.login) {
        Some(problem) => Standing::Away(problem),
        None => clouds::standing(place.login, place.state, born, floats(known, cloud, place)),
    }
}

/// Whether the node has a floating IP there, is to have one, or nobody knows.
fn floats(known: &Known<'_>, cloud: &str, place: &Place<'_>) -> bool {
    let attempts = || known.memory.attempts.iter();
    let pool =
        |attempt: &Attempt| attempt.resolved.as_ref().is_none_or(|resolved| resolved.floating_ip.is_some());
    place.state.floating_ips.has_any(known.uid)
        || known.memory.hints.floating_ip.is_some()
        || attempts().next().is_none()
        || attempts().any(|attempt| attempt.cloud == cloud && pool(attempt))
}

fn pinned(known: &Known<'_>, cloud: &str, login: &Login) -> Option<Problem> {
    let Login::In(pins) = login else { return None };
    let attempt = known.memory.attempts.iter().rev().find(|attempt| attempt.cloud == cloud)?;
    let differs =
        |ours: &Option<String>, theirs: &Option<String>| ours.is_some() && theirs.is_some() && ours != theirs;
    if differs(&attempt.project_id, &pins.project_id) || differs(&attempt.region, &pins.region) {
        return Some(Problem {
            reason: Reason::ProjectChanged,
            message: format!(
                "its credentials open project {}, but this node was made in {}; give it those again",
                pins.project_id.as_deref().unwrap_or_default(),
                attempt.project_id.as_deref().unwrap_or_default()
            ),
        });
    }
    differs(&attempt.cluster_id, &pins.cluster_id).then(|| Problem {
        reason: Reason::ClusterIDChanged,
        message: format!(
            "this node is marked with cluster id {}; start the operator with --cluster-id {0}",
            attempt.cluster_id.as_deref().unwrap_or_default()
        ),
    })
}

/// A kind that is not listed at rest, though a request of unknown fate for one was sent on the way to Ready.
#[must_use]
pub fn to_settle(seen: &Observed) -> Option<(String, Kind)> {
    let closed = |attempt: &&Attempt| attempt.closed_at.is_some() && !attempt.settled;
    let current = seen.memory.current().filter(closed)?;
    let view = seen.clouds.get(&current.cloud)?;
    (!view.settled.floating_ip).then(|| (current.cloud.clone(), Kind::FloatingIp))
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
        if view.floating_ips.iter().any(|ip| ip.presence == Presence::Going) {
            kinds.push((cloud.clone(), Kind::FloatingIp));
        }
        if view.ports.iter().any(|port| port.presence == Presence::Going || port.binding == Binding::Doubtful)
        {
            kinds.push((cloud.clone(), Kind::Port));
        }
    }
    kinds
}
