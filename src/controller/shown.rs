//! What the metrics show of nodes and Clouds: how they stand, how long nodes wait, and which should be Ready by now. Pure.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::common::Timeouts;
use crate::api::{Cloud, MachineType, TestNode, TestNodeClaim, TestNodePool};
use crate::claim;
use crate::gate::{Bounds, Gate};
use crate::metrics::{CloudSeen, NodeSeen, PoolSeen};
use crate::reason::Reason;
use crate::reconcile::status::PHASES;

/// The schema lets no time in that cannot be read.
const UNREADABLE: Duration = Duration::from_mins(15);

/// Each node, as its status says; `Pending` where nothing is said yet.
pub(super) fn nodes(nodes: &[Arc<TestNode>], types: &[Arc<MachineType>], now: Timestamp) -> Vec<NodeSeen> {
    nodes.iter().map(|node| shown(node, types, now)).collect()
}

/// Each Cloud, with the number of nodes that wait for room there.
pub(super) fn clouds(clouds: &[Arc<Cloud>], gate: &Gate) -> Vec<CloudSeen> {
    let shown = |cloud: &Arc<Cloud>| {
        let conditions = cloud.status.as_ref().map(|status| status.conditions.clone()).unwrap_or_default();
        let (spec, cloud) = (&cloud.spec, cloud.name_any());
        let rate = &spec.rate;
        let bounds = Bounds {
            concurrent_creates: rate.concurrent_creates,
            max_concurrent_creates: rate.max_concurrent_creates,
            ..Bounds::default()
        };
        let (creates, _) = gate.creates(&cloud, &bounds);
        CloudSeen { queue: gate.waiting(&cloud), creates, conditions, cloud }
    };
    clouds.iter().map(shown).collect()
}

/// Each pool, as its status says, with its claims.
pub(super) fn pools(pools: &[Arc<TestNodePool>], claims: &[Arc<TestNodeClaim>]) -> Vec<PoolSeen> {
    pools.iter().map(|pool| pool_shown(pool, claims)).collect()
}

fn pool_shown(pool: &TestNodePool, claims: &[Arc<TestNodeClaim>]) -> PoolSeen {
    let status = pool.status.clone().unwrap_or_default();
    let own = |claim: &&Arc<TestNodeClaim>| claim.asks(pool);
    let phase = |claim: &Arc<TestNodeClaim>| claim.status.as_ref().and_then(|status| status.phase.clone());
    let in_phase = |wanted: &str| {
        let there = claims.iter().filter(own).filter(|claim| phase(claim).as_deref() == Some(wanted)).count();
        i64::try_from(there).unwrap_or(i64::MAX)
    };
    PoolSeen {
        pool: format!("{}/{}", pool.namespace().unwrap_or_default(), pool.name_any()),
        nodes: vec![
            ("ready", status.ready),
            ("coming", status.coming),
            ("claimed", status.claimed),
            ("outdated", status.outdated),
            ("failed", status.failed),
            ("deleting", status.deleting),
        ],
        failing: status.conditions.iter().any(|condition| condition.reason == Reason::LaunchesFail.as_str()),
        claims: claim::status::PHASES.iter().map(|phase| (*phase, in_phase(phase))).collect(),
    }
}

fn shown(node: &TestNode, types: &[Arc<MachineType>], now: Timestamp) -> NodeSeen {
    let status = node.own_status();
    let said = status.and_then(|status| status.phase.as_deref()).unwrap_or_default();
    let phase = PHASES.iter().copied().find(|known| *known == said).unwrap_or("Pending");
    let ready = status.and_then(|status| status.conditions.iter().find(|c| c.type_ == "Ready"));
    let reason = ready.and_then(|ready| Reason::from_word(&ready.reason)).unwrap_or(Reason::Pending);

    let is_ready = ready.is_some_and(|ready| ready.status == "True");
    let was_ready =
        status.and_then(|status| status.times.as_ref()).is_some_and(|times| times.ready_at.is_some());
    let since = match &node.metadata.deletion_timestamp {
        Some(deleted) => Some(deleted.0),
        None if is_ready || phase == "Paused" => None,
        None if was_ready => ready.map(|ready| ready.last_transition_time.0),
        None => node.creation_timestamp().map(|created| created.0),
    };
    let waits = since.map(|since| now.duration_since(since).try_into().unwrap_or(Duration::ZERO));
    let in_turn =
        phase != "Deleting" && !matches!(reason, Reason::Prepared | Reason::Queued | Reason::QuotaExceeded);
    let late = in_turn && waits.is_some_and(|waits: Duration| waits > allowed(node, types));
    NodeSeen { phase, reason, waits, late }
}

