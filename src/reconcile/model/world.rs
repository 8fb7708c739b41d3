//! The world: its clock, two clouds, DNS, the object, and one operator's process.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::cloud::{Cloud, Effect};
use super::laws::Laws;
use super::process::Process;
use super::scenario::{Event, Scenario};
use super::zone::{PARK, STRANGER, Zone};
use crate::api::testnode_status::TestNodeStatus;
use crate::reconcile::plan::{CloudChange, Rule, TearDownRule};
use crate::reconcile::state::Observed;

/// The UID of the node.
pub const UID: &str = "u-1";
/// Its name.
pub const FQDN: &str = "n1.front.example.test";

/// The rules to live by: [`crate::reconcile::plan::plan`]'s, or with one left out.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// `BRING_UP`.
    pub bring_up: &'a [Rule],
    /// `TEAR_DOWN`.
    pub tear_down: &'a [TearDownRule],
    /// What is made of a look before it is planned by: nothing, or one guard of it is left out.
    pub belief: fn(&mut Observed),
}

/// The object in the API server.
#[derive(Debug, Default)]
pub struct Object {
    /// It is going.
    pub deleting: bool,
    /// It is gone.
    pub gone: bool,
    /// Clouds that hold it.
    pub held: BTreeSet<String>,
    /// Its status.
    pub status: Option<TestNodeStatus>,
    /// Counts edits.
    pub generation: i64,
    /// `spec.paused`, until then.
    pub paused_until: u64,
}

/// Something that is to happen.
#[derive(Clone, Debug)]
pub enum Due {
    /// In a cloud.
    In(String, Effect),
    /// A request whose reply was lost takes effect.
    Late(String, CloudChange),
}

/// Everything.
pub struct World {
    /// Milliseconds since the beginning.
    pub now: u64,
    base: Instant,
    /// What the node asks for.
    pub life: Scenario,
    tape: VecDeque<u8>,
    events: VecDeque<(u64, Event)>,
    due: BTreeMap<(u64, u64), Due>,
    serial: u64,
    /// The clouds.
    pub clouds: BTreeMap<String, Cloud>,
    /// DNS.
    pub zone: Zone,
    /// The object.
    pub object: Object,
    /// Another node holds the name until then.
    pub held_until: u64,
    /// The operator.
    pub process: Process,
    /// What must be true.
    pub laws: Laws,
    /// Counts the operator's processes.
    pub lives: u64,
    /// What happened, if it is to be told.
    pub story: Option<Vec<String>>,
    /// The node should look again.
    pub woken: bool,
}

impl World {
    /// The beginning of a life.
    pub fn new(life: &Scenario) -> Self {
        let cloud = |octet| Cloud { octet, soft_delete: life.soft_delete, ..Cloud::default() };
        let mut clouds = BTreeMap::from([("east".to_owned(), cloud(1)), ("west".to_owned(), cloud(2))]);
        clouds.values_mut().for_each(Cloud::neighbour);
        let mut zone = Zone::default();
        if life.stranger_until > 0 {
            zone.strange(BTreeSet::from([STRANGER]), 0);
        }
        Self {
            now: 0,
            base: Instant::now(),
            life: life.clone(),
            tape: life.tape.iter().copied().collect(),
            events: life.events.iter().copied().collect(),
            due: BTreeMap::new(),
            serial: 0,
            process: Process::new(0, clouds.keys()),
            clouds,
            zone,
            object: Object { generation: 1, ..Object::default() },
            held_until: 0,
            laws: Laws::default(),
            lives: 0,
            story: None,
            woken: false,
        }
    }

    /// An instant of the model for the real inventory.
    pub fn instant(&self, at: u64) -> Instant {
        self.base + Duration::from_millis(at)
    }

    /// An instant of the model as people write it.
    pub fn timestamp(&self) -> Timestamp {
        Self::timestamp_of(self.now)
    }

    /// Any instant of the model as people write it.
    pub fn timestamp_of(at: u64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + i64::try_from(at).unwrap()).unwrap()
    }

    /// Tells what happens.
    pub fn tell(&mut self, what: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(story) = &mut self.story {
            story.push(format!("{:>9.3} {}", std::time::Duration::from_millis(now).as_secs_f64(), what()));
        }
    }

    /// One matter of luck: zero is calm.
    pub fn luck(&mut self) -> u8 {
        self.tape.pop_front().unwrap_or(0)
    }

    /// No more faults will come.
    pub fn is_calm(&self) -> bool {
        self.tape.is_empty() && self.events.is_empty() && self.life.stranger_until <= self.now
    }

    /// A fresh id.
    pub fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// A fresh id, whose order tells nothing of age.
    pub fn id(&mut self, kind: char) -> String {
        format!("{kind}{:02x}-{}", self.luck(), self.serial())
    }

    /// Something is to happen then.
    pub fn schedule(&mut self, at: u64, due: Due) {
        let serial = self.serial();
        self.due.insert((at, serial), due);
    }

    /// When the next thing happens by itself.
    fn next(&self) -> u64 {
        let stranger = (self.life.stranger_until > self.now).then_some(self.life.stranger_until);
        let next = [
            self.events.front().map(|(at, _)| *at),
            self.due.keys().next().map(|(at, _)| *at),
            self.zone.next(),
            stranger,
        ];
        next.into_iter().flatten().min().unwrap_or(u64::MAX)
    }

    /// Lets time pass until then, or, if it may be `roused`, until something concerns the node.
    pub fn pass(&mut self, until: u64, roused: Roused) {
        self.woken = false;
        loop {
            let next = self.next().min(self.next_listing()).max(self.now);
            if next > until {
                self.now = until;
                return;
            }
            self.now = next;
            self.happen();
            self.list();
            self.laws.twins(self.now, &self.clouds);
            if self.woken && roused == Roused::ByNews {
                return;
            }
        }
    }

    fn happen(&mut self) {
        self.zone.tick(self.now);
        if self.life.stranger_until == self.now && self.now > 0 {
            self.zone.strange(BTreeSet::new(), self.now);
        }
        while let Some((at, event)) = self.events.front().copied() {
            if at > self.now {
                break;
            }
            self.events.pop_front();
            self.befall(event);
        }
        while let Some(((at, serial), due)) = self.due.pop_first() {
            if at > self.now {
                self.due.insert((at, serial), due);
                break;
            }
            self.tell(|| format!("      {due:?}"));
            match due {
                Due::In(cloud, Effect::Appears(order)) => drop(self.appears(&cloud, order)),
                Due::In(cloud, effect) => {
                    let now = self.now;
                    let follows = self.clouds.get_mut(&cloud).and_then(|c| c.happens(&effect, now));
                    if let Some((at, effect)) = follows {
                        self.schedule(at, Due::In(cloud, effect));
                    }
                }
                Due::Late(cloud, change) => drop(self.serve(&cloud, &change, false)),
            }
        }
    }

    /// The operator dies, and another begins some seconds later.
    pub fn crash(&mut self) {
        self.process = Process::new(self.now, self.clouds.keys());
        self.lives += 1;
        self.woken = true;
    }

    /// The name points at nothing of ours.
    pub fn is_withdrawn(&self) -> bool {
        self.zone.truth().iter().all(|address| *address == PARK || *address == STRANGER)
    }

    /// From now on all is calm.
    pub fn calm_down(&mut self) {
        self.tape.clear();
    }
}

/// Whether a wait may be cut short.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Roused {
    /// By news of the node.
    ByNews,
    /// Not at all: a request is under way.
    Never,
}
