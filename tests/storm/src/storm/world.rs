//! How a world passes: a storm, then calm in which everybody comes to rest, then the end of all.

mod beginning;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use devcloud::DevCloud;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::gust::{Gust, Undo};
use super::laws::{Laws, unsettled};
use super::life::{Life, Stage};
use super::tally::{Law, Tally};
use crate::chance::Chance;
use crate::lab::{Lab, Manner, Operator, SYSTEM};

pub(super) use beginning::project;

/// How often the world is looked at.
const BEAT: Duration = Duration::from_millis(250);
/// How often it is asked whether all are at rest.
const GLANCE: Duration = Duration::from_secs(5);
/// After the last fault every node that can become Ready is, within this: a round of attempts that is used up rests for
/// ten minutes, and a launch that sticks is given up after three.
const REST_WITHIN: Duration = Duration::from_mins(40);
/// After the last fault, and its deletion, every node is gone within this.
const GONE_WITHIN: Duration = Duration::from_mins(15);
/// What a restored node left to the orphan rule is gone within this: a sweep a minute, and a few for each machine.
const SWEPT_WITHIN: Duration = Duration::from_mins(15);
/// What was in flight has had its time.
const STILL: Duration = Duration::from_mins(3);

/// The clouds, by what they are called.
pub(super) const HOSTS: [&str; 2] = ["lab", "far"];

/// One world.
pub struct World {
    /// Everything there is.
    pub lab: Lab,
    pub(super) seed: u64,
    pub(super) chance: Chance,
    pub(super) lives: Vec<Life>,
    pub(super) laws: Laws,
    /// Another operator that works too.
    pub(super) second: Option<Operator>,
    /// How the operator is started next.
    pub(super) manner: Manner,
    /// Ids of what is somebody else's.
    pub(super) strangers: BTreeSet<String>,
    /// Volumes that are reserved by nobody.
    pub(super) stray: Vec<(DevCloud, String)>,
    far: DevCloud,
    made: BTreeMap<String, String>,
    pub(super) weather: Vec<Gust>,
    undo: Vec<(Instant, Undo)>,
    storm: Duration,
    restart: Option<Instant>,
    gusts: usize,
    crashes: usize,
}

impl World {
    /// Lives to the end.
    pub async fn live(mut self) -> Tally {
        self.lab.start_with(&self.manner);
        let ends = Instant::now() + self.storm;
        let pace = self.chance.between(3_000, 25_000);
        let mut next = Instant::now() + self.chance.between(0, 5_000);
        while Instant::now() < ends {
            if next <= Instant::now() {
                let gust = *self.chance.pick(&self.weather);
                self.tell(|| format!("{gust:?}"));
                self.gusts += 1;
                self.blow(gust);
                next = Instant::now() + self.chance.between(0, 2 * u64::try_from(pace.as_millis()).unwrap());
            }
            self.beat().await;
        }
        self.calm();
        self.rest().await;
        self.end().await;
        self.tally()
    }

    /// One beat: what is due happens, and the laws are looked at.
    async fn beat(&mut self) {
        let now = Instant::now();
        let (due, left): (Vec<_>, _) =
            std::mem::take(&mut self.undo).into_iter().partition(|(at, _)| *at <= now);
        self.undo = left;
        for (_, undo) in due {
            self.tell(|| format!("ends: {undo:?}"));
            self.undo(&undo);
        }
        self.births_and_deaths();
        self.supervise();
        if self.second.is_some() {
            self.lives.iter_mut().filter(|life| life.is_there()).for_each(|life| life.doubled = true);
        }
        let clouds = self.clouds();
        self.laws.watch(&self.lab, &clouds, &mut self.lives);
        sleep(BEAT).await;
    }

    fn births_and_deaths(&mut self) {
        let now = Instant::now();
        for at in 0..self.lives.len() {
            let life = &self.lives[at];
            let there = self.lives.iter().any(|other| other.name == life.name && other.is_there());
            if life.stage == Stage::Unborn && life.born <= now && !there {
                let (name, spec) = (life.name.clone(), life.spec.clone());
                self.lab.node(&name, spec);
                let node = self.lab.the(&name);
                node["metadata"]["uid"].as_str().unwrap().clone_into(&mut self.lives[at].uid);
                self.lives[at].stage = Stage::Alive;
                self.lives[at].born = now;
                self.tell(|| format!("{name} is made"));
            } else if life.is_alive() && life.dies.is_some_and(|dies| dies <= now) {
                self.delete(at);
            }
        }
    }

    fn delete(&mut self, at: usize) {
        let life = &mut self.lives[at];
        life.stage = Stage::Dying;
        let name = life.name.clone();
        self.tell(|| format!("{name} is deleted"));
        self.lab.delete(&name);
    }

    /// A Deployment starts another operator when one has ended.
    fn supervise(&mut self) {
        if self.lab.is_running() {
            return;
        }
        let now = Instant::now();
        match self.restart {
            None => {
                self.crashes += 1;
                self.tell(|| "the operator has ended".into());
                self.restart = Some(now + self.chance.between(0, 20_000));
            }
            Some(at) if at <= now => {
                self.tell(|| "the operator starts".into());
                self.lab.start_with(&self.manner);
                self.restart = None;
            }
            Some(_) => {}
        }
    }

