//! Random lives of one MachineImage in one cloud that loses answers, is late, and is changed by others; with the laws that hold all
//! the time. Some ask for a test with a TestNode. Without one of the rules some life must break a law: see `laws`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::plan::{Record, Step, next_without};
use super::record;
use super::refresh::{Found, FoundAt, found};
use super::state::{Memory, Seen, Slot, Standing, after};
use crate::api::MachineImageSpec;
use crate::api::machine_image::{CloudImages, MachineImageStatus};

mod canary;
mod glance;
mod golden;
mod laws;

use canary::Test;

/// What Glance has under an id.
#[derive(Clone, Debug)]
struct Made {
    status: &'static str,
    digest: String,
    /// It has the published bytes.
    right: bool,
}

struct Sim {
    now: Timestamp,
    tape: Vec<u8>,
    at: usize,
    spec: MachineImageSpec,
    going: bool,
    held: bool,
    gone: bool,
    status: MachineImageStatus,
    memory: Memory,
    glance: BTreeMap<String, Made>,
    spent: BTreeSet<String>,
    late: Vec<(Timestamp, String, String)>,
    used: BTreeSet<String>,
    /// The generation of the spec.
    edits: i64,
    /// TestNodes by name, and those that a request still on its way makes.
    nodes: BTreeMap<String, Test>,
    late_nodes: Vec<(Timestamp, String, Test)>,
    /// Images that some node became Ready with.
    passed: BTreeSet<String>,
    /// The images of the source, if that is an image of this cloud: what is in each.
    golden: BTreeMap<String, String>,
    ids: u32,
    versions: u32,
    without: Option<&'static str>,
    broken: Option<String>,
}

impl Sim {
    fn new(tape: Vec<u8>, without: Option<&'static str>) -> Self {
        let spec = json!({
            "source": {"url": {"url": "https://a.test/b", "checksumURL": "https://a.test/SHA256SUMS"}},
            "clouds": [{"name": "lab"}],
        });
        let mut sim = Self {
            now: Timestamp::constant(1_800_000_000, 0),
            tape,
            at: 0,
            spec: serde_json::from_value(spec).unwrap(),
            going: false,
            held: false,
            gone: false,
            status: MachineImageStatus::default(),
            memory: Memory::default(),
            glance: BTreeMap::new(),
            spent: BTreeSet::new(),
            late: Vec::new(),
            used: BTreeSet::new(),
            edits: 1,
            nodes: BTreeMap::new(),
            late_nodes: Vec::new(),
            passed: BTreeSet::new(),
            golden: BTreeMap::new(),
            ids: 0,
            versions: 0,
            without,
            broken: None,
        };
        sim.publish();
        sim
    }

    /// A number below `below`; 0 once the tape has ended: then nothing goes wrong any longer.
    fn chance(&mut self, below: u8) -> u8 {
        let drawn = self.tape.get(self.at).map_or(0, |byte| byte % below);
        self.at += 1;
        drawn
    }

    fn calm(&self) -> bool {
        self.at >= self.tape.len()
    }

    fn publish(&mut self) {
        if self.is_golden() {
            return self.make_golden();
        }
        self.versions += 1;
        let what = Found {
            digest: format!("sha256:{:064x}", self.versions),
            at: FoundAt::Url("https://a.test/b".into()),
            head: None,
        };
        found(self.now, &self.spec, &mut self.status, &what);
    }

    fn here(&self) -> CloudImages {
        record::here(&self.status, "lab")
    }

    fn law(&mut self, holds: bool, law: &str) {
        if !holds && self.broken.is_none() {
            self.broken = Some(law.to_owned());
        }
    }

    /// The same life with a test of each version.
    fn tested(mut self) -> Self {
        self.spec.clouds[0].canary = Some("small".into());
        self
    }

    fn is_tested(&self) -> bool {
        self.spec.clouds[0].canary.is_some()
    }

