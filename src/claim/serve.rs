//! What a claim's turn does next. The first rule of [`SERVE`] that speaks decides. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::TestNodeClaim;
use crate::pool::desk::Turn;
use crate::pool::slot::{Slot, State};
use crate::reason::Reason;

/// A claim that has ended can be read for so long.
const READ_FOR: Duration = Duration::from_hours(1);

/// A claim that has some of its nodes gets the others within this, or gives up those it has.
const WHOLE_WITHIN: Duration = Duration::from_mins(10);

/// How the claim's pool stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pool {
    /// There is none of that name.
    Missing,
    /// It serves its own namespace only.
    Forbidden,
    /// It hands out nothing now.
    Paused,
    /// It has at most so many nodes.
    Open(usize),
}

/// A claim, as it is seen.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// When that is.
    pub now: Timestamp,
    /// The object.
    pub claim: &'a TestNodeClaim,
    /// Its pool.
    pub pool: Pool,
    /// Nodes that name the claim, but for those that it gave up.
    pub mine: Vec<&'a Slot>,
    /// How long it has had some of its nodes and not all.
    pub begun_for: Duration,
    /// What the desk says, if it waits.
    pub turn: Option<Turn>,
    /// Its lease has not been renewed in time.
    pub lease_is_over: bool,
    /// When its duration is over, and how long that is, once it has its nodes.
    pub ends: Option<(Timestamp, String)>,
    /// Its duration is over.
    pub duration_is_over: bool,
}

/// What to do next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Move {
    /// Delete the claim, which ended long ago.
    Forget,
    /// Write that it has ended.
    End(Reason, String),
    /// Write that it gives up these nodes, by UID.
    GiveUp(Vec<String>),
    /// Give it this node.
    Bind(String),
    /// Write that it has its nodes: these, by UID.
    Publish(Vec<String>),
    /// Say how it stands.
    Say(Saying),
}

/// How a claim stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Saying {
    /// It has ended, and says so already.
    Ended,
    /// It has its nodes, and all are well.
    Bound,
    /// It has its nodes, and something is wrong with one.
    Broken(Reason, String),
    /// It cannot be served as it is.
    Refused(Reason, String),
    /// It waits.
    Waits(Reason, String, Option<usize>),
}

/// A rule of [`SERVE`].
pub type Rule = fn(&Seen<'_>) -> Option<Move>;

/// All rules of a claim.
pub const SERVE: &[Rule] =
    &[forget_ended, rest_ended, end, keep_bound, rest_going, publish, give_up, refuse, bind_next, wait_turn];

/// Chooses the next move. Total and deterministic.
#[must_use]
pub fn serve(seen: &Seen<'_>) -> Move {
    let waits = || Move::Say(Saying::Waits(Reason::Pending, "the pool is being looked at".into(), None));
    SERVE.iter().find_map(|rule| rule(seen)).unwrap_or_else(waits)
}

impl Seen<'_> {
    fn living(&self) -> impl Iterator<Item = &&Slot> {
        self.mine.iter().filter(|slot| slot.state != State::Going)
    }

    fn pool_name(&self) -> String {
        format!("{}/{}", self.claim.pool_namespace(), self.claim.spec.pool.name)
    }
}

/// It ended an hour ago: who wanted to read it has.
fn forget_ended(seen: &Seen<'_>) -> Option<Move> {
    let ended = seen.claim.status.as_ref()?.ended.as_ref()?;
    let since = Duration::try_from(seen.now.duration_since(ended.at.0)).unwrap_or_default();
    (since >= READ_FOR).then_some(Move::Forget)
}

/// It has ended: its nodes see that, and go by themselves.
fn rest_ended(seen: &Seen<'_>) -> Option<Move> {
    seen.claim.status.as_ref()?.ended.as_ref()?;
    Some(Move::Say(Saying::Ended))
}

/// Its lease or its duration is over, or all its nodes were given back.
fn end(seen: &Seen<'_>) -> Option<Move> {
    let spec = &seen.claim.spec;
    if seen.lease_is_over {
        let duration = spec.lease.as_ref().map(|lease| lease.duration.0.clone()).unwrap_or_default();
        return Some(Move::End(Reason::LeaseExpired, format!("spec.lease was not renewed for {duration}")));
    }
    if let Some((at, length)) = seen.ends.as_ref().filter(|_| seen.duration_is_over) {
        return Some(Move::End(Reason::DurationOver, format!("it had its nodes for {length}, until {at}")));
    }
    let nodes = seen.claim.status.as_ref().filter(|status| status.bound_at.is_some())?;
    let released: BTreeSet<&String> = spec.released.iter().collect();
    let all = nodes.nodes.iter().all(|node| released.contains(&node.name));
    all.then(|| Move::End(Reason::AllReleased, "all its nodes were given back".into()))
}

