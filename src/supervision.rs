//! Tasks that live as long as the process does. One that ends or panics is started again and counted, and each has a
//! pulse: `/livez` answers 503 when one has stopped moving.

mod health;

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::error;

pub use health::{Awaited, Health, Pulse};

use crate::metrics::Metrics;

/// The pause before a task that ended is started again.
const PAUSE: Duration = Duration::from_secs(1);

/// Keeps tasks running. Clones share health and metrics.
#[derive(Clone, Debug, Default)]
pub struct Supervisor {
    health: Health,
    metrics: Metrics,
}

impl Supervisor {
    /// One that reports to these.
    #[must_use]
    pub fn new(health: Health, metrics: Metrics) -> Self {
        Self { health, metrics }
    }

    /// Where the process says how it is.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Runs a task, and again whenever it ends or panics. Dropped, the task is dropped too. `kind` is the label of the
    /// metric, `name` says which one of its kind it is.
    pub async fn keep<F>(&self, kind: &'static str, name: &str, task: impl Fn(Pulse) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        loop {
            let mut running = JoinSet::new();
            running.spawn(task(self.health.pulse(name)));
            if let Some(Err(panic)) = running.join_next().await {
                error!(task = name, %panic, "a task panicked; it is started again");
            } else {
                error!(task = name, "a task ended; it is started again");
            }
            self.metrics.task_restarted(kind);
            sleep(PAUSE).await;
        }
    }

    /// Whether the task of this name has stopped moving, in words.
    #[must_use]
    pub fn complaint(&self, name: &str) -> Option<String> {
        self.health.complaint(name, tokio::time::Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_or_ends_is_started_again_and_counted() {
        let (health, metrics) = (Health::new(), Metrics::new());
        let supervisor = Supervisor::new(health.clone(), metrics.clone());
        let starts = Arc::new(AtomicUsize::new(0));
        let counted = starts.clone();
        let kept = tokio::spawn(async move {
            let task = |pulse: Pulse| {
                let start = counted.fetch_add(1, Ordering::SeqCst);
                async move {
                    pulse.beat(Duration::from_secs(30));
                    match start {
                        0 => panic!("for the test"),
                        1 => {}
                        _ => std::future::pending().await,
                    }
                }
            };
            supervisor.keep("poller", "the poller of cloud lab", task).await;
        });

        sleep(Duration::from_secs(10)).await;

        assert_eq!(starts.load(Ordering::SeqCst), 3);
        let text = metrics.encode().unwrap();
        assert!(text.contains("testnode_task_restarts_total{task=\"poller\"} 2"), "{text}");
        assert!(health.stuck(tokio::time::Instant::now()).is_empty());
        sleep(Duration::from_secs(30)).await;
        let stuck = health.stuck(tokio::time::Instant::now());
        assert_eq!(stuck.len(), 1, "{stuck:?}");
        assert!(stuck[0].starts_with("the poller of cloud lab: no progress for "), "{stuck:?}");
        kept.abort();
    }
}