    /// What others do.
    fn others(&mut self) {
        self.operator();
        let due: Vec<(Timestamp, String, String)> =
            self.late.iter().filter(|(at, ..)| *at <= self.now).cloned().collect();
        self.late.retain(|(at, ..)| *at > self.now);
        for (_, id, digest) in due {
            self.post(&id, &digest);
        }
        if self.calm() {
            return;
        }
        match self.chance(40) {
            1 => self.publish(),
            2 => {
                let wanted = self.status.wanted.clone().unwrap_or_default();
                if self.spec.reject.len() < 3 {
                    self.spec.reject.push(wanted.digest);
                }
            }
            // A restart.
            3 | 4 => self.memory = Memory::default(),
            5 => {
                let current = self.here().current.map(|current| current.id);
                self.used.extend(current.filter(|id| self.glance.contains_key(id)));
            }
            6 => self.used.clear(),
            7 => {
                let first = self.glance.keys().next().cloned();
                first
                    .into_iter()
                    .filter(|id| !self.used.contains(id))
                    .for_each(|id| drop(self.glance.remove(&id)));
            }
            8 => {
                if let Some(made) = self.glance.values_mut().find(|made| made.status == "active") {
                    made.status = "deactivated";
                }
            }
            9 => {
                if let Some(made) = self.glance.values_mut().find(|made| made.status == "deactivated") {
                    made.status = "active";
                }
            }
            10 => self.edits += 1,
            _ => {}
        }
    }

    /// One step. Returns whether there was something to do.
    fn step(&mut self) -> bool {
        self.others();
        self.look_at_source();
        let here = self.here();
        let (status, memory, spec) = (self.status.clone(), self.memory.clone(), self.spec.clone());
        let seen = Seen {
            now: self.now,
            name: "ubuntu",
            generation: self.edits,
            spec: &spec,
            canaries: Some("canaries"),
            asked: !self.going,
            going: self.going,
            wanted: status.wanted.as_ref(),
            versions: &status.versions,
            held: self.held,
            here: &here,
            standing: Standing::Up,
            memory: &memory,
            slot: Slot::Free,
        };
        let current = record::current(&seen);
        let plan = next_without(&seen, self.without);
        if current != here.current {
            record::put(&mut self.status, CloudImages { current, ..here });
            self.check();
            return true;
        }
        let Some(step) = plan.step else {
            let until = plan.waits.iter().filter_map(|wait| wait.until).min();
            let next = until.unwrap_or_else(|| after(self.now, SignedDuration::from_mins(10)));
            self.now = next
                .max(after(self.now, SignedDuration::from_secs(1)))
                .min(after(self.now, SignedDuration::from_mins(10)));
            return false;
        };
        self.now = after(self.now, SignedDuration::from_millis(200));
        match step {
            Step::AddFinalizer => {
                self.held = true;
                self.memory.listed = Some(self.now);
                self.memory.listed_hidden = Some(self.now);
            }
            Step::RemoveFinalizer => {
                self.held = false;
                self.gone = true;
                self.status.clouds.clear();
            }
            Step::Record(what) => {
                let what = match (what, self.without) {
                    // The guard that is left out: what is there is used.
                    (Record::Test(id, _), Some("testing")) => Record::Usable(id),
                    (what, _) => what,
                };
                self.ids += 1;
                let fresh = format!("i{:04}", self.ids);
                record::apply(self.now, "lab", &mut self.status, &mut self.memory, &what, &fresh);
                if matches!(what, Record::Forget(_)) && self.going {
                    self.memory.listed = None;
                    self.memory.listed_hidden = None;
                }
            }
            Step::Ask(ask) => self.ask(&ask),
        }
        true
    }

    fn check(&mut self) {
        let Some(current) = self.here().current else { return };
        let right = self.glance.get(&current.id).is_none_or(|made| made.right);
        self.law(right, "3: what is current has the published bytes");
        self.law(!self.spec.rejects(&current.digest), "8: what is rejected is not current");
        let tested =
            !self.is_tested() || self.passed.contains(&current.id) || self.golden_passed(&current.id);
        self.law(tested, "7: what is current was tested");
    }

    /// Until it rests, or for very long.
    fn settle(&mut self) {
        let mut rests = 0;
        for _ in 0..3000 {
            rests = if self.step() { 0 } else { rests + 1 };
            if self.gone || (self.calm() && rests > 400) {
                return;
            }
        }
    }
}
