//! One operator, and the switch that cuts it off from the world.

use std::sync::Arc;

use axum::body::Body;
use clap::Parser as _;
use devcluster::DevCluster;
use testnode_operator::admin::Health;
use testnode_operator::cli::{Cli, Command, Run};
use testnode_operator::metrics::Metrics;
use testnode_operator::reconcile::context::Seams;
use testnode_operator::run;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use super::wires::{Gate, Wires};

/// An operator at work. Dropping it is a power cut: what it still does in this process reaches nobody.
pub struct Operator {
    /// What its requests pass.
    pub gate: Arc<Gate>,
    task: JoinHandle<()>,
}

impl Operator {
    /// Starts one.
    #[must_use]
    pub fn start(cluster: &DevCluster, wires: &Wires) -> Self {
        let gate = Arc::new(Gate::default());
        let clock = cluster.clone();
        let seams = Seams {
            http: wires.http(&gate),
            dns: wires.dns(&gate),
            dial: wires.dial(&gate),
            clock: Arc::new(move || clock.now()),
        };
        let client = client(cluster, Some(gate.clone()));
        let task = tokio::spawn(async move {
            let (health, metrics) = (Health::new(), Metrics::new());
            // It may not go on: a Deployment would start another.
            let operator = run::operate(options(), client, seams, &health, metrics, std::future::pending());
            drop(Box::pin(operator).await);
        });
        Self { gate, task }
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

fn options() -> Run {
    let words = ["testnode-operator", "run", "--namespace=testnode-system", "--leader-election=true"];
    match Cli::parse_from(words).command {
        Command::Run(options) => *options,
        Command::Crd => panic!("not what was asked"),
    }
}

/// A client of the cluster, past a gate if there is one.
#[must_use]
pub fn client(cluster: &DevCluster, gate: Option<Arc<Gate>>) -> kube::Client {
    let cluster = cluster.clone();
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let (router, gate) = (cluster.router(), gate.clone());
        async move {
            let answer = router.oneshot(request.map(Body::new));
            match gate {
                Some(gate) => gate.pass(answer).await,
                None => answer.await,
            }
        }
    });
    kube::Client::new(service, "default")
}
