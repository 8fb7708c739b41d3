//! The world: its clock, two clouds, DNS, the object, and one operator's process.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::cloud::Effect;
use super::clouds::{Clouds, NAMES};
use super::laws::Laws;
use super::process::Process;
use super::scenario::{Event, Scenario};
use super::zone::{STRANGER, Zone};
use crate::api::testnode_status::TestNodeStatus;
use crate::api::{FormerMachine, mark};
use crate::clouds::Login;
use crate::reconcile::plan::{CloudChange, Rule, TearDownRule};
use crate::reconcile::state::{Observed, Pins};

/// The UID of the node.
pub const UID: &str = "u-1";
/// The UID that it had before it was restored, which what was made then bears.
pub const FORMER: &str = "u-0";
/// The node, as `namespace/name`.
pub const NODE: &str = "lab/n1";
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
    /// `spec.rebuild`; 0 if it was never set.
    pub rebuild: u64,
    /// `spec.paused`, until then.
    pub paused_until: u64,
    /// Somebody wishes that what it has in a lost cloud is abandoned.
    pub abandon: bool,
    /// What somebody wishes for a former machine.
    pub former: Option<FormerMachine>,
}

impl Object {
    /// The status, unless it speaks of another UID.
    pub fn own(&self) -> Option<&TestNodeStatus> {
        self.status.as_ref().filter(|status| status.uid.as_deref() != Some(FORMER))
    }
}

/// Something that is to happen.
#[derive(Clone, Debug)]
pub enum Due {
    /// In a cloud.
    In(String, Effect),
    /// A request whose reply was lost takes effect.
    Late(String, CloudChange),
    /// The Cloud's own turn writes the record of what the node may have left there.
    Recorded(String),
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
    pub clouds: Clouds,
    /// DNS.
    pub zone: Zone,
    /// The object.
    pub object: Object,
    /// Another node holds the name until then.
    pub held_until: u64,
    /// The operator.
    pub process: Process,
    /// By cloud: how the login to it stands.
    pub logins: BTreeMap<String, Login>,
    /// Clouds whose status has a record of what the node may have left there.
    pub records: BTreeSet<String>,
    /// What must be true.
    pub laws: Laws,
    /// Counts the operator's processes.
    pub lives: u64,
    /// Counts how often the object was restored under another UID.
    pub restores: u64,
    /// What happened, if it is to be told.
    pub story: Option<Vec<String>>,
    /// The node should look again.
    pub woken: bool,
}

impl World {
    /// The beginning of a life.
    pub fn new(life: &Scenario) -> Self {
        let mut zone = Zone::new(life.updates.then(|| mark::name("c-1", UID)));
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
            process: Process::new(0),
            logins: NAMES.map(|name| (name.to_owned(), Login::In(Pins::default()))).into(),
            records: BTreeSet::new(),
            clouds: Clouds::new(life.one_project, life.soft_delete),
            zone,
            object: Object { generation: 1, ..Object::default() },
            held_until: 0,
            laws: Laws::default(),
            lives: 0,
            restores: 0,
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
                Due::Recorded(cloud) => {
                    self.records.insert(cloud);
                    self.woken = true;
                }
            }
        }
    }

    /// The operator dies, and another begins some seconds later.
    pub fn crash(&mut self) {
        self.process = Process::new(self.now);
        self.laws.crashed();
        self.lives += 1;
        self.woken = true;
    }

    /// What was asked for and did not happen yet never will, or happens for the UID that there was then.
    pub fn due_become_former(&mut self) {
        self.due.retain(|_, due| !matches!(due, Due::Late(..)));
        for due in self.due.values_mut() {
            if let Due::In(_, Effect::Appears(order)) = due {
                order.owner.uid = FORMER.into();
            }
        }
    }

    /// The name points at nothing of ours.
    pub fn is_withdrawn(&self) -> bool {
        self.zone.ours().is_empty()
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
