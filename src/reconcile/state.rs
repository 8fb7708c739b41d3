//! The vocabulary of decisions: what is wanted ([`Desired`]) and what is seen ([`Observed`]). Pure.

mod expiry;
mod things;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::api::common::ReadinessCheck;
pub use crate::api::kind::{Kind, PerKind};
use crate::api::testnode::{OnFailure, UserDataRef};
use crate::api::testnode_status::{Attempt, DnsFacts, Outcome, Resolved};
pub use crate::select::Problem;
pub use expiry::Expiry;
pub use things::{Binding, Fault, Port, Presence, Server, ServerState, Verdict, Volume, VolumeState};
pub use view::{Abandon, CloudView, Standing};

/// While a node waits for room it looks this often, and figures that say there is too little are read again: less than
/// 5 times a minute.
pub const READ_AGAIN: Duration = Duration::from_secs(13);

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
    /// When the node is to go by itself, if ever.
    pub expiry: Option<Expiry>,
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
    /// What `spec.userDataRef` names.
    pub user_data: UserData,
    /// Why no new attempt can be opened, whatever the cloud: the machine type is missing, or forbids it.
    pub problem: Option<Problem>,
}

#[cfg(test)]
impl Desired {
    /// Nothing in particular, with all the time in the world.
    #[must_use]
    pub fn any() -> Self {
        Self {
            generation: 1,
            machine_type_generation: 1,
            os: None,
            paused: false,
            expiry: None,
            on_failure: OnFailure::Hold,
            readiness: Vec::new(),
            launch_timeout: Duration::MAX,
            boot_timeout: Duration::MAX,
            launch_retries: 1,
            user_data: UserData::Known,
            problem: None,
        }
    }
}

/// User data that is not in the spec itself.
#[derive(Clone, Debug, PartialEq)]
pub enum UserData {
    /// There is none, or it was read.
    Known,
    /// It must be read.
    Unread(UserDataRef),
    /// Somebody must make it, or let us read it.
    Cannot {
        /// Why.
        problem: Problem,
        /// When to try again.
        again: Timestamp,
    },
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
