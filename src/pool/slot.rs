//! A node, as its pool and its claim see it.

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::pool::templated;
use crate::api::testnode_status::Outcome;
use crate::api::{ClaimRef, TestNode, TestNodeSpec};
use crate::reason::Reason;

/// How a node stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Ready, and said so of the spec as it is now.
    Ready,
    /// It is being made; or it was Ready, and cannot be looked at.
    Coming,
    /// A launch of it failed, or it cannot be made as it is; it was never Ready.
    Failing,
    /// It was Ready, and its machine broke then.
    Broken(Timestamp),
    /// Another node has its host name; it goes on when that is gone. Nobody knows when.
    Taken,
    /// It is being deleted.
    Going,
}

/// A node of a pool.
#[expect(clippy::struct_excessive_bools, reason = "what can be the case or not, each by itself")]
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// How it stands.
    pub state: State,
    /// The claim that has it.
    pub claim: Option<ClaimRef>,
    /// Who has it.
    pub owner: Option<String>,
    /// The cloud it is in.
    pub cloud: Option<String>,
    /// It is what the template asks for now.
    pub is_current: bool,
    /// An admin looks at it: it is neither handed out nor dropped.
    pub is_paused: bool,
    /// A `TestNodeSlot` says that something is wrong with it: it is not dropped, and only who names it has it.
    pub is_down: bool,
    /// It was made from a version of a MachineImage that is rejected now: it is not handed out, and dropped.
    pub is_rejected: bool,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it was first Ready.
    pub ready_at: Option<Timestamp>,
    /// What its condition `Ready` says.
    pub said: String,
}

impl Slot {
    /// A node, held against a template; and whether somebody marked it as down.
    #[must_use]
    pub fn of(node: &TestNode, template: &TestNodeSpec, is_down: bool) -> Self {
        let status = node.own_status();
        let ready = status.and_then(|status| status.conditions.iter().find(|c| c.type_ == "Ready"));
        let times = status.and_then(|status| status.times.as_ref());
        Self {
            name: node.name_any(),
            uid: node.uid().unwrap_or_default(),
            state: state(node),
            claim: node.spec.claim_ref.clone(),
            owner: node.spec.owner.clone(),
            cloud: status.and_then(|status| status.cloud.clone()),
            is_current: templated(&node.spec) == templated(template),
            is_paused: node.spec.paused,
            is_down,
            is_rejected: false,
            created: node.creation_timestamp().map(|time| time.0),
            ready_at: times.and_then(|times| times.ready_at.as_ref()).map(|time| time.0),
            said: ready.map(|ready| format!("{}: {}", ready.reason, ready.message)).unwrap_or_default(),
        }
    }

    /// No claim has it, it stays, and nobody looks at it.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.claim.is_none() && self.state != State::Going && !self.is_paused && !self.is_down
    }

    /// It is idle, and in this state.
    #[must_use]
    pub fn is(&self, state: State) -> bool {
        self.is_idle() && self.state == state
    }
}

fn state(node: &TestNode) -> State {
    let Some(status) = node.own_status() else {
        return if node.metadata.deletion_timestamp.is_some() { State::Going } else { State::Coming };
    };
    let find = |kind: &str| {
        status.conditions.iter().find(|condition| condition.type_ == kind && condition.status != "False")
    };
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
    let was_ready = status.times.as_ref().is_some_and(|times| times.ready_at.is_some());
    let failed = || {
        status
            .attempts
            .iter()
            .any(|attempt| attempt.closed_at.is_some() && attempt.outcome == Some(Outcome::Failed))
    };
    if node.metadata.deletion_timestamp.is_some() {
        State::Going
    } else if find("Ready").is_some_and(|ready| ready.status == "True") {
        if status.observed_generation == node.metadata.generation { State::Ready } else { State::Coming }
    } else if !was_ready && ready.is_some_and(|ready| ready.reason == Reason::NameConflict.as_str()) {
        State::Taken
    } else if was_ready {
        find("Stalled").map_or(State::Coming, |stalled| State::Broken(stalled.last_transition_time.0))
    } else if find("Stalled").is_some() || failed() {
        State::Failing
    } else {
        State::Coming
    }
}

#[cfg(test)]
pub(crate) mod examples {
    use super::*;

    /// Second 1000 of these stories.
    pub const NOW: Timestamp = Timestamp::constant(1000, 0);

