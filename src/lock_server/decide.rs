//! What a request means, given how the lab stands. Pure.

use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use kube::ResourceExt;
use ring::digest::{SHA256, digest};

use super::lab::{Pools, Served, Spot, lists, owner};
use super::wire::{LockMany, LockOne, Wanted};
use crate::api::TestNodeClaim;
use crate::pool::slot::State;

#[cfg(test)]
mod tests;

/// How the name of a claim of the lock server begins.
pub const PREFIX: &str = "tl-";

/// Owners that are programs: theirs are jobs from a queue.
const SCHEDULED: &str = "scheduled";

/// A claim's lease until it is answered: teuthology asks every 10 s.
pub const WHILE_IT_WAITS: &str = "90s";
/// A claim's lease after that, until one of its nodes is asked for: a job that lives does so at once.
pub const UNTIL_CONFIRMED: &str = "10m";
/// How long a job keeps its nodes at the longest.
pub const OF_A_JOB: &str = "96h";

/// A refusal: a status of HTTP, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct No(pub u16, pub String);

impl No {
    fn new(status: u16, text: impl Into<String>) -> Self {
        Self(status, text.into())
    }
}

/// What becomes of a request to lock one node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Lock {
    /// It is so already.
    Done,
    /// A claim of this node must be made.
    Claim,
    /// No.
    No(No),
}

/// What becomes of a request to unlock one node.
#[derive(Clone, Debug, PartialEq)]
pub enum Unlock<'a> {
    /// It is so already.
    Done,
    /// This claim must give the node back.
    Release(&'a TestNodeClaim),
    /// No.
    No(No),
}

/// How many machines of a pool can be had.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Room {
    /// At once.
    pub warm: usize,
    /// At once, or after they were made.
    pub free: usize,
}

/// Whether a description is the path of a job: of a program that asks for its nodes as soon as it is told of them.
#[must_use]
pub fn is_job(description: Option<&str>) -> bool {
    description.is_some_and(|text| {
        text.starts_with('/')
            && !text.contains(char::is_whitespace)
            && text.split('/').filter(|part| !part.is_empty()).count() >= 2
    })
}

/// Whether a claim is for a job. One that names its nodes is a person's, whatever it says.
#[must_use]
pub fn is_for_job(nodes: &[String], description: Option<&str>) -> bool {
    nodes.is_empty() && is_job(description)
}

/// Whether a person waits.
#[must_use]
pub fn is_interactive(owner: &str) -> bool {
    !owner.starts_with(SCHEDULED)
}

/// How the names of claims for one request begin: the same request finds the claim of before.
#[must_use]
pub fn stem(owner: &str, description: Option<&str>, what: &[&str]) -> String {
    let mut all = vec![owner, description.unwrap_or_default()];
    all.extend(what);
    // Lengths keep the parts apart.
    let text = all.iter().fold(String::new(), |mut text, part| {
        let _ = write!(text, "{}:{part};", part.len());
        text
    });
    let hash = digest(&SHA256, text.as_bytes());
    format!("{PREFIX}{}", HEXLOWER.encode(hash.as_ref()).chars().take(20).collect::<String>())
}

/// The stem of a request for some nodes.
#[must_use]
pub fn stem_of(request: &LockMany) -> String {
    let word = |word: &Option<String>| word.clone().unwrap_or_default();
    let Wanted { os_type, os_version, arch } = &request.wanted;
    stem(
        &request.owner,
        request.description.as_deref(),
        &[
            &request.machine_types.join("|"),
            &word(os_type),
            &word(os_version),
            &word(arch),
            &request.count.to_string(),
        ],
    )
}

/// The claim that a request means: of those that count, the one with the lowest number that nobody was told of for sure, else a
/// new one, by its name.
#[must_use]
pub fn pick<'a>(
    stem: &str,
    claims: &'a [TestNodeClaim],
    counts: impl Fn(&TestNodeClaim) -> bool,
) -> (String, Option<&'a TestNodeClaim>) {
    let is_open = |claim: &TestNodeClaim| claim.spec.lease.is_some() && claim.is_living() && counts(claim);
    for number in 1..=claims.len() {
        let name = format!("{stem}-{number}");
        match claims.iter().find(|claim| claim.name_any() == name) {
            None => return (name, None),
            Some(claim) if is_open(claim) => return (name, Some(claim)),
            Some(_) => {}
        }
    }
    (format!("{stem}-{}", claims.len() + 1), None)
}

/// Whether the claim of a request still serves it: it has its nodes, or its pool may still give it some.
#[must_use]
pub fn may_wait(claim: &TestNodeClaim, pools: &Pools, request: &LockMany) -> bool {
    let is_asked = |pool: &Served| claim.asks(&pool.pool) && can_serve(pool, request);
    claim.is_bound() || fitting(&of_type(pools, request), &request.wanted).into_iter().any(is_asked)
}

/// How a claim stands for the one who asked for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Stand {
    /// It has its nodes.
    Bound,
    /// It waits, and this is what for.
    Waits(String),
    /// It cannot be served as it is.
    Refused(String),
    /// It is over.
    Ended(String),
}

