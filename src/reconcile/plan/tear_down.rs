//! The rules of `TEAR_DOWN`: for one cloud, from whatever there is to nothing.

use super::listed::await_list;
use super::pause::{first, held_back, is_paused};
use super::{Change, CloudChange, Question, Step, TearDownRule, Waiting};
use crate::reason::Reason;
use crate::reconcile::state::{
    CloudView, Ending, Kind, Observed, Presence, Standing, UsedVolume, Volume, VolumeState,
};

/// Tears down every cloud that holds the object. One that cannot be asked does not hold up the others.
pub(super) fn everywhere(rules: &[TearDownRule], seen: &Observed) -> Option<Step> {
    if let Some(step) = super::abandon::untouched(seen) {
        return Some(step);
    }
    let mut waiting = None;
    for cloud in &seen.held {
        match rules.iter().find_map(|rule| rule(seen, cloud)).map(|step| held_back(step, seen)) {
            Some(Step::Wait(wait)) => waiting = waiting.or(Some(Step::Wait(wait))),
            Some(Step::Rest) | None => {}
            step => return step,
        }
    }
    waiting
}

fn view<'a>(seen: &'a Observed, cloud: &str) -> Option<&'a CloudView> {
    seen.clouds.get(cloud)
}

pub(super) fn await_cloud(seen: &Observed, cloud: &str) -> Option<Step> {
    let view = view(seen, cloud);
    match view.map(|view| &view.standing) {
        Some(Standing::Seen) => None,
        Some(Standing::Unseen) | None => Some(Step::Wait(Waiting::first_look(cloud))),
        Some(Standing::Away(problem)) => {
            let mut message = format!("cloud {cloud}: {}", problem.message);
            if let Some(why) = view.and_then(CloudView::abandon_refused) {
                message = format!("{message}; testnode.dev/abandon is not honoured: {why}");
            }
            Some(Step::Wait(Waiting::new(problem.reason, message)))
        }
    }
}

pub(super) fn confirm_missing(seen: &Observed, cloud: &str) -> Option<Step> {
    view(seen, cloud).and_then(|view| Question::about_missing(cloud, view)).map(Step::Ask)
}

pub(super) fn delete_servers(seen: &Observed, cloud: &str) -> Option<Step> {
    let view = view(seen, cloud)?;
    let there = || view.servers.iter().filter(|server| server.presence == Presence::There);
    let deletions = there().filter_map(|server| Some(CloudChange::deletion(view, server)?.in_cloud(cloud)));
    let unsure = || there().any(|server| CloudChange::deletion(view, server).is_none());
    first(deletions, seen).or_else(|| unsure().then(|| fresh(seen, view, cloud, Kind::Server)).flatten())
}

pub(super) fn await_servers(seen: &Observed, cloud: &str) -> Option<Step> {
    let view = view(seen, cloud)?;
    let rest = view.servers.iter().map(|server| Rest {
        reason: Reason::DeletingServer,
        kind: Kind::Server,
        id: &server.id,
        what: format!("server {}", server.id),
        presence: server.presence,
        ending: &server.ending,
        remark: server.remark.as_deref(),
    });
    await_end(rest, seen, cloud).or_else(|| fresh(seen, view, cloud, Kind::Server))
}

/// Something that is not gone yet.
pub(super) struct Rest<'a> {
    pub reason: Reason,
    pub kind: Kind,
    pub id: &'a str,
    pub what: String,
    pub presence: Presence,
    pub ending: &'a Ending,
    pub remark: Option<&'a str>,
}

