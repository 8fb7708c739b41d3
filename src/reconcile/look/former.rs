//! What an earlier object of the same namespace and name left. A restore brings the object back under a new UID, and its
//! machine bears the old one.

use std::collections::BTreeSet;
use std::time::Duration;

use super::things::presence;
use super::{Known, Place};
use crate::clouds::Login;
use crate::inventory::shelf::{AnyShelf, Entry};
use crate::reconcile::state::{Former, Kind, Presence};
use crate::things::Thing;

/// A mark has no more characters: of a longer `namespace/name` it does not say which it is.
const LONGEST: usize = 255;

/// A node that has begun has a machine of its own, and one that goes keeps nothing.
fn may_have(known: &Known<'_>) -> bool {
    !known.deleting && known.memory.attempts.is_empty() && known.node.chars().count() <= LONGEST
}

/// All that is left, in every cloud. Two Clouds may open one project and list the same: then it is there once, where the
/// node is held.
pub(super) fn former(known: &Known<'_>) -> Vec<Former> {
    if !may_have(known) {
        return Vec::new();
    }
    let mut clouds: Vec<_> = known.clouds.iter().collect();
    clouds.sort_by_key(|(cloud, _)| !known.held.contains(*cloud));
    let mut listed: BTreeSet<(Kind, String)> = BTreeSet::new();
    let all = clouds.into_iter().flat_map(|(cloud, place)| in_cloud(known, cloud, place));
    all.filter(|thing| listed.insert((thing.kind, thing.id.clone()))).collect()
}

/// A process that has begun waits so long for its first login to a cloud. One that hangs does not hold up the others longer.
const FIRST_LOGIN: Duration = Duration::from_secs(10);

/// A cloud that can be asked and has not been listed whole by this process.
pub(super) fn unlooked(known: &Known<'_>) -> Option<String> {
    let begins = known.now.steady < known.started + FIRST_LOGIN;
    let unlisted = |place: &Place<'_>| {
        // Floating IPs need not be listed: not every cloud has them.
        let kinds = || Kind::ALL.into_iter().filter(|kind| *kind != Kind::FloatingIp);
        let ledgers = || kinds().map(|kind| place.state.ledger(kind));
        let away = ledgers().any(|ledger| ledger.away().is_some());
        match place.login {
            Login::In(_) => !away && ledgers().any(|ledger| ledger.last().is_none()),
            Login::Pending => begins,
            Login::Refused(_) => false,
        }
    };
    let mut clouds = known.clouds.iter().filter(|(_, place)| may_have(known) && unlisted(place));
    clouds.next().map(|(cloud, _)| cloud.clone())
}

fn in_cloud(known: &Known<'_>, cloud: &str, place: &Place<'_>) -> Vec<Former> {
    let state = place.state;
    // Two objects that live never have one namespace and name; but somebody may have edited a mark.
    let servers = state.servers.marked(known.node).map(|entry| entry.owner.uid.as_str());
    let volumes = state.volumes.marked(known.node).map(|entry| entry.owner.uid.as_str());
    let mut uids: BTreeSet<&str> = servers.chain(volumes).collect();
    uids.retain(|uid| *uid != known.uid && !place.let_go.contains(*uid) && !(known.lives)(uid));
    let owners = uids.iter().copied().chain([known.uid]);
    let machines: BTreeSet<&str> =
        owners.flat_map(|uid| state.servers.of(uid)).map(|entry| entry.object.meta.id.as_str()).collect();
    if uids.is_empty() && machines.is_empty() && !state.ports.has_any(known.uid) {
        return Vec::new();
    }
    // A port does not say whose it is in words. Its UID, or the server that has it, tells.
    let on_one = |port: &Entry<crate::things::Port>| {
        port.object.device.as_deref().is_some_and(|device| machines.contains(device))
            && port.owner.uid != known.uid
            && !(known.lives)(&port.owner.uid)
    };
    let mut found: Vec<Former> = Vec::new();
    for entry in state.ports.all().filter(|entry| uids.contains(entry.owner.uid.as_str()) || on_one(entry)) {
        found.extend(thing(known, cloud, place, entry, entry.object.index.to_string()));
    }
    let others = |uid: &str| uid != known.uid && !(known.lives)(uid);
    let to_one = |ip: &crate::things::FloatingIp| {
        let port = ip.port.as_deref().and_then(|port| state.ports.entry(port));
        let ours = |port: &Entry<_>| port.owner.uid == known.uid || uids.contains(port.owner.uid.as_str());
        port.is_some_and(|port| ours(port) || on_one(port))
    };
    for entry in state.floating_ips.all().filter(|entry| to_one(&entry.object) && others(&entry.owner.uid)) {
        found.extend(thing(known, cloud, place, entry, String::new()));
    }
    for entry in state.servers.all().filter(|entry| uids.contains(entry.owner.uid.as_str())) {
        found.extend(thing(known, cloud, place, entry, String::new()).map(|thing| Former {
            server: Some(entry.object.state),
            tagged: entry.object.tagged.clone(),
            ..thing
        }));
    }
    for entry in state.volumes.all().filter(|entry| uids.contains(entry.owner.uid.as_str())) {
        found.extend(thing(known, cloud, place, entry, entry.object.key.clone()));
    }
    found
}

/// Without a mark of ours nothing is touched.
fn thing<T: Thing>(
    known: &Known<'_>,
    cloud: &str,
    place: &Place<'_>,
    entry: &Entry<T>,
    slot: String,
) -> Option<Former> {
    let presence = presence(entry);
    (presence != Presence::Unmarked).then(|| Former {
        cloud: cloud.to_owned(),
        kind: T::KIND,
        id: entry.object.meta().id.clone(),
        uid: entry.owner.uid.clone(),
        attempt: entry.owner.attempt.unwrap_or(0),
        slot,
        presence,
        server: None,
        tagged: BTreeSet::new(),
        wish: known.former.or(place.former),
    })
}