/// It has its nodes. What breaks is told; nothing is put in its place.
fn keep_bound(seen: &Seen<'_>) -> Option<Move> {
    let status = seen.claim.status.as_ref().filter(|status| status.bound_at.is_some())?;
    let kept = status.nodes.iter().filter(|node| !seen.claim.spec.released.contains(&node.name));
    let troubles = kept.filter_map(|node| match seen.living().find(|slot| slot.uid == node.uid) {
        None => Some((Reason::NodeLost, format!("node {} was deleted", node.name))),
        Some(slot) => matches!(slot.state, State::Broken(_))
            .then(|| (Reason::NodeBroken, format!("node {}: {}", slot.name, slot.said))),
    });
    let worst = troubles.min_by_key(|(reason, _)| *reason != Reason::NodeLost);
    Some(Move::Say(worst.map_or(Saying::Bound, |(reason, message)| Saying::Broken(reason, message))))
}

/// It is being deleted, and somebody holds it: it gets nothing more.
fn rest_going(seen: &Seen<'_>) -> Option<Move> {
    seen.claim.metadata.deletion_timestamp.as_ref()?;
    Some(Move::Say(Saying::Waits(Reason::Pending, "it is being deleted".into(), None)))
}

/// As many nodes name it as it asks for. All were Ready when they were bound.
fn publish(seen: &Seen<'_>) -> Option<Move> {
    let mut living: Vec<&&Slot> = seen.living().collect();
    living.sort_by_key(|slot| &slot.name);
    (living.len() >= seen.claim.count())
        .then(|| Move::Publish(living.iter().take(seen.claim.count()).map(|slot| slot.uid.clone()).collect()))
}

/// It has some nodes, and for long no others: nobody waits for ever with machines that others could have.
fn give_up(seen: &Seen<'_>) -> Option<Move> {
    let held: Vec<String> = seen.living().map(|slot| slot.uid.clone()).collect();
    (!held.is_empty() && seen.begun_for >= WHOLE_WITHIN).then_some(Move::GiveUp(held))
}

/// Only an edit, or an admin, helps. It blocks nobody.
fn refuse(seen: &Seen<'_>) -> Option<Move> {
    let pool = seen.pool_name();
    let own = seen.claim.metadata.namespace.as_deref() == Some(seen.claim.pool_namespace());
    let (reason, message) = match seen.pool {
        Pool::Missing if own => (
            Reason::PoolNotFound,
            format!("there is no TestNodePool {pool}; make it, or make a claim that names another"),
        ),
        // Whether there is one is not told to whoever it does not serve.
        Pool::Missing | Pool::Forbidden => (
            Reason::PoolForbidden,
            format!(
                "there is no TestNodePool {pool} that serves claims of other namespaces; claim in its namespace, or ask the lab's \
                 admin to set its spec.claims.from to All"
            ),
        ),
        Pool::Open(max) if seen.claim.count() > max => (
            Reason::LargerThanPool,
            format!(
                "{} nodes are more than the {max} that TestNodePool {pool} can have; claim fewer, or ask the lab's admin to \
                 raise its spec.max",
                seen.claim.count()
            ),
        ),
        Pool::Open(_) | Pool::Paused => return None,
    };
    Some(Move::Say(Saying::Refused(reason, message)))
}

/// The desk has given it nodes: the next of them.
fn bind_next(seen: &Seen<'_>) -> Option<Move> {
    match (seen.pool, &seen.turn) {
        (Pool::Open(_), Some(Turn::Now(given))) => given.first().map(|uid| Move::Bind(uid.clone())),
        _ => None,
    }
}