/// Waits for things to be gone, and tells of the one that needs somebody first. What is overdue is still asked for.
pub(super) fn await_end<'a>(
    rest: impl Iterator<Item = Rest<'a>>,
    seen: &Observed,
    cloud: &str,
) -> Option<Step> {
    let urgency = |thing: &Rest<'_>| match thing.presence {
        Presence::Unmarked => 0,
        Presence::There | Presence::Missing | Presence::Going => 2 - u8::from(thing.ending.overdue),
    };
    let thing = rest.min_by_key(urgency)?;
    let looks = vec![(cloud.to_owned(), thing.kind)];
    let later = seen.troubles.iter().filter(|t| t.key.is_about(thing.id) && t.retry_at > seen.now);
    let until = later.map(|trouble| trouble.retry_at).min();
    let waiting = if thing.presence == Presence::Unmarked {
        Waiting::stalled(Reason::MarkLost, unmarked(&thing, cloud))
    } else {
        let refusal = thing.ending.refusal.as_ref().map(|words| format!("; its deletion failed: {words}"));
        let refusal = refusal.unwrap_or_default();
        let message = format!("waiting for {} in cloud {cloud} to be gone{refusal}", thing.what);
        if thing.ending.overdue {
            let cure = cure(&thing);
            Waiting::stalled(
                Reason::DeleteStuck,
                format!("{message}. This takes longer than timeouts.delete; it is asked for again. {cure}"),
            )
        } else {
            Waiting::new(thing.reason, message)
        }
    };
    Some(Step::Wait(Waiting { looks, until, ..waiting }))
}

fn unmarked(thing: &Rest<'_>, cloud: &str) -> String {
    let Rest { what, kind, id, .. } = thing;
    format!(
        "{what} in cloud {cloud} no longer has the marks of this cluster and this node, so it is not touched. Give them back, \
         and it is deleted: `{}`; or delete it: `openstack {} delete {id}`",
        thing.remark.unwrap_or_default(),
        kind.command(),
    )
}

/// What helps against a deletion that takes too long.
fn cure(thing: &Rest<'_>) -> String {
    let id = thing.id;
    match (thing.kind, &thing.ending.refusal) {
        (Kind::Server, _) => format!(
            "An administrator of the cloud should look whether its compute host is up, and then run \
             `openstack server set --state error {id}`"
        ),
        (Kind::Volume, None) => {
            format!("An administrator of the cloud should run `openstack volume set --state error {id}`")
        }
        (Kind::Volume, Some(_)) => format!(
            "End what Cinder names, a snapshot or a transfer for example (`openstack volume snapshot list --volume {id}`), or \
             ask an administrator of the cloud to run `openstack volume set --state error {id}`"
        ),
        (Kind::FloatingIp | Kind::Port, _) => {
            let command = thing.kind.command();
            format!(
                "`openstack {command} show {id}` says what holds it, and `openstack {command} delete {id}` deletes it"
            )
        }
    }
}

/// Before anything is deleted that a server may still get, the look at servers must show every change.
pub(super) fn fresh(seen: &Observed, view: &CloudView, cloud: &str, kind: Kind) -> Option<Step> {
    (!view.fresh.of(kind)).then(|| await_list(seen, view, cloud, kind, Reason::LookingAround))
}

/// A create that failed halfway leaves volumes reserved for a server that does not exist, and a server that went while
/// Cinder was away leaves them in use. Only once no server can appear any more may they be freed: freed under a POST in
/// flight they would let a twin be made.
pub(super) fn free_volumes(seen: &Observed, cloud: &str) -> Option<Step> {
    let view = view(seen, cloud)?;
    // They were deleted with their server; only what a fresh look still shows is ours to free and to delete.
    if let (false, Some(step)) = (view.volumes.is_empty(), fresh(seen, view, cloud, Kind::Volume)) {
        return Some(step);
    }
    let claimed = || view.volumes.iter().filter(|volume| is_claimed(volume));
    let volume = claimed().next()?;
    if view.settled.server {
        let steps = claimed().map(|volume| free(volume, cloud));
        return steps.into_iter().find(|step| step.key().is_none_or(|key| !is_paused(seen, &key)));
    }
    // One that waits holds up no other.
    if deletions(view, cloud, seen).is_some() {
        return None;
    }
    let message = format!(
        "volume {} ({}) is {} for a server that is not there; waiting, for up to about 90 s, until that can no longer \
             appear",
        volume.key, volume.id, volume.status
    );
    Some(Step::Wait(Waiting::settling(message, cloud, Kind::Server)))
}

