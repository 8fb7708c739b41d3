//! What is said of a claim. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::serve::{Move, Saying, Seen};
use crate::api::TestNode;
use crate::api::claim::{ClaimedNode, Ended, TestNodeClaimStatus};
use crate::kubernetes::conditions::Conditions;
use crate::reason::Reason;

/// Every phase there is.
pub const PHASES: &[&str] = &["Queued", "Binding", "Bound", "Held", "Ended"];

/// The most UIDs that a status remembers as given up.
const MOST_DROPPED: usize = 200;

/// The status that a move leads to; `nodes` are those that the claim may list. `None` if the move is no status.
#[must_use]
pub fn project(seen: &Seen<'_>, chosen: &Move, nodes: &[&TestNode]) -> Option<TestNodeClaimStatus> {
    let before = seen.claim.status.clone().unwrap_or_default();
    let mut list = Conditions::new(&before.conditions, seen.claim.metadata.generation, seen.now);
    let mut status = TestNodeClaimStatus {
        observed_generation: seen.claim.metadata.generation,
        position: None,
        ..before.clone()
    };
    let held_until = seen.hold.as_ref().map(|hold| hold.until);
    status.ends_at = seen.ends.as_ref().map(|(at, _)| Time(held_until.map_or(*at, |until| until.max(*at))));
    match chosen {
        Move::Forget | Move::Bind(_) | Move::Output => return None,
        Move::GiveUp(uids) => {
            status.dropped.extend(uids.iter().cloned());
            let surplus = status.dropped.len().saturating_sub(MOST_DROPPED);
            // The oldest are gone long since.
            status.dropped.drain(..surplus);
            let message = "the other nodes did not become Ready in time, so those that it had were given up; it waits again";
            put(&mut status, &mut list, "Queued", Some("Reconciling"), Reason::Queued, message);
        }
        Move::Publish(uids) => {
            status.bound_at = Some(Time(seen.now));
            let listed =
                nodes.iter().filter(|node| node.metadata.uid.as_ref().is_some_and(|uid| uids.contains(uid)));
            status.nodes = listed.map(|node| listing(node)).collect();
            status.nodes.sort_by(|one, other| one.name.cmp(&other.name));
            put(&mut status, &mut list, "Bound", None, Reason::Bound, &told(uids.len()));
        }
        Move::End(reason, message) => {
            status.ended = Some(Ended { at: Time(seen.now), reason: *reason, message: message.clone() });
            put(&mut status, &mut list, "Ended", Some("Stalled"), *reason, message);
        }
        Move::Say(Saying::Ended) => {
            let ended = before.ended.as_ref()?;
            put(&mut status, &mut list, "Ended", Some("Stalled"), ended.reason, &ended.message);
        }
        Move::Say(Saying::Bound) => {
            freshen(&mut status, nodes);
            let count = status.nodes.len();
            put(&mut status, &mut list, bound(seen), None, Reason::Bound, &told(count));
        }
        Move::Say(Saying::Broken(reason, message)) => {
            freshen(&mut status, nodes);
            put(&mut status, &mut list, bound(seen), Some("Stalled"), *reason, message);
        }
        Move::Say(Saying::Refused(reason, message)) => {
            put(&mut status, &mut list, "Queued", Some("Stalled"), *reason, message);
        }
        Move::Say(Saying::Waits(reason, message, place)) => {
            status.position = place.and_then(|place| i64::try_from(place).ok());
            let phase = if seen.mine.is_empty() { "Queued" } else { "Binding" };
            let reason =
                if phase == "Binding" && *reason == Reason::Queued { Reason::Binding } else { *reason };
            put(&mut status, &mut list, phase, Some("Reconciling"), reason, message);
        }
    }
    if let (Move::Say(Saying::Bound | Saying::Broken(..)), Some((reason, why))) = (chosen, &seen.output) {
        list.put("Output", "False", *reason, why);
    }
    if let (Move::Say(Saying::Bound | Saying::Broken(..)), Some(hold)) = (chosen, seen.held()) {
        let cut = hold.cut.as_ref().map(|cut| format!("; {cut}")).unwrap_or_default();
        list.put("Held", "True", Reason::ClaimHeld, format!("until {} ({}){cut}", hold.until, hold.reason));
    }
    status.conditions = list.into_vec();
    Some(status)
}

