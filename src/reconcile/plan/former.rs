//! The rule of `BRING_UP` for a machine of an earlier object of the same namespace and name. A restore gives an object a
//! new UID, and its machine bears the old one: nothing is made beside it, and nothing of it is deleted, unasked.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Change, CloudChange, Mark, Question, Step, Waiting};
use crate::api::{FORMER_MACHINE, FormerMachine};
use crate::reason::Reason;
use crate::reconcile::state::{Former, Kind, Observed, Presence, ServerState, Standing};

/// A first listing is under way; it takes no longer than this to see that it has ended.
const SOON: Duration = Duration::from_millis(250);

/// So many things a message names by their ids.
const NAMED: usize = 6;

/// Waits where something of an earlier object is left, and takes it over if somebody wishes it: one mark a turn. The ports
/// come first: they do not say whose they are in words, and are known by the UID of their server. The volumes come last:
/// none may be the node's own while its server is not.
pub(super) fn adopt_or_wait(_: &super::Desired, seen: &Observed) -> Option<Step> {
    if let Some(cloud) = &seen.unlooked {
        let message = format!("waiting for a first complete look at cloud {cloud}");
        let soon = jiff::SignedDuration::try_from(SOON).unwrap_or_default();
        return Some(Step::Wait(Waiting {
            until: seen.now.checked_add(soon).ok(),
            ..Waiting::new(Reason::LookingAround, message)
        }));
    }
    let first = seen.former.first()?;
    if let Some(missing) = seen.former.iter().find(|thing| thing.presence == Presence::Missing) {
        let (cloud, kind, id) = (missing.cloud.clone(), missing.kind, missing.id.clone());
        return Some(Step::Ask(Question::Presence { cloud, kind, id }));
    }
    let found = found(seen);
    let stop = |message: String| Some(Step::Wait(Waiting::stalled(Reason::FormerMachineFound, message)));
    match first.wish {
        None => stop(format!(
            "{found}. Annotate the node with {FORMER_MACHINE}=adopt to take it over with its volumes, ports and name, or with \
             {FORMER_MACHINE}=leave to leave it to spec.orphans of the Cloud"
        )),
        Some(FormerMachine::Leave) => stop(format!(
            "{found}. It is left to spec.orphans of the Cloud, which deletes only in mode Delete; the node goes on when it is gone. \
             A node of a pool never takes over a machine of before"
        )),
        Some(FormerMachine::Adopt) => match unfit(seen) {
            Some(why) => stop(format!("{found}. It cannot be adopted: {why}")),
            None => Some(Step::Do(next(seen, first))),
        },
    }
}

/// The cloud holds the object before anything there is its own.
fn next(seen: &Observed, first: &Former) -> Change {
    if !seen.held.contains(&first.cloud) {
        return Change::AddFinalizer { cloud: first.cloud.clone() };
    }
    let stranger = first.tagged.iter().find(|uid| **uid != seen.uid);
    let mark = match (first.kind, stranger) {
        (Kind::Server, _) if !first.tagged.contains(&seen.uid) => Mark::Tag,
        (Kind::Server, Some(uid)) => Mark::Untag(uid.clone()),
        (Kind::Server, None) | (Kind::Volume | Kind::FloatingIp | Kind::Port, _) => Mark::Owner,
    };
    CloudChange::Adopt { kind: first.kind, id: first.id.clone(), mark }.in_cloud(&first.cloud)
}

/// What is there, with ids.
fn found(seen: &Observed) -> String {
    let word = |thing: &Former| format!("{} {}", thing.kind.word(), thing.id);
    let named: Vec<String> = seen.former.iter().take(NAMED).map(word).collect();
    let more = match seen.former.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let uids: BTreeSet<&str> = seen.former.iter().map(|thing| thing.uid.as_str()).collect();
    let clouds: BTreeSet<&str> = seen.former.iter().map(|thing| thing.cloud.as_str()).collect();
    let join = |words: BTreeSet<&str>| words.into_iter().collect::<Vec<_>>().join(", ");
    format!(
        "cloud {} has {}{more} of an earlier TestNode of this name, UID {}",
        join(clouds),
        named.join(", "),
        join(uids)
    )
}