fn free(volume: &Volume, cloud: &str) -> Step {
    let id = volume.id.clone();
    match volume.reservations.first().cloned() {
        Some(attachment) => Step::Do(CloudChange::FreeVolume { id, attachment }.in_cloud(cloud)),
        None => Step::Ask(Question::Reservations { cloud: cloud.to_owned(), id }),
    }
}

/// A server that does not exist has it, as far as Cinder knows.
fn is_claimed(volume: &Volume) -> bool {
    let touchable = volume.presence == Presence::There || volume.presence == Presence::Going;
    touchable && matches!(volume.state, VolumeState::Reserved | VolumeState::Attached)
}

/// It can be asked for its end. In some states Cinder refuses that; what it says then is told.
fn is_deletable(volume: &Volume) -> bool {
    let may = match volume.state {
        VolumeState::Creating | VolumeState::Available | VolumeState::Error | VolumeState::Other => true,
        VolumeState::Reserved
        | VolumeState::Attached
        | VolumeState::Deleting
        | VolumeState::ErrorDeleting => false,
    };
    may && volume.presence == Presence::There
}

pub(super) fn delete_volumes(seen: &Observed, cloud: &str) -> Option<Step> {
    deletions(view(seen, cloud)?, cloud, seen)
}

fn deletions(view: &CloudView, cloud: &str, seen: &Observed) -> Option<Step> {
    let volumes = view.volumes.iter().filter(|volume| is_deletable(volume));
    first(volumes.map(|v| CloudChange::DeleteVolume { id: v.id.clone() }.in_cloud(cloud)), seen)
}

pub(super) fn await_volumes(seen: &Observed, cloud: &str) -> Option<Step> {
    let view = view(seen, cloud)?;
    if let Some(volume) = view.volumes.iter().find(|volume| volume.state == VolumeState::ErrorDeleting) {
        let message = format!(
            "volume {} ({id}) in cloud {cloud} is in error_deleting, which only an administrator of the cloud can end: \
             `openstack volume set --state error {id}`, and it is deleted again within a minute or two",
            volume.key,
            id = volume.id
        );
        let looks = vec![(cloud.to_owned(), Kind::Volume)];
        return Some(Step::Wait(Waiting { looks, ..Waiting::stalled(Reason::VolumeStuck, message) }));
    }
    let rest = view.volumes.iter().map(|volume| Rest {
        reason: Reason::DeletingVolumes,
        kind: Kind::Volume,
        id: &volume.id,
        what: format!("volume {} ({}), which is {},", volume.key, volume.id, volume.status),
        presence: volume.presence,
        ending: &volume.ending,
        remark: volume.remark.as_deref(),
    });
    await_end(rest, seen, cloud).or_else(|| fresh(seen, view, cloud, Kind::Volume))
}

pub(super) fn delete_ports(seen: &Observed, cloud: &str) -> Option<Step> {
    let ports = view(seen, cloud)?.ports.iter().filter(|port| port.presence == Presence::There);
    first(ports.map(|port| CloudChange::DeletePort { id: port.id.clone() }.in_cloud(cloud)), seen)
}

pub(super) fn await_ports(seen: &Observed, cloud: &str) -> Option<Step> {
    let view = view(seen, cloud)?;
    let rest = view.ports.iter().map(|port| Rest {
        reason: Reason::DeletingPorts,
        kind: Kind::Port,
        id: &port.id,
        what: format!("port {}", port.id),
        presence: port.presence,
        ending: &port.ending,
        remark: port.remark.as_deref(),
    });
    await_end(rest, seen, cloud).or_else(|| fresh(seen, view, cloud, Kind::Port))
}

/// A create whose reply was lost may still take effect.
pub(super) fn await_settled(seen: &Observed, cloud: &str) -> Option<Step> {
    let view = view(seen, cloud)?;
    let kind = Kind::ALL.into_iter().find(|kind| !view.settled.of(*kind))?;
    Some(Step::Wait(Waiting::settling(unsettled(kind, cloud), cloud, kind)))
}

