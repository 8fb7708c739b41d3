//! What is more than the node should have, and which of several is kept.

use super::pause::first;
use super::{CloudChange, Step};
use crate::reconcile::state::{
    CloudView, Desired, FloatingIp, Machine, Observed, Port, Presence, Server, Volume, VolumeState,
};

/// A create that took effect late, or a second operator, can leave more than there should be. What the kept server
/// has is never touched, also where a machine whose launch failed is held.
pub(super) fn drop_surplus(desired: &Desired, seen: &Observed) -> Option<Step> {
    let attempt = seen.memory.current().or_else(|| desired.held_attempt(seen))?;
    let machine = seen.machine_of(attempt);
    let surplus = seen.clouds.iter().flat_map(|(cloud, view)| {
        let own = machine.as_ref().filter(|machine| *cloud == machine.attempt.cloud);
        surplus(seen, view, own).into_iter().map(|delete| delete.in_cloud(cloud))
    });
    first(surplus, seen)
}

fn surplus(seen: &Observed, view: &CloudView, own: Option<&Machine<'_>>) -> Vec<CloudChange> {
    let mut surplus = surplus_servers(view, own.and_then(|machine| machine.server));
    // If it is not known what belongs to a machine, nothing is taken from it.
    if own.is_none_or(|machine| machine.attempt.resolved.is_some()) {
        surplus.extend(surplus_volumes(view, own));
        surplus.extend(surplus_floating_ips(seen, view, own));
        surplus.extend(surplus_ports(seen, view, own));
    }
    surplus
}

fn surplus_servers(view: &CloudView, kept: Option<&Server>) -> Vec<CloudChange> {
    let surplus = |server: &&Server| kept != Some(*server) && server.presence == Presence::There;
    view.servers.iter().filter(surplus).filter_map(|server| CloudChange::deletion(view, server)).collect()
}

/// While there is no server, every volume of the open attempt is a fence and stays.
fn surplus_volumes(view: &CloudView, own: Option<&Machine<'_>>) -> Vec<CloudChange> {
    let server = own.and_then(|machine| machine.server);
    let is_kept = |volume: &Volume| own.is_some_and(|machine| machine.volumes.contains(&volume));
    let is_fence = |volume: &Volume| {
        server.is_none() && own.is_some_and(|machine| machine.attempt.number == volume.attempt)
    };
    let surplus = view.volumes.iter().filter(|volume| {
        !is_kept(volume)
            && !is_fence(volume)
            && !volume.is_on(server)
            && volume.presence == Presence::There
            && matches!(volume.state, VolumeState::Available | VolumeState::Error | VolumeState::Other)
    });
    surplus.map(|volume| CloudChange::DeleteVolume { id: volume.id.clone() }).collect()
}

/// What does not lead to the port that it is for.
fn surplus_floating_ips(seen: &Observed, view: &CloudView, own: Option<&Machine<'_>>) -> Vec<CloudChange> {
    let kept = own.and_then(|machine| machine.floating_ip);
    let surplus = |ip: &&FloatingIp| {
        kept != Some(*ip) && ip.presence == Presence::There && !super::name::may_have(seen, ip.address)
    };
    let surplus = view.floating_ips.iter().filter(surplus);
    surplus.map(|ip| CloudChange::DeleteFloatingIp { id: ip.id.clone() }).collect()
}

fn surplus_ports(seen: &Observed, view: &CloudView, own: Option<&Machine<'_>>) -> Vec<CloudChange> {
    let server = own.and_then(|machine| machine.server);
    let kept = own.map(|machine| machine.ports.as_slice()).unwrap_or_default();
    // Before there is a server a port may be promised to one that is on its way; and until the one that is kept is seen
    // bound to it, the server may have any other.
    let is_settled =
        |port: &Port| kept.iter().any(|kept| kept.index == port.index && kept.is_bound_to(server));
    let is_promised =
        |port: &Port| own.is_some_and(|machine| machine.attempt.number == port.attempt) && !is_settled(port);
    let surplus = view.ports.iter().filter(|port| {
        !kept.contains(port)
            && !is_promised(port)
            && !port.is_bound_to(server)
            && port.device.is_none()
            && port.presence == Presence::There
            && !super::name::may_have(seen, port.address)
    });
    surplus.map(|port| CloudChange::DeletePort { id: port.id.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::hold::OnFailure;
    use crate::reason::Reason;
    use crate::reconcile::state::examples::{bound, failed, port, server, volume};
    use crate::reconcile::state::{Server, ServerState};

    fn drops(seen: &Observed) -> Option<Step> {
        drop_surplus(&Desired::any(), seen)
    }

    fn delete(change: CloudChange) -> Step {
        Step::Do(change.in_cloud("lab"))
    }

    fn machine() -> Observed {
        Observed::with_machine(ServerState::Active)
    }

    #[test]
    fn a_machine_with_what_belongs_to_it_loses_nothing() {
        assert_eq!(drops(&machine()), None);
    }

    #[test]
    fn of_two_servers_the_one_that_the_status_shows_is_kept() {
        let mut seen = machine().with_server(server("another", ServerState::Active));

        assert_eq!(
            drops(&seen),
            Some(delete(CloudChange::DeleteServer { id: "s".into() })),
            "the first by its id"
        );
        seen.memory.hints.server = Some("s".into());
        assert_eq!(drops(&seen), Some(delete(CloudChange::DeleteServer { id: "another".into() })));
    }

    #[test]
    fn a_server_of_an_earlier_attempt_is_deleted() {
        let earlier = Server { attempt: 0, ..server("earlier", ServerState::Active) };

        let step = drops(&machine().with_server(earlier));
        assert_eq!(step, Some(delete(CloudChange::DeleteServer { id: "earlier".into() })));
    }

    #[test]
    fn a_second_volume_of_one_name_is_deleted_once_the_server_has_the_first() {
        let second = Volume { id: "second".into(), ..volume("osd-0", VolumeState::Available) };

        let step = drops(&machine().with_volume(second.clone()));
        assert_eq!(step, Some(delete(CloudChange::DeleteVolume { id: "second".into() })));
        assert_eq!(
            drops(&Observed::with_parts().with_volume(second)),
            None,
            "without a server it is a fence"
        );
    }

    #[test]
    fn a_volume_on_the_server_is_never_touched_whatever_its_name() {
        let strange = Volume {
            id: "strange".into(),
            key: "strange".into(),
            servers: vec!["s".into()],
            ..volume("osd-0", VolumeState::Available)
        };

        assert_eq!(drops(&machine().with_volume(strange)), None);
    }

    #[test]
    fn a_second_port_is_deleted_only_once_the_server_is_seen_with_the_first() {
        assert_eq!(drops(&Observed::with_parts().with_port(port("second"))), None, "it may be promised");

        let step = drops(&machine().with_port(port("second")));
        assert_eq!(step, Some(delete(CloudChange::DeletePort { id: "second".into() })));
        assert_eq!(drops(&machine().with_port(bound("second", "s"))), None, "it is bound");
    }

    #[test]
    fn a_machine_that_is_held_after_its_failure_keeps_one_server() {
        let hold = Desired { on_failure: OnFailure::Hold, ..Desired::any() };
        let seen = machine()
            .with_attempt(failed(1, Reason::BootTimeout))
            .with_server(server("t", ServerState::Active));

        let step = drop_surplus(&hold, &seen);
        assert_eq!(step, Some(delete(CloudChange::DeleteServer { id: "t".into() })));
    }
}