/// It waits for its turn.
fn wait_turn(seen: &Seen<'_>) -> Option<Move> {
    if seen.pool == Pool::Paused {
        let message = format!("TestNodePool {} is paused", seen.pool_name());
        return Some(Move::Say(Saying::Waits(Reason::PoolPaused, message, None)));
    }
    let Some(Turn::Waits { place, of, ready, kept }) = &seen.turn else { return None };
    let begun = seen.living().count();
    let lacks = if begun > 0 { format!("; {begun} are its own already") } else { String::new() };
    let kept = if *kept { "; nodes are kept for it as they become Ready" } else { "" };
    let message = format!(
        "{place} of {of} that wait; it asks for {} nodes in one cloud, and {ready} are Ready there{lacks}{kept}",
        seen.claim.count()
    );
    Some(Move::Say(Saying::Waits(Reason::Queued, message, Some(*place))))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;
    use crate::pool::slot::examples::{NOW, claimed, slot};

    fn claim(spec: &Value, status: &Value) -> TestNodeClaim {
        let mut whole = json!({"pool": {"name": "smithi"}, "count": 2});
        for (field, value) in spec.as_object().into_iter().flatten() {
            whole[field] = value.clone();
        }
        from_value(json!({"metadata": {"name": "a-1", "namespace": "a", "uid": "u-a-1"}, "spec": whole, "status": status}))
            .unwrap()
    }

    fn bound(numbers: &[i64]) -> Value {
        let node = |number: &i64| json!({"name": format!("smithi{number:03}"), "namespace": "lab", "uid": format!("n-{number}")});
        json!({"boundAt": "1970-01-01T00:10:00Z", "nodes": numbers.iter().map(node).collect::<Vec<_>>()})
    }

    fn seen<'a>(claim: &'a TestNodeClaim, mine: &'a [Slot]) -> Seen<'a> {
        Seen {
            now: NOW,
            claim,
            pool: Pool::Open(5),
            mine: mine.iter().collect(),
            begun_for: Duration::ZERO,
            turn: None,
            lease_is_over: false,
            ends: None,
            duration_is_over: false,
        }
    }

    fn waits(place: usize) -> Turn {
        Turn::Waits { place, of: 9, ready: 1, kept: false }
    }

    fn reason(of: &Move) -> Option<Reason> {
        match of {
            Move::End(reason, _)
            | Move::Say(Saying::Broken(reason, _) | Saying::Refused(reason, _) | Saying::Waits(reason, ..)) => {
                Some(*reason)
            }
            Move::Say(Saying::Ended | Saying::Bound)
            | Move::Forget
            | Move::Bind(_)
            | Move::GiveUp(_)
            | Move::Publish(_) => None,
        }
    }

    #[test]
    fn it_binds_what_the_desk_gives_and_publishes_when_it_has_all() {
        let claim = claim(&json!({}), &Value::Null);
        let given = Some(Turn::Now(vec!["n-1".into(), "n-2".into()]));
        assert_eq!(serve(&Seen { turn: given, ..seen(&claim, &[]) }), Move::Bind("n-1".into()));

        let first = [claimed(1, "a-1")];
        let given = Some(Turn::Now(vec!["n-2".into()]));
        assert_eq!(serve(&Seen { turn: given, ..seen(&claim, &first) }), Move::Bind("n-2".into()));
        let all = [claimed(2, "a-1"), claimed(1, "a-1")];
        assert_eq!(serve(&seen(&claim, &all)), Move::Publish(vec!["n-1".into(), "n-2".into()]));
    }

    #[test]
    fn a_node_too_many_is_not_published() {
        let claim = claim(&json!({}), &Value::Null);
        let three = [claimed(3, "a-1"), claimed(2, "a-1"), claimed(1, "a-1")];

        assert_eq!(serve(&seen(&claim, &three)), Move::Publish(vec!["n-1".into(), "n-2".into()]));
    }

    #[test]
    fn who_waits_is_told_its_place() {
        let claim = claim(&json!({}), &Value::Null);

        let Move::Say(Saying::Waits(Reason::Queued, message, Some(3))) =
            serve(&Seen { turn: Some(waits(3)), ..seen(&claim, &[]) })
        else {
            panic!("it does not wait")
        };

        assert_eq!(message, "3 of 9 that wait; it asks for 2 nodes in one cloud, and 1 are Ready there");
    }

    #[test]
    fn what_no_wait_can_help_is_refused() {
        let claim = claim(&json!({}), &Value::Null);
        for (pool, expected) in [
            (Pool::Missing, Reason::PoolNotFound),
            (Pool::Forbidden, Reason::PoolForbidden),
            (Pool::Open(1), Reason::LargerThanPool),
        ] {
            let given = Some(Turn::Now(vec!["n-1".into()]));
            let told = serve(&Seen { pool, turn: given, ..seen(&claim, &[]) });
            assert!(matches!(told, Move::Say(Saying::Refused(reason, _)) if reason == expected), "{told:?}");
        }
        let given = Some(Turn::Now(vec!["n-1".into()]));
        let paused = serve(&Seen { pool: Pool::Paused, turn: given, ..seen(&claim, &[]) });
        assert_eq!(reason(&paused), Some(Reason::PoolPaused));
    }

    #[test]
    fn which_pools_another_namespace_has_is_not_told_to_whom_they_do_not_serve() {
        let elsewhere = claim(&json!({"pool": {"name": "smithi", "namespace": "lab"}}), &Value::Null);
        let told = |pool| serve(&Seen { pool, ..seen(&elsewhere, &[]) });

        assert_eq!(reason(&told(Pool::Missing)), Some(Reason::PoolForbidden));
        assert_eq!(told(Pool::Missing), told(Pool::Forbidden));
    }

    #[test]
    fn who_has_a_part_for_ten_minutes_gives_it_up() {
        let claim = claim(&json!({}), &Value::Null);
        let one = [claimed(1, "a-1")];
        let begun = |minutes| Seen {
            begun_for: Duration::from_mins(minutes),
            turn: Some(waits(1)),
            ..seen(&claim, &one)
        };

        assert_eq!(reason(&serve(&begun(9))), Some(Reason::Queued));
        assert_eq!(serve(&begun(10)), Move::GiveUp(vec!["n-1".into()]));
        let two = [claimed(1, "a-1"), claimed(2, "a-1")];
        let whole = Seen { begun_for: Duration::from_mins(10), ..seen(&claim, &two) };
        assert!(matches!(serve(&whole), Move::Publish(_)));
    }

    #[test]
    fn a_bound_claim_keeps_its_nodes_whatever_becomes_of_the_pool() {
        let claim = claim(&json!({}), &bound(&[1, 2]));
        let mine = [claimed(1, "a-1"), claimed(2, "a-1")];

        assert_eq!(serve(&Seen { pool: Pool::Missing, ..seen(&claim, &mine) }), Move::Say(Saying::Bound));
    }

    #[test]
    fn a_bound_claim_says_what_broke_and_is_given_nothing_instead() {
        let claim = claim(&json!({}), &bound(&[1, 2]));
        let given = Some(Turn::Now(vec!["n-3".into()]));
        let lost = [claimed(1, "a-1")];
        assert_eq!(reason(&serve(&Seen { turn: given, ..seen(&claim, &lost) })), Some(Reason::NodeLost));

        let broken = [claimed(1, "a-1"), Slot { state: State::Broken(NOW), ..claimed(2, "a-1") }];
        assert_eq!(reason(&serve(&seen(&claim, &broken))), Some(Reason::NodeBroken));
        let away = [claimed(1, "a-1"), Slot { state: State::Coming, ..claimed(2, "a-1") }];
        assert_eq!(
            serve(&seen(&claim, &away)),
            Move::Say(Saying::Bound),
            "a cloud that is away breaks nothing"
        );
    }

    #[test]
    fn what_was_released_is_not_lost_and_the_last_ends_the_claim() {
        let one = claim(&json!({"released": ["smithi002"]}), &bound(&[1, 2]));
        assert_eq!(serve(&seen(&one, &[claimed(1, "a-1")])), Move::Say(Saying::Bound));

        let all = claim(&json!({"released": ["smithi002", "smithi001"]}), &bound(&[1, 2]));
        assert_eq!(reason(&serve(&seen(&all, &[]))), Some(Reason::AllReleased));
    }

    #[test]
    fn a_lease_or_a_duration_ends_it_and_an_hour_later_it_is_forgotten() {
        let held = claim(&json!({"lease": {"duration": "90s"}}), &bound(&[1, 2]));
        let over = serve(&Seen { lease_is_over: true, ..seen(&held, &[]) });
        assert_eq!(over, Move::End(Reason::LeaseExpired, "spec.lease was not renewed for 90s".into()));
        let ends = Some((NOW, "8h".to_owned()));
        let over = serve(&Seen { ends: ends.clone(), duration_is_over: true, ..seen(&held, &[]) });
        assert_eq!(reason(&over), Some(Reason::DurationOver));
        let mine = [claimed(1, "a-1"), claimed(2, "a-1")];
        assert_eq!(serve(&Seen { ends, ..seen(&held, &mine) }), Move::Say(Saying::Bound));

        let ended = |at: &str| json!({"ended": {"at": at, "reason": "LeaseExpired", "message": ""}});
        let now = claim(&json!({}), &ended("1970-01-01T00:10:00Z"));
        assert_eq!(serve(&Seen { lease_is_over: true, ..seen(&now, &[]) }), Move::Say(Saying::Ended));
        let then = claim(&json!({}), &ended("1969-12-31T23:10:00Z"));
        assert_eq!(serve(&seen(&then, &[])), Move::Forget);
    }

    #[test]
    fn a_claim_that_is_being_deleted_is_given_nothing() {
        let mut claim = claim(&json!({}), &Value::Null);
        claim.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(NOW));
        let given = Some(Turn::Now(vec!["n-1".into()]));

        assert_eq!(
            reason(&serve(&Seen { turn: given, ..seen(&claim, &[slot(1, State::Ready)]) })),
            Some(Reason::Pending)
        );
    }
}
