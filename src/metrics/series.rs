//! Names, helps, labels and buckets: what `/metrics` shows.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use super::labels::{
    ChangeLabel, CloudRequestLabels, CloudServiceLabels, DnsDriverLabels, DnsRequestLabels, ListLabels,
    NodeLabels, OutcomeLabel, Phase, PhaseLabel, PollLabels, Turn, VersionLabel,
};

/// From the second a warm cloud needs to the hour a stuck one takes.
const PHASE_SECONDS: [f64; 16] =
    [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0, 3600.0];
/// Around one request, from an answer out of memory to a timeout.
const REQUEST_SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

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
    pub turns_allowed: Gauge,
    pub cloud_requests: Family<CloudRequestLabels, Counter>,
    pub cloud_request_duration: Histograms<CloudServiceLabels>,
    pub dns_requests: Family<DnsRequestLabels, Counter>,
    pub dns_request_duration: Histograms<DnsDriverLabels>,
    pub nodes: Family<NodeLabels, Gauge>,
    pub polls: Family<PollLabels, Counter>,
    pub poll_age: Family<ListLabels, Gauge<f64, AtomicU64>>,
    pub leader: Gauge,
}

impl Series {
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
            turn_duration: add(r, "turn_duration_seconds", "How long turns took", request_histogram()),
            turns_running: add(r, "turns_running", "Turns under way now", Gauge::default()),
            turns_allowed: add(
                r,
                "turns_allowed",
                "Turns that may run at once; nodes queue while as many are running",
                Gauge::default(),
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
            polls: add(r, "polls", "Listings of what is ours in a cloud", Family::default()),
            poll_age: add(
                r,
                "poll_age_seconds",
                "Time since a listing was last complete; grows while a cloud cannot be read",
                Family::default(),
            ),
            leader: add(r, "leader", "1 where this process leads, 0 where it follows", Gauge::default()),
        };
        // A rate over what starts at zero sees the first one too.
        for phase in Phase::ALL {
            drop(series.phase_duration.get_or_create(&PhaseLabel { phase: phase.label() }));
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

fn request_histogram() -> Histogram {
    Histogram::new(REQUEST_SECONDS)
}
