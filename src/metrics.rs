//! What the operator counts and times, and how Prometheus reads it.
//!
//! Every method says what happened; names, labels and buckets are in `series`. Nothing of ours
//! is imported, so everything may record. Labels name clouds, services and reasons, never a `TestNode`.

mod labels;
mod process;
mod series;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use labels::{
    ChangeLabel, CloudRequestLabels, CloudServiceLabels, DnsDriverLabels, DnsRequestLabels, ListLabels,
    NodeLabels, OutcomeLabel, PhaseLabel, PollLabels,
};
use process::Process;
use series::Series;

pub use labels::{Phase, Poll, Turn};

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Refresh = Box<dyn Fn(&Metrics) + Send + Sync>;

/// All metrics of the process. Clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    series: Series,
    /// Held through a scrape, so that two at once do not undo each other's.
    before_scrape: Mutex<Vec<Refresh>>,
    last_complete: Mutex<HashMap<ListLabels, Instant>>,
}

impl Metrics {
    /// With everything registered; what has a closed set of labels is shown at
    /// zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let series = Series::register(&mut registry);
        registry.register_collector(Box::new(Process::starting_now()));
        Self(Arc::new(Inner {
            registry,
            series,
            before_scrape: Mutex::default(),
            last_complete: Mutex::default(),
        }))
    }

    /// A phase of a node's life ended after `took`.
    pub fn phase_ended(&self, phase: Phase, took: Duration) {
        let label = PhaseLabel { phase: phase.label() };
        self.0.series.phase_duration.get_or_create(&label).observe(took.as_secs_f64());
    }

    /// An attempt ended, `outcome` being the word its condition and event use.
    pub fn attempt_ended(&self, outcome: &'static str) {
        self.0.series.attempts.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// One change was asked of a cloud, DNS or the API server.
    pub fn changed(&self, change: &'static str) {
        self.0.series.changes.get_or_create(&ChangeLabel { change }).inc();
    }

    /// A turn begins. What is returned records its end.
    pub fn turn_begins(&self) -> TurnRunning {
        self.0.series.turns_running.inc();
        TurnRunning { metrics: self.clone(), began: Instant::now(), outcome: Turn::Abandoned }
    }

    /// So many turns may run at once.
    pub fn allow_turns(&self, at_once: u16) {
        self.0.series.turns_allowed.set(i64::from(at_once));
    }

    /// A cloud was asked. `status` is the HTTP code, none without an answer.
    pub fn cloud_request(
        &self,
        cloud: &str,
        service: &'static str,
        call: &'static str,
        status: Option<u16>,
        took: Duration,
    ) {
        let status = status.map_or_else(|| "none".to_owned(), |code| code.to_string());
        let labels = CloudRequestLabels { cloud: cloud.to_owned(), service, call, status };
        self.0.series.cloud_requests.get_or_create(&labels).inc();
        let labels = CloudServiceLabels { cloud: cloud.to_owned(), service };
        self.0.series.cloud_request_duration.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// DNS was asked for a cloud's zone. `status` is the response code or HTTP
    /// code in the driver's words, none without an answer.
    pub fn dns_request(
        &self,
        cloud: &str,
        driver: &'static str,
        call: &'static str,
        status: Option<&str>,
        took: Duration,
    ) {
        let status = status.unwrap_or("none").to_owned();
        let labels = DnsRequestLabels { cloud: cloud.to_owned(), driver, call, status };
        self.0.series.dns_requests.get_or_create(&labels).inc();
        let labels = DnsDriverLabels { cloud: cloud.to_owned(), driver };
        self.0.series.dns_request_duration.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// A listing of one kind in one cloud ended.
    pub fn polled(&self, cloud: &str, kind: &'static str, poll: Poll) {
        let labels = PollLabels { cloud: cloud.to_owned(), kind, result: poll.label() };
        self.0.series.polls.get_or_create(&labels).inc();
        let list = ListLabels { cloud: cloud.to_owned(), kind };
        match poll {
            Poll::Complete => {
                lock(&self.0.last_complete).insert(list, Instant::now());
            }
            // One that never was complete ages from its first failure on.
            Poll::Failed => {
                lock(&self.0.last_complete).entry(list).or_insert_with(Instant::now);
            }
        }
    }

    /// A Cloud is gone: its listings must not seem to grow old.
    pub fn forget_cloud(&self, cloud: &str) {
        lock(&self.0.last_complete).retain(|list, _| list.cloud != cloud);
    }

    /// The nodes there are, each by its phase and the reason of its condition `Ready`.
    pub fn count_nodes(&self, nodes: impl IntoIterator<Item = (&'static str, String)>) {
        self.0.series.nodes.clear();
        for (phase, reason) in nodes {
            self.0.series.nodes.get_or_create(&NodeLabels { phase, reason }).inc();
        }
    }

    /// This process leads.
    pub fn leads(&self) {
        self.0.series.leader.set(1);
    }

    /// Another process leads, or nobody.
    pub fn follows(&self) {
        self.0.series.leader.set(0);
    }

    /// Has `refresh` run before each scrape, for what is read rather than
    /// counted. It holds up the scrape: it reads memory and comes
    /// back.
    pub fn before_scrape(&self, refresh: impl Fn(&Self) + Send + Sync + 'static) {
        lock(&self.0.before_scrape).push(Box::new(refresh));
    }

    /// Everything as `OpenMetrics` text; its type is [`CONTENT_TYPE`].
    ///
    /// # Errors
    ///
    /// Only if the text cannot be written to memory.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let refreshes = lock(&self.0.before_scrape);
        for refresh in &*refreshes {
            refresh(self);
        }
        self.0.series.poll_age.clear();
        for (list, last) in &*lock(&self.0.last_complete) {
            self.0.series.poll_age.get_or_create(list).set(last.elapsed().as_secs_f64());
        }
        let mut text = String::new();
        text::encode(&mut text, &self.0.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// A turn under way. Dropped without an end it counts as abandoned.
#[derive(Debug)]
#[must_use = "dropping it ends the turn"]
pub struct TurnRunning {
    metrics: Metrics,
    began: Instant,
    outcome: Turn,
}

impl TurnRunning {
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

/// What a lock guards here is sound even where its holder panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