/// A volume that exists by itself stays, and is free for the next: a create that failed halfway, or a server that went while
/// Cinder was away, leaves it claimed. Nothing can appear any longer that claims it for this node.
pub(super) fn free_existing_volumes(seen: &Observed, cloud: &str) -> Option<Step> {
    let step = |volume: &UsedVolume| match volume.reservations.as_deref() {
        None => Some(Step::Ask(Question::Reservations { cloud: cloud.to_owned(), id: volume.id.clone() })),
        Some([]) => None,
        Some([attachment, ..]) => {
            let free = CloudChange::FreeVolume { id: volume.id.clone(), attachment: attachment.clone() };
            Some(Step::Do(free.in_cloud(cloud)))
        }
    };
    let steps =
        || view(seen, cloud).into_iter().flat_map(|view| view.existing_volumes.iter().filter_map(step));
    steps().find(|step| step.key().is_none_or(|key| !is_paused(seen, &key))).or_else(|| steps().next())
}

/// Why a request whose reply was lost is waited for.
pub(super) fn unsettled(kind: Kind, cloud: &str) -> String {
    format!(
        "no reply came to a request to create a {} in cloud {cloud}, or the operator was restarted before it came; it could \
         take effect late, so this waits, for up to about 90 s",
        kind.word()
    )
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of every rule")]
pub(super) fn release(_: &Observed, cloud: &str) -> Option<Step> {
    Some(Step::Do(Change::RemoveFinalizer { cloud: cloud.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::plan::{MemoryChange, plan};
    use crate::reconcile::state::Desired;
    use crate::reconcile::state::examples::{away, port, ready, server, volume};
    use crate::reconcile::state::{Found, NameView, Server, ServerState};

    fn next(seen: Observed) -> Step {
        plan(&Desired::any(), &seen.going())
    }

    #[test]
    fn a_volume_that_exists_is_asked_for_and_freed_before_the_object_goes_and_is_never_deleted() {
        let with = |reservations: Option<Vec<String>>| {
            Observed::held().in_lab(|view| {
                view.existing_volumes = vec![UsedVolume { id: "theirs".into(), reservations }];
            })
        };
        let asks = Question::Reservations { cloud: "lab".into(), id: "theirs".into() };
        assert_eq!(next(with(None)), Step::Ask(asks));

        let frees = CloudChange::FreeVolume { id: "theirs".into(), attachment: "a".into() };
        assert_eq!(next(with(Some(vec!["a".into()]))), does(frees));

        let gone = Step::Do(Change::RemoveFinalizer { cloud: "lab".into() });
        assert_eq!(next(with(Some(Vec::new()))), gone);
    }

    #[test]
    fn a_volume_that_exists_is_freed_only_once_no_server_can_appear() {
        let seen = Observed::held().in_lab(|view| {
            view.settled.server = false;
            view.existing_volumes =
                vec![UsedVolume { id: "theirs".into(), reservations: Some(vec!["a".into()]) }];
        });

        assert_eq!(reason(next(seen)), Reason::SettlingAttempt);
    }

    fn does(change: CloudChange) -> Step {
        Step::Do(change.in_cloud("lab"))
    }

    fn reason(step: Step) -> Reason {
        if let Step::Wait(waiting) = step { waiting.reason } else { panic!("{step:?}") }
    }

    fn going(server: Server) -> Server {
        Server { presence: Presence::Going, ..server }
    }

    #[test]
    fn the_server_is_deleted_first_then_volumes_then_ports_then_the_object_is_released() {
        let mut seen = Observed::held().with_attempt(ready(1));
        let release = Step::Do(Change::RemoveFinalizer { cloud: "lab".into() });
        assert_eq!(next(seen.clone()), release);

        seen = seen.with_port(port("p"));
        assert_eq!(next(seen.clone()), does(CloudChange::DeletePort { id: "p".into() }));
        seen = seen.with_volume(volume("osd-0", VolumeState::Available));
        assert_eq!(next(seen.clone()), does(CloudChange::DeleteVolume { id: "osd-0".into() }));
        seen = seen.with_server(server("s", ServerState::Active));
        assert_eq!(next(seen), does(CloudChange::DeleteServer { id: "s".into() }));
    }

    #[test]
    fn volumes_wait_until_the_server_is_gone() {
        let seen = Observed::held()
            .with_server(going(server("s", ServerState::Active)))
            .with_volume(volume("osd-0", VolumeState::Available));

        assert_eq!(reason(next(seen)), Reason::DeletingServer);
    }

    #[test]
    fn what_is_not_gone_in_time_needs_an_administrator() {
        let seen = Observed::held()
            .with_server(going(server("s", ServerState::Active)))
            .in_lab(|view| view.servers[0].ending.overdue = true);

        let Step::Wait(waiting) = next(seen) else { panic!("it does not wait") };
        assert_eq!((waiting.reason, waiting.stalled), (Reason::DeleteStuck, true));
        assert!(waiting.message.contains("openstack server set --state error s"), "{}", waiting.message);
    }

    #[test]
    fn a_server_that_the_cloud_keeps_for_a_while_is_deleted_for_good() {
        let seen = Observed::held().with_server(server("s", ServerState::SoftDeleted));

        assert_eq!(next(seen), does(CloudChange::ForceDeleteServer { id: "s".into() }));
    }

    #[test]
    fn a_reserved_volume_is_freed_only_once_no_server_can_appear() {
        let seen = Observed::held().with_volume(volume("osd-0", VolumeState::Reserved));
        let unsettled = seen.clone().in_lab(|view| view.settled.server = false);

        assert_eq!(reason(next(unsettled)), Reason::SettlingAttempt);
        let asks = Question::Reservations { cloud: "lab".into(), id: "osd-0".into() };
        assert_eq!(next(seen.clone()), Step::Ask(asks));
        let known = seen.in_lab(|view| view.volumes[0].reservations = vec!["a".into()]);
        assert_eq!(next(known), does(CloudChange::FreeVolume { id: "osd-0".into(), attachment: "a".into() }));
    }

    #[test]
    fn a_volume_whose_deletion_failed_needs_an_administrator() {
        let seen = Observed::held().with_volume(volume("osd-0", VolumeState::ErrorDeleting));

        assert_eq!(reason(next(seen)), Reason::VolumeStuck);
    }

    #[test]
    fn the_object_is_not_released_while_a_create_may_still_take_effect() {
        let seen = Observed::held().in_lab(|view| view.settled.volume = false);

        assert_eq!(reason(next(seen)), Reason::SettlingAttempt);
    }

    #[test]
    fn a_cloud_that_cannot_be_asked_keeps_the_object_and_does_not_hold_up_another() {
        let mut seen = Observed::held().in_lab(|view| view.standing = away());
        assert_eq!(reason(next(seen.clone())), Reason::CloudUnreachable);

        seen.held.insert("other".into());
        seen.clouds.insert("other".into(), CloudView::empty(Standing::Seen));
        assert_eq!(next(seen), Step::Do(Change::RemoveFinalizer { cloud: "other".into() }));
    }

    #[test]
    fn the_name_is_withdrawn_before_anything_is_deleted() {
        let mut seen = Observed::with_machine(ServerState::Active).with_name(&["10.77.0.10"]);
        seen.name.holder = Some("lab/other".into());

        // Another node holds it: it is not ours to change, only to forget.
        assert_eq!(next(seen), Step::Do(MemoryChange::ForgetName.into()));
    }

    #[test]
    fn a_name_that_an_unanswered_request_may_still_set_holds_the_object() {
        let mut seen = Observed::held().with_name(&[]);
        seen.memory.dns.as_mut().unwrap().withdrawn = vec!["10.77.0.10".into()];
        seen.name = NameView { verifiable: true, usable: true, ..seen.name };
        seen.name.found = Some(Found::Free);
        let over = Step::Do(Change::RemoveFinalizer { cloud: "lab".into() });
        assert_eq!(next(seen.clone()), over);

        seen.name.unanswered = Some(std::time::Duration::from_secs(30));
        assert_eq!(reason(next(seen.clone())), Reason::WithdrawingName);
        seen.name.unanswered = Some(std::time::Duration::from_secs(90));
        assert_eq!(next(seen), over);
    }
}
