//! What is seen of the nodes, and when it was first seen.

use std::collections::BTreeMap;
use std::time::Duration;

use devcluster::DevCluster;
use serde_json::Value;
use tokio::time::Instant;

/// All nodes there were.
#[derive(Default)]
pub struct Watch(pub BTreeMap<String, Node>);

/// One node.
pub struct Node {
    /// When it was first seen, by phase of its life.
    pub applied: Instant,
    pub active: Option<Instant>,
    pub ready: Option<Instant>,
    pub deleted: Option<Instant>,
    pub gone: Option<Instant>,
    /// As it was last seen.
    pub phase: String,
    /// The reason and the message of its condition `Ready`.
    pub reason: String,
    pub message: String,
    /// Its address and name in DNS, when it has both.
    pub address: Option<String>,
    /// Whether it is Ready now.
    pub is_ready: bool,
}

impl Watch {
    /// Looks at all nodes.
    pub fn look(&mut self, cluster: &DevCluster) {
        let now = Instant::now();
        let there = cluster.list("testnodes", "");
        for object in &there {
            let key = key(object);
            self.0.entry(key).or_insert_with(|| Node::new(now)).see(object, now);
        }
        for (name, node) in &mut self.0 {
            if node.gone.is_none() && !there.iter().any(|object| key(object) == *name) {
                node.vanish(now);
            }
        }
    }

    pub fn all_ready(&self) -> bool {
        !self.0.is_empty() && self.0.values().all(|node| node.is_ready)
    }

    pub fn all_gone(&self) -> bool {
        self.0.values().all(|node| node.gone.is_some())
    }

    /// What the nodes say that are neither Ready nor gone.
    pub fn complaints(&self) -> String {
        let open = self.0.iter().filter(|(_, node)| !node.is_ready && node.gone.is_none());
        let lines = open.map(|(name, node)| format!("  {name}: {}: {}", node.reason, node.message));
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.pointer(field).and_then(Value::as_str).unwrap_or_default()
}

/// The name alone, where the namespace is kubectl's default.
fn key(object: &Value) -> String {
    match text(object, "/metadata/namespace") {
        "default" => text(object, "/metadata/name").to_owned(),
        namespace => format!("{namespace}/{}", text(object, "/metadata/name")),
    }
}

impl Node {
    fn new(now: Instant) -> Self {
        Self {
            applied: now,
            active: None,
            ready: None,
            deleted: None,
            gone: None,
            phase: "Pending".into(),
            reason: String::new(),
            message: String::new(),
            address: None,
            is_ready: false,
        }
    }

    fn see(&mut self, object: &Value, now: Instant) {
        if self.gone.is_some() {
            // This is another one with the same name.
            *self = Self::new(now);
        }
        let deleted = object.pointer("/metadata/deletionTimestamp").is_some();
        let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
        let condition = |kind: &str, field: &str| {
            let found = conditions.into_iter().flatten().find(|condition| text(condition, "/type") == kind);
            found.map(|condition| text(condition, field).to_owned()).unwrap_or_default()
        };
        self.is_ready = condition("Ready", "/status") == "True" && !deleted;
        self.reason = condition("Ready", "/reason");
        self.message = condition("Ready", "/message");
        let status = |field: &str| object.pointer(field).and_then(Value::as_str);
        self.address = status("/status/accessIP")
            .zip(status("/status/fqdn"))
            .map(|(address, name)| format!("{address}  {name}"));
        self.phase = match text(object, "/status/phase") {
            _ if deleted => "Deleting".into(),
            "" => "Pending".into(),
            phase => phase.to_owned(),
        };
        if self.is_ready || condition("ServerReady", "/status") == "True" {
            self.active.get_or_insert(now);
        }
        if self.is_ready {
            self.ready.get_or_insert(now);
        }
        if deleted {
            self.deleted.get_or_insert(now);
            if self.reason == "Ready" {
                self.message = "waiting for testnode-operator".into();
            }
        }
    }

    fn vanish(&mut self, now: Instant) {
        self.gone = Some(now);
        self.deleted.get_or_insert(now);
        self.is_ready = false;
        self.phase = "Gone".into();
        self.message = String::new();
        self.reason = String::new();
    }

    /// How long it took, or has taken so far, to be Ready; or, once it was deleted, to be gone.
    pub fn elapsed(&self) -> Duration {
        match (self.deleted, self.gone, self.ready) {
            (Some(deleted), Some(gone), _) => gone - deleted,
            (Some(deleted), None, _) => deleted.elapsed(),
            (None, _, Some(ready)) => ready - self.applied,
            (None, _, None) => self.applied.elapsed(),
        }
    }
}
