//! Names, helps, labels and buckets: what `/metrics` shows.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use super::labels::{
    BindLabels, ChangeLabel, ClaimLabels, CloudConditionLabels, CloudLabel, CloudRequestLabels,
    CloudServiceLabels, DnsDriverLabels, DnsRequestLabels, ImageConditionLabels, ListLabels, NodeLabels,
    OutcomeLabel, Phase, PhaseLabel, PollLabels, PoolLabel, PoolNodeLabels, PoolReasonLabels, TASKS,
    TaskLabel, Turn, VersionLabel,
};
use crate::reason::Reason;

/// From the second a warm cloud needs to the hour a stuck one takes.
const PHASE_SECONDS: [f64; 16] =
    [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0, 3600.0];
/// From a machine that is there to a day in a queue.
const WAIT_SECONDS: [f64; 12] =
    [0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 180.0, 600.0, 1800.0, 3600.0, 14_400.0, 86_400.0];
/// Around one request, from an answer out of memory to a timeout.
const REQUEST_SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

type Seconds = Gauge<f64, AtomicU64>;
type Histograms<Labels> = Family<Labels, Histogram, fn() -> Histogram>;

/// Each is registered under its field's name with `testnode_` before it;
/// counters get `_total` behind.
pub(super) struct Series {
    pub phase_duration: Histograms<PhaseLabel>,
    pub attempts: Family<OutcomeLabel, Counter>,
    pub changes: Family<ChangeLabel, Counter>,
    pub turns: Family<OutcomeLabel, Counter>,
    pub turn_duration: Histogram,
    pub turns_running: Gauge,
    pub task_restarts: Family<TaskLabel, Counter>,
    pub cloud_requests: Family<CloudRequestLabels, Counter>,
    pub cloud_request_duration: Histograms<CloudServiceLabels>,
    pub dns_requests: Family<DnsRequestLabels, Counter>,
    pub dns_request_duration: Histograms<DnsDriverLabels>,
    pub nodes: Family<NodeLabels, Gauge>,
    pub nodes_late: Family<NodeLabels, Gauge>,
    pub longest_wait: Family<NodeLabels, Seconds>,
    pub queue: Family<CloudLabel, Gauge>,
    pub concurrent_creates: Family<CloudLabel, Gauge>,
    pub attempts_opened: Family<CloudLabel, Counter>,
    pub pool_nodes: Family<PoolNodeLabels, Gauge>,
    pub pool_failing: Family<PoolLabel, Gauge>,
    pub claims: Family<ClaimLabels, Gauge>,
    pub claim_wait: Histograms<PoolLabel>,
    pub claims_ended: Family<PoolReasonLabels, Counter>,
    pub binds: Family<BindLabels, Counter>,
    pub pool_gave_way: Family<PoolLabel, Counter>,
    pub cloud_conditions: Family<CloudConditionLabels, Gauge>,
    pub image_conditions: Family<ImageConditionLabels, Gauge>,
    pub polls: Family<PollLabels, Counter>,
    pub poll_age: Family<ListLabels, Seconds>,
    pub orphans: Family<ListLabels, Gauge>,
    pub swept: Family<ListLabels, Counter>,
    pub leader: Gauge,
}