/// How a claim stands.
#[must_use]
pub fn stand(claim: &TestNodeClaim) -> Stand {
    if let Some(ended) = claim.status.as_ref().and_then(|status| status.ended.as_ref()) {
        return Stand::Ended(ended.message.clone());
    }
    if claim.metadata.deletion_timestamp.is_some() {
        return Stand::Ended("its claim was deleted".into());
    }
    if claim.is_bound() {
        return Stand::Bound;
    }
    let conditions = claim.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let find = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind);
    let said = find("Ready").map(|ready| ready.message.clone());
    match (said, find("Stalled").filter(|stalled| stalled.status == "True")) {
        (Some(said), Some(_)) => Stand::Refused(said),
        (Some(said), None) => Stand::Waits(said),
        (None, _) => Stand::Waits("testnode-operator has not looked at it yet".into()),
    }
}

/// Which pool serves a request: of those with its machine type, system and architecture one that can do so at once, else one
/// that can do so at all.
///
/// # Errors
/// In words, if there is none.
pub fn choose<'a>(
    pools: &'a Pools,
    request: &LockMany,
    room: impl Fn(&Served) -> Room,
) -> Result<&'a Served, String> {
    let types = request.machine_types.join("|");
    let of_type = of_type(pools, request);
    if of_type.is_empty() {
        let left_out =
            pools.left_out.iter().map(|(pool, why)| format!("; TestNodePool {pool} is left out: {why}"));
        return Err(format!("no pool has machines of type {types}{}", left_out.collect::<String>()));
    }
    let fitting = fitting(&of_type, &request.wanted);
    let count = usize::try_from(request.count).unwrap_or(usize::MAX);
    let best = fitting.iter().filter(|pool| can_serve(pool, request)).max_by_key(|pool| {
        let room = room(pool);
        // Of equals the first by name.
        (room.warm >= count, room.free >= count, std::cmp::Reverse(pool.pool.name_any()))
    });
    match (best, fitting.first()) {
        (Some(best), _) => Ok(best),
        (None, None) => {
            let have: Vec<String> = of_type.iter().filter_map(|pool| describe(pool)).collect();
            Err(format!("{types} has no {}; it has {}", asked(&request.wanted), have.join(", ")))
        }
        (None, Some(_)) if fitting.iter().all(|pool| pool.pool.spec.paused) => {
            Err(format!("every pool of {types} for this is paused"))
        }
        (None, Some(_)) => {
            let working = fitting.iter().filter(|pool| !pool.pool.spec.paused);
            let most = working.map(|pool| most(pool, is_interactive(&request.owner))).max().unwrap_or(0);
            Err(format!(
                "a pool of {types} has at most {most} machines for such a request; {count} were asked for"
            ))
        }
    }
}

fn of_type<'a>(pools: &'a Pools, request: &LockMany) -> Vec<&'a Served> {
    pools.served.iter().filter(|pool| request.machine_types.contains(&pool.machine_type)).collect()
}

/// The most machines that a pool ever gives to one claim.
fn most(pool: &Served, is_interactive: bool) -> usize {
    let rules = &pool.pool.spec.claims;
    let number = |number: i64| usize::try_from(number).unwrap_or(0);
    let reserve = if is_interactive { 0 } else { number(rules.reserve) };
    let most = pool.max().saturating_sub(reserve);
    rules.max_nodes_per_namespace.map_or(most, |limit| most.min(number(limit)))
}

/// Whether a pool serves a request now or later, as far as its size and its rules say.
fn can_serve(pool: &Served, request: &LockMany) -> bool {
    let count = usize::try_from(request.count).unwrap_or(usize::MAX);
    !pool.pool.spec.paused && most(pool, is_interactive(&request.owner)) >= count
}

fn describe(pool: &Served) -> Option<String> {
    let os = pool.os.as_ref()?;
    Some(if pool.arch == "x86_64" { os.to_string() } else { format!("{os} {}", pool.arch) })
}

fn asked(wanted: &Wanted) -> String {
    let parts = [&wanted.os_type, &wanted.os_version, &wanted.arch];
    parts.into_iter().flatten().cloned().collect::<Vec<_>>().join(" ")
}

/// The pools whose machines are as they are wanted. With no system asked for: those of the default one, else the first by name
/// and those that have the same.
fn fitting<'a>(pools: &[&'a Served], wanted: &Wanted) -> Vec<&'a Served> {
    let arch = wanted.arch.as_deref().map(str::to_lowercase);
    let mut found: Vec<&Served> = pools
        .iter()
        .copied()
        .filter(|pool| arch.as_ref().is_none_or(|arch| *arch == pool.arch.to_lowercase()))
        .collect();
    if let Some(kind) = &wanted.os_type {
        found.retain(|pool| pool.os.as_ref().is_some_and(|os| os.kind.eq_ignore_ascii_case(kind)));
    }
    if let Some(version) = &wanted.os_version {
        let version = version.to_lowercase();
        let exact = |pool: &&Served| is_version(pool, |own| own == version);
        if found.iter().any(exact) {
            found.retain(|pool| is_version(pool, |own| own == version));
        } else {
            let near =
                |own: &str| own.strip_prefix(version.as_str()).is_some_and(|rest| rest.starts_with('.'));
            let far = |own: &str| version.strip_prefix(own).is_some_and(|rest| rest == ".stream");
            let newest = found
                .iter()
                .filter_map(|pool| pool.os.as_ref())
                .map(|os| os.version.to_lowercase())
                .filter(|own| !version.contains('.') && near(own) || far(own))
                .max_by_key(|own| numbers(own));
            found.retain(|pool| newest.as_ref().is_some_and(|newest| is_version(pool, |own| own == newest)));
        }
    } else if let Some(usual) = found.iter().find(|pool| pool.is_default).or_else(|| found.first()).copied() {
        found.retain(|pool| pool.os == usual.os);
    }
    found
}

