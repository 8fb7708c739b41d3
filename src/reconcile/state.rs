//! The vocabulary of decisions: what is wanted ([`Desired`]) and what is seen ([`Observed`]). Pure.

mod desired;
#[cfg(test)]
pub(in crate::reconcile) mod examples;
mod expiry;
mod former;
mod hold;
mod machine;
mod need;
mod request;
mod system;
mod things;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::api::common::ReadinessCheck;
use crate::reason::Reason;

pub use crate::api::kind::{Kind, PerKind};
pub use crate::api::testnode_status::BootId;
use crate::api::testnode_status::{Attempt, ConsoleFacts, DnsFacts, KeySource, Outcome, Resolved, SshFacts};
pub use crate::dns::record::Found;
pub use crate::select::Problem;
pub use desired::{Desired, UserData};
pub use expiry::Expiry;
pub use former::Former;
pub use hold::Hold;
pub use machine::Machine;
pub use need::{Keeper, KeeperKind, Kept, Known, Need};
pub use request::{RequestKey, Trouble};
pub use system::{Wish, WishedSystem};
pub use things::{
    Binding, Ending, Fault, FloatingIp, Port, Presence, Server, ServerState, UsedVolume, Verdict, Volume,
    VolumeState,
};
pub use view::{Abandon, CloudView, Failing, Standing};

/// While a node waits for room it looks this often, and figures that say there is too little are read again: less than
/// 5 times a minute.
pub const READ_AGAIN: Duration = Duration::from_secs(13);

/// One look at the world, as far as it concerns one node.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The instant of the look.
    pub now: Timestamp,
    /// UID of the object.
    pub uid: String,
    /// The object is being deleted.
    pub deleting: bool,
    /// Clouds that hold a finalizer of ours on the object.
    pub held: BTreeSet<String>,
    /// What is remembered.
    pub memory: Memory,
    /// Every cloud that holds a finalizer, has an attempt, or has something of this node.
    pub clouds: BTreeMap<String, CloudView>,
    /// What is left of an earlier object of the same namespace and name, while the node has begun nothing.
    pub former: Vec<Former>,
    /// A cloud that is logged in to and was not looked at yet: something former may be there.
    pub unlooked: Option<String>,
    /// Where the machine could be made, best first.
    pub offers: Vec<Offer>,
    /// Its server may be created now: fewer are being made in its cloud than may be at once, and no older one is next.
    pub may_build: bool,
    /// The other system that the machine is to have, if it was Ready with one that the spec no longer asks for.
    pub wish: Option<Wish>,
    /// The name.
    pub name: NameView,
    /// What the guest shows.
    pub guest: GuestView,
    /// Requests that failed, and when they may be tried again.
    pub troubles: Vec<Trouble>,
    /// The console as it was read for somebody, not written yet.
    pub console: Option<ConsoleFacts>,
    /// What it was seen to wait for last, and since when.
    pub step: Option<(Reason, Timestamp)>,
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
    /// How to log in to it, with the host keys that it showed.
    pub ssh: Option<SshFacts>,
    /// The last look at the console that was asked for.
    pub console: Option<ConsoleFacts>,
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
    /// The floating IP.
    pub floating_ip: Option<String>,
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

    /// The attempts of a round in a cloud.
    pub fn in_round<'a>(&'a self, cloud: &'a str, round: i64) -> impl Iterator<Item = &'a Attempt> {
        self.attempts.iter().filter(move |attempt| attempt.cloud == cloud && attempt.round == round)
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
    /// Its place among those that wait for room there.
    pub turn: Turn,
    /// Zones where no host was found for this flavor a while ago, and until when they are avoided.
    pub cooling: BTreeMap<Option<String>, Timestamp>,
    /// The DNS name that the node would have there.
    pub fqdn: Option<String>,
    /// Another node that holds that name, as `namespace/name`.
    pub holder: Option<String>,
    /// Why a port or a volume that the node is to use, and that exists, cannot be had now.
    pub taken: Option<Problem>,
    /// Pins for the attempt: region, project id, cluster id.
    pub pins: Pins,
    /// Cinder's zone for the volumes of a machine in each of Nova's.
    pub volume_zones: BTreeMap<String, String>,
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

/// A node's place among those that wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Turn {
    /// Counts from 1.
    pub place: usize,
    /// How many wait.
    pub of: usize,
}

