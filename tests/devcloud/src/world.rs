//! Everything that exists, and the agenda of what will happen by itself.
//!
//! Nothing runs in the background: each request first settles the world up to now, which lives through
//! the events that have come due, each at its own instant. So a test in virtual time sees the same world on every run.

pub(crate) mod building;
pub(crate) mod ending;
pub(crate) mod ids;
pub(crate) mod network;
pub(crate) mod rebuilding;
pub(crate) mod server;
pub(crate) mod volume;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
    time::Duration,
};

use hickory_proto::rr::{Name, RData};
use tokio::time::Instant;

use crate::{
    clock::Clock,
    faults::Armed,
    log::Call,
    settings::Settings,
    wire::Ask,
    world::{
        network::{FloatingIp, Port},
        server::{Server, ServerFate},
        volume::{Attachment, Snapshot, Volume, VolumeFate},
    },
};

/// The state of the cloud.
pub(crate) struct World {
    pub settings: Settings,
    pub clock: Clock,
    /// The instant that is being lived.
    pub now: Instant,
    agenda: BTreeMap<(Instant, u64), Event>,
    pub serial: u64,
    /// Counts what may have changed something.
    pub revision: u64,
    /// Counts requests that met a fault.
    pub struck: usize,
    /// How long the `POST /servers` that is being answered stays in flight.
    pub in_flight: Duration,
    /// When each server that is being built will have been.
    pub building_until: Vec<Instant>,
    pub tokens: BTreeMap<String, Token>,
    /// When the application credential was removed.
    pub credential_removed: bool,
    pub servers: Vec<Server>,
    pub volumes: Vec<Volume>,
    pub attachments: Vec<Attachment>,
    pub snapshots: Vec<Snapshot>,
    pub ports: Vec<Port>,
    pub floating_ips: Vec<FloatingIp>,
    /// What the name server has, by lower-case name without the final dot.
    pub records: BTreeMap<String, BTreeSet<IpAddr>>,
    /// Records of other types than A and AAAA, by name.
    pub others: BTreeMap<String, Vec<RData>>,
    /// What names had before they were changed, and when that was: for a name server that is behind.
    pub replaced: Vec<(Instant, String, Held)>,
    /// What nsupdate-web believes to have set: never checked.
    pub nsupdate_cache: BTreeMap<String, BTreeSet<IpAddr>>,
    /// Updates that wait for a silent name server.
    pub nsupdate_queue: Vec<(String, BTreeSet<IpAddr>)>,
    /// Messages that wait for it.
    pub update_queue: Vec<Vec<u8>>,
    /// Images that were made by requests, and ids that images ever had.
    pub made: crate::glance::Made,
    pub calls: Vec<Call>,
    pub faults: Vec<Armed>,
    pub server_plans: VecDeque<Planned<ServerFate>>,
    pub volume_plans: VecDeque<Planned<VolumeFate>>,
}

/// What a name has: addresses, and records of other types.
pub(crate) type Held = (BTreeSet<IpAddr>, Vec<RData>);

/// A fate that waits for objects to be made.
#[derive(Clone, Debug)]
pub(crate) struct Planned<T> {
    pub name: regex::Regex,
    pub times: u32,
    pub fate: T,
}

/// A token and who believes it.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub project: String,
    pub expires: Instant,
    pub by_credential: bool,
    pub revoked: bool,
    pub seen: BTreeMap<crate::log::Service, Instant>,
}

/// Something that happens by itself.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The scheduler looks at a server.
    Schedule(String),
    /// The compute host writes itself into the ports.
    Bind(String),
    /// The compute host asks for the volumes.
    Attach(String),
    /// The server runs.
    Spawn(String),
    /// The build fails with this text.
    Fail(String, String),
    /// A rebuild takes the volumes from a server.
    RebuildDetaches(String),
    /// A rebuild is done, or has failed.
    Rebuilt(String),
    /// A going server lets go of its ports.
    Unplug(String),
    /// The server is gone.
    Vanish(String),
    /// The deletion fails with this text.
    DeleteFails(String, String),
    /// A volume is made.
    VolumeMade(String),
    /// A volume is gone, or its deletion failed.
    VolumeGone(String),
    /// An attachment to a running server is made.
    Attached(String),
    /// An attachment to a running server is ended.
    Detached(String, String),
    /// A request takes effect long after it was sent.
    Late(Box<Ask>),
    /// The same for a message to the name server.
    LateUpdate(Vec<u8>),
    /// A `POST /servers` that was in flight arrives in the database.
    Arrive(Box<Server>),
}

impl World {
    pub fn new(settings: Settings) -> Self {
        let epoch = settings.epoch.unwrap_or_else(jiff::Timestamp::now);
        Self {
            clock: Clock::new(epoch),
            now: Instant::now(),
            settings,
            agenda: BTreeMap::new(),
            serial: 0,
            revision: 0,
            struck: 0,
            in_flight: Duration::ZERO,
            building_until: Vec::new(),
            tokens: BTreeMap::new(),
            credential_removed: false,
            servers: Vec::new(),
            volumes: Vec::new(),
            attachments: Vec::new(),
            snapshots: Vec::new(),
            ports: Vec::new(),
            floating_ips: Vec::new(),
            records: BTreeMap::new(),
            others: BTreeMap::new(),
            replaced: Vec::new(),
            nsupdate_cache: BTreeMap::new(),
            nsupdate_queue: Vec::new(),
            update_queue: Vec::new(),
            made: crate::glance::Made::default(),
            calls: Vec::new(),
            faults: Vec::new(),
            server_plans: VecDeque::new(),
            volume_plans: VecDeque::new(),
        }
    }

