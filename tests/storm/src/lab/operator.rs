//! One operator, and the switch that cuts it off from the world.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use clap::Parser as _;
use testnode_operator::cli::{Cli, Command, Run};
use testnode_operator::metrics::Metrics;
use testnode_operator::run;
use testnode_operator::supervision::Health;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use super::cluster::Cluster;
use super::forgetful::Guard;
use super::wires::{Gate, Wires};

/// How an operator is started.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// It asks nobody whether it may work, as one does that was cut off and does not know it yet.
    pub unasked: bool,
    /// What it takes for the id of its cluster.
    pub cluster_id: Option<String>,
    /// It lacks this guard.
    pub without: Option<Guard>,
    /// Where it is at home, if not in `testnode-system`.
    pub home: Option<String>,
    /// It is told to stop after so long.
    pub stops_after: Option<Duration>,
}

/// An operator at work. Dropping it is a power cut: what it still does in this process reaches nobody.
pub struct Operator {
    /// What its requests pass.
    pub gate: Arc<Gate>,
    /// What `/readyz` and `/livez` would say.
    pub health: Health,
    task: JoinHandle<()>,
}

impl Operator {
    /// Starts one.
    #[must_use]
    pub fn start(cluster: &Cluster, wires: &Wires) -> Self {
        Self::start_with(cluster, wires, &Manner::default())
    }

    /// Starts one of some manner.
    #[must_use]
    pub fn start_with(cluster: &Cluster, wires: &Wires, manner: &Manner) -> Self {
        let options = options(cluster, manner);
        let gate = Arc::new(Gate::default());
        let seams = wires.seams(cluster, &gate);
        let client = client(cluster, manner.without, gate.clone());
        let health = Health::new();
        let of_the_operator = health.clone();
        let stops_after = manner.stops_after;
        let told_to_stop = async move {
            match stops_after {
                Some(after) => tokio::time::sleep(after).await,
                None => std::future::pending().await,
            }
        };
        let task = tokio::spawn(async move {
            let (health, metrics) = (of_the_operator, Metrics::new());
            // It may not go on: a Deployment would start another.
            let operator = run::operate(options, client, seams, &health, metrics, told_to_stop);
            drop(Box::pin(operator).await);
        });
        Self { gate, health, task }
    }
}

impl Operator {
    /// Whether it gave up, or was killed at a request.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.gate.is_closed() || self.task.is_finished()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.gate.close();
        self.task.abort();
    }
}

fn options(cluster: &Cluster, manner: &Manner) -> Run {
    let elected = format!("--leader-election={}", !manner.unasked);
    let home = format!("--namespace={}", manner.home.as_deref().unwrap_or("testnode-system"));
    let mut words = vec!["testnode-operator", "run", &home, &elected];
    if matches!(cluster, Cluster::Real(_)) {
        // As the chart starts it, which gives no right to them by default.
        words.push("--machine-images=false");
    }
    if let Some(id) = &manner.cluster_id {
        words.extend(["--cluster-id", id]);
    }
    let Command::Run(options) = Cli::parse_from(words).command else { panic!("not what was asked") };
    *options
}

/// What asks the cluster past a gate, and lacks a guard if it is told so.
pub(super) fn client(cluster: &Cluster, without: Option<Guard>, gate: Arc<Gate>) -> kube::Client {
    let router = cluster.router();
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let (router, gate) = (router.clone(), gate.clone());
        async move {
            let request = request.map(Body::new);
            let answer = async move {
                match without {
                    Some(guard) => router.oneshot(guard.without(request).await).await,
                    None => router.oneshot(request).await,
                }
            };
            gate.pass(answer).await
        }
    });
    kube::Client::new(service, "default")
}
