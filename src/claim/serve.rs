//! What a claim's turn does next. The first rule of [`SERVE`] that speaks decides. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::TestNodeClaim;
use crate::pool::desk::Turn;
use crate::pool::slot::{Slot, State};
use crate::reason::Reason;

#[cfg(test)]
mod tests;

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
    /// It hands out nodes.
    Open {
        /// It has at most so many.
        max: usize,
        /// So many of these are for interactive claims.
        reserve: usize,
        /// The most that claims of one namespace have.
        per_namespace: Option<usize>,
    },
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
    /// Its output is to be written, as it asks, or it is to be looked whether it is.
    pub output_is_due: bool,
    /// Why its output is not written, if that is so.
    pub output: Option<(Reason, String)>,
    /// Its hold, once it has its nodes.
    pub hold: Option<Hold>,
    /// Its lease has not been renewed in time.
    pub lease_is_over: bool,
    /// When its duration is over, and how long that is, once it has its nodes.
    pub ends: Option<(Timestamp, String)>,
    /// Its duration is over.
    pub duration_is_over: bool,
}

/// The hold of a claim that has its nodes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hold {
    /// It ends then, as far as the pool lets it last.
    pub until: Timestamp,
    /// Why, in the words of whoever set it.
    pub reason: String,
    /// What of it the pool cut, for people.
    pub cut: Option<String>,
    /// It is over.
    pub is_over: bool,
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
    /// Write how its nodes are reached.
    Output,
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
pub const SERVE: &[Rule] = &[
    forget_ended,
    rest_ended,
    end,
    write_output,
    keep_bound,
    rest_going,
    publish,
    give_up,
    refuse,
    refuse_names,
    bind_next,
    wait_turn,
];

/// Chooses the next move. Total and deterministic.
#[must_use]
pub fn serve(seen: &Seen<'_>) -> Move {
    serve_by(SERVE, seen)
}

/// [`serve`], with a list of one's own: the tests leave rules out.
#[must_use]
pub fn serve_by(rules: &[Rule], seen: &Seen<'_>) -> Move {
    let waits = || Move::Say(Saying::Waits(Reason::Pending, "the pool is being looked at".into(), None));
    rules.iter().find_map(|rule| rule(seen)).unwrap_or_else(waits)
}

#[cfg(test)]
impl<'a> Seen<'a> {
    /// A claim that has nothing yet, at an open pool of five.
    pub(crate) fn new(now: Timestamp, claim: &'a TestNodeClaim) -> Self {
        Self {
            now,
            claim,
            pool: Pool::Open { max: 5, reserve: 0, per_namespace: None },
            mine: Vec::new(),
            begun_for: Duration::ZERO,
            turn: None,
            output_is_due: false,
            output: None,
            hold: None,
            lease_is_over: false,
            ends: None,
            duration_is_over: false,
        }
    }
}

impl Seen<'_> {
    /// What keeps its nodes, whatever else is over.
    #[must_use]
    pub fn held(&self) -> Option<&Hold> {
        self.hold.as_ref().filter(|hold| !hold.is_over)
    }

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

/// Its lease or its duration is over and no hold keeps its nodes, or all of them were given back.
fn end(seen: &Seen<'_>) -> Option<Move> {
    let spec = &seen.claim.spec;
    let held = seen.held().is_some();
    if seen.lease_is_over && !held {
        let duration = spec.lease.as_ref().map(|lease| lease.duration.0.clone()).unwrap_or_default();
        return Some(Move::End(Reason::LeaseExpired, format!("spec.lease was not renewed for {duration}")));
    }
    if let Some((at, length)) = seen.ends.as_ref().filter(|_| seen.duration_is_over && !held) {
        if let Some(hold) = seen.hold.as_ref().filter(|hold| hold.until > *at) {
            let cut = hold.cut.as_ref().map(|cut| format!("; {cut}")).unwrap_or_default();
            let message = format!("spec.hold kept its nodes until {}{cut}", hold.until);
            return Some(Move::End(Reason::HoldOver, message));
        }
        return Some(Move::End(Reason::DurationOver, format!("it had its nodes for {length}, until {at}")));
    }
    let nodes = seen.claim.status.as_ref().filter(|status| status.bound_at.is_some())?;
    let released: BTreeSet<&String> = spec.released.iter().collect();
    let all = nodes.nodes.iter().all(|node| released.contains(&node.name));
    all.then(|| Move::End(Reason::AllReleased, "all its nodes were given back".into()))
}

