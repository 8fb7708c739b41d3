//! The lab at a glance: who has which machine since when and for what; what is idle, coming, broken, and who waits. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use serde::Serialize;

use super::decide::{Stand, stand};
use super::lab::{Known, Pools, has, owner};
use super::wire::parameters;
use crate::api::{Cloud, TestNode, TestNodeClaim, TestNodePool, TestNodeSpec};
use crate::pool::slot::{Slot, State};
use crate::saying::Saying;

mod html;
#[cfg(test)]
mod tests;

pub use html::html;

/// The longest text of somebody else that is shown.
const LONGEST: usize = 300;

/// All that is shown.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Glance {
    /// When this was so.
    pub at: String,
    /// All machines, by name.
    pub machines: Vec<Machine>,
    /// Claims that wait, the oldest first.
    pub waiting: Vec<Waiting>,
    /// Pools.
    pub pools: Vec<Pool>,
    /// Clouds.
    pub clouds: Vec<Account>,
    /// Pools that teuthology is not shown, and why.
    pub left_out: BTreeMap<String, String>,
}

/// How a machine stands, for people.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// Somebody has it.
    Taken,
    /// It can be had at once.
    Idle,
    /// It is being made.
    Coming,
    /// Something is wrong with it.
    Broken,
    /// Somebody marked it down.
    Down,
    /// It is being removed.
    Going,
}

impl How {
    /// In a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Idle => "idle",
            Self::Coming => "coming",
            Self::Broken => "broken",
            Self::Down => "down",
            Self::Going => "going",
        }
    }
}

/// A machine.
#[derive(Clone, Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "programs read these names")]
pub struct Machine {
    /// Its full name, or else its host name.
    pub name: String,
    /// How it stands.
    pub state: How,
    /// Who has it.
    pub owner: Option<String>,
    /// What for.
    pub description: Option<String>,
    /// Since when it stands so.
    pub since: Option<String>,
    /// Until when whoever has it may keep it.
    pub until: Option<String>,
    /// Its machine type.
    pub machine_type: String,
    /// Its system.
    pub os: Option<String>,
    /// Its address.
    pub address: Option<String>,
    /// Its pool, as `namespace/name`.
    pub pool: Option<String>,
    /// Its namespace.
    pub namespace: String,
    /// Its cloud.
    pub cloud: Option<String>,
    /// What is wrong, or what is waited for.
    pub message: Option<String>,
}

/// A claim that waits.
#[derive(Clone, Debug, Serialize)]
pub struct Waiting {
    /// The claim, as `namespace/name`.
    pub claim: String,
    /// The pool, as `namespace/name`.
    pub pool: String,
    /// Who waits.
    pub owner: String,
    /// What for.
    pub description: Option<String>,
    /// For how many machines.
    pub count: usize,
    /// Since when.
    pub since: Option<String>,
    /// Why.
    pub message: String,
}

/// A pool.
#[derive(Clone, Debug, Serialize)]
pub struct Pool {
    /// As `namespace/name`.
    pub name: String,
    /// teuthology's machine type, if it is shown the pool.
    pub machine_type: Option<String>,
    /// Machines that can be had at once.
    pub idle: usize,
    /// Machines that are being made.
    pub coming: usize,
    /// Machines that somebody has.
    pub taken: usize,
    /// Machines that are broken or marked down.
    pub broken: usize,
    /// Machines that are being removed.
    pub going: usize,
    /// The most that there can be.
    pub max: i64,
    /// Claims that wait.
    pub waiting: usize,
    /// What it says of itself, if it does not work.
    pub message: Option<String>,
}

/// A cloud.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its machines.
    pub machines: usize,
    /// Those of them that somebody has.
    pub taken: usize,
    /// Whether it works.
    pub works: bool,
    /// What it says, if it does not.
    pub message: Option<String>,
}

/// What is searched for in a query.
#[must_use]
pub fn searched(query: &str) -> String {
    let q = parameters(query).into_iter().find(|(key, _)| key == "q").map(|(_, value)| value);
    Saying::line(&q.unwrap_or_default(), 100)
}

fn shown(text: &str) -> String {
    Saying::line(text, LONGEST)
}

/// Puts it together.
#[must_use]
pub fn glance(
    served: &Pools,
    known: &Known,
    clouds: &[Arc<Cloud>],
    pools: &[Arc<TestNodePool>],
    now: Timestamp,
) -> Glance {
    let mut machines: Vec<Machine> = known.nodes.values().map(|node| machine(node, known)).collect();
    machines.sort_by(|a, b| (&a.name, &a.namespace).cmp(&(&b.name, &b.namespace)));
    let mut waits: Vec<&Arc<TestNodeClaim>> = known
        .claims
        .values()
        .filter(|claim| claim.is_living() && !matches!(stand(claim), Stand::Bound | Stand::Ended(_)))
        .collect();
    waits.sort_by_key(|claim| (claim.creation_timestamp().map(|at| at.0), claim.name_any()));
    let waiting: Vec<Waiting> = waits.iter().map(|claim| waiting(claim)).collect();
    let mut all: Vec<Pool> = pools.iter().map(|pool| summary(pool, served, &machines, &waiting)).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let mut clouds: Vec<Account> = clouds.iter().map(|cloud| account(cloud, &machines)).collect();
    clouds.sort_by(|a, b| a.name.cmp(&b.name));
    let left_out = served.left_out.iter().map(|(pool, why)| (pool.clone(), shown(why))).collect();
    Glance { at: instant(now), machines, waiting, pools: all, clouds, left_out }
}

