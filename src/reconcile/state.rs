//! The vocabulary of decisions: what is wanted ([`Desired`]) and what is seen ([`Observed`]). Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::api::common::ReadinessCheck;
pub use crate::api::kind::{Kind, PerKind};
use crate::api::testnode::OnFailure;
use crate::api::testnode_status::{Attempt, DnsFacts, Outcome, Resolved, ServerFacts};
pub use crate::select::Problem;

/// What the spec and its machine type ask for. `TEAR_DOWN` never looks at it: a bad spec cannot hold up a deletion.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The generation of the spec.
    pub generation: i64,
    /// The generation of the machine type.
    pub machine_type_generation: i64,
    /// The operating system, for people.
    pub os: Option<String>,
    /// Change nothing.
    pub paused: bool,
    /// What to do with a machine whose launch failed.
    pub on_failure: OnFailure,
    /// What must be true before Ready.
    pub readiness: Vec<ReadinessCheck>,
    /// Bound of the launch phase.
    pub launch_timeout: Duration,
    /// Bound of the boot phase.
    pub boot_timeout: Duration,
    /// Attempts per cloud and round.
    pub launch_retries: i64,
    /// Why no new attempt can be opened, whatever the cloud: the machine type is missing, or forbids it.
    pub problem: Option<Problem>,
}

/// One look at the world, as far as it concerns one node.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The instant of the look.
    pub now: Timestamp,
    /// The object is being deleted.
    pub deleting: bool,
    /// Clouds that hold a finalizer of ours on the object.
    pub held: BTreeSet<String>,
    /// What is remembered.
    pub memory: Memory,
    /// Every cloud that holds a finalizer, has an attempt, or has something of this node.
    pub clouds: BTreeMap<String, CloudView>,
    /// Where the machine could be made, best first.
    pub offers: Vec<Offer>,
    /// The name.
    pub name: NameView,
    /// What the guest shows.
    pub guest: GuestView,
    /// Requests that failed, and when they may be tried again.
    pub troubles: Vec<Trouble>,
}

/// What is remembered in the object: the rest is read from the world.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// All attempts that are not settled, and the whole current round.
    pub attempts: Vec<Attempt>,
    /// The claimed name, and every address that may be set under it.
    pub dns: Option<DnsFacts>,
    /// When the node was first Ready.
    pub ready_at: Option<Timestamp>,
    /// The host keys it showed, as lines for `known_hosts`.
    pub host_keys: Vec<String>,
    /// Where the last looks found things: hints for a look after a restart.
    pub hints: Hints,
}

/// Ids that the status last showed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Hints {
    /// The server.
    pub server: Option<String>,
    /// The volumes.
    pub volumes: Vec<String>,
    /// The ports.
    pub ports: Vec<String>,
}

impl Memory {
    /// The attempt that is under way, or that made the machine.
    #[must_use]
    pub fn current(&self) -> Option<&Attempt> {
        self.attempts.iter().max_by_key(|attempt| attempt.number).filter(|attempt| !is_failed(attempt))
    }

    /// The attempt that is under way.
    #[must_use]
    pub fn open(&self) -> Option<&Attempt> {
        self.current().filter(|attempt| attempt.closed_at.is_none())
    }

    /// The newest attempt, however it ended.
    #[must_use]
    pub fn last(&self) -> Option<&Attempt> {
        self.attempts.iter().max_by_key(|attempt| attempt.number)
    }

    /// A failed attempt whose remains are not known to be gone.
    #[must_use]
    pub fn to_end(&self) -> Option<&Attempt> {
        self.attempts.iter().filter(|attempt| is_failed(attempt) && !attempt.settled).min_by_key(|a| a.number)
    }
}

/// Closed, and not Ready.
#[must_use]
pub fn is_failed(attempt: &Attempt) -> bool {
    attempt.closed_at.is_some() && attempt.outcome != Some(Outcome::Ready)
}

/// What can be said of a cloud before anything in it is judged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Logged in to the right project, and looked at.
    Seen,
    /// The first complete listings are not there yet.
    Unseen,
    /// It cannot be asked: credentials, network, another project. Nothing there is believed or changed.
    Away(Problem),
}

