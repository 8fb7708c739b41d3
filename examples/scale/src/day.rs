//! One day: a burst, a rest, a restart, a queue, deletion.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use sandbox::site::{Doors, EXAMPLES, Site, read, set};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::measure::{Counters, Phase};
use crate::operator::Operator;
use crate::{Options, Result, report};

/// How often it is looked whether a phase is over.
const LOOK: Duration = Duration::from_millis(250);

/// What there is.
pub struct Day {
    /// Cluster and cloud.
    pub site: Site,
    /// The operator's process.
    pub operator: Operator,
    /// When it began, by both clocks.
    pub dawn: (Instant, Timestamp),
    /// When each node was applied, since then.
    pub applied: BTreeMap<String, Duration>,
    example: Value,
    /// The longest that any phase may take.
    pub patience: Duration,
}

/// Lives it, and tells of each phase.
pub async fn live(options: &Options, nodes: u32) -> Result<Vec<Phase>> {
    let folder = tempfile::tempdir()?;
    let site = Site::serve(options.settings(), Doors::any().await?)?;
    std::fs::write(folder.path().join("kubeconfig"), &site.kubeconfig)?;
    let example = prepare(&site, options)?;
    let operator = Operator::start(folder.path()).await?;
    let dawn = (Instant::now(), site.cluster.now());
    let mut day = Day { site, operator, dawn, applied: BTreeMap::new(), example, patience: options.patience };
    let mut phases = Vec::new();
    let mut told = |phase: Phase| {
        if options.json {
            println!("{}", phase.json(nodes));
        } else {
            report::tell(&phase);
        }
        phases.push(phase);
    };
    if !options.json {
        println!("{nodes} nodes");
    }
    let done = day.phases(options, nodes, folder.path(), &mut told).await;
    if options.keep_log || done.is_err() {
        eprintln!("the operator's log is in {}", folder.keep().display());
    }
    day.operator.stop().await?;
    done.map(|()| phases)
}

/// Messages for the name of a node: whether the zone has it, the update, and four questions of what the zone has then (its addresses
/// of both families, its texts, and anything else).
const MESSAGES: u32 = 6;

/// Applies the examples but for their nodes. Returns a node.
fn prepare(site: &Site, options: &Options) -> Result<Value> {
    let mut node = None;
    let mut objects = Vec::new();
    for (_, text) in EXAMPLES {
        objects.extend(read(text)?);
    }
    for object in objects {
        let mut object = site.filled_in(object);
        if object.get("kind") == Some(&json!("TestNode")) {
            node.get_or_insert(object);
            continue;
        }
        if object.get("kind") == Some(&json!("Cloud")) {
            let mut rate = json!({"requestsPerSecond": options.rate, "burst": options.rate});
            if let (Some(creates), Some(fields)) = (options.concurrent_creates, rate.as_object_mut()) {
                fields.insert("concurrentCreates".into(), json!(creates));
            }
            set(&mut object, "/spec/limits", json!({}));
            if let Some(dns) = object.pointer_mut("/spec/dns").and_then(Value::as_object_mut) {
                dns.insert("messagesPerSecond".into(), options.messages_per_second.into());
            }
            if let Some(spec) = object.pointer_mut("/spec").and_then(Value::as_object_mut) {
                spec.insert("rate".into(), rate);
            }
        }
        site.cluster.put(object)?;
    }
    node.ok_or_else(|| "the examples hold no TestNode".into())
}

impl Day {
    async fn phases(
        &mut self,
        options: &Options,
        nodes: u32,
        folder: &std::path::Path,
        told: &mut impl FnMut(Phase),
    ) -> Result<()> {
        // The first listings and the catalogue are no node's.
        sleep(Duration::from_secs(2)).await;
        if let Some(pools) = options.pools {
            self.with_pools(options, pools, nodes, told).await?;
            return self.nothing_left();
        }
        let before = Counters::read(self).await?;
        self.apply("node", nodes)?;
        self.until("Ready", |day| day.counted("Ready", "True") == nodes).await?;
        let ideal = options.ideal(nodes);
        let phase = before.until(&Counters::read(self).await?, "burst", nodes);
        told(Phase { ideal: Some(ideal), delays: self.burst_delays(), ..phase });

        sleep(Duration::from_secs(5)).await;
        told(self.rest("rest", nodes, options).await?);

        let began = Instant::now();
        self.operator.ask_to_stop()?;
        self.operator = Operator::start(folder).await?;
        let before = Counters::zero_of(self).await?;
        self.apply("late", 1)?;
        self.until("admitted", |day| day.attempts("late") == 1).await?;
        let admitted = began.elapsed();
        self.until("Ready", |day| day.counted("Ready", "True") == nodes + 1).await?;
        let phase = before.until(&Counters::read(self).await?, "restart", nodes + 1);
        told(Phase { delays: vec![("start to the first new node's attempt", vec![admitted])], ..phase });

        if options.waiting > 0 {
            self.queue(options, nodes + 1, told).await?;
        }

        let (before, deleted) = (Counters::read(self).await?, self.dawn.0.elapsed());
        let there = self.site.cluster.list("testnodes", "");
        for node in &there {
            self.site.cluster.delete(node)?;
        }
        self.until("gone", |day| day.site.cluster.list("testnodes", "").is_empty()).await?;
        let phase = before.until(&Counters::read(self).await?, "deletion", u32::try_from(there.len())?);
        told(Phase { ideal: Some(Duration::from_secs(1)), delays: self.deletion_delays(deleted), ..phase });
        self.nothing_left()
    }

