//! What a turn comes to: one request, a question, or a wait.

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;

use super::Change;
use crate::api::testnode::UserDataRef;
use crate::reconcile::state::Kind;

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
    /// User data that stands in an object of its own.
    UserData(UserDataRef),
    /// What the authority says of the name.
    Name {
        /// The full name.
        fqdn: String,
    },
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
            Self::UserData(place) => write!(f, "read user data in {place}"),
            Self::Name { fqdn } => write!(f, "ask the authority for {fqdn}"),
        }
    }
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
