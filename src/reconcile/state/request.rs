//! Requests of a node: what identifies one, and what is known of one that failed.

use std::net::IpAddr;

use jiff::Timestamp;

use super::Verdict;
use crate::api::kind::Kind;
use crate::reason::Reason;

/// Which request it is, among those of one node. A request that is planned again has the same key, whatever else it
/// carries: so a failure is found again, and not repeated too soon.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum RequestKey {
    /// Adds the finalizer of a cloud.
    AddFinalizer {
        /// The cloud.
        cloud: String,
    },
    /// Removes the finalizer of a cloud.
    RemoveFinalizer {
        /// The cloud.
        cloud: String,
    },
    /// Answers the annotation `testnode.dev/abandon` for a cloud.
    AnswerAbandon {
        /// The cloud.
        cloud: String,
    },
    /// Removes the finalizers of clouds that were never used.
    AbandonUntouched,
    /// Writes something into the object that no rule planned.
    WriteObject,
    /// Deletes the object.
    Expire,
    /// Opens an attempt.
    OpenAttempt {
        /// Its number.
        number: i64,
    },
    /// Records an attempt that was found.
    RecordFound {
        /// Its number.
        number: i64,
    },
    /// Closes an attempt.
    CloseAttempt {
        /// Its number.
        number: i64,
    },
    /// Records that nothing of an attempt can appear any longer.
    SettleAttempt {
        /// Its number.
        number: i64,
    },
    /// Records that the fixed address serves.
    KeepToFixedAddress {
        /// The attempt.
        number: i64,
    },
    /// Records an address before the name is set to it.
    RecordAddress {
        /// The address.
        address: IpAddr,
    },
    /// Forgets the name.
    ForgetName,
    /// Answers a wish to look at the console.
    RecordConsole,
    /// Reads the console for somebody who asked.
    ShowConsole,
    /// Creates a volume.
    CreateVolume {
        /// Its name among the node's volumes.
        name: String,
    },
    /// Creates a port.
    CreatePort {
        /// Which of the node's ports.
        index: usize,
    },
    /// Creates the floating IP.
    CreateFloatingIp,
    /// Creates the server.
    CreateServer,
    /// Makes the system of the server anew.
    RebuildServer,
    /// Opens, or closes, a rebuild.
    RecordRebuild {
        /// Which boot of the machine it makes.
        number: i64,
    },
    /// Deletes something in a cloud.
    Delete {
        /// What it is.
        kind: Kind,
        /// Its id.
        id: String,
    },
    /// Deletes a server for good that the cloud would keep for a while.
    ForceDeleteServer {
        /// Nova's id.
        id: String,
    },
    /// Frees a reserved volume.
    FreeVolume {
        /// Cinder's id.
        id: String,
    },
    /// Takes over something of an earlier object of this name.
    Adopt {
        /// What it is.
        kind: Kind,
        /// Its id.
        id: String,
        /// Which of its marks is written.
        mark: String,
    },
    /// Publishes the name.
    PublishName {
        /// At this address.
        address: IpAddr,
    },
    /// Withdraws the name.
    WithdrawName,
    /// Asks the authority for the name.
    AskName {
        /// The full name.
        fqdn: String,
    },
    /// Reads what a cloud offers.
    Catalogue {
        /// The cloud.
        cloud: String,
    },
    /// Reads the quotas of one service of a cloud.
    Limits {
        /// The cloud.
        cloud: String,
        /// What the service makes.
        kind: Kind,
    },
    /// Asks whether something is still there.
    Presence {
        /// What it is.
        kind: Kind,
        /// Its id.
        id: String,
    },
    /// Asks what reserves a volume.
    Reservations {
        /// Cinder's id.
        id: String,
    },
    /// Reads the console.
    Console,
    /// Tries a TCP port.
    Tcp {
        /// The port.
        port: i32,
    },
    /// Tries sshd.
    Ssh {
        /// The port.
        port: i32,
    },
    /// Reads user data in an object of its own.
    UserData,
    /// Asks whether what the node is kept for is there.
    AskKeeper {
        /// The UID of that.
        uid: String,
    },
}

