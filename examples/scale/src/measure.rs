//! What is counted: before and after each phase, and from step to step of each node.

use std::collections::BTreeMap;
use std::time::Duration;

use devcloud::Service;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::Result;
use crate::day::Day;

/// The counters at one moment.
pub struct Counters {
    at: Instant,
    cpu: Duration,
    memory: u64,
    turns: f64,
    writes: usize,
    calls: BTreeMap<Service, usize>,
}

/// What one phase came to.
pub struct Phase {
    /// Its name.
    pub name: &'static str,
    /// Of how many nodes, or places.
    pub of: u32,
    /// What the cloud's own times and the rates would have allowed.
    pub ideal: Option<Duration>,
    /// How long it took.
    pub took: Duration,
    /// The operator's own.
    pub cpu: Duration,
    /// In KiB, at its end.
    pub memory: u64,
    /// Turns of the operator.
    pub turns: f64,
    /// Writes to nodes, pools and claims.
    pub writes: usize,
    /// Requests to OpenStack.
    pub calls: usize,
    /// Requests to nsupdate-web and the name server.
    pub dns: usize,
    /// Our own delay at each step.
    pub delays: Vec<(&'static str, Vec<Duration>)>,
}

impl Counters {
    /// Reads them.
    pub async fn read(day: &Day) -> Result<Self> {
        let turns = day.operator.metric("testnode_turns_total").await.unwrap_or(0.0);
        let mut calls = BTreeMap::new();
        for call in day.site.cloud.calls() {
            *calls.entry(call.service).or_default() += 1;
        }
        let writes = writes(day, |_, _, _| ());
        Ok(Self {
            at: Instant::now(),
            cpu: day.operator.cpu()?,
            memory: day.operator.memory()?,
            turns,
            writes: writes.len(),
            calls,
        })
    }

    /// As they are, but for a process that has just begun: all of its time and its turns count.
    pub async fn zero_of(day: &Day) -> Result<Self> {
        Ok(Self { cpu: Duration::ZERO, turns: 0.0, ..Self::read(day).await? })
    }

    /// What came between two readings.
    pub fn until(&self, after: &Self, name: &'static str, of: u32) -> Phase {
        let is_dns = |service: &Service| matches!(service, Service::Dns | Service::NsupdateWeb);
        let calls = |counters: &Self, dns: bool| {
            counters.calls.iter().filter(|(service, _)| is_dns(service) == dns).map(|(_, n)| n).sum::<usize>()
        };
        Phase {
            name,
            of,
            ideal: None,
            took: after.at - self.at,
            cpu: after.cpu.saturating_sub(self.cpu),
            memory: after.memory,
            turns: after.turns - self.turns,
            writes: after.writes - self.writes,
            calls: calls(after, false) - calls(self, false),
            dns: calls(after, true) - calls(self, true),
            delays: Vec::new(),
        }
    }
}

/// What each answered write of ours to a node, a pool or a claim was: name, subresource and time.
fn writes<T>(day: &Day, of: impl Fn(&str, &str, Timestamp) -> T) -> Vec<T> {
    let log = day.site.cluster.faults().log();
    let ours = log
        .iter()
        .filter(|w| w.call.resource.starts_with("testnode") && w.manager != "kubectl" && w.code < 300);
    ours.map(|w| of(&w.call.name, &w.call.subresource, w.at)).collect()
}

impl Day {
    /// Seconds of the wall clock since the day began.
    fn since_dawn(&self, at: Timestamp) -> Duration {
        Duration::try_from(at.duration_since(self.dawn.1)).unwrap_or_default()
    }

    /// When the last of our writes to each node was.
    fn last_writes(&self) -> BTreeMap<String, Duration> {
        writes(self, |name, _, at| (name.to_owned(), self.since_dawn(at))).into_iter().collect()
    }

    /// From the order to the create of the server, and from ACTIVE to Ready.
    pub fn burst_delays(&self) -> Vec<(&'static str, Vec<Duration>)> {
        let written = self.last_writes();
        let (mut until_create, mut until_ready) = (Vec::new(), Vec::new());
        for server in self.site.cloud.all_servers() {
            let Some(node) = node_of(&server.metadata) else { continue };
            let (Some(applied), Some(ready)) = (self.applied.get(node), written.get(node)) else { continue };
            until_create.push((server.created - self.dawn.0).saturating_sub(*applied));
            let active = server.boots.first().map(|boot| *boot - self.dawn.0);
            until_ready.extend(active.map(|active| ready.saturating_sub(active)));
        }
        vec![("applied to create", until_create), ("ACTIVE to Ready", until_ready)]
    }

    /// From the deletion to the server's DELETE, and from the server's end to the object's.
    pub fn deletion_delays(&self, deleted: Duration) -> Vec<(&'static str, Vec<Duration>)> {
        let asked: BTreeMap<String, Duration> = self
            .site
            .cloud
            .calls()
            .iter()
            .filter(|call| call.template == "DELETE /servers/{id}")
            .filter_map(|call| Some((call.path.rsplit('/').next()?.to_owned(), call.at - self.dawn.0)))
            .collect();
        let written = self.last_writes();
        let (mut until_asked, mut until_gone) = (Vec::new(), Vec::new());
        for server in self.site.cloud.all_servers() {
            until_asked.extend(asked.get(&server.id).map(|asked| asked.saturating_sub(deleted)));
            let gone = server.deleted.map(|gone| gone - self.dawn.0);
            let last = node_of(&server.metadata).and_then(|node| written.get(node));
            until_gone.extend(last.zip(gone).map(|(last, gone)| last.saturating_sub(gone)));
        }
        vec![("deleted to DELETE", until_asked), ("server gone to object gone", until_gone)]
    }
}

/// The name of the node that a server belongs to.
fn node_of(metadata: &BTreeMap<String, String>) -> Option<&str> {
    metadata.get("testnode-node")?.rsplit('/').next()
}

/// The value below which so many hundredths are.
pub fn percentile(all: &[Duration], hundredths: usize) -> Duration {
    let mut sorted = all.to_vec();
    sorted.sort();
    let last = sorted.len().saturating_sub(1);
    sorted.get((last * hundredths).div_ceil(100)).copied().unwrap_or_default()
}

impl Phase {
    /// So much for each node or place.
    pub fn each(&self, all: f64) -> f64 {
        all / f64::from(self.of.max(1))
    }

    /// For machines.
    pub fn json(&self, nodes: u32) -> Value {
        let delays: serde_json::Map<String, Value> = self
            .delays
            .iter()
            .map(|(step, all)| {
                let [p50, p95, p99] = [50, 95, 99].map(|p| percentile(all, p).as_secs_f64());
                ((*step).to_owned(), json!({"p50": p50, "p95": p95, "p99": p99}))
            })
            .collect();
        json!({
            "nodes": nodes, "phase": self.name, "of": self.of,
            "seconds": self.took.as_secs_f64(), "ideal": self.ideal.map(|ideal| ideal.as_secs_f64()),
            "cpuMillis": self.cpu.as_millis(), "memoryKiB": self.memory, "turns": self.turns,
            "writes": self.writes, "calls": self.calls, "dns": self.dns, "delays": delays,
        })
    }
}