/// Why what is there is not one machine that can be taken over whole. What is adopted must not be deleted as surplus, or
/// ended as a failed attempt, a moment later.
fn unfit(seen: &Observed) -> Option<String> {
    let cloud = &seen.former.first()?.cloud;
    // Two Clouds of one project show the same things.
    let ids = |name: &String| -> BTreeSet<&String> {
        let views = seen.clouds.get(name).into_iter();
        views
            .flat_map(|view| {
                view.servers
                    .iter()
                    .map(|s| &s.id)
                    .chain(view.volumes.iter().map(|v| &v.id))
                    .chain(view.ports.iter().map(|p| &p.id))
            })
            .collect()
    };
    let elsewhere = |name: &String| name != cloud && !ids(name).is_subset(&ids(cloud));
    if seen.former.iter().any(|thing| thing.cloud != *cloud) || seen.clouds.keys().any(elsewhere) {
        return Some("it is in more than one cloud; delete what you do not need".into());
    }
    let view = seen.clouds.get(cloud);
    if let Some(Standing::Away(problem)) = view.map(|view| &view.standing) {
        return Some(problem.message.clone());
    }
    if let Some(going) = seen.former.iter().find(|thing| thing.presence == Presence::Going) {
        return Some(format!("{} {} is being deleted", going.kind.word(), going.id));
    }
    let mut slots: BTreeSet<(Kind, i64, String)> = BTreeSet::new();
    let mut states: Vec<ServerState> = Vec::new();
    if let Some(view) = view {
        states.extend(view.servers.iter().map(|server| server.state));
        slots.extend(view.volumes.iter().map(|volume| (Kind::Volume, volume.attempt, volume.key.clone())));
        slots.extend(view.floating_ips.iter().map(|ip| (Kind::FloatingIp, ip.attempt, String::new())));
        slots.extend(view.ports.iter().map(|port| (Kind::Port, port.attempt, port.index.to_string())));
    }
    states.extend(seen.former.iter().filter_map(|thing| thing.server));
    for thing in seen.former.iter().filter(|thing| thing.kind != Kind::Server) {
        if !slots.insert((thing.kind, thing.attempt, thing.slot.clone())) {
            let kind = thing.kind.word();
            return Some(format!("there is more than one {kind} {}; delete one of them", thing.slot));
        }
    }
    match states.as_slice() {
        [ServerState::Active | ServerState::Stopped] => None,
        [] => Some("there is no server among it".into()),
        [state] => Some(format!(
            "its server is {}, and only one that is ACTIVE or stopped is taken over; wait, or ask an administrator of the \
             cloud to reset it",
            match state {
                ServerState::Building => "BUILD",
                ServerState::Error => "in ERROR",
                ServerState::SoftDeleted => "deleted, and kept by the cloud for a while",
                ServerState::Active | ServerState::Stopped | ServerState::Rebuilding | ServerState::Other =>
                    "in another state",
            }
        )),
        _ => Some("there is more than one server; delete the one that you do not need".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::plan::plan;
    use crate::reconcile::state::Desired;
    use crate::reconcile::state::examples::{offer, server};

    fn thing(kind: Kind, id: &str) -> Former {
        Former {
            cloud: "lab".into(),
            kind,
            id: id.into(),
            uid: "old".into(),
            attempt: 1,
            slot: if kind == Kind::Server { String::new() } else { id.into() },
            presence: Presence::There,
            server: (kind == Kind::Server).then_some(ServerState::Active),
            tagged: if kind == Kind::Server { BTreeSet::from(["old".into()]) } else { BTreeSet::new() },
            wish: None,
        }
    }

    /// A node that was restored: a server, a port and a volume of the earlier object are there.
    fn restored(wish: Option<FormerMachine>) -> Observed {
        let mut seen = Observed::held().with_offer(offer("lab"));
        seen.former = [(Kind::Port, "p"), (Kind::Server, "s"), (Kind::Volume, "v")]
            .map(|(kind, id)| Former { wish, ..thing(kind, id) })
            .into();
        seen
    }

    fn next(seen: &Observed) -> Step {
        plan(&Desired::any(), seen)
    }

    fn message(seen: &Observed) -> String {
        let Step::Wait(waiting) = next(seen) else { panic!("{:?}", next(seen)) };
        assert_eq!((waiting.reason, waiting.stalled), (Reason::FormerMachineFound, true));
        waiting.message
    }

    #[test]
    fn a_node_with_a_former_machine_waits_names_it_and_says_the_two_ways_out() {
        let message = message(&restored(None));

        for word in ["server s", "port p", "volume v", "UID old", "=adopt", "=leave"] {
            assert!(message.contains(word), "{word}: {message}");
        }
    }

    #[test]
    fn what_is_left_to_the_orphan_rule_is_waited_for() {
        assert!(message(&restored(Some(FormerMachine::Leave))).contains("goes on when it is gone"));
    }

    #[test]
    fn adopting_writes_one_mark_a_turn_the_servers_own_last_of_its_three_and_then_the_rest() {
        let mut seen = restored(Some(FormerMachine::Adopt));
        let mut story = Vec::new();
        while let Step::Do(Change::Cloud { change, .. }) = next(&seen) {
            let CloudChange::Adopt { kind, id, mark } = change else { panic!("{change}") };
            story.push((kind, mark.clone()));
            let own = seen.uid.clone();
            let first = seen.former.iter_mut().find(|thing| thing.id == id).unwrap();
            match mark {
                Mark::Tag => drop(first.tagged.insert(own)),
                Mark::Untag(uid) => drop(first.tagged.remove(&uid)),
                Mark::Owner => seen.former.retain(|thing| thing.id != id),
            }
            if kind == Kind::Server && !seen.former.iter().any(|thing| thing.kind == Kind::Server) {
                seen = seen.with_server(server("s", ServerState::Active));
            }
        }

        let words: Vec<(Kind, Mark)> = vec![
            (Kind::Port, Mark::Owner),
            (Kind::Server, Mark::Tag),
            (Kind::Server, Mark::Untag("old".into())),
            (Kind::Server, Mark::Owner),
            (Kind::Volume, Mark::Owner),
        ];
        assert_eq!(story, words);
        assert!(seen.former.is_empty());
    }

    #[test]
    fn the_cloud_holds_the_object_before_anything_there_is_adopted() {
        let mut seen = restored(Some(FormerMachine::Adopt));
        seen.held.clear();

        assert_eq!(next(&seen), Step::Do(Change::AddFinalizer { cloud: "lab".into() }));
    }

    #[test]
    fn what_is_not_one_whole_machine_is_not_adopted() {
        let with = |alter: fn(&mut Observed)| {
            let mut seen = restored(Some(FormerMachine::Adopt));
            alter(&mut seen);
            message(&seen)
        };
        let adopt = |kind, id| Former { wish: Some(FormerMachine::Adopt), ..thing(kind, id) };
        let two = || (adopt(Kind::Server, "t"), adopt(Kind::Volume, "v"));

        assert!(with(|seen| seen.former[1].server = Some(ServerState::Error)).contains("in ERROR"));
        assert!(with(|seen| drop(seen.former.remove(1))).contains("no server"));
        assert!(with(|seen| seen.former[0].presence = Presence::Going).contains("is being deleted"));
        assert!(with(|seen| seen.former[2].cloud = "far".into()).contains("more than one cloud"));
        let (server, volume) = two();
        let mut seen = restored(Some(FormerMachine::Adopt));
        seen.former.push(server);
        assert!(message(&seen).contains("more than one server"));
        seen.former.pop();
        seen.former.push(volume);
        assert!(message(&seen).contains("more than one volume v"));
    }

    #[test]
    fn what_a_list_left_out_is_asked_for_before_anything_is_said() {
        let mut seen = restored(None);
        seen.former[1].presence = Presence::Missing;

        let asks = Question::Presence { cloud: "lab".into(), kind: Kind::Server, id: "s".into() };
        assert_eq!(next(&seen), Step::Ask(asks));
    }

    #[test]
    fn nothing_is_made_before_every_cloud_was_looked_at_once() {
        let mut seen = Observed::nothing().with_offer(offer("lab"));
        seen.unlooked = Some("far".into());

        let Step::Wait(waiting) = next(&seen) else { panic!("it goes on") };
        assert_eq!(waiting.reason, Reason::LookingAround);
    }
}
