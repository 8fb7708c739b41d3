//! What is more than the node should have, and which of several is kept.

use super::{CloudChange, Step};
use crate::api::testnode_status::Attempt;
use crate::reconcile::state::{
    CloudView, Desired, Observed, Port, Presence, Server, ServerState, Volume, VolumeState,
};

/// The server of an attempt: the one that the status shows, if it lives, else the oldest that stays and is not in ERROR.
#[must_use]
pub fn kept_server<'a>(seen: &Observed, view: &'a CloudView, attempt: &Attempt) -> Option<&'a Server> {
    let hint = seen.memory.hints.server.as_deref();
    view.servers.iter().filter(|server| server.attempt == attempt.number).min_by_key(|s| {
        let goes = s.presence == Presence::Going;
        (Some(s.id.as_str()) != hint, goes, s.state == ServerState::Error, s.created, s.id.clone())
    })
}

/// The volumes of an attempt, one per key: what the kept server has, else the oldest.
#[must_use]
pub fn kept_volumes<'a>(view: &'a CloudView, attempt: &Attempt, server: Option<&Server>) -> Vec<&'a Volume> {
    let wanted = attempt.resolved.iter().flat_map(|resolved| &resolved.volumes);
    wanted.filter_map(|wanted| kept_volume(view, attempt, server, &wanted.name)).collect()
}

fn kept_volume<'a>(
    view: &'a CloudView,
    attempt: &Attempt,
    server: Option<&Server>,
    key: &str,
) -> Option<&'a Volume> {
    view.volumes
        .iter()
        .filter(|volume| {
            volume.attempt == attempt.number && volume.key == key && volume.presence != Presence::Going
        })
        .min_by_key(|v| (!is_on(v, server), v.created, v.id.clone()))
}

/// The ports of an attempt, one per index.
#[must_use]
pub fn kept_ports<'a>(view: &'a CloudView, attempt: &Attempt, server: Option<&Server>) -> Vec<&'a Port> {
    let count = attempt.resolved.as_ref().map_or(0, |resolved| resolved.networks.len());
    (0..count)
        .filter_map(|index| {
            view.ports
                .iter()
                .filter(|p| p.attempt == attempt.number && p.index == index && p.presence != Presence::Going)
                .min_by_key(|p| (!is_bound(p, server), p.id.clone()))
        })
        .collect()
}

fn is_on(volume: &Volume, server: Option<&Server>) -> bool {
    server.is_some_and(|server| volume.servers.contains(&server.id))
}

fn is_bound(port: &Port, server: Option<&Server>) -> bool {
    server.is_some_and(|server| port.device.as_ref() == Some(&server.id))
}

/// A create that took effect late, or a second operator, can leave more than there should be. What the kept server
/// has is never touched.
pub(super) fn drop_surplus(_: &Desired, seen: &Observed) -> Option<Step> {
    drop_beside(seen, seen.memory.current()?)
}

/// What is more than this attempt should have.
pub(super) fn drop_beside(seen: &Observed, current: &Attempt) -> Option<Step> {
    seen.clouds.iter().find_map(|(cloud, view)| {
        let own = (*cloud == current.cloud).then_some(current);
        surplus(seen, view, own).map(|delete| Step::Do(delete.in_cloud(cloud)))
    })
}

fn surplus(seen: &Observed, view: &CloudView, own: Option<&Attempt>) -> Option<CloudChange> {
    let server = own.and_then(|attempt| kept_server(seen, view, attempt));
    // Who does not know what belongs to a machine takes nothing from it.
    if own.is_some_and(|attempt| attempt.resolved.is_none()) {
        return surplus_server(view, server);
    }
    surplus_server(view, server)
        .or_else(|| surplus_volume(view, own, server))
        .or_else(|| surplus_port(seen, view, own, server))
}

fn surplus_server(view: &CloudView, kept: Option<&Server>) -> Option<CloudChange> {
    let surplus = |server: &&Server| kept != Some(*server) && server.presence == Presence::There;
    let server = view.servers.iter().find(surplus)?;
    super::tear_down::deletion(view, server)
}

/// While no server stands, every volume of the open attempt is a fence and stays.
fn surplus_volume(view: &CloudView, own: Option<&Attempt>, server: Option<&Server>) -> Option<CloudChange> {
    let kept = own.map(|attempt| kept_volumes(view, attempt, server)).unwrap_or_default();
    let fence =
        |volume: &Volume| server.is_none() && own.is_some_and(|attempt| attempt.number == volume.attempt);
    let volume = view.volumes.iter().find(|volume| {
        !kept.contains(volume)
            && !fence(volume)
            && !is_on(volume, server)
            && volume.presence == Presence::There
            && matches!(volume.state, VolumeState::Available | VolumeState::Error)
    })?;
    Some(CloudChange::DeleteVolume { id: volume.id.clone() })
}

fn surplus_port(
    seen: &Observed,
    view: &CloudView,
    own: Option<&Attempt>,
    server: Option<&Server>,
) -> Option<CloudChange> {
    let kept = own.map(|attempt| kept_ports(view, attempt, server)).unwrap_or_default();
    // Before the server stands a port may be promised to one that is on its way; and until the one that is kept is seen
    // bound to it, the server may have any other.
    let settled = |port: &Port| kept.iter().any(|kept| kept.index == port.index && is_bound(kept, server));
    let promised = |port: &Port| own.is_some_and(|own| own.number == port.attempt) && !settled(port);
    let port = view.ports.iter().find(|port| {
        !kept.contains(port)
            && !promised(port)
            && !is_bound(port, server)
            && port.device.is_none()
            && port.presence == Presence::There
            && !super::name::may_point_at(seen, port)
    })?;
    Some(CloudChange::DeletePort { id: port.id.clone() })
}