fn is_version(pool: &Served, is: impl Fn(&str) -> bool) -> bool {
    pool.os.as_ref().is_some_and(|os| is(&os.version.to_lowercase()))
}

fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

/// What becomes of a request to lock one node. `warm` are names of others that could be locked.
#[must_use]
pub fn lock(spot: &Spot<'_>, request: &LockOne, warm: &[String]) -> Lock {
    let Some(who) = &request.owner else {
        return Lock::No(No::new(400, "Cannot lock without specifying locked_by"));
    };
    if let Some(holder) = spot.holder {
        let same = owner(holder) == *who
            && request.description.is_some()
            && request.description.as_deref() == holder.spec.description.as_deref();
        // The claim of this very request, and nobody was told of it for sure.
        let again = owner(holder) == *who
            && request.description.as_deref() == holder.spec.description.as_deref()
            && holder.spec.lease.is_some()
            && holder.spec.nodes.contains(&spot.host)
            && holder.name_any().starts_with(PREFIX);
        if again {
            return Lock::Claim;
        }
        return if same { Lock::Done } else { Lock::No(No::new(403, "Cannot lock an already-locked node")) };
    }
    if spot.is_warm() || spot.is_for_a_look() {
        return Lock::Claim;
    }
    let others = match warm {
        [] => String::new(),
        names => format!("lock one of {}, or ", names.join(", ")),
    };
    let how = match spot.slot() {
        None => "has no machine yet".into(),
        Some(found) if found.claim.is_some() || found.state == State::Going => "is being removed".into(),
        Some(found) if found.is_paused => "is being looked at by an admin".into(),
        Some(found) => match found.state {
            State::Broken(_) => format!("is broken ({})", found.said),
            State::Ready | State::Coming | State::Failing | State::Taken | State::Going => {
                "is not ready yet".to_owned()
            }
        },
    };
    Lock::No(No::new(503, format!("{} {how}; {others}use --lock-many", spot.host)))
}

/// What becomes of a request to unlock one node. `former` are claims that had a node of this name, as far as they are known.
#[must_use]
pub fn unlock<'a>(
    spot: &Spot<'a>,
    request: &LockOne,
    former: &[&'a TestNodeClaim],
    namespace: &str,
) -> Unlock<'a> {
    let Some(who) = &request.owner else {
        return Unlock::No(No::new(400, "Cannot unlock without specifying locked_by"));
    };
    let given = request.description.as_deref().unwrap_or_default();
    let same_words = |claim: &TestNodeClaim| {
        given.is_empty() || claim.spec.description.as_deref().unwrap_or_default() == given
    };
    let had = || {
        let mine = |claim: &&&TestNodeClaim| {
            let listed =
                lists(claim, &spot.served.pool, &spot.host) || claim.spec.released.contains(&spot.host);
            claim.asks(&spot.served.pool) && listed && owner(claim) == *who && same_words(claim)
        };
        let is_over = |claim: &&TestNodeClaim| claim.spec.released.contains(&spot.host) || !claim.is_living();
        // One that has lost its machine, and does not know it, before those that gave it back.
        former.iter().filter(mine).min_by_key(|claim| is_over(claim)).map(|claim| (*claim, is_over(claim)))
    };
    // What a claim of the same owner had is given back, or was: whoever asked first or again is told so.
    let else_refused = |why: &str| match had() {
        Some((_, true)) => Unlock::Done,
        Some((claim, false)) => Unlock::Release(claim),
        None => Unlock::No(No::new(403, why)),
    };
    let Some(holder) = spot.holder else { return else_refused("Cannot unlock an already-unlocked node") };
    if owner(holder) != *who {
        // A late retry, after somebody else got the next machine of this name.
        return else_refused("Cannot unlock - locked_by values must match");
    }
    if holder.namespace().as_deref() != Some(namespace) {
        return Unlock::No(No::new(
            403,
            format!(
                "Cannot unlock - TestNodeClaim {}/{} of another namespace has it; release it there",
                holder.namespace().unwrap_or_default(),
                holder.name_any()
            ),
        ));
    }
    if !same_words(holder) {
        // Perhaps the next machine of this name went to another claim of the same owner.
        return else_refused("Cannot unlock - description values must match");
    }
    Unlock::Release(holder)
}