/// How long a machine may take to be Ready: what its attempt was given, or else its machine type.
fn allowed(node: &TestNode, types: &[Arc<MachineType>]) -> Duration {
    let attempt = node.own_status().and_then(|status| status.attempts.last());
    let pinned = attempt.and_then(|attempt| attempt.resolved.as_ref()?.machine_type.as_ref());
    let live = || types.iter().find(|machine| machine.name_any() == node.spec.machine_type);
    let timeouts = match pinned {
        Some(pinned) => pinned.timeouts.clone(),
        None => live().map_or_else(Timeouts::default, |machine| machine.spec.timeouts.clone()),
    };
    timeouts.launch.or(UNREADABLE) + timeouts.boot.or(UNREADABLE)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_pool_is_shown_as_its_status_says_with_its_own_claims() {
        let pool: TestNodePool = serde_json::from_value(json!({
            "metadata": {"name": "smithi", "namespace": "lab"},
            "spec": {"template": {"machineType": "ovh"}, "max": 9},
            "status": {"ready": 2, "claimed": 3, "failed": 1, "conditions": [{"type": "Filled", "status": "False",
                "reason": "LaunchesFail", "message": "", "lastTransitionTime": "2026-11-30T00:10:00Z"}]},
        }))
        .unwrap();
        let claim = |namespace: &str, pool: &Value, phase: &str| -> Arc<TestNodeClaim> {
            let claim = json!({
                "metadata": {"name": "job", "namespace": namespace}, "spec": {"pool": pool}, "status": {"phase": phase},
            });
            Arc::new(serde_json::from_value(claim).unwrap())
        };
        let claims = [
            claim("lab", &json!({"name": "smithi"}), "Bound"),
            claim("team", &json!({"name": "smithi", "namespace": "lab"}), "Queued"),
            claim("team", &json!({"name": "smithi"}), "Queued"),
        ];

        let seen = pool_shown(&pool, &claims);

        assert_eq!((seen.pool.as_str(), seen.failing), ("lab/smithi", true));
        assert!(seen.nodes.contains(&("ready", 2)) && seen.nodes.contains(&("claimed", 3)), "{seen:?}");
        assert_eq!(seen.claims, [("Queued", 1), ("Binding", 0), ("Bound", 1), ("Held", 0), ("Ended", 0)]);
    }

    const CREATED: &str = "2026-11-30T00:00:00Z";

    /// A node of machine type `ovh`, whose machines may take 15 + 10 minutes, so many minutes after its creation.
    fn seen_after(minutes: i64, status: &Value, deleted: Option<&str>) -> NodeSeen {
        let node: TestNode = serde_json::from_value(json!({
            "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNode",
            "metadata": {"name": "smithi001", "creationTimestamp": CREATED, "deletionTimestamp": deleted},
            "spec": {"machineType": "ovh"}, "status": status,
        }))
        .unwrap();
        let created: Timestamp = CREATED.parse().unwrap();
        shown(&node, &[], created + jiff::SignedDuration::from_mins(minutes))
    }

    fn status(phase: &str, ready: &str, reason: &str) -> Value {
        let condition = json!({"type": "Ready", "status": ready, "reason": reason, "message": "",
            "lastTransitionTime": "2026-11-30T00:10:00Z"});
        json!({"phase": phase, "conditions": [condition]})
    }

    fn minutes(minutes: u64) -> Duration {
        Duration::from_mins(minutes)
    }

    #[test]
    fn a_node_of_which_nothing_is_said_is_pending() {
        let seen = seen_after(3, &Value::Null, None);

        assert_eq!(
            (seen.phase, seen.reason, seen.waits, seen.late),
            ("Pending", Reason::Pending, Some(minutes(3)), false)
        );
    }

    #[test]
    fn a_node_that_was_never_ready_waits_since_its_creation_whatever_its_phase() {
        for phase in ["Provisioning", "Booting", "Retrying", "Failed", "Held"] {
            let seen = seen_after(26, &status(phase, "False", "NoValidHost"), None);

            assert_eq!((seen.phase, seen.waits, seen.late), (phase, Some(minutes(26)), true));
        }
    }

    #[test]
    fn a_node_is_late_once_its_timeouts_for_launch_and_boot_have_passed() {
        let mut short = status("Booting", "False", "Booting");
        let given = json!({"readiness": [], "launchRetries": 3, "userDataDigest": "",
            "timeouts": {"launch": "2m", "boot": "1m"}});
        short["attempts"] = json!([{"number": 1, "round": 1, "cloud": "lab", "resolved": {
            "flavor": {"id": "1", "name": "b2", "vcpus": 1, "ramMiB": 1, "diskGiB": 1},
            "image": {"id": "1", "name": "jammy"}, "machineType": given}}]);

        assert!(!seen_after(25, &status("Booting", "False", "Booting"), None).late);
        assert!(!seen_after(3, &short, None).late);
        assert!(seen_after(4, &short, None).late);
    }

    #[test]
    fn a_node_that_broke_waits_since_then() {
        let mut broken = status("Failed", "False", "ServerStopped");
        broken["times"] = json!({"readyAt": "2026-11-30T00:05:00Z"});

        assert_eq!(seen_after(26, &broken, None).waits, Some(minutes(16)));
    }

    #[test]
    fn a_node_that_goes_waits_since_its_deletion_and_is_never_late() {
        let seen =
            seen_after(99, &status("Deleting", "False", "DeletingServer"), Some("2026-11-30T01:00:00Z"));

        assert_eq!((seen.waits, seen.late), (Some(minutes(39)), false));
    }

    #[test]
    fn a_node_that_waits_for_room_waits_and_is_not_late() {
        for reason in ["QuotaExceeded", "Queued"] {
            let seen = seen_after(99, &status("Pending", "False", reason), None);

            assert_eq!((seen.waits, seen.late), (Some(minutes(99)), false), "{reason}");
        }
    }

    #[test]
    fn a_node_that_is_ready_or_paused_does_not_wait() {
        for (phase, ready) in [("Ready", "True"), ("Paused", "Unknown")] {
            let seen = seen_after(99, &status(phase, ready, "Ready"), None);

            assert_eq!((seen.waits, seen.late), (None, false), "{phase}");
        }
    }
}
