//! Random lives of one MachineImage in one cloud that loses answers, is late, and is changed by others; with the laws that hold all
//! the time. `laws_with` leaves one rule out: some life must then break a law. Some ask for a test with a TestNode.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::plan::{Ask, Record, Step, next_without};
use super::record;
use super::refresh::{Found, FoundAt, found};
use super::state::{Known, Look, Memory, Picture, Seen, Sent, Slot, Standing, Trouble, Uses, after};
use crate::api::MachineImageSpec;
use crate::api::machine_image::{CloudImages, ImageState, MachineImageStatus};
use crate::reason::Reason;

mod canary;
mod golden;

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

    fn post(&mut self, id: &str, digest: &str) -> bool {
        let made = self.spent.insert(id.to_owned());
        if made {
            self.glance
                .insert(id.to_owned(), Made { status: "queued", digest: digest.to_owned(), right: false });
        }
        made
    }

    fn look(&self, id: &str) -> Look {
        if self.golden.contains_key(id) {
            return self.look_at_golden(id);
        }
        self.glance.get(id).map_or(Look::Missing, |made| {
            Look::There(Picture {
                status: made.status.to_owned(),
                size: 10,
                hash_algo: "sha512".into(),
                hash: if made.right { format!("right {}", made.digest) } else { "wrong".into() },
                digest: made.digest.clone(),
                described: self.status.wanted.clone().unwrap_or_default().described,
            })
        })
    }

    fn known(&mut self, id: &str) -> &mut Known {
        self.memory.images.entry(id.to_owned()).or_default()
    }

    fn learn(&mut self, id: &str) {
        let (look, now) = (self.look(id), self.now);
        let known = self.known(id);
        if known.since.is_none() || known.look.as_ref() != Some(&look) {
            known.since = Some(now);
        }
        known.looked = Some(now);
        known.unasked = false;
        known.spent |= matches!(look, Look::There(_) | Look::Source(_));
        known.look = Some(look);
    }

    fn fails(&mut self) {
        self.memory.pause = Some((
            Trouble::new(Reason::CloudUnreachable, "no"),
            after(self.now, SignedDuration::from_secs(5)),
        ));
    }

    fn ask(&mut self, ask: &Ask) {
        // 0 works; 1 never arrives; 2 the reply is lost; 3 it arrives late.
        let fate = self.chance(8);
        self.spares_golden(ask);
        if self.about_test(ask, fate) {
            return;
        }
        if fate == 1 {
            if let Ask::Create(id) | Ask::Burn(id) = ask {
                self.known(id).unasked = false;
                self.known(id).look = None;
            }
            return self.fails();
        }
        match ask {
            Ask::List | Ask::ListHidden | Ask::Look(_) if fate == 2 => self.fails(),
            Ask::List => {
                let ids = self.glance.keys().filter(|id| !self.golden.contains_key(*id));
                let ids: Vec<String> = ids.cloned().collect();
                for known in self.memory.images.values_mut().filter(|known| !known.unasked) {
                    known.look = None;
                }
                for id in ids {
                    if !self.here().images.iter().any(|record| record.id == id)
                        && let Look::There(picture) = self.look(&id)
                    {
                        self.memory.found.insert(id.clone(), picture);
                    }
                    self.learn(&id);
                }
                self.memory.listed = Some(self.now);
            }
            Ask::ListHidden => self.memory.listed_hidden = Some(self.now),
            Ask::Look(id) => self.learn(id),
            Ask::Create(id) | Ask::Burn(id) => {
                let digest = self
                    .here()
                    .images
                    .iter()
                    .find(|record| record.id == *id)
                    .map(|record| record.digest.clone());
                let digest = digest.unwrap_or_default();
                self.known(id).unasked = false;
                self.known(id).look = None;
                if fate == 3 {
                    let late = SignedDuration::from_secs(i64::from(self.chance(80)));
                    self.late.push((after(self.now, late), id.clone(), digest));
                    return self.fails();
                }
                let made = self.post(id, &digest);
                if fate == 2 {
                    return self.fails();
                }
                if made { self.learn(id) } else { self.known(id).spent = true }
            }
            Ask::Upload(id) => {
                let wrong = self.chance(5) == 1;
                let sent = self.glance.get(id).map(|made| Sent {
                    sha512: format!("right {}", made.digest),
                    size: 10,
                    virtual_size: None,
                });
                let known = self.known(id);
                known.look = None;
                match (fate, sent) {
                    (0 | 4.., Some(sent)) => {
                        known.ended = Some(Ok(sent));
                        if let Some(made) = self.glance.get_mut(id) {
                            // A store that breaks bytes.
                            (made.status, made.right) = ("active", !wrong);
                        }
                    }
                    (2, _) => {
                        known.ended = Some(Err(Trouble::new(Reason::SourceUnreachable, "cut")));
                        self.glance.entry(id.clone()).and_modify(|made| made.status = "saving");
                    }
                    _ => known.ended = Some(Err(Trouble::new(Reason::ChecksumMismatch, "cut"))),
                }
            }
            Ask::Cancel(id) => self.known(id).look = None,
            Ask::Delete(id) => {
                let current = self.here().current.is_some_and(|current| current.id == *id);
                self.law(!current, "4: what is current is never deleted");
                self.law(!self.used.contains(id), "4: what is used is never deleted");
                let tested = self.nodes.values().any(|test| test.image == *id);
                self.law(!tested, "4: what a test uses is never deleted");
                self.glance.remove(id);
                if fate == 2 {
                    self.known(id).look = None;
                    return self.fails();
                }
                let known = self.known(id);
                known.deleted = true;
                known.look = None;
                self.memory.uses = None;
            }
            Ask::FindCanary(_) | Ask::ReadType(_) | Ask::MakeCanary(_) | Ask::DropCanary(_) => {}
            Ask::Uses => {
                let by = self.used.iter().map(|id| (id.clone(), "a node".to_owned())).collect();
                self.memory.uses = Some(Uses { at: Some(self.now), by });
            }
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

/// The law that a life broke, if it did.
fn laws_with(tape: Vec<u8>, without: Option<&'static str>) -> Option<String> {
    laws_of(Sim::new(tape, without))
}

/// The same of a life in which each version is tested.
fn tested_laws_with(tape: Vec<u8>, without: Option<&'static str>) -> Option<String> {
    laws_of(Sim::new(tape, without).tested())
}

/// The same in the cloud whose images are the source.
fn golden_laws_with(tape: Vec<u8>, without: Option<&'static str>) -> Option<String> {
    laws_of(Sim::new(tape, without).golden())
}

/// The same of a life in which each of them is tested.
fn tested_golden_laws_with(tape: Vec<u8>, without: Option<&'static str>) -> Option<String> {
    laws_of(Sim::new(tape, without).tested().golden())
}

fn laws_of(mut sim: Sim) -> Option<String> {
    sim.settle();
    let wanted = sim.status.wanted.clone().unwrap_or_default();
    let here = sim.here();
    let deactivated = sim.glance.values().any(|made| made.status == "deactivated");
    // What failed its test is tested again when somebody edits the object.
    let failed = here.images.iter().any(|record| record.failed_its_test() && record.digest == wanted.digest);
    if !sim.spec.rejects(&wanted.digest) && !deactivated && !failed && !sim.has_no_golden() {
        let is = here.current.as_ref().is_some_and(|current| current.digest == wanted.digest);
        sim.law(is, "11: in the end the wanted version is current");
    }
    let mut versions = BTreeSet::new();
    let usable = here.images.iter().filter(|record| record.state != ImageState::Retired);
    let twice = usable.filter(|record| !versions.insert(record.digest.clone())).count();
    sim.law(twice == 0, "1: no version is there twice");
    let mut ours = sim.glance.keys().filter(|id| !sim.golden.contains_key(*id));
    let unknown = ours.any(|id| !here.images.iter().any(|record| record.id == *id));
    sim.law(!unknown, "1: nothing is there that nobody knows");
    let rest = sim
        .glance
        .iter()
        .filter(|(id, made)| {
            !sim.used.contains(*id) && made.status != "deactivated" && !sim.golden.contains_key(*id)
        })
        .count();
    sim.law(rest <= 4, "12: no more than keep and two are there");
    if sim.broken.is_none() {
        sim.going = true;
        sim.used.clear();
        // What is still on its way may be lost from the process's memory, too.
        sim.memory = Memory::default();
        let golden = sim.golden_left();
        sim.settle();
        let gone = sim.gone || !sim.held;
        sim.law(gone, "2: it ends");
        sim.now = after(sim.now, SignedDuration::from_hours(1));
        sim.others();
        let spared = sim.golden_left() == golden;
        sim.law(spared, "5: the images of the source are there as before");
        let left = sim.glance.len() - golden;
        sim.law(left == 0, &format!("2: nothing is left, and there are {left}"));
        let tests = sim.nodes.values().filter(|test| !test.going).count();
        sim.law(tests == 0, &format!("7: no test is left behind, and there are {tests}"));
    }
    sim.broken
}

fn tapes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_life_keeps_the_laws(tape in tapes()) {
        prop_assert_eq!(laws_with(tape, None), None);
    }

    #[test]
    fn every_life_with_tests_keeps_the_laws(tape in tapes()) {
        prop_assert_eq!(tested_laws_with(tape, None), None);
    }

    #[test]
    fn every_life_beside_the_source_keeps_the_laws(tape in tapes()) {
        prop_assert_eq!(golden_laws_with(tape, None), None);
    }

    #[test]
    fn every_life_beside_the_source_with_tests_keeps_the_laws(tape in tapes()) {
        prop_assert_eq!(tested_golden_laws_with(tape, None), None);
    }
}

/// Those of these rules and guards that nothing misses.
fn missed(
    without: &[&'static str],
    laws: fn(Vec<u8>, Option<&'static str>) -> Option<String>,
) -> Vec<&'static str> {
    let mut random = 1_u64;
    let mut byte = move || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u8::try_from(random >> 56).unwrap()
    };
    let breaks_none = |rule: &&'static str| {
        !(0..300).any(|_| {
            let tape = (0..300).map(|_| byte()).collect();
            laws(tape, Some(*rule)).is_some()
        })
    };
    without.iter().copied().filter(breaks_none).collect()
}

#[test]
fn a_life_without_one_of_these_rules_breaks_a_law() {
    let missed = missed(&["listed", "lost", "retire", "clear", "upload", "begin", "release"], laws_with);
    assert_eq!(missed, Vec::<&str>::new(), "no life breaks a law without these rules");
}

#[test]
fn a_life_beside_the_source_without_the_rule_for_it_breaks_a_law() {
    assert_eq!(missed(&["source"], golden_laws_with), Vec::<&str>::new(), "no life breaks a law without it");
}

/// `testing`: what is there is used without a test. `fixed name`: a test has another name each time. `settled`: what is not there
/// is taken for gone, though it was asked for and nobody answered.
#[test]
fn a_life_with_tests_and_without_one_of_these_guards_breaks_a_law() {
    let missed = missed(&["canary", "testing", "fixed name", "settled"], tested_laws_with);
    assert_eq!(missed, Vec::<&str>::new(), "no life breaks a law without these");
}