/// What one cloud holds of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct CloudView {
    /// Whether it can be believed.
    pub standing: Standing,
    /// Servers with our UID, of any attempt.
    pub servers: Vec<Server>,
    /// Volumes with our UID, of any attempt.
    pub volumes: Vec<Volume>,
    /// Ports with our UID, of any attempt.
    pub ports: Vec<Port>,
    /// What is there shows every change that was made.
    pub fresh: PerKind<bool>,
    /// No create whose fate is unknown can take effect any more.
    pub settled: PerKind<bool>,
    /// Something that was asked to go is not gone within `timeouts.delete`.
    pub overdue: bool,
    /// Attempts whose server was seen, and is proved gone.
    pub servers_gone: BTreeSet<i64>,
    /// How long the current attempt has been launching, and booting, while we could look.
    pub launching_for: Duration,
    /// See `launching_for`.
    pub booting_for: Duration,
    /// Somebody wishes what the node has there to be abandoned, and this is to be said to it.
    pub abandon: Option<Abandon>,
}

/// What is to be said to the wish to abandon what a node that goes has in a cloud.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Abandon {
    /// It is not honoured, for this reason.
    Refused(String),
    /// The same, and that was told.
    RefusalTold(String),
    /// It is honoured; what may be left is not on record yet.
    Honoured,
    /// It was told; the Cloud's status does not have it yet.
    Recording,
    /// It is on record what may be left.
    Recorded,
}

impl CloudView {
    /// A cloud with nothing in it.
    #[must_use]
    pub fn empty(standing: Standing) -> Self {
        Self {
            standing,
            servers: Vec::new(),
            volumes: Vec::new(),
            ports: Vec::new(),
            fresh: PerKind { server: true, volume: true, port: true },
            settled: PerKind { server: true, volume: true, port: true },
            overdue: false,
            servers_gone: BTreeSet::new(),
            launching_for: Duration::ZERO,
            booting_for: Duration::ZERO,
            abandon: None,
        }
    }

    /// Nothing of the node is there, as far as was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty() && self.volumes.is_empty() && self.ports.is_empty()
    }

    /// All looks are fresh.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.fresh.server && self.fresh.volume && self.fresh.port
    }

    /// Nothing can appear any more.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled.server && self.settled.volume && self.settled.port
    }
}

/// How sure we are that a thing is still there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Presence {
    /// Seen, or made just now.
    There,
    /// A list left it out: only a GET by id tells.
    Missing,
    /// We asked for its end, and that was answered.
    Going,
}

/// Nova's states, as far as they matter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ServerState {
    /// Being made.
    Building,
    /// Running.
    Active,
    /// Failed, with a fault.
    Error,
    /// Not running: stopped, paused, suspended, shelved.
    Stopped,
    /// Deleted, and kept by the cloud for a while.
    SoftDeleted,
    /// In some other state that will pass, or that the cloud cannot tell.
    Other,
}

/// A server of the node.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Nova's id.
    pub id: String,
    /// The attempt it was made in.
    pub attempt: i64,
    /// Whether it is there.
    pub presence: Presence,
    /// Its state.
    pub state: ServerState,
    /// Why it is in ERROR.
    pub fault: Option<Fault>,
    /// Orders servers by age; Nova's time.
    pub created: Option<Timestamp>,
    /// For people.
    pub facts: ServerFacts,
}

/// A fault of Nova's, judged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// What it means for the attempt.
    pub verdict: Verdict,
    /// Nova's text.
    pub message: String,
}

/// What a failure means for an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Over quota: the attempt ends and does not count.
    Quota,
    /// No room here: the attempt ends; another zone or cloud may have room.
    Capacity,
    /// Only an edit cures it: the attempt ends, and this cloud is out for the round.
    Invalid,
    /// It passes: try again.
    Passing,
}

/// Cinder's states, as far as they matter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VolumeState {
    /// Being made.
    Creating,
    /// Free.
    Available,
    /// Promised to a server, which may not exist.
    Reserved,
    /// On a server, or on its way.
    Attached,
    /// Being deleted.
    Deleting,
    /// Failed.
    Error,
    /// Its deletion failed; a member cannot delete it any more.
    ErrorDeleting,
    /// Some other state that will pass.
    Other,
}

/// A volume of the node.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// Cinder's id.
    pub id: String,
    /// The attempt it was made in.
    pub attempt: i64,
    /// Which of the node's volumes: `osd-0`.
    pub key: String,
    /// Whether it is there.
    pub presence: Presence,
    /// Its state.
    pub state: VolumeState,
    /// Servers it is on.
    pub servers: Vec<String>,
    /// Orders volumes by age.
    pub created: Option<Timestamp>,
    /// What reserves it, once asked: attachments whose server does not exist.
    pub reservations: Vec<String>,
    /// Cinder's word for its state.
    pub status: String,
    /// The device, once attached.
    pub device: Option<String>,
}

