//! What happens next to a node. Two lists of small rules tell its whole life; the first that speaks decides. Pure.
//!
//! Begin with [`BRING_UP`] and [`TEAR_DOWN`].

mod abandon;
mod bring_up;
mod choice;
mod name;
mod place;
mod surplus;
mod tear_down;

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;

use super::state::{Desired, Kind, Observed, Trouble};
use crate::api::testnode_status::{Attempt, Outcome, ResolvedVolume};

pub use choice::{REST_BETWEEN_ROUNDS, claimed, queues_at, remembered};
pub use name::{is_published, target_address};
pub use place::NO_VALID_HOST;
pub use surplus::{kept_ports, kept_server, kept_volumes};

/// A rule of [`BRING_UP`].
pub type Rule = fn(&Desired, &Observed) -> Option<Step>;

/// A rule of [`TEAR_DOWN`]: for one cloud, whatever the spec says.
pub type TearDownRule = fn(&Observed, &str) -> Option<Step>;

/// From nothing to a machine that is Ready, and stays.
pub const BRING_UP: &[Rule] = &[
    bring_up::wait_while_paused,
    bring_up::wait_for_clouds,
    bring_up::confirm_missing,
    bring_up::hold_what_was_found,
    bring_up::record_what_was_found,
    bring_up::end_failed_attempt,
    surplus::drop_surplus,
    choice::open_attempt,
    bring_up::close_failed,
    bring_up::create_volumes,
    bring_up::create_ports,
    name::publish_name,
    bring_up::await_volumes,
    bring_up::create_server,
    bring_up::await_active,
    bring_up::await_guest,
    name::await_name,
    bring_up::close_ready,
    bring_up::settle_ready,
    bring_up::release_other_clouds,
];

/// From whatever there is in one cloud to nothing. The name goes first: nobody may resolve a host that is about to
/// lose its address. An attempt that failed is ended by the same list, but for its last rule.
pub const TEAR_DOWN: &[TearDownRule] = &[
    tear_down::await_cloud,
    tear_down::confirm_missing,
    name::withdraw_name,
    tear_down::delete_servers,
    tear_down::await_servers,
    tear_down::free_volumes,
    tear_down::delete_volumes,
    tear_down::await_volumes,
    name::await_withdrawal,
    tear_down::delete_ports,
    tear_down::await_ports,
    tear_down::await_settled,
    name::await_name_gone,
    tear_down::release,
];

/// Chooses the next step. Total and deterministic.
#[must_use]
pub fn plan(desired: &Desired, seen: &Observed) -> Step {
    plan_by(BRING_UP, TEAR_DOWN, desired, seen)
}

/// [`plan`], with lists of one's own: the tests leave rules out.
#[must_use]
pub fn plan_by(bring_up: &[Rule], tear_down: &[TearDownRule], desired: &Desired, seen: &Observed) -> Step {
    let step = if seen.deleting {
        tear_down::everywhere(tear_down, seen)
    } else {
        bring_up.iter().find_map(|rule| rule(desired, seen))
    };
    held_back(step.unwrap_or(Step::Rest), seen)
}

/// A request that failed is not sent again before its time.
fn held_back(step: Step, seen: &Observed) -> Step {
    let key = match &step {
        Step::Do(change) => change.key(),
        Step::Ask(question) => question.key(),
        Step::Wait(_) | Step::Rest => return step,
    };
    match blocked(seen, &key) {
        Some(trouble) => Step::Wait(Waiting {
            until: Some(trouble.retry_at),
            ..Waiting::new(trouble.reason, format!("{} (tried {} times)", trouble.message, trouble.failures))
        }),
        None => step,
    }
}

/// The trouble that forbids a request now.
fn blocked<'a>(seen: &'a Observed, key: &str) -> Option<&'a Trouble> {
    seen.troubles.iter().find(|trouble| trouble.key == key && seen.now < trouble.retry_at)
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Change something: one request.
    Do(Change),
    /// Ask something that no list tells: one request.
    Ask(Question),
    /// Nothing to do but to wait.
    Wait(Waiting),
    /// All is as it should be.
    Rest,
}