    /// All trouble ends.
    fn calm(&mut self) {
        self.tell(|| "calm".into());
        for (_, undo) in std::mem::take(&mut self.undo) {
            self.undo(&undo);
        }
        for cloud in self.clouds() {
            cloud.heal();
        }
        self.lab.cluster.faults().clear();
        self.mend();
        self.laws.calm();
        // Who was not born by now never is.
        self.lives.retain(|life| life.stage != Stage::Unborn);
    }

    /// Everybody comes to rest.
    async fn rest(&mut self) {
        let limit = Instant::now() + REST_WITHIN;
        loop {
            self.beats(GLANCE).await;
            self.wish_anew();
            let late = self.late(Life::is_there);
            if late.is_empty() {
                break;
            }
            if limit <= Instant::now() {
                for what in late {
                    self.laws.breach(Law::Stuck, format!("not at rest: {what}"));
                }
                return;
            }
        }
        // And stays so; but what was harmed may be tried again.
        self.beats(STILL).await;
        for what in self.late(|life| life.is_alive() && !life.harmed) {
            self.laws.breach(Law::Stuck, format!("did not stay at rest: {what}"));
        }
    }

    /// Somebody reads that what a node had before is no machine that can be adopted, and leaves it to the orphan rule.
    fn wish_anew(&mut self) {
        let waits = |life: &&Life| {
            life.is_alive() && life.restored && self.lab.says(&life.name, "Ready").1 == "FormerMachineFound"
        };
        let names: Vec<String> = self.lives.iter().filter(waits).map(|life| life.name.clone()).collect();
        for name in &names {
            self.wish(name);
        }
    }

    /// Which of these is not where it should be, and why.
    fn late(&self, of: impl Fn(&Life) -> bool) -> Vec<String> {
        let clouds = self.clouds();
        let late = |life: &Life| {
            let whole = || life.is_alive() && !life.harmed && self.lab.is_ready(&life.name);
            unsettled(&self.lab, life, &self.lives)
                .or_else(|| whole().then(|| Laws::lacks(&self.lab, &clouds, life)).flatten())
        };
        self.lives.iter().filter(|life| of(life)).filter_map(late).collect()
    }

    /// Beats for a while.
    async fn beats(&mut self, lasting: Duration) {
        let end = Instant::now() + lasting;
        while Instant::now() < end {
            self.beat().await;
        }
    }

    /// Everybody goes.
    async fn end(&mut self) {
        for at in 0..self.lives.len() {
            if self.lives[at].is_alive() {
                self.delete(at);
            }
        }
        let swept = self.lives.iter().any(|life| life.restored);
        if self.chance.percent(30) && !swept {
            // All at once, as a lab is given up; what the nodes need stays until they are gone.
            for which in HOSTS {
                for (kind, namespace) in [("clouds", ""), ("secrets", SYSTEM)] {
                    if let Some(object) = self.lab.cluster.get(kind, namespace, which) {
                        self.lab.cluster.delete(&object).unwrap();
                    }
                }
            }
        }
        let limit = Instant::now() + GONE_WITHIN;
        while self.lives.iter().any(Life::is_there) {
            self.beat().await;
            if limit <= Instant::now() {
                for what in self.lives.iter().filter_map(|life| unsettled(&self.lab, life, &self.lives)) {
                    self.laws.breach(Law::Stuck, format!("not gone: {what}"));
                }
                break;
            }
        }
        self.beats(if swept { SWEPT_WITHIN } else { STILL }).await;
        let clouds = self.clouds();
        self.laws.nothing_left(&self.lab, &clouds, &self.strangers, &self.lives);
        self.laws.strangers_are_untouched(&clouds, &self.strangers, &self.made);
    }

    fn tally(self) -> Tally {
        let struck: usize = self.clouds().iter().map(DevCloud::struck).sum();
        if !self.laws.broken.is_empty() && is_told() {
            println!("{}", self.lab.story());
        }
        Tally {
            lifecycles: self.lives.len(),
            faults: struck + self.lab.cluster.faults().struck() + self.gusts,
            crashes: self.crashes,
            broken: self.laws.broken.into_iter().map(|(law, what)| (self.seed, law, what)).collect(),
        }
    }

    pub(super) fn cloud(&self, which: &str) -> DevCloud {
        if which == "lab" { self.lab.cloud.clone() } else { self.far.clone() }
    }

    fn clouds(&self) -> Vec<DevCloud> {
        vec![self.lab.cloud.clone(), self.far.clone()]
    }

    /// Ends some trouble after a while, in seconds.
    pub(super) fn later(&mut self, least: u64, most: u64, undo: Undo) {
        let at = Instant::now() + self.chance.seconds(least, most);
        self.undo.push((at, undo));
    }

    /// Alters a node's spec, if it is there.
    pub(super) fn edit(&self, name: &str, alter: impl FnOnce(&mut Value)) {
        if !self.lab.the(name).is_null() {
            self.lab.edit("testnodes", "default", name, alter);
        }
    }

    /// Tells what happens, to whoever replays one world.
    fn tell(&self, what: impl FnOnce() -> String) {
        if is_told() {
            println!("{:9.2} {}", self.lab.wires.began.elapsed().as_secs_f32(), what());
        }
    }
}

/// Whether what happens in a world is told.
fn is_told() -> bool {
    std::env::var_os("STORM_TELL").is_some()
}