    /// Lets an event happen after a while.
    pub fn after(&mut self, delay: Duration, event: Event) {
        self.serial += 1;
        self.agenda.insert((self.now + delay, self.serial), event);
    }

    /// Lives through all that has come due by now.
    pub fn settle(&mut self) {
        let until = Instant::now();
        while let Some(first) = self.agenda.first_entry() {
            if first.key().0 > until {
                break;
            }
            let ((at, _), event) = first.remove_entry();
            self.now = at;
            self.revision += 1;
            self.live(event);
        }
        self.now = until;
        self.drain_nsupdate();
    }

    /// Makes these addresses all that a name says, as nsupdate-web does.
    pub fn set_name(&mut self, name: &str, addresses: BTreeSet<IpAddr>) {
        self.put_name(name, addresses, Vec::new());
    }

    /// Makes these all that a name says; with nothing to say it is gone.
    pub fn put_name(&mut self, name: &str, addresses: BTreeSet<IpAddr>, others: Vec<RData>) {
        let before = self.held(name);
        let lag = self.settings.dns_lag;
        self.replaced.retain(|(at, _, _)| at.elapsed() < lag);
        self.replaced.push((self.now, name.to_owned(), before));
        self.records.remove(name);
        self.others.remove(name);
        if !addresses.is_empty() {
            self.records.insert(name.to_owned(), addresses);
        }
        if !others.is_empty() {
            self.others.insert(name.to_owned(), others);
        }
    }

    fn held(&self, name: &str) -> Held {
        let others = self.others.get(name).cloned().unwrap_or_default();
        (self.records.get(name).cloned().unwrap_or_default(), others)
    }

    /// What the name server shows of a name: that of a while ago, if it is behind.
    pub fn shown(&self, name: &str) -> Held {
        let since = |at: &Instant| at.elapsed() < self.settings.dns_lag;
        let before = self.replaced.iter().find(|(at, of, _)| of == name && since(at));
        before.map_or_else(|| self.held(name), |(_, _, before)| before.clone())
    }

    /// What the name server's clock says.
    pub fn wall_clock(&self) -> jiff::Timestamp {
        let ahead = jiff::SignedDuration::from_secs(self.settings.dns_clock_ahead);
        self.clock.now(self.now).checked_add(ahead).unwrap_or(jiff::Timestamp::MAX)
    }

    /// The zones that the name server has.
    pub fn zones(&self) -> Vec<Name> {
        let all = std::iter::once(&self.settings.zone).chain(&self.settings.reverse_zones);
        all.filter_map(|zone| Name::from_ascii(format!("{zone}.")).ok())
            .map(|zone| zone.to_lowercase())
            .collect()
    }

    /// Takes down a call; of a very long log the oldest half is forgotten.
    pub fn log(&mut self, call: Call) {
        const MOST: usize = 50_000;
        if self.calls.len() >= MOST {
            self.calls.drain(..MOST / 2);
        }
        self.calls.push(call);
    }

    fn live(&mut self, event: Event) {
        match event {
            Event::Schedule(id) => self.schedule(&id),
            Event::Bind(id) => self.bind(&id),
            Event::Attach(id) => self.attach(&id),
            Event::Spawn(id) => self.spawn(&id),
            Event::Fail(id, message) => self.fail(&id, &message),
            Event::RebuildDetaches(id) => self.rebuild_detaches(&id),
            Event::Rebuilt(id) => self.rebuilt(&id),
            Event::Unplug(id) => self.unplug(&id),
            Event::Vanish(id) => self.vanish(&id),
            Event::DeleteFails(id, message) => self.delete_fails(&id, message),
            Event::VolumeMade(id) => self.volume_made(&id),
            Event::VolumeGone(id) => self.volume_gone(&id),
            Event::Attached(attachment) => self.attached(&attachment),
            Event::Detached(server, attachment) => self.detached(&server, &attachment),
            Event::Late(ask) => {
                crate::router::dispatch(self, &ask);
            }
            Event::LateUpdate(message) => {
                crate::update::answer(self, &message);
            }
            Event::Arrive(server) => self.arrive(*server),
        }
    }

    fn drain_nsupdate(&mut self) {
        if self.settings.nsupdate_backend == crate::settings::Backend::Up {
            for (name, addresses) in std::mem::take(&mut self.nsupdate_queue) {
                self.revision += 1;
                self.set_name(&name, addresses);
            }
            for message in std::mem::take(&mut self.update_queue) {
                self.revision += 1;
                crate::update::answer(self, &message);
            }
        }
    }
}

/// The fate of a new object: that of the first plan whose pattern fits its name.
pub(crate) fn draw<T: Clone + Default>(plans: &mut VecDeque<Planned<T>>, name: &str) -> T {
    let Some(plan) = plans.iter_mut().find(|plan| plan.times > 0 && plan.name.is_match(name)) else {
        return T::default();
    };
    plan.times -= 1;
    let fate = plan.fate.clone();
    plans.retain(|plan| plan.times > 0);
    fate
}