    /// An idle node of the present template, made at second `number`.
    pub fn slot(number: i64, state: State) -> Slot {
        let at = |seconds| Some(Timestamp::constant(seconds, 0));
        Slot {
            name: format!("smithi{number:03}"),
            uid: format!("n-{number}"),
            state,
            claim: None,
            owner: None,
            cloud: Some("lab".into()),
            is_current: true,
            is_paused: false,
            is_down: false,
            is_rejected: false,
            created: at(number),
            ready_at: matches!(state, State::Ready | State::Broken(_)).then(|| at(number + 100)).flatten(),
            said: "Ready: Ready".into(),
        }
    }

    /// The same, of an earlier template.
    pub fn outdated(number: i64, state: State) -> Slot {
        Slot { is_current: false, ..slot(number, state) }
    }

    /// One that a claim has.
    pub fn claimed(number: i64, claim: &str) -> Slot {
        Slot { claim: Some(of(claim)), ..slot(number, State::Ready) }
    }

    /// The claim of this name, whose namespace is the part before the dash.
    pub fn of(claim: &str) -> ClaimRef {
        let namespace = claim.split('-').next().unwrap_or_default();
        ClaimRef { namespace: namespace.into(), name: claim.into(), uid: format!("u-{claim}") }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn node(status: &Value) -> TestNode {
        from_value(json!({
            "metadata": {"name": "smithi001", "uid": "n-1", "generation": 2},
            "spec": {"machineType": "lab", "poolRef": {"name": "smithi", "uid": "p-1"}}, "status": status,
        }))
        .unwrap()
    }

    fn condition(kind: &str, status: &str) -> Value {
        json!({"type": kind, "status": status, "reason": "X", "message": "m", "lastTransitionTime": "1970-01-01T00:10:00Z"})
    }

    fn state_of(generation: i64, conditions: &[Value], ready_at: Option<&str>, attempts: &Value) -> State {
        let status = json!({"observedGeneration": generation, "conditions": conditions, "attempts": attempts,
            "times": {"readyAt": ready_at}});
        state(&node(&status))
    }

    #[test]
    fn only_ready_at_the_spec_as_it_is_counts_as_ready() {
        let ready = [condition("Ready", "True")];

        assert_eq!(state_of(2, &ready, Some("1970-01-01T00:00:10Z"), &json!([])), State::Ready);
        assert_eq!(state_of(1, &ready, Some("1970-01-01T00:00:10Z"), &json!([])), State::Coming);
        assert_eq!(state(&node(&Value::Null)), State::Coming);
    }

    #[test]
    fn a_machine_that_broke_is_told_from_one_that_never_was_and_from_a_cloud_that_is_away() {
        let stalled = [condition("Ready", "False"), condition("Stalled", "True")];
        let at = Timestamp::from_second(600).unwrap();
        let was = Some("1970-01-01T00:00:10Z");

        assert_eq!(state_of(2, &stalled, was, &json!([])), State::Broken(at));
        assert_eq!(state_of(2, &stalled, None, &json!([])), State::Failing);
        assert_eq!(state_of(2, &[condition("Ready", "Unknown")], was, &json!([])), State::Coming);
    }

    #[test]
    fn one_whose_host_name_another_node_has_is_not_coming() {
        let mut ready = condition("Ready", "False");
        ready["reason"] = "NameConflict".into();
        let failed = json!([{"number": 1, "round": 1, "cloud": "lab", "closedAt": "1970-01-01T00:00:10Z", "outcome": "Failed"}]);

        assert_eq!(state_of(2, std::slice::from_ref(&ready), None, &json!([])), State::Taken);
        assert_eq!(state_of(2, std::slice::from_ref(&ready), None, &failed), State::Taken);
        assert_eq!(state_of(2, &[ready], Some("1970-01-01T00:00:10Z"), &json!([])), State::Coming);
    }

    #[test]
    fn one_failed_attempt_makes_it_failing_until_it_is_ready() {
        let failed = json!([{"number": 1, "round": 1, "cloud": "lab", "closedAt": "1970-01-01T00:00:10Z", "outcome": "Failed"}]);

        assert_eq!(state_of(2, &[condition("Ready", "False")], None, &failed), State::Failing);
        assert_eq!(state_of(2, &[condition("Ready", "True")], None, &failed), State::Ready);
    }
}
