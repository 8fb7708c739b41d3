//! What a turn comes to: one request, a question, or a wait.

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;

use super::Change;
use crate::api::common::ReadinessCheck;
use crate::api::testnode::UserDataRef;
use crate::reason::Reason;
use crate::reconcile::state::{BootId, CloudView, Keeper, Kind, RequestKey, UserData};

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
        /// Of which boot of which server.
        boot: BootId,
    },
    /// The serial console, for somebody who asked for a look at it.
    ShowConsole {
        /// The cloud.
        cloud: String,
        /// Nova's id of the server.
        server: String,
        /// What the node's spec says.
        request: String,
    },
    /// Whether a port answers.
    Tcp {
        /// Of which boot of which server.
        boot: BootId,
        /// The address.
        address: IpAddr,
        /// The port.
        port: i32,
    },
    /// Whether sshd answers as a check wants it.
    Ssh {
        /// Of which boot of which server.
        boot: BootId,
        /// The address.
        address: IpAddr,
        /// The check.
        check: Box<ReadinessCheck>,
        /// The host keys that are known, as lines for `known_hosts`.
        known: Vec<String>,
    },
    /// User data that stands in an object of its own.
    UserData(UserDataRef),
    /// Whether what a node is kept for is still there.
    Keeper(Keeper),
    /// What the authority says of the name.
    Name {
        /// The full name.
        fqdn: String,
    },
}

impl Question {
    /// Whether something is still there that a list left out. A list proves presence, never absence.
    #[must_use]
    pub fn about_missing(cloud: &str, view: &CloudView) -> Option<Self> {
        let (kind, id) = view.missing()?;
        Some(Self::Presence { cloud: cloud.to_owned(), kind, id: id.to_owned() })
    }

    /// What identifies the request among the node's troubles.
    #[must_use]
    pub fn key(&self) -> RequestKey {
        match self {
            Self::Catalogue { cloud } => RequestKey::Catalogue { cloud: cloud.clone() },
            Self::Limits { cloud, kind } => RequestKey::Limits { cloud: cloud.clone(), kind: *kind },
            Self::Presence { kind, id, .. } => RequestKey::Presence { kind: *kind, id: id.clone() },
            Self::Reservations { id, .. } => RequestKey::Reservations { id: id.clone() },
            Self::Console { .. } => RequestKey::Console,
            Self::ShowConsole { .. } => RequestKey::ShowConsole,
            Self::Tcp { port, .. } => RequestKey::Tcp { port: *port },
            Self::Ssh { check, .. } => RequestKey::Ssh { port: check.port.unwrap_or(22) },
            Self::UserData(_) => RequestKey::UserData,
            Self::Keeper(keeper) => RequestKey::AskKeeper { uid: keeper.uid.clone() },
            Self::Name { fqdn } => RequestKey::AskName { fqdn: fqdn.clone() },
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalogue { cloud } => write!(f, "read the catalogue of cloud {cloud}"),
            Self::Limits { cloud, kind } => write!(f, "read the quota of {}s in cloud {cloud}", kind.word()),
            Self::Presence { kind, id, .. } => write!(f, "look for {} {id}", kind.word()),
            Self::Reservations { id, .. } => write!(f, "ask what reserves volume {id}"),
            Self::Console { boot, .. } => write!(f, "read the console of server {}", boot.server),
            Self::ShowConsole { server, .. } => {
                write!(f, "read the console of server {server} for consoleRequest")
            }
            Self::Tcp { address, port, .. } => write!(f, "try TCP port {port} of {address}"),
            Self::Ssh { address, check, .. } => {
                write!(f, "try sshd at port {} of {address}", check.port.unwrap_or(22))
            }
            Self::UserData(place) => write!(f, "read user data in {place}"),
            Self::Keeper(keeper) => write!(f, "ask whether {keeper} is still there"),
            Self::Name { fqdn } => write!(f, "ask the authority for {fqdn}"),
        }
    }
}

impl Step {
    /// A wait that ends with a look at one kind of thing.
    #[must_use]
    pub fn look(reason: Reason, message: impl Into<String>, cloud: &str, kind: Kind) -> Self {
        Self::Wait(Waiting::look(reason, message, cloud, kind))
    }

    /// What has to come before the server can be created with the user data, if anything. It is read for that: it is not
    /// kept for longer than it takes.
    #[must_use]
    pub fn for_user_data(user_data: &UserData) -> Option<Self> {
        match user_data {
            UserData::Known => None,
            UserData::Unread(place) | UserData::Checked(place) => {
                Some(Self::Ask(Question::UserData(place.clone())))
            }
            UserData::Cannot { problem, again } => Some(Self::Wait(Waiting {
                until: Some(*again),
                ..Waiting::stalled(problem.reason, problem.message.clone())
            })),
        }
    }

