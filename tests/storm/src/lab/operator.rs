//! One operator, and the switch that cuts it off from the world.

use std::sync::Arc;

use axum::body::Body;
use clap::Parser as _;
use testnode_operator::cli::{Cli, Command, Run};
use testnode_operator::metrics::Metrics;
use testnode_operator::reconcile::context::Seams;
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
        let options = options(manner);
        let gate = Arc::new(Gate::default());
        let (clock, set) = (cluster.clone(), wires.clone());
        let seams = Seams {
            http: wires.http(&gate),
            dns: wires.dns(&gate),
            dial: wires.dial(&gate),
            clock: Arc::new(move || clock.now() + set.clock_is_ahead()),
        };
        let client = client(cluster, manner.without, gate.clone());
        let health = Health::new();
        let of_the_operator = health.clone();
        let task = tokio::spawn(async move {
            let (health, metrics) = (of_the_operator, Metrics::new());
            // It may not go on: a Deployment would start another.
            let operator = run::operate(options, client, seams, &health, metrics, std::future::pending());
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

fn options(manner: &Manner) -> Run {
    let elected = format!("--leader-election={}", !manner.unasked);
    let home = format!("--namespace={}", manner.home.as_deref().unwrap_or("testnode-system"));
    let mut words = vec!["testnode-operator", "run", &home, &elected];
    if let Some(id) = &manner.cluster_id {
        words.extend(["--cluster-id", id]);
    }
    match Cli::parse_from(words).command {
        Command::Run(options) => *options,
        Command::Crd | Command::Ready { .. } => panic!("not what was asked"),
    }
}

/// What asks the cluster past a gate, and lacks a guard if it is told so.
fn client(cluster: &Cluster, without: Option<Guard>, gate: Arc<Gate>) -> kube::Client {
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
