//! What the metrics are shown: nodes and Clouds as they stand at a scrape, and a turn from its beginning to its end.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use tokio::time::Instant;

use super::Metrics;
use super::labels::{OutcomeLabel, Turn};
use crate::reason::Reason;

/// A node as it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NodeSeen {
    /// Its phase.
    pub phase: &'static str,
    /// The reason of its condition `Ready`.
    pub reason: Reason,
    /// How long it has not been Ready, or has been going; nothing where it is Ready or paused.
    pub waits: Option<Duration>,
    /// Whether it should be Ready by now.
    pub late: bool,
}

/// A Cloud as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct CloudSeen {
    /// Its name.
    pub cloud: String,
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// How many nodes wait for room there.
    pub queue: usize,
    /// How many servers may be made there at once.
    pub creates: i64,
}

/// A pool as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolSeen {
    /// Its namespace and name.
    pub pool: String,
    /// How many of its nodes stand how.
    pub nodes: Vec<(&'static str, i64)>,
    /// Whether its newest node cannot be made.
    pub failing: bool,
    /// How many claims of it are in each phase.
    pub claims: Vec<(&'static str, i64)>,
}

/// A turn under way, with its request. Dropped without an end it counts as abandoned.
#[derive(Debug)]
#[must_use = "dropping it ends the turn"]
pub struct TurnRunning {
    metrics: Metrics,
    began: Instant,
    outcome: Turn,
}

impl TurnRunning {
    pub(super) fn begins(metrics: Metrics) -> Self {
        Self { metrics, began: Instant::now(), outcome: Turn::Abandoned }
    }

    /// The turn ends.
    pub fn ends(mut self, outcome: Turn) {
        self.outcome = outcome;
    }
}

impl Drop for TurnRunning {
    fn drop(&mut self) {
        let series = &self.metrics.0.series;
        series.turns_running.dec();
        series.turns.get_or_create(&OutcomeLabel { outcome: self.outcome.label() }).inc();
        series.turn_duration.observe(self.began.elapsed().as_secs_f64());
    }
}