/// A port of the node.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// Neutron's id.
    pub id: String,
    /// The attempt it was made in.
    pub attempt: i64,
    /// Which of the attempt's ports.
    pub index: usize,
    /// Whether it is there.
    pub presence: Presence,
    /// The server it is bound to.
    pub device: Option<String>,
    /// What lists that began after the server was seen ACTIVE say of its binding.
    pub binding: Binding,
    /// The address that `addressFrom` chooses among this port's.
    pub address: Option<std::net::IpAddr>,
    /// All its addresses.
    pub addresses: Vec<std::net::IpAddr>,
    /// Its network's id.
    pub network: String,
}

/// Whether a port is bound to the node's server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Binding {
    /// It is, or no list can tell yet.
    Sound,
    /// One list said it is not: another look decides.
    Doubtful,
    /// It is not.
    Lost,
}

/// One place where the machine could be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// The cloud.
    pub cloud: String,
    /// Availability zones to try, in order, at least one; `None` leaves it to Nova.
    pub zones: Vec<Option<String>>,
    /// Whether it can be asked.
    pub standing: Standing,
    /// What machine type and spec come to there.
    pub resolution: Resolution,
    /// Whether there is room.
    pub room: Room,
    /// Zones where no host was found for this flavor a while ago, and until when they are avoided.
    pub cooling: BTreeMap<Option<String>, Timestamp>,
    /// The DNS name that the node would have there.
    pub fqdn: Option<String>,
    /// Another node that holds that name, as `namespace/name`.
    pub holder: Option<String>,
    /// Pins for the attempt: region, project id, cluster id.
    pub pins: Pins,
}

/// What an attempt is pinned to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pins {
    /// The region.
    pub region: Option<String>,
    /// The project.
    pub project_id: Option<String>,
    /// The cluster id.
    pub cluster_id: Option<String>,
}

/// What machine type and spec come to in a cloud.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolution {
    /// The cloud's catalogue has not been read.
    Unread,
    /// It can be made, like this.
    Can(Box<Resolved>),
    /// It cannot.
    Cannot(Problem),
}

/// Whether a cloud has room for the node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Room {
    /// It has.
    Free,
    /// As many nodes as may be are under construction.
    Busy,
    /// It is full; with figures.
    Full(String),
    /// It will never have: what is needed is more than the Cloud's limits; with figures.
    Never(String),
    /// What the service of these has left is to be read.
    Unread(Kind),
}

/// What is known of the node's name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NameView {
    /// The cloud whose DNS it is in.
    pub cloud: Option<String>,
    /// Another node that holds the name we claim, as `namespace/name`.
    pub holder: Option<String>,
    /// There is an authority to ask.
    pub verifiable: bool,
    /// What the authority says, asked after the last request of ours.
    pub found: Option<BTreeSet<std::net::IpAddr>>,
    /// What was sent last, and how it was answered.
    pub sent: Option<Sent>,
    /// The address names are parked on.
    pub park: Option<std::net::IpAddr>,
    /// Addresses of the node's ports: ours, whether or not they were recorded.
    pub own: BTreeSet<std::net::IpAddr>,
}

/// The last request to nsupdate-web for a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sent {
    /// The address.
    pub address: std::net::IpAddr,
    /// It answered `no-change`, from its memory: DNS was not touched.
    pub unchanged: bool,
    /// How long ago.
    pub age: Duration,
}

/// What the guest shows of itself.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and none excludes another")]
pub struct GuestView {
    /// The server that the rest is about.
    pub server: Option<String>,
    /// The console is due to be read.
    pub console_due: bool,
    /// Whether cloud-init has ended.
    pub finished: bool,
    /// cloud-init found no metadata: user data, keys and host name were not applied.
    pub no_datasource: bool,
    /// How far cloud-init has come, in its own words.
    pub stage: Option<String>,
    /// The host keys on the console, as `type base64`.
    pub host_keys: Vec<String>,
    /// The last lines of the console.
    pub tail: Option<String>,
    /// TCP ports that answered.
    pub open_ports: BTreeSet<i32>,
    /// A port is due to be tried.
    pub tcp_due: bool,
}

/// A request that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// Which request: [`crate::reconcile::plan::Change::key`] or a question's.
    pub key: String,
    /// It was to create something.
    pub creating: bool,
    /// What it means for an attempt.
    pub verdict: Verdict,
    /// Condition reason.
    pub reason: &'static str,
    /// What was said.
    pub message: String,
    /// When the streak began.
    pub since: Timestamp,
    /// How often it failed in a row.
    pub failures: u32,
    /// Not again before.
    pub retry_at: Timestamp,
}