/// It has its nodes, and says where to write how they are reached.
fn write_output(seen: &Seen<'_>) -> Option<Move> {
    let going = seen.claim.metadata.deletion_timestamp.is_some();
    (seen.claim.is_bound() && !going && seen.output_is_due).then_some(Move::Output)
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
    if held.is_empty() || seen.begun_for < WHOLE_WITHIN {
        return None;
    }
    Some(if seen.claim.spec.nodes.is_empty() {
        Move::GiveUp(held)
    } else {
        Move::End(Reason::NodeNotFree, "it did not get all the nodes that it names".into())
    })
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
        Pool::Open { max, reserve, per_namespace } => {
            too_large(seen.claim, &pool, max, reserve, per_namespace)?
        }
        Pool::Paused => return None,
    };
    Some(Move::Say(Saying::Refused(reason, message)))
}

/// Why a pool can never give a claim as many nodes as it asks for.
fn too_large(
    claim: &TestNodeClaim,
    pool: &str,
    max: usize,
    reserve: usize,
    per_namespace: Option<usize>,
) -> Option<(Reason, String)> {
    let (count, admin) = (claim.count(), "claim fewer, or ask the lab's admin to raise its");
    if let Some(most) = per_namespace.filter(|most| count > *most) {
        let message = format!(
            "{count} nodes are more than the {most} that claims of one namespace may have of TestNodePool {pool}; {admin} \
             spec.claims.maxNodesPerNamespace"
        );
        return Some((Reason::NamespaceLimit, message));
    }
    if count > max {
        let message = format!(
            "{count} nodes are more than the {max} that TestNodePool {pool} can have; {admin} spec.max"
        );
        return Some((Reason::LargerThanPool, message));
    }
    (!claim.spec.interactive && count > max.saturating_sub(reserve)).then(|| {
        let message = format!(
            "{count} nodes are more than TestNodePool {pool} has for claims that are not interactive ({max}, less the reserve of \
             {reserve}); {admin} spec.max"
        );
        (Reason::LargerThanPool, message)
    })
}

/// It names its nodes, and cannot have them now. It does not wait.
fn refuse_names(seen: &Seen<'_>) -> Option<Move> {
    let why = match (seen.pool, &seen.turn) {
        (Pool::Open { .. }, Some(Turn::NotFree(why))) => why.clone(),
        (Pool::Paused, _) if !seen.claim.spec.nodes.is_empty() => {
            format!("TestNodePool {} is paused", seen.pool_name())
        }
        _ => return None,
    };
    Some(Move::End(Reason::NodeNotFree, why))
}

/// The desk has given it nodes: the next of them.
fn bind_next(seen: &Seen<'_>) -> Option<Move> {
    match (seen.pool, &seen.turn) {
        (Pool::Open { .. }, Some(Turn::Now(given))) => given.first().map(|uid| Move::Bind(uid.clone())),
        _ => None,
    }
}

/// It waits for its turn.
fn wait_turn(seen: &Seen<'_>) -> Option<Move> {
    if seen.pool == Pool::Paused {
        let message = format!("TestNodePool {} is paused", seen.pool_name());
        return Some(Move::Say(Saying::Waits(Reason::PoolPaused, message, None)));
    }
    let (place, of, ready, kept) = match &seen.turn {
        Some(Turn::Waits { place, of, ready, kept }) => (place, of, ready, kept),
        Some(Turn::Reserved { reserve }) => {
            let message = format!(
                "TestNodePool {} keeps {reserve} of its nodes for interactive claims; it waits until another claim ends",
                seen.pool_name()
            );
            return Some(Move::Say(Saying::Waits(Reason::Reserved, message, None)));
        }
        Some(Turn::Limited { has, most }) => {
            let message = format!(
                "claims of this namespace have {has} nodes of TestNodePool {}, and may have {most}; it waits until another of \
                 them ends",
                seen.pool_name()
            );
            return Some(Move::Say(Saying::Waits(Reason::NamespaceLimit, message, None)));
        }
        Some(Turn::Now(_) | Turn::NotFree(_)) | None => return None,
    };
    let begun = seen.living().count();
    let lacks = if begun > 0 { format!("; {begun} are its own already") } else { String::new() };
    let kept = if *kept { "; nodes are kept for it as they become Ready" } else { "" };
    let message = format!(
        "{place} of {of} that wait; it asks for {} nodes in one cloud, and {ready} are Ready there{lacks}{kept}",
        seen.claim.count()
    );
    Some(Move::Say(Saying::Waits(Reason::Queued, message, Some(*place))))
}