/// One change, by one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Keep the object until this cloud is empty.
    AddFinalizer {
        /// The cloud.
        cloud: String,
    },
    /// This cloud is empty.
    RemoveFinalizer {
        /// The cloud.
        cloud: String,
    },
    /// Answer the wish to abandon what is in this cloud: with a record, or with the reason why not.
    AnswerAbandon {
        /// The cloud.
        cloud: String,
    },
    /// Remember an attempt, and claim the name, before the first request.
    OpenAttempt {
        /// The attempt.
        attempt: Box<Attempt>,
        /// The name to claim.
        fqdn: Option<String>,
    },
    /// Remember an attempt that the status had lost.
    RecordFound(Box<Attempt>),
    /// Remember how an attempt ended.
    CloseAttempt(Box<Closing>),
    /// Remember that nothing of an attempt can appear any more.
    SettleAttempt {
        /// Its number.
        number: i64,
    },
    /// Remember an address before it is set under the name.
    RecordAddress {
        /// The address.
        address: IpAddr,
    },
    /// Let go of the name.
    ForgetName,
    /// Set the name to an address.
    SetName {
        /// The address.
        address: IpAddr,
    },
    /// Leave the name on the address where nobody answers.
    ParkName {
        /// The park address.
        address: IpAddr,
    },
    /// Make a volume.
    CreateVolume {
        /// The cloud.
        cloud: String,
        /// The attempt.
        attempt: i64,
        /// What to make.
        volume: ResolvedVolume,
    },
    /// Make a port.
    CreatePort {
        /// The cloud.
        cloud: String,
        /// The attempt.
        attempt: i64,
        /// Which of its ports.
        index: usize,
    },
    /// Make the server, with its volumes and ports.
    CreateServer {
        /// The cloud.
        cloud: String,
        /// The attempt.
        attempt: i64,
        /// Volumes to map, in order.
        volumes: Vec<String>,
        /// Ports, in order.
        ports: Vec<String>,
    },
    /// Delete a server.
    DeleteServer {
        /// The cloud.
        cloud: String,
        /// Nova's id.
        id: String,
    },
    /// Delete a server for good that the cloud would keep for a while.
    ForceDeleteServer {
        /// The cloud.
        cloud: String,
        /// Nova's id.
        id: String,
    },
    /// Free a volume that is reserved for a server that does not exist.
    FreeVolume {
        /// The cloud.
        cloud: String,
        /// Cinder's id.
        id: String,
        /// The attachment that reserves it.
        attachment: String,
    },
    /// Delete a volume.
    DeleteVolume {
        /// The cloud.
        cloud: String,
        /// Cinder's id.
        id: String,
    },
    /// Delete a port.
    DeletePort {
        /// The cloud.
        cloud: String,
        /// Neutron's id.
        id: String,
    },
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Closing {
    /// Its number.
    pub number: i64,
    /// The outcome.
    pub outcome: Outcome,
    /// One word.
    pub reason: &'static str,
    /// What was said.
    pub message: String,
    /// The last lines of the console, on failure.
    pub console_tail: Option<String>,
    /// Nothing of it can appear any more.
    pub settled: bool,
}

/// Something that only one request tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// What a cloud offers: flavors, images, networks. One list a turn, kept for all nodes.
    Catalogue {
        /// The cloud.
        cloud: String,
    },
    /// What the quotas of one of a cloud's services leave.
    Limits {
        /// The cloud.
        cloud: String,
        /// What the service makes.
        kind: Kind,
    },
    /// Whether something is still there: GET by id.
    Presence {
        /// The cloud.
        cloud: String,
        /// What it is.
        kind: Kind,
        /// Its id.
        id: String,
    },
    /// What reserves a volume.
    Reservations {
        /// The cloud.
        cloud: String,
        /// Cinder's id.
        id: String,
    },
    /// The serial console.
    Console {
        /// The cloud.
        cloud: String,
        /// Nova's id.
        server: String,
    },
    /// Whether a port answers.
    Tcp {
        /// The address.
        address: IpAddr,
        /// The port.
        port: i32,
    },
    /// What the authority says of the name.
    Name {
        /// The full name.
        fqdn: String,
    },
}

/// Why nothing can be done now.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// One word: condition reason.
    pub reason: &'static str,
    /// For people: what is waited for.
    pub message: String,
    /// What must be looked at for it to end.
    pub looks: Vec<(String, Kind)>,
    /// It ends by itself then.
    pub until: Option<Timestamp>,
    /// It does not end by itself: somebody must edit something.
    pub stalled: bool,
    /// It ends when nothing unknown can appear any more: just the looks that this takes are made.
    pub settling: bool,
}

impl Waiting {
    /// A wait that passes.
    #[must_use]
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            looks: Vec::new(),
            until: None,
            stalled: false,
            settling: false,
        }
    }

    /// A wait that ends with a look at one kind of thing.
    #[must_use]
    pub fn look(reason: &'static str, message: impl Into<String>, cloud: &str, kind: Kind) -> Self {
        Self { looks: vec![(cloud.to_owned(), kind)], ..Self::new(reason, message) }
    }

    /// A wait until no request whose fate is unknown can take effect any more.
    #[must_use]
    pub fn settling(message: impl Into<String>, cloud: &str, kind: Kind) -> Self {
        Self { settling: true, ..Self::look("SettlingAttempt", message, cloud, kind) }
    }

    /// A wait that somebody must end.
    #[must_use]
    pub fn stalled(reason: &'static str, message: impl Into<String>) -> Self {
        Self { stalled: true, ..Self::new(reason, message) }
    }
}

