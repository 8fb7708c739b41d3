//! Random clients whose replies are lost, before two replicas: no node has two holders, no claim outlives its lease, no slot is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{Replica, lab_with, living, names};
use crate::harness::Lab;
use crate::pools::idle;

/// Dice that fall the same way for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// A job, and which nodes it was told of.
struct Job {
    path: String,
    count: i64,
    has: Vec<String>,
    confirmed: bool,
    last: Instant,
}

const OWNER: &str = "scheduled_root@vm";

/// Who has each node, by what clients were told and by what the objects say.
fn hold(lab: &Lab, jobs: &[Job], holders: &mut BTreeMap<String, String>) {
    let mut told: BTreeMap<&str, &str> = BTreeMap::new();
    for job in jobs {
        for name in &job.has {
            let before = told.insert(name, &job.path);
            assert!(before.is_none(), "{name} was told to {before:?} and {}\n{}", job.path, lab.story());
        }
    }
    for node in lab.cluster.list("testnodes", "default") {
        let uid = node["metadata"]["uid"].as_str().unwrap().to_owned();
        if let Some(claim) = node["spec"]["claimRef"]["uid"].as_str() {
            let before = holders.entry(uid).or_insert_with(|| claim.to_owned());
            assert_eq!(before, claim, "two claims had a node\n{}", lab.story());
        }
    }
    let numbers: BTreeSet<String> = (1..=6).map(|number| format!("ovh{number:03}")).collect();
    for node in lab.cluster.list("testnodes", "default") {
        assert!(numbers.contains(node["metadata"]["name"].as_str().unwrap()), "a slot too many");
    }
}

async fn live(seed: u64) {
    let (lab, one) = lab_with(3, 6).await;
    let replicas = [one, Replica::of(&lab).await];
    let (mut dice, mut jobs, mut holders) = (Dice(seed), Vec::<Job>::new(), BTreeMap::new());
    for step in 0..60 {
        let replica = &replicas[usize::try_from(dice.below(2)).unwrap()];
        let is_lost = dice.below(4) == 0;
        match dice.below(5) {
            0 if jobs.len() < 4 => {
                let count = i64::try_from(dice.below(2)).unwrap() + 1;
                let path = format!("/srv/archive/run-{seed}/{step}");
                jobs.push(Job { path, count, has: Vec::new(), confirmed: false, last: Instant::now() });
            }
            1 | 2 if !jobs.is_empty() => {
                let at = usize::try_from(dice.below(jobs.len() as u64)).unwrap();
                let job = &mut jobs[at];
                if job.has.is_empty() {
                    let (status, rows) =
                        replica.lock_many(OWNER, job.count, Some(&job.path), Value::Null).await;
                    assert!(status == 200 || status == 503, "{rows}");
                    job.last = Instant::now();
                    if status == 200 && !is_lost {
                        job.has = names(&rows);
                        assert_eq!(job.has.len(), usize::try_from(job.count).unwrap());
                    }
                } else {
                    for name in job.has.clone() {
                        let row = replica.get(&format!("/nodes/{name}/")).await;
                        let is_mine = row["locked"] == true && row["description"] == job.path.as_str();
                        assert!(is_mine && row["locked_by"] == OWNER, "{row}\n{}", lab.story());
                    }
                    job.confirmed = true;
                }
            }
            3 if !jobs.is_empty() => {
                let at = usize::try_from(dice.below(jobs.len() as u64)).unwrap();
                if jobs[at].confirmed {
                    let job = jobs.remove(at);
                    for name in &job.has {
                        // A lost reply is asked again, perhaps of the other.
                        for replica in replicas.iter().take(if is_lost { 2 } else { 1 }) {
                            let (status, said) = replica.lock(name, false, OWNER, Some(&job.path)).await;
                            assert_eq!(status, 200, "{name} of {}: {said}\n{}", job.path, lab.story());
                        }
                    }
                } else if jobs[at].has.is_empty() && dice.below(3) == 0 {
                    // It dies while it waits, or after a reply that it never saw.
                    jobs.remove(at);
                }
            }
            _ => sleep(Duration::from_secs(dice.below(30))).await,
        }
        // A living job looks at its nodes at once: those that did not within ten minutes are dead.
        jobs.retain(|job| job.confirmed || job.last.elapsed() < Duration::from_mins(8));
        hold(&lab, &jobs, &mut holders);
    }
    for job in std::mem::take(&mut jobs) {
        for name in job.has.iter().filter(|_| job.confirmed) {
            assert_eq!(replicas[0].lock(name, false, OWNER, Some(&job.path)).await.0, 200);
        }
    }
    sleep(Duration::from_mins(13)).await;
    assert!(living(&lab).is_empty(), "a claim outlived its lease: {:?}", living(&lab));
    lab.until("no slot is lost", 200, |lab| idle(lab) == 3).await;
    let free = replicas[0].get("/nodes/?up=1&locked=0").await;
    assert_eq!(free.as_array().unwrap().len(), 6, "{free}");
}

#[tokio::test(start_paused = true)]
async fn random_clients_with_lost_replies_share_no_node_and_lose_no_slot() {
    for seed in 1..=8 {
        live(seed * 7919).await;
    }
}
