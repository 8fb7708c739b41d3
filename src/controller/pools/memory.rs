//! What is remembered of pools and claims. Nothing of it is needed for safety.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::api::TestNode;
use crate::reason::Reason;

/// What is remembered of each pool or claim, by UID.
#[derive(Default)]
pub struct Memory {
    /// Nodes as our last write left them.
    pub(super) written: BTreeMap<String, (Arc<TestNode>, Instant)>,
    /// When a node of a pool last gave way.
    pub gave_way: BTreeMap<String, Instant>,
    /// When one last gave way in a cloud: whoever waits there may not have looked since.
    pub gave_way_in: BTreeMap<String, Instant>,
    /// Since when a pool has more than anybody wants.
    pub surplus: BTreeMap<String, Instant>,
    /// When the present `renewTime` of a lease was first seen.
    pub heard: BTreeMap<String, (Option<String>, Instant)>,
    /// When the output of a claim was last looked at, and why it is not written.
    pub output: BTreeMap<String, (Instant, Option<(Reason, String)>)>,
    /// Until when the claims last that were told that they end.
    pub warned: BTreeMap<String, Timestamp>,
    /// When a claim got its nodes.
    pub bound: BTreeMap<String, Instant>,
    /// Since when a claim has had some of its nodes and not all.
    pub begun: BTreeMap<String, Instant>,
    /// Since when a claim waits or a pool is told about, and when that was last told.
    pub told: BTreeMap<String, (Instant, Instant)>,
}

impl Memory {
    /// Objects of which something is remembered, and that are not there any more.
    pub(super) fn gone(&self, living: &BTreeSet<String>) -> BTreeSet<String> {
        let known =
            self.surplus.keys().chain(self.gave_way.keys()).chain(self.heard.keys()).chain(self.bound.keys());
        let known = known.chain(self.output.keys()).chain(self.begun.keys()).chain(self.told.keys());
        known.filter(|uid| !living.contains(*uid)).cloned().collect()
    }

    /// The object is gone.
    pub(super) fn forget(&mut self, uid: &str) {
        self.surplus.remove(uid);
        self.gave_way.remove(uid);
        self.heard.remove(uid);
        self.output.remove(uid);
        self.warned.remove(uid);
        self.bound.remove(uid);
        self.begun.remove(uid);
        self.told.remove(uid);
    }
}