impl Change {
    /// What identifies the request among the node's troubles.
    #[must_use]
    pub fn key(&self) -> String {
        self.to_string()
    }

    /// It makes something in a cloud.
    #[must_use]
    pub fn creates(&self) -> Option<Kind> {
        match self {
            Self::CreateVolume { .. } => Some(Kind::Volume),
            Self::CreatePort { .. } => Some(Kind::Port),
            Self::CreateServer { .. } => Some(Kind::Server),
            Self::AddFinalizer { .. }
            | Self::RemoveFinalizer { .. }
            | Self::AnswerAbandon { .. }
            | Self::OpenAttempt { .. }
            | Self::RecordFound(_)
            | Self::CloseAttempt(_)
            | Self::SettleAttempt { .. }
            | Self::RecordAddress { .. }
            | Self::ForgetName
            | Self::SetName { .. }
            | Self::ParkName { .. }
            | Self::DeleteServer { .. }
            | Self::ForceDeleteServer { .. }
            | Self::FreeVolume { .. }
            | Self::DeleteVolume { .. }
            | Self::DeletePort { .. } => None,
        }
    }

    /// The change as one word: event reason and metric label.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::AddFinalizer { .. } => "AddFinalizer",
            Self::RemoveFinalizer { .. } => "RemoveFinalizer",
            Self::AnswerAbandon { .. } => "AnswerAbandon",
            Self::OpenAttempt { .. } => "OpenAttempt",
            Self::RecordFound(_) => "RecordFound",
            Self::CloseAttempt(closing) => closing.reason,
            Self::SettleAttempt { .. } => "SettleAttempt",
            Self::RecordAddress { .. } => "SettingName",
            Self::ForgetName => "WithdrawingName",
            Self::SetName { .. } => "SetName",
            Self::ParkName { .. } => "ParkName",
            Self::CreateVolume { .. } => "CreateVolume",
            Self::CreatePort { .. } => "CreatePort",
            Self::CreateServer { .. } => "CreateServer",
            Self::DeleteServer { .. } => "DeleteServer",
            Self::ForceDeleteServer { .. } => "ForceDeleteServer",
            Self::FreeVolume { .. } => "FreeVolume",
            Self::DeleteVolume { .. } => "DeleteVolume",
            Self::DeletePort { .. } => "DeletePort",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddFinalizer { cloud } => write!(f, "add finalizer for cloud {cloud}"),
            Self::RemoveFinalizer { cloud } => write!(f, "remove finalizer of cloud {cloud}"),
            Self::AnswerAbandon { cloud } => write!(f, "answer the wish to abandon cloud {cloud}"),
            Self::OpenAttempt { attempt, .. } => {
                write!(f, "open attempt {} in cloud {}", attempt.number, attempt.cloud)
            }
            Self::RecordFound(attempt) => write!(f, "record attempt {} as found", attempt.number),
            Self::CloseAttempt(closing) => {
                write!(f, "close attempt {} as {}", closing.number, closing.reason)
            }
            Self::SettleAttempt { number } => write!(f, "settle attempt {number}"),
            Self::RecordAddress { address } => write!(f, "record address {address}"),
            Self::ForgetName => f.write_str("let go of the name"),
            Self::SetName { address } => write!(f, "set name to {address}"),
            Self::ParkName { address } => write!(f, "park name on {address}"),
            Self::CreateVolume { volume, .. } => write!(f, "create volume {}", volume.name),
            Self::CreatePort { index, .. } => write!(f, "create port {index}"),
            Self::CreateServer { .. } => f.write_str("create server"),
            Self::DeleteServer { id, .. } => write!(f, "delete server {id}"),
            Self::ForceDeleteServer { id, .. } => write!(f, "delete server {id} for good"),
            Self::FreeVolume { id, .. } => write!(f, "free volume {id}"),
            Self::DeleteVolume { id, .. } => write!(f, "delete volume {id}"),
            Self::DeletePort { id, .. } => write!(f, "delete port {id}"),
        }
    }
}

impl Question {
    /// What identifies the request among the node's troubles.
    #[must_use]
    pub fn key(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalogue { cloud } => write!(f, "read the catalogue of cloud {cloud}"),
            Self::Limits { cloud, kind } => write!(f, "read the quota of {}s in cloud {cloud}", kind.word()),
            Self::Presence { kind, id, .. } => write!(f, "look for {} {id}", kind.word()),
            Self::Reservations { id, .. } => write!(f, "ask what reserves volume {id}"),
            Self::Console { .. } => f.write_str("read the console"),
            Self::Tcp { port, .. } => write!(f, "try TCP port {port}"),
            Self::Name { fqdn } => write!(f, "ask the authority for {fqdn}"),
        }
    }
}