impl RequestKey {
    /// Whether it is about a thing with this id in a cloud.
    #[must_use]
    pub fn is_about(&self, thing: &str) -> bool {
        match self {
            Self::Delete { id, .. }
            | Self::ForceDeleteServer { id }
            | Self::FreeVolume { id }
            | Self::Adopt { id, .. }
            | Self::Presence { id, .. }
            | Self::Reservations { id } => id == thing,
            Self::AddFinalizer { .. }
            | Self::RemoveFinalizer { .. }
            | Self::AnswerAbandon { .. }
            | Self::AbandonUntouched
            | Self::WriteObject
            | Self::Expire
            | Self::OpenAttempt { .. }
            | Self::RecordFound { .. }
            | Self::CloseAttempt { .. }
            | Self::SettleAttempt { .. }
            | Self::KeepToFixedAddress { .. }
            | Self::RecordAddress { .. }
            | Self::ForgetName
            | Self::RecordConsole
            | Self::ShowConsole
            | Self::CreateVolume { .. }
            | Self::CreatePort { .. }
            | Self::CreateFloatingIp
            | Self::CreateServer
            | Self::RebuildServer
            | Self::RecordRebuild { .. }
            | Self::PublishName { .. }
            | Self::WithdrawName
            | Self::AskName { .. }
            | Self::Catalogue { .. }
            | Self::Limits { .. }
            | Self::Console
            | Self::Tcp { .. }
            | Self::Ssh { .. }
            | Self::UserData
            | Self::AskKeeper { .. } => false,
        }
    }

    /// The kind of thing in a cloud that it changes.
    #[must_use]
    pub fn changes(&self) -> Option<Kind> {
        match self {
            Self::Delete { kind, .. } | Self::Adopt { kind, .. } => Some(*kind),
            Self::CreateServer | Self::RebuildServer | Self::ForceDeleteServer { .. } => Some(Kind::Server),
            Self::CreateVolume { .. } | Self::FreeVolume { .. } => Some(Kind::Volume),
            Self::CreatePort { .. } => Some(Kind::Port),
            Self::CreateFloatingIp => Some(Kind::FloatingIp),
            Self::AddFinalizer { .. }
            | Self::RemoveFinalizer { .. }
            | Self::AnswerAbandon { .. }
            | Self::AbandonUntouched
            | Self::WriteObject
            | Self::Expire
            | Self::OpenAttempt { .. }
            | Self::RecordFound { .. }
            | Self::CloseAttempt { .. }
            | Self::SettleAttempt { .. }
            | Self::RecordAddress { .. }
            | Self::KeepToFixedAddress { .. }
            | Self::RecordRebuild { .. }
            | Self::ForgetName
            | Self::RecordConsole
            | Self::ShowConsole
            | Self::PublishName { .. }
            | Self::WithdrawName
            | Self::AskName { .. }
            | Self::Catalogue { .. }
            | Self::Limits { .. }
            | Self::Presence { .. }
            | Self::Reservations { .. }
            | Self::Console
            | Self::Tcp { .. }
            | Self::Ssh { .. }
            | Self::UserData
            | Self::AskKeeper { .. } => None,
        }
    }

    /// It creates something in a cloud.
    #[must_use]
    pub fn creates(&self) -> bool {
        matches!(
            self,
            Self::CreateVolume { .. } | Self::CreatePort { .. } | Self::CreateFloatingIp | Self::CreateServer
        )
    }

    /// It asks DNS for something. What is only recorded of the name is no request to DNS.
    #[must_use]
    pub fn is_for_dns(&self) -> bool {
        matches!(self, Self::PublishName { .. } | Self::WithdrawName | Self::AskName { .. })
    }
}

/// A request that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// Which request.
    pub key: RequestKey,
    /// What it means for an attempt.
    pub verdict: Verdict,
    /// The reason, for conditions.
    pub reason: Reason,
    /// What was said.
    pub message: String,
    /// When the streak began.
    pub since: Timestamp,
    /// How often it failed in a row; 0 if it was not sent, because it is not its turn yet.
    pub failures: u32,
    /// Not again before.
    pub retry_at: Timestamp,
}
