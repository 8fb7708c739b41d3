//! What the operator counts and times, and how Prometheus reads it.
//!
//! Every method says what happened; names, labels and buckets are in `series`. Only
//! reasons are imported, so everything may record. Labels name clouds, services and reasons, never a `TestNode`.

mod labels;
mod process;
mod seen;
mod series;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use crate::reason::Reason;
use labels::{
    BindLabels, ChangeLabel, ClaimLabels, CloudConditionLabels, CloudLabel, CloudRequestLabels,
    CloudServiceLabels, DnsDriverLabels, DnsRequestLabels, ImageConditionLabels, ListLabels, NodeLabels,
    OutcomeLabel, PhaseLabel, PollLabels, PoolLabel, PoolNodeLabels, PoolReasonLabels, TaskLabel,
};
use process::Process;
use series::Series;

pub use labels::{Phase, Poll, Turn};
pub use seen::{CloudSeen, NodeSeen, PoolSeen, TurnRunning};

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The kinds of orphan.
const ORPHANS: [&str; 4] = ["server", "volume", "port", "name"];

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

    /// An attempt ended, with this reason in its condition and event.
    pub fn attempt_ended(&self, reason: Reason) {
        self.0.series.attempts.get_or_create(&OutcomeLabel { outcome: reason.as_str() }).inc();
    }

    /// One change was asked of a cloud, DNS or the API server.
    pub fn changed(&self, change: Reason) {
        self.0.series.changes.get_or_create(&ChangeLabel { change: change.as_str() }).inc();
    }

    /// A turn begins. What is returned records its end: that of its request, if it sends one.
    pub fn turn_begins(&self) -> TurnRunning {
        self.0.series.turns_running.inc();
        TurnRunning::begins(self.clone())
    }

    /// A task that should not have ended was started again.
    pub fn task_restarted(&self, task: &'static str) {
        self.0.series.task_restarts.get_or_create(&TaskLabel { task }).inc();
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

    /// So many orphans of a kind are in a cloud.
    pub fn count_orphans(&self, cloud: &str, kind: &'static str, count: usize) {
        let labels = ListLabels { cloud: cloud.to_owned(), kind };
        self.0.series.orphans.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        // From zero on, so that the first one is an increase.
        drop(self.0.series.swept.get_or_create(&labels));
    }

    /// An orphan was deleted, or a name withdrawn.
    pub fn swept(&self, cloud: &str, kind: &'static str) {
        self.0.series.swept.get_or_create(&ListLabels { cloud: cloud.to_owned(), kind }).inc();
    }

    /// A Cloud is gone: its listings must not seem to grow old, nor its orphans to stay.
    pub fn forget_cloud(&self, cloud: &str) {
        lock(&self.0.last_complete).retain(|list, _| list.cloud != cloud);
        for kind in ORPHANS {
            self.0.series.orphans.remove(&ListLabels { cloud: cloud.to_owned(), kind });
        }
    }

    /// An attempt was opened in a cloud: its node waits for room no longer.
    pub fn attempt_opened(&self, cloud: &str) {
        self.0.series.attempts_opened.get_or_create(&CloudLabel { cloud: cloud.to_owned() }).inc();
    }

    /// The nodes there are.
    pub fn show_nodes(&self, nodes: impl IntoIterator<Item = NodeSeen>) {
        let series = &self.0.series;
        series.nodes.clear();
        series.nodes_late.clear();
        series.longest_wait.clear();
        for node in nodes {
            let labels = NodeLabels { phase: node.phase, reason: node.reason.as_str() };
            series.nodes.get_or_create(&labels).inc();
            series.nodes_late.get_or_create(&labels).inc_by(i64::from(node.late));
            if let Some(waits) = node.waits {
                let longest = series.longest_wait.get_or_create(&labels);
                longest.set(longest.get().max(waits.as_secs_f64()));
            }
        }
    }

    /// The Clouds there are.
    pub fn show_clouds(&self, clouds: impl IntoIterator<Item = CloudSeen>) {
        let series = &self.0.series;
        series.cloud_conditions.clear();
        series.queue.clear();
        series.concurrent_creates.clear();
        for CloudSeen { cloud, conditions, queue, creates } in clouds {
            for condition in conditions {
                let (condition, status, reason) = (condition.type_, condition.status, condition.reason);
                let labels = CloudConditionLabels { cloud: cloud.clone(), condition, status, reason };
                series.cloud_conditions.get_or_create(&labels).set(1);
            }
            let label = CloudLabel { cloud };
            series.queue.get_or_create(&label).set(i64::try_from(queue).unwrap_or(i64::MAX));
            series.concurrent_creates.get_or_create(&label).set(creates);
            // From zero on, so that the first one is an increase.
            drop(series.attempts_opened.get_or_create(&label));
        }
    }

    /// The MachineImages there are, by name, each with its conditions.
    pub fn show_machine_images(&self, images: impl IntoIterator<Item = (String, Vec<Condition>)>) {
        let shown = &self.0.series.image_conditions;
        shown.clear();
        for (machine_image, conditions) in images {
            for condition in conditions {
                let (condition, status, reason) = (condition.type_, condition.status, condition.reason);
                let machine_image = machine_image.clone();
                let labels = ImageConditionLabels { machine_image, condition, status, reason };
                shown.get_or_create(&labels).set(1);
            }
        }
    }

    /// A claim got all its nodes after so long.
    pub fn claim_served(&self, pool: String, waited: Duration) {
        self.0.series.claim_wait.get_or_create(&PoolLabel { pool }).observe(waited.as_secs_f64());
    }

    /// A claim of a pool that is there ended.
    pub fn claim_ended(&self, pool: String, reason: Reason) {
        self.0.series.claims_ended.get_or_create(&PoolReasonLabels { pool, reason: reason.as_str() }).inc();
    }

    /// A node was given to a claim, or somebody was quicker.
    pub fn bound(&self, pool: String, is_bound: bool) {
        let outcome = if is_bound { "bound" } else { "refused" };
        self.0.series.binds.get_or_create(&BindLabels { pool, outcome }).inc();
    }

    /// An idle node gave its room to others.
    pub fn gave_way(&self, pool: String) {
        self.0.series.pool_gave_way.get_or_create(&PoolLabel { pool }).inc();
    }

    /// The pools there are.
    pub fn show_pools(&self, pools: impl IntoIterator<Item = PoolSeen>) {
        let series = &self.0.series;
        series.pool_nodes.clear();
        series.pool_failing.clear();
        series.claims.clear();
        for PoolSeen { pool, nodes, failing, claims } in pools {
            for (state, count) in nodes {
                series.pool_nodes.get_or_create(&PoolNodeLabels { pool: pool.clone(), state }).set(count);
            }
            for (phase, count) in claims {
                series.claims.get_or_create(&ClaimLabels { pool: pool.clone(), phase }).set(count);
            }
            let label = PoolLabel { pool };
            series.pool_failing.get_or_create(&label).set(i64::from(failing));
            // From zero on, so that the first one is an increase.
            drop(series.pool_gave_way.get_or_create(&label));
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

/// What a lock guards here is sound even where its holder panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