    /// What identifies the request, if it is one.
    #[must_use]
    pub fn key(&self) -> Option<RequestKey> {
        match self {
            Self::Do(change) => Some(change.key()),
            Self::Ask(question) => Some(question.key()),
            Self::Wait(_) | Self::Rest => None,
        }
    }
}

/// A request, for people who wait for its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// One word: condition reason.
    pub reason: Reason,
    /// What is asked for.
    pub what: String,
    /// Who is asked.
    pub whom: Whom,
}

/// Who is asked. The API server is not among them: nothing could be said while it does not answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Whom {
    /// A service of a cloud, by name.
    Service(String, &'static str),
    /// A cloud, whatever service.
    Cloud(String),
    /// Who sets names.
    Dns,
    /// Who says what a name is.
    Authority,
    /// The machine itself.
    Guest,
}

impl Whom {
    fn maker(cloud: &str, kind: Kind) -> Self {
        let service = match kind {
            Kind::Server => "Nova",
            Kind::Volume => "Cinder",
            Kind::Port | Kind::FloatingIp => "Neutron",
        };
        Self::Service(cloud.to_owned(), service)
    }
}

impl Step {
    /// The request that it is, if its answer is waited for by people.
    #[must_use]
    pub fn request(&self) -> Option<Request> {
        match self {
            Self::Do(change) => {
                let whom = match change {
                    Change::PublishName { .. } | Change::WithdrawName => Whom::Dns,
                    Change::Cloud { cloud, change } => Whom::maker(cloud, change.kind()),
                    Change::AddFinalizer { .. }
                    | Change::RemoveFinalizer { .. }
                    | Change::AnswerAbandon { .. }
                    | Change::AbandonUntouched { .. }
                    | Change::Expire { .. }
                    | Change::Release { .. }
                    | Change::Memory(_) => return None,
                };
                Some(Request { reason: change.reason(), what: change.to_string(), whom })
            }
            Self::Ask(question) => {
                let (reason, whom) = match question {
                    Question::Catalogue { cloud } => (Reason::LookingAround, Whom::Cloud(cloud.clone())),
                    Question::Limits { cloud, kind } | Question::Presence { cloud, kind, .. } => {
                        (Reason::LookingAround, Whom::maker(cloud, *kind))
                    }
                    Question::Reservations { cloud, .. } => {
                        (Reason::LookingAround, Whom::maker(cloud, Kind::Volume))
                    }
                    Question::Console { cloud, .. } => (Reason::Booting, Whom::maker(cloud, Kind::Server)),
                    Question::Tcp { .. } | Question::Ssh { .. } => (Reason::Booting, Whom::Guest),
                    Question::Name { .. } => (Reason::SettingName, Whom::Authority),
                    Question::ShowConsole { .. } | Question::UserData(_) | Question::Keeper(_) => {
                        return None;
                    }
                };
                Some(Request { reason, what: question.to_string(), whom })
            }
            Self::Wait(_) | Self::Rest => None,
        }
    }
}

/// Why nothing can be done now.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// One word: condition reason.
    pub reason: Reason,
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
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
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
    pub fn look(reason: Reason, message: impl Into<String>, cloud: &str, kind: Kind) -> Self {
        Self { looks: vec![(cloud.to_owned(), kind)], ..Self::new(reason, message) }
    }

    /// A wait for the first complete look at a cloud.
    #[must_use]
    pub fn first_look(cloud: &str) -> Self {
        let message = format!(
            "waiting until the operator is logged in to cloud {cloud} and has listed its servers, volumes and ports, as after \
             every start"
        );
        // Floating IPs are listed once by themselves, and hold up nobody who has none.
        let kinds = [Kind::Server, Kind::Volume, Kind::Port];
        let looks = kinds.map(|kind| (cloud.to_owned(), kind)).to_vec();
        Self { looks, ..Self::new(Reason::LookingAround, message) }
    }

    /// A wait until no request whose fate is unknown can take effect any more.
    #[must_use]
    pub fn settling(message: impl Into<String>, cloud: &str, kind: Kind) -> Self {
        Self { settling: true, ..Self::look(Reason::SettlingAttempt, message, cloud, kind) }
    }

    /// A wait that somebody must end.
    #[must_use]
    pub fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        Self { stalled: true, ..Self::new(reason, message) }
    }
}
