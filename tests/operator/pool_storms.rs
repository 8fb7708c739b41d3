//! Random lives of a pool and its claims: operators die and meet, replies are lost, people edit and delete what they like.
//!
//! The laws, at every moment: a node has one claim in its life; no node is deleted that a living claim was told of, but by the
//! people of the story; a claim that is told of nodes has as many as it asked for; there are never more nodes than the most
//! that `max` ever was; and in the calm after it, everything is as it should be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use devcluster::{Fault, Outage, Verb};
use serde_json::{Value, json};
use storm::chance::Chance;
use tokio::time::sleep;

use crate::harness::{Closing, Guard, Lab, Manner, Operator, Reached, quick};
use crate::pools::{idle, names, pool};

/// How often the laws are looked at: in trouble, and in the calm after it.
const BEAT: Duration = Duration::from_millis(200);
const CALM: Duration = Duration::from_secs(2);

/// What is known of one life.
struct Story {
    chance: Chance,
    lab: Lab,
    second: Option<Operator>,
    without: Option<Guard>,
    most: i64,
    claims: usize,
    /// By UID of a node: the claim that it first had.
    holders: BTreeMap<String, String>,
    /// Nodes that a person of the story deleted.
    deleted: BTreeSet<String>,
    broken: Option<String>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Story {
    async fn begin(seed: u64, without: Option<Guard>) -> Self {
        let lab = Lab::new(quick()).await;
        let mut story = Self {
            chance: Chance::new(seed),
            lab,
            second: None,
            without,
            most: 5,
            claims: 0,
            holders: BTreeMap::new(),
            deleted: BTreeSet::new(),
            broken: None,
        };
        // What a second operator makes for a node that is gone already, only the sweep can find.
        story.lab.edit("clouds", "", "lab", |spec| {
            spec["orphans"] = json!({"mode": "Delete", "minAge": "1m", "maxPerSweep": 50});
        });
        story.lab.start_with(&Manner { without, ..Manner::default() });
        pool(&story.lab, "smithi", 2, 5);
        story
    }

    fn broke(&mut self, law: String) {
        self.broken.get_or_insert(law);
    }

    fn claims(&self) -> Vec<Value> {
        self.lab.cluster.list("testnodeclaims", "default")
    }

    /// The laws, now.
    fn look(&mut self) {
        let nodes = self.lab.cluster.list("testnodes", "default");
        let mut stays = BTreeSet::new();
        for node in &nodes {
            let uid = text(&node["metadata"]["uid"]);
            if let Some(holder) = node["spec"]["claimRef"]["uid"].as_str() {
                let before = self.holders.entry(uid.clone()).or_insert_with(|| holder.to_owned()).clone();
                if before != holder {
                    self.broke(format!("node {uid} had claims {before} and {holder}"));
                }
            }
            if node["metadata"]["deletionTimestamp"].is_null() {
                stays.insert(uid);
            }
        }
        if i64::try_from(nodes.len()).unwrap() > self.most {
            self.broke(format!("{} nodes, and max was never more than {}", nodes.len(), self.most));
        }
        let mut told = BTreeMap::new();
        for claim in self.claims() {
            if !claim["status"]["ended"].is_null() || claim["status"]["boundAt"].is_null() {
                continue;
            }
            let name = text(&claim["metadata"]["name"]);
            let listed = claim["status"]["nodes"].as_array().cloned().unwrap_or_default();
            if listed.len() as u64 != claim["spec"]["count"].as_u64().unwrap_or(1) {
                self.broke(format!("{name} was told of {} nodes", listed.len()));
            }
            let released = claim["spec"]["released"].as_array().cloned().unwrap_or_default();
            for node in listed.iter().filter(|node| !released.contains(&node["name"])) {
                let uid = text(&node["uid"]);
                if let Some(other) = told.insert(uid.clone(), name.clone()) {
                    self.broke(format!("{other} and {name} were both told of {uid}"));
                }
                if !stays.contains(&uid) && !self.deleted.contains(&uid) {
                    self.broke(format!("{name} lives and lost {uid}"));
                }
            }
        }
    }

    async fn pass(&mut self, time: Duration, beat: Duration) {
        let mut left = time;
        while !left.is_zero() && self.broken.is_none() {
            self.look();
            if self.lab.operator().has_ended() {
                self.lab.start_with(&Manner { without: self.without, ..Manner::default() });
            }
            sleep(beat.min(left)).await;
            left = left.saturating_sub(beat);
        }
        self.look();
    }

    fn claim(&mut self) {
        self.claims += 1;
        let count = 1 + self.chance.below(3);
        let owner = *self.chance.pick(&["alice", "bob"]);
        self.lab.apply(json!({
            "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNodeClaim",
            "metadata": {"name": format!("job-{}", self.claims), "namespace": "default"},
            "spec": {"pool": {"name": "smithi"}, "count": count, "owner": owner},
        }));
    }

    /// One claim, with a chance of being made again under its name.
    fn end_a_claim(&mut self) {
        let claims = self.claims();
        let Some(claim) = (!claims.is_empty()).then(|| self.chance.pick(&claims).clone()) else { return };
        self.lab.cluster.delete(&claim).unwrap();
        if self.chance.percent(30) {
            let name = &claim["metadata"]["name"];
            self.lab.apply(json!({
                "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNodeClaim",
                "metadata": {"name": name, "namespace": "default"}, "spec": claim["spec"],
            }));
        }
    }

    fn edit(&mut self, alter: impl FnOnce(&mut Value)) {
        self.lab.edit("testnodepools", "default", "smithi", alter);
    }

    /// Something befalls the lab.
    fn befall(&mut self) {
        let faults = self.lab.cluster.faults().clone();
        match self.chance.below(14) {
            0..=3 => self.claim(),
            4 | 5 => self.end_a_claim(),
            6 => {
                let nodes = names(&self.lab);
                if let Some(name) = (!nodes.is_empty()).then(|| self.chance.pick(&nodes).clone()) {
                    self.deleted.insert(text(&self.lab.the(&name)["metadata"]["uid"]));
                    self.lab.delete(&name);
                }
            }
            7 => {
                let max = 3 + i64::try_from(self.chance.below(4)).unwrap();
                self.most = self.most.max(max);
                self.edit(|spec| spec["max"] = max.into());
            }
            8 => {
                let tag = format!("t{}", self.chance.below(3));
                self.edit(|spec| spec["template"]["serverTags"] = json!([tag]));
            }
            9 => {
                let at = self.lab.operator().gate.passed() + self.chance.index(12);
                let reached = *self.chance.pick(&[
                    Reached::Nothing,
                    Reached::World,
                    Reached::WorldLater(Duration::from_secs(3)),
                ]);
                self.lab.operator().gate.close_at(Closing { at, reached });
            }
            10 => {
                let fault = *self.chance.pick(&[
                    Fault::FailReply,
                    Fault::LoseReply,
                    Fault::Refuse(500),
                    Fault::Refuse(409),
                    Fault::Hang,
                ]);
                let ours = |call: &devcluster::Call| {
                    call.resource.starts_with("testnode") && !matches!(call.verb, Verb::Watch | Verb::List)
                };
                faults.inject(1 + self.chance.index(4), ours, fault);
            }
            11 => match self.chance.below(3) {
                0 => faults.drop_watches(),
                1 => faults.expire_watches(2),
                _ => faults.outage(self.chance.seconds(2, 8), Outage::Unavailable),
            },
            12 => {
                self.second = match self.second.take() {
                    Some(_) => None,
                    None => Some(Operator::start_with(
                        &self.lab.cluster,
                        &self.lab.wires,
                        &Manner { unasked: true, without: self.without, ..Manner::default() },
                    )),
                };
            }
            _ => {
                let bound: Vec<Value> =
                    self.claims().into_iter().filter(|claim| !claim["status"]["boundAt"].is_null()).collect();
                if let Some(claim) = (!bound.is_empty()).then(|| self.chance.pick(&bound).clone()) {
                    let first = claim["status"]["nodes"][0]["name"].clone();
                    self.lab.edit(
                        "testnodeclaims",
                        "default",
                        claim["metadata"]["name"].as_str().unwrap(),
                        |spec| {
                            let mut released = spec["released"].as_array().cloned().unwrap_or_default();
                            if !released.contains(&first) {
                                released.push(first);
                            }
                            spec["released"] = released.into();
                        },
                    );
                }
            }
        }
    }

    /// Everything is as it should be: who can be served is, the pool is full, and no node is anybody's who is gone.
    fn is_calm(&self) -> bool {
        let living: BTreeSet<String> = self
            .claims()
            .iter()
            .filter(|claim| claim["status"]["ended"].is_null())
            .map(|claim| text(&claim["metadata"]["uid"]))
            .collect();
        let nodes = self.lab.cluster.list("testnodes", "default");
        let ours = nodes.iter().all(|node| {
            node["spec"]["claimRef"]["uid"].as_str().is_none_or(|holder| living.contains(holder))
        });
        let served = self
            .claims()
            .iter()
            .all(|claim| !claim["status"]["boundAt"].is_null() || !claim["status"]["ended"].is_null());
        ours && served && idle(&self.lab) == 2
    }

    /// Trouble ends; in the end everything is as it should be, and when the pool and the claims go nothing is left.
    async fn calm(&mut self) {
        self.second = None;
        self.lab.cluster.faults().clear();
        self.most = self.most.max(12);
        self.edit(|spec| {
            spec["max"] = 12.into();
            spec["template"]["serverTags"] = Value::Null;
        });
        // At most three claims, of at most three nodes each, have room beside what is idle.
        for claim in self.claims().into_iter().skip(3) {
            self.lab.cluster.delete(&claim).unwrap();
        }
        for _ in 0..90 {
            self.pass(Duration::from_secs(10), CALM).await;
            if self.broken.is_some() || self.is_calm() {
                break;
            }
        }
        if self.broken.is_none() && !self.is_calm() {
            self.broke(format!("no calm after 15 min: {:?}", names(&self.lab)));
        }
        for claim in self.claims() {
            self.lab.cluster.delete(&claim).unwrap();
        }
        crate::pools::delete(&self.lab, "testnodepools", "smithi");
        for _ in 0..60 {
            self.pass(Duration::from_secs(10), CALM).await;
            if names(&self.lab).is_empty() {
                break;
            }
        }
        if !names(&self.lab).is_empty() {
            self.broke(format!("left: {:?}", names(&self.lab)));
        }
        if self.broken.is_none() {
            self.lab.until("nothing is left", 1200, |lab| lab.cloud.is_empty()).await;
            sleep(Duration::from_mins(2)).await;
            self.lab.assert_clean();
        }
    }
}

/// The law that a life broke.
async fn live(seed: u64, without: Option<Guard>) -> Option<String> {
    let mut story = Story::begin(seed, without).await;
    for _ in 0..40 {
        story.befall();
        let pause = story.chance.between(50, 8000);
        story.pass(pause, BEAT).await;
        if story.broken.is_some() {
            break;
        }
    }
    if without.is_none() && story.broken.is_none() {
        story.calm().await;
    }
    story.broken
}

#[tokio::test(start_paused = true)]
async fn no_node_has_two_claims_and_no_living_claim_loses_one_whatever_befalls() {
    let lives: u64 = std::env::var("POOL_LIVES").ok().and_then(|lives| lives.parse().ok()).unwrap_or(2);
    let first: u64 = std::env::var("POOL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut broken = Vec::new();
    for seed in first..first + lives {
        if let Some(law) = live(seed, None).await {
            println!("seed {seed}: {law}");
            broken.push((seed, law));
        }
    }

    assert!(broken.is_empty(), "{broken:?}");
}