impl Series {
    #[expect(clippy::too_many_lines, reason = "a list: one entry for each metric")]
    pub(super) fn register(registry: &mut Registry) -> Self {
        let r = registry.sub_registry_with_prefix("testnode");
        let version = VersionLabel { version: env!("CARGO_PKG_VERSION") };
        r.register("build", "The version that runs", Info::new(version));
        let series = Self {
            phase_duration: add(
                r,
                "phase_duration_seconds",
                "How long nodes took from phase to phase; `ready` is the whole from creation to Ready",
                Family::new_with_constructor(phase_histogram as fn() -> Histogram),
            ),
            attempts: add(
                r,
                "attempts",
                "Attempts that ended, by `Ready` or the reason of the failure",
                Family::default(),
            ),
            changes: add(r, "changes", "Changes made to the world, by kind", Family::default()),
            turns: add(r, "turns", "Turns of the reconciler, by how they ended", Family::default()),
            turn_duration: add(
                r,
                "turn_duration_seconds",
                "How long turns took, with the answer to their request",
                request_histogram(),
            ),
            turns_running: add(
                r,
                "turns_running",
                "Turns under way now, most of them waiting for an answer",
                Gauge::default(),
            ),
            task_restarts: add(
                r,
                "task_restarts",
                "Tasks that should not have ended, and were started again: a defect of the operator",
                Family::default(),
            ),
            cloud_requests: add(
                r,
                "cloud_requests",
                "Requests to a cloud; status is the HTTP code, or `none` where no answer came",
                Family::default(),
            ),
            cloud_request_duration: add(
                r,
                "cloud_request_duration_seconds",
                "How long requests to a cloud took",
                Family::new_with_constructor(request_histogram as fn() -> Histogram),
            ),
            dns_requests: add(
                r,
                "dns_requests",
                "Requests to DNS, by driver, call and what was answered; `none` where no answer came",
                Family::default(),
            ),
            dns_request_duration: add(
                r,
                "dns_request_duration_seconds",
                "How long requests to DNS took",
                Family::new_with_constructor(request_histogram as fn() -> Histogram),
            ),
            nodes: add(
                r,
                "nodes",
                "TestNodes in the cluster, by phase and by the reason of their condition Ready",
                Family::default(),
            ),
            nodes_late: add(
                r,
                "nodes_late",
                "TestNodes that have not been Ready for longer than their timeouts.launch and timeouts.boot; those that are paused, go, or wait for room are left out",
                Family::default(),
            ),
            longest_wait: add(
                r,
                "longest_wait_seconds",
                "The longest time that a TestNode has not been Ready, or has been going; those that are paused are left out",
                Family::default(),
            ),
            queue: add(r, "queue", "TestNodes that wait for room in a cloud", Family::default()),
            concurrent_creates: add(
                r,
                "concurrent_creates",
                "Servers that may be made in a cloud at once",
                Family::default(),
            ),
            attempts_opened: add(
                r,
                "attempts_opened",
                "Attempts that were opened, by cloud: TestNodes that wait for room no longer",
                Family::default(),
            ),
            pool_nodes: add(
                r,
                "pool_nodes",
                "Nodes of each TestNodePool, by how they stand",
                Family::default(),
            ),
            pool_failing: add(
                r,
                "pool_failing",
                "1 where the newest node of a TestNodePool cannot be made",
                Family::default(),
            ),
            claims: add(r, "claims", "TestNodeClaims of each TestNodePool, by phase", Family::default()),
            claim_wait: add(
                r,
                "claim_wait_seconds",
                "How long TestNodeClaims waited for all their nodes",
                Family::new_with_constructor(wait_histogram as fn() -> Histogram),
            ),
            claims_ended: add(r, "claims_ended", "TestNodeClaims that ended, by reason", Family::default()),
            binds: add(r, "binds", "Nodes that were given to TestNodeClaims, or refused", Family::default()),
            pool_gave_way: add(
                r,
                "pool_gave_way",
                "Idle nodes that were deleted for others who waited for room",
                Family::default(),
            ),
            cloud_conditions: add(
                r,
                "cloud_condition",
                "The conditions of each Cloud: 1 for what each says now",
                Family::default(),
            ),
            image_conditions: add(
                r,
                "machine_image_condition",
                "The conditions of each MachineImage: 1 for what each says now",
                Family::default(),
            ),
            polls: add(r, "polls", "Listings of what is ours in a cloud", Family::default()),
            poll_age: add(
                r,
                "poll_age_seconds",
                "Time since a listing was last complete; grows while a cloud cannot be read",
                Family::default(),
            ),
            orphans: add(
                r,
                "orphans",
                "Things of ours in a cloud that belong to no TestNode, by kind",
                Family::default(),
            ),
            swept: add(r, "swept", "Orphans that were deleted, and names withdrawn", Family::default()),
            leader: add(r, "leader", "1 where this process leads, 0 where it follows", Gauge::default()),
        };
        // A rate over what starts at zero sees the first one too.
        for phase in Phase::ALL {
            drop(series.phase_duration.get_or_create(&PhaseLabel { phase: phase.label() }));
        }
        drop(series.attempts.get_or_create(&OutcomeLabel { outcome: Reason::Ready.as_str() }));
        for task in TASKS {
            drop(series.task_restarts.get_or_create(&TaskLabel { task }));
        }
        for turn in Turn::ALL {
            drop(series.turns.get_or_create(&OutcomeLabel { outcome: turn.label() }));
        }
        series
    }
}

fn add<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

fn phase_histogram() -> Histogram {
    Histogram::new(PHASE_SECONDS)
}

fn wait_histogram() -> Histogram {
    Histogram::new(WAIT_SECONDS)
}

fn request_histogram() -> Histogram {
    Histogram::new(REQUEST_SECONDS)
}