fn machine(node: &TestNode, known: &Known) -> Machine {
    let namespace = node.namespace().unwrap_or_default();
    let (slot, status) = (Slot::of(node, &TestNodeSpec::default(), false), node.own_status());
    let holder = node.spec.claim_ref.as_ref().and_then(|named| known.claims.get(&named.uid));
    let holder = holder.filter(|claim| has(claim, node));
    let mark = known.marks.get(&(namespace.clone(), node.name_any()));
    let is_down = mark.is_some_and(|mark| mark.is_down(node.metadata.uid.as_deref()));
    let pool = node.spec.pool_ref.as_ref();
    // Without a pool nobody shares it: whoever made it has it.
    let has_no_pool = pool.is_none();
    let state = match slot.state {
        State::Going => How::Going,
        State::Broken(_) | State::Failing | State::Taken => How::Broken,
        _ if holder.is_some() => How::Taken,
        _ if is_down => How::Down,
        State::Coming => How::Coming,
        _ if node.spec.claim_ref.is_some() => How::Going,
        State::Ready if has_no_pool => How::Taken,
        State::Ready => How::Idle,
    };
    let times = status.and_then(|status| status.times.as_ref());
    let bound = holder.and_then(|claim| claim.status.as_ref()?.bound_at.clone());
    let since = if state == How::Taken && holder.is_some() {
        bound
    } else {
        times.and_then(|times| times.since.clone())
    };
    let until = match holder {
        Some(claim) => claim.status.as_ref().and_then(|status| status.ends_at.clone()),
        None if has_no_pool => times.and_then(|times| times.expires_at.clone()),
        None => None,
    };
    let words = mark.filter(|_| is_down).and_then(|mark| mark.spec.description.clone());
    let message = match state {
        How::Taken | How::Idle => None,
        How::Down => Some(words.unwrap_or_else(|| "marked down".into())),
        How::Coming | How::Broken | How::Going => Some(slot.said.clone()).filter(|said| !said.is_empty()),
    };
    let who = holder.map(|claim| owner(claim));
    let what = holder.and_then(|claim| claim.spec.description.clone());
    Machine {
        name: status.and_then(|status| status.fqdn.clone()).unwrap_or_else(|| node.hostname().to_owned()),
        state,
        owner: who
            .or_else(|| has_no_pool.then(|| node.spec.owner.clone().unwrap_or_else(|| namespace.clone()))),
        description: what
            .or_else(|| node.spec.description.clone().filter(|_| has_no_pool))
            .map(|text| shown(&text)),
        since: since.map(|at| instant(at.0)),
        until: until.map(|at| instant(at.0)),
        machine_type: node.spec.machine_type.clone(),
        os: status.and_then(|status| status.os.clone()),
        address: status.and_then(|status| status.access_ip.clone()),
        pool: pool.map(|pool| format!("{namespace}/{}", pool.name)),
        namespace,
        cloud: status.and_then(|status| status.cloud.clone()),
        message: message.map(|text| shown(&text)),
    }
}

fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn waiting(claim: &TestNodeClaim) -> Waiting {
    let message = match stand(claim) {
        Stand::Waits(why) | Stand::Refused(why) | Stand::Ended(why) => why,
        Stand::Bound => String::new(),
    };
    Waiting {
        claim: format!("{}/{}", claim.namespace().unwrap_or_default(), claim.name_any()),
        pool: format!("{}/{}", claim.pool_namespace(), claim.spec.pool.name),
        owner: owner(claim),
        description: claim.spec.description.as_deref().map(shown),
        count: claim.count(),
        since: claim.creation_timestamp().map(|at| instant(at.0)),
        message: shown(&message),
    }
}

fn summary(pool: &TestNodePool, served: &Pools, machines: &[Machine], waiting: &[Waiting]) -> Pool {
    let name = format!("{}/{}", pool.namespace().unwrap_or_default(), pool.name_any());
    let own: Vec<How> =
        machines.iter().filter(|m| m.pool.as_ref() == Some(&name)).map(|machine| machine.state).collect();
    let count = |states: &[How]| own.iter().filter(|state| states.contains(state)).count();
    let shown_as = served.served.iter().find(|found| found.pool.metadata.uid == pool.metadata.uid);
    let conditions = pool.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let message = ready(conditions).and_then(complaint);
    Pool {
        machine_type: shown_as.map(|served| served.machine_type.clone()),
        idle: count(&[How::Idle]),
        coming: count(&[How::Coming]),
        taken: count(&[How::Taken]),
        broken: count(&[How::Broken, How::Down]),
        going: count(&[How::Going]),
        max: pool.spec.max,
        waiting: waiting.iter().filter(|claim| claim.pool == name).count(),
        message: if pool.spec.paused { Some("paused".into()) } else { message },
        name,
    }
}

fn ready(conditions: &[Condition]) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == "Ready")
}

/// Why something is not Ready.
fn complaint(ready: &Condition) -> Option<String> {
    (ready.status != "True").then(|| shown(&format!("{}: {}", ready.reason, ready.message)))
}

fn account(cloud: &Cloud, machines: &[Machine]) -> Account {
    let name = cloud.name_any();
    let own: BTreeSet<(&str, &str, How)> = machines
        .iter()
        .filter(|machine| machine.cloud.as_ref() == Some(&name))
        .map(|machine| (machine.namespace.as_str(), machine.name.as_str(), machine.state))
        .collect();
    let conditions = cloud.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let ready = ready(conditions);
    Account {
        machines: own.len(),
        taken: own.iter().filter(|(_, _, state)| *state == How::Taken).count(),
        works: ready.is_some_and(|ready| ready.status == "True"),
        message: ready.and_then(complaint),
        name,
    }
}