/// What is known of the node's name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NameView {
    /// The cloud whose DNS it is in.
    pub cloud: Option<String>,
    /// Another node that holds the name we claim, as `namespace/name`.
    pub holder: Option<String>,
    /// The Cloud's DNS can be used.
    pub usable: bool,
    /// There is an authority to ask.
    pub verifiable: bool,
    /// What the authority says, asked after our last request.
    pub found: Option<Found>,
    /// Our last request that was answered.
    pub sent: Option<Sent>,
    /// How long ago the last request to publish it was sent that nobody answered.
    pub unanswered: Option<Duration>,
}

/// Our last request about a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sent {
    /// The address that the name was published at; none if it was withdrawn.
    pub address: Option<std::net::IpAddr>,
    /// The zone has it. Else the driver only said that it was asked for this before.
    pub proved: bool,
    /// How long ago it was sent.
    pub age: Duration,
}

/// What the guest shows of itself, in the boot that runs now.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and none excludes another")]
pub struct GuestView {
    /// The boot that the rest is about.
    pub boot: Option<BootId>,
    /// The console is due to be read.
    pub console_due: bool,
    /// The cloud gives no console of this server, in Nova's words.
    pub no_console: Option<String>,
    /// Whether cloud-init has ended.
    pub finished: bool,
    /// The guest is up, and nothing on its console is of cloud-init.
    pub no_cloud_init: bool,
    /// cloud-init found no metadata: user data, keys and host name were not applied.
    pub no_datasource: bool,
    /// How far cloud-init has come, in its own words.
    pub stage: Option<String>,
    /// What failed on the way, in the guest's words.
    pub failures: Vec<String>,
    /// The host keys that it showed, as lines for `known_hosts`.
    pub host_keys: Vec<String>,
    /// How they are known.
    pub host_keys_from: KeySource,
    /// The last lines of the console.
    pub tail: Option<String>,
    /// TCP ports that answered.
    pub open_ports: BTreeSet<i32>,
    /// A port is due to be tried.
    pub tcp_due: bool,
    /// Checks of sshd that passed.
    pub ssh_passed: Vec<ReadinessCheck>,
    /// sshd is due to be tried.
    pub ssh_due: bool,
    /// Why the last try did not pass.
    pub ssh_trouble: Option<SshTrouble>,
}

/// Why a check of sshd did not pass.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SshTrouble {
    /// It does not answer, or not as is wanted. That passes, or time runs out.
    NotYet(Problem),
    /// The key for the login cannot be used until somebody edits something.
    NoKey(Problem),
}

impl Observed {
    /// The host keys of the boot that runs now, as lines for `known_hosts`, and how they are known: those that were told
    /// before, unless they were only seen in the network and the console shows some now.
    #[must_use]
    pub fn host_keys(&self) -> (&[String], KeySource) {
        let guest = &self.guest;
        let told = self.memory.ssh.as_ref();
        let told =
            told.filter(|ssh| ssh.boot.is_some() && ssh.boot == guest.boot && !ssh.host_keys.is_empty());
        match told {
            Some(told) if told.host_keys_from != Some(KeySource::FirstSeen) => {
                (&told.host_keys, KeySource::Console)
            }
            Some(told) if guest.host_keys.is_empty() || guest.host_keys_from == KeySource::FirstSeen => {
                (&told.host_keys, KeySource::FirstSeen)
            }
            Some(_) | None => (&guest.host_keys, guest.host_keys_from),
        }
    }
}
