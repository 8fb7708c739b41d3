//! The process that keeps images, and a web server that it reads from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use clap::Parser as _;
use futures::StreamExt as _;
use http::{HeaderMap, StatusCode, header};
use testnode_operator::cli::{Cli, Command};
use testnode_operator::image::allowed::Allowed;
use testnode_operator::image::web::{Answer, Hop, Web};
use testnode_operator::metrics::Metrics;
use testnode_operator::run::images;
use testnode_operator::supervision::Health;
use tokio::task::JoinHandle;

use super::cluster::Cluster;
use super::operator::client;
use super::wires::{Gate, Wires};

/// Files of a web server, by path; clones are the same one.
#[derive(Clone, Default)]
pub struct Site {
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    /// Puts a file there, or another in its place.
    pub fn publish(&self, path: &str, file: impl Into<Vec<u8>>) {
        self.files.lock().unwrap().insert(path.to_owned(), file.into());
    }

    /// Takes a file away.
    pub fn withdraw(&self, path: &str) {
        self.files.lock().unwrap().remove(path);
    }

    /// Everything that was asked for.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn web(&self, gate: &Arc<Gate>) -> Web {
        let (site, gate) = (self.clone(), gate.clone());
        Web::service(Allowed::default(), move |hop: Hop| {
            let site = site.clone();
            gate.clone().passing(async move { Ok(site.answer(&hop)) })
        })
    }

    fn answer(&self, hop: &Hop) -> Answer {
        let path = hop.url.path();
        self.asked.lock().unwrap().push(path.to_owned());
        let found = self.files.lock().unwrap().get(path).cloned();
        let mut headers = HeaderMap::new();
        let Some(file) = found else {
            let body = futures::stream::empty().boxed();
            return Answer { status: StatusCode::NOT_FOUND, headers, body };
        };
        headers.insert(header::CONTENT_LENGTH, file.len().into());
        let pieces: Vec<_> = file.chunks(50_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        Answer { status: StatusCode::OK, headers, body: futures::stream::iter(pieces).boxed() }
    }
}

/// The process at work. Dropping it is a power cut.
pub struct Keeper {
    /// What its requests pass.
    pub gate: Arc<Gate>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Starts one.
    #[must_use]
    pub fn start(cluster: &Cluster, wires: &Wires, site: &Site) -> Self {
        Self::start_with(cluster, wires, site, &[])
    }

    /// Starts one with more flags.
    #[must_use]
    pub fn start_with(cluster: &Cluster, wires: &Wires, site: &Site, flags: &[&str]) -> Self {
        let words = ["testnode-operator", "images", "--namespace=testnode-system"];
        let words = words.iter().chain(flags);
        let options = match Cli::parse_from(words).command {
            Command::Images(options) => *options,
            Command::Run(_)
            | Command::LockServer(_)
            | Command::ImportTeuthology(_)
            | Command::Crd
            | Command::Ready { .. } => panic!("not what was asked"),
        };
        let gate = Arc::new(Gate::default());
        let seams = wires.seams(cluster, &gate);
        let (client, web) = (client(cluster, None, gate.clone()), site.web(&gate));
        let task = tokio::spawn(async move {
            let (health, metrics) = (Health::new(), Metrics::new());
            let work = images::operate(options, client, seams, web, &health, metrics, std::future::pending());
            drop(Box::pin(work).await);
        });
        Self { gate, task }
    }

    /// Whether it gave up, or was killed at a request.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.gate.is_closed() || self.task.is_finished()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.gate.close();
        self.task.abort();
    }
}