fn bound(seen: &Seen<'_>) -> &'static str {
    if seen.held().is_some() { "Held" } else { "Bound" }
}

fn told(count: usize) -> String {
    format!("it has its {count} nodes; status.nodes lists them")
}

/// The phase, and `Ready` with what is beside it while it is not true.
fn put(
    status: &mut TestNodeClaimStatus,
    list: &mut Conditions<'_>,
    phase: &str,
    beside: Option<&str>,
    reason: Reason,
    message: &str,
) {
    status.phase = Some(phase.to_owned());
    list.put("Ready", if beside.is_none() { "True" } else { "False" }, reason, message);
    if let Some(kind) = beside {
        list.put(kind, "True", reason, message);
    }
}

/// Host keys, say, may be known later than the machine was handed out.
fn freshen(status: &mut TestNodeClaimStatus, nodes: &[&TestNode]) {
    for listed in &mut status.nodes {
        if let Some(node) = nodes.iter().find(|node| node.metadata.uid.as_ref() == Some(&listed.uid)) {
            let fresh = listing(node);
            // A machine that goes has no address; that it had one stays known.
            if fresh.address.is_some() {
                *listed = fresh;
            }
        }
    }
}

fn listing(node: &TestNode) -> ClaimedNode {
    let status = node.own_status();
    let ssh = status.and_then(|status| status.ssh.as_ref());
    ClaimedNode {
        name: node.metadata.name.clone().unwrap_or_default(),
        namespace: node.metadata.namespace.clone().unwrap_or_default(),
        machine_type: Some(node.spec.machine_type.clone()),
        uid: node.metadata.uid.clone().unwrap_or_default(),
        address: status.and_then(|status| status.access_ip.clone()),
        fqdn: status.and_then(|status| status.fqdn.clone()),
        user: ssh.and_then(|ssh| ssh.user.clone()),
        port: ssh.map(|ssh| ssh.port),
        host_keys: ssh.map(|ssh| ssh.host_keys.iter().take(16).cloned().collect()).unwrap_or_default(),
        host_keys_from: ssh.and_then(|ssh| ssh.host_keys_from),
        cloud: status.and_then(|status| status.cloud.clone()),
        zone: status
            .and_then(|status| status.server.as_ref())
            .and_then(|server| server.availability_zone.clone()),
    }
}

/// Whether one status says more than the place in a queue, and the words about it, beside another.
#[must_use]
pub fn is_news(before: Option<&TestNodeClaimStatus>, after: &TestNodeClaimStatus) -> bool {
    let Some(before) = before else { return true };
    let dull = |status: &TestNodeClaimStatus| {
        let quiet = |condition: &Condition| Condition { message: String::new(), ..condition.clone() };
        TestNodeClaimStatus {
            position: None,
            conditions: status.conditions.iter().map(quiet).collect(),
            ..status.clone()
        }
    };
    before.position.is_none() || after.position.is_none() || dull(before) != dull(after)
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;
    use crate::api::TestNodeClaim;
    use crate::pool::slot::examples::NOW;

    fn claim() -> TestNodeClaim {
        from_value(json!({"metadata": {"name": "a-1", "namespace": "a", "uid": "u-a-1", "generation": 3},
            "spec": {"pool": {"name": "smithi"}}}))
        .unwrap()
    }

    fn node() -> TestNode {
        from_value(json!({
            "metadata": {"name": "smithi001", "namespace": "lab", "uid": "n-1"}, "spec": {"machineType": "lab"},
            "status": {"accessIP": "10.0.0.7", "fqdn": "smithi001.lab.test", "cloud": "lab",
                "ssh": {"user": "ubuntu", "port": 22, "hostKeys": ["smithi001 ssh-ed25519 AAAA"]}},
        }))
        .unwrap()
    }

    fn after(claim: &TestNodeClaim, chosen: &Move, nodes: &[&TestNode]) -> TestNodeClaimStatus {
        project(&Seen::new(NOW, claim), chosen, nodes).unwrap()
    }

    #[test]
    fn a_bound_claim_lists_its_nodes_with_what_one_needs_to_log_in() {
        let status = after(&claim(), &Move::Publish(vec!["n-1".into()]), &[&node()]);

        assert_eq!(
            (status.phase.as_deref(), status.bound_at, status.observed_generation),
            (Some("Bound"), Some(Time(NOW)), Some(3))
        );
        let listed = &status.nodes[0];
        assert_eq!(
            (
                listed.name.as_str(),
                listed.address.as_deref(),
                listed.fqdn.as_deref(),
                listed.user.as_deref(),
                listed.port
            ),
            ("smithi001", Some("10.0.0.7"), Some("smithi001.lab.test"), Some("ubuntu"), Some(22))
        );
        assert_eq!(status.conditions[0].status, "True");
    }

    #[test]
    fn a_listed_node_that_goes_keeps_what_was_known_of_it() {
        let bound = after(&claim(), &Move::Publish(vec!["n-1".into()]), &[&node()]);
        let claim = TestNodeClaim { status: Some(bound.clone()), ..claim() };
        let mut going = node();
        going.status = None;

        let broken = Move::Say(Saying::Broken(Reason::NodeLost, "node smithi001 was deleted".into()));
        let status = after(&claim, &broken, &[&going]);

        assert_eq!(status.nodes, bound.nodes);
        assert_eq!(
            status.conditions.iter().map(|c| c.type_.as_str()).collect::<Vec<_>>(),
            ["Ready", "Stalled"]
        );
    }

    #[test]
    fn another_place_in_the_queue_is_no_news() {
        let waits =
            |place: usize| Move::Say(Saying::Waits(Reason::Queued, format!("{place} of 9"), Some(place)));
        let third = after(&claim(), &waits(3), &[]);

        assert!(is_news(None, &third));
        assert!(!is_news(Some(&third), &after(&claim(), &waits(2), &[])));
        assert!(is_news(Some(&third), &after(&claim(), &Move::Publish(Vec::new()), &[])));
    }
}