    fn nothing_left(&self) -> Result<()> {
        let left = self.site.cloud.servers().len() + self.site.cloud.ports().len();
        if left > 0 { Err(format!("{left} servers and ports are left").into()) } else { Ok(()) }
    }

    /// What a pool makes: as the example's node.
    pub fn template(&self) -> Value {
        let asked =
            |field: &str| self.example.pointer(&format!("/spec/{field}")).cloned().unwrap_or_default();
        json!({"machineType": asked("machineType"), "os": asked("os")})
    }

    /// A phase in which nothing happens.
    pub async fn rest(&self, name: &'static str, of: u32, options: &Options) -> Result<Phase> {
        let before = Counters::read(self).await?;
        sleep(options.rest).await;
        Ok(before.until(&Counters::read(self).await?, name, of))
    }

    /// As many as there are may be; more come, and places become free.
    async fn queue(&mut self, options: &Options, there: u32, told: &mut impl FnMut(Phase)) -> Result<()> {
        let mut cloud = self.site.cluster.get("clouds", "", "lab").ok_or("there is no Cloud")?;
        set(&mut cloud, "/spec/limits", json!({"maxNodes": there}));
        self.site.cluster.put(cloud)?;
        sleep(Duration::from_secs(1)).await;
        let before = Counters::read(self).await?;
        self.apply("waits", options.waiting)?;
        self.until("told that they wait", |day| day.counted("Ready", "False") == options.waiting).await?;
        told(before.until(&Counters::read(self).await?, "arrival of the waiting", options.waiting));
        // What is told in the first minutes is told with longer and longer pauses.
        sleep(options.rest).await;
        told(self.rest("rest while they wait", options.waiting, options).await?);

        let before = Counters::read(self).await?;
        for place in 0..options.places {
            let name = format!("node-{place:05}");
            let node = self
                .site
                .cluster
                .get("testnodes", "default", &name)
                .ok_or("there are more places than nodes")?;
            self.site.cluster.delete(&node)?;
            let ready = there - 1 - place;
            self.until("the next is Ready", |day| {
                day.counted("Ready", "True") > ready + place && day.attempts("waits") == place + 1
            })
            .await?;
        }
        told(before.until(&Counters::read(self).await?, "a place becomes free", options.places));
        Ok(())
    }

    fn apply(&mut self, prefix: &str, count: u32) -> Result<()> {
        for number in 0..count {
            let name = format!("{prefix}-{number:05}");
            set(&mut self.example, "/metadata/name", json!(name));
            self.site.cluster.put(self.example.clone())?;
            self.applied.insert(name, self.dawn.0.elapsed());
        }
        Ok(())
    }

    /// How many nodes have a condition of this status.
    pub fn counted(&self, kind: &str, status: &str) -> u32 {
        let conditions = |node: &Value| {
            let all =
                node.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
            all.iter().any(|c| c.get("type") == Some(&json!(kind)) && c.get("status") == Some(&json!(status)))
        };
        let found = self.site.cluster.list("testnodes", "").iter().filter(|node| conditions(node)).count();
        u32::try_from(found).unwrap_or(u32::MAX)
    }

    /// How many nodes whose names begin like this have opened an attempt.
    fn attempts(&self, prefix: &str) -> u32 {
        let opened = |node: &&Value| {
            let name = node.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            name.starts_with(prefix) && node.pointer("/status/attempts/0").is_some()
        };
        u32::try_from(self.site.cluster.list("testnodes", "").iter().filter(opened).count())
            .unwrap_or(u32::MAX)
    }

    /// Waits until something is the case.
    pub async fn until(&self, what: &str, over: impl Fn(&Self) -> bool) -> Result<()> {
        let began = Instant::now();
        while !over(self) {
            if began.elapsed() > self.patience {
                return Err(format!("not {what} within {:?}", self.patience).into());
            }
            sleep(LOOK).await;
        }
        Ok(())
    }
}

impl Options {
    /// The largest of what the places where servers are built allow, and what the rates do: two requests to Nova for each node
    /// would be one too many, so it is one.
    #[must_use]
    pub fn ideal(&self, nodes: u32) -> Duration {
        let places = if self.builds == 0 { nodes } else { u32::try_from(self.builds).unwrap_or(nodes) };
        let built = self.server_build * nodes.div_ceil(places.max(1));
        let at = |rate: u32, each: u32| Duration::from_secs_f64(f64::from(nodes * each) / f64::from(rate));
        built.max(at(self.rate, 1)).max(at(self.messages_per_second, MESSAGES))
    }
}
