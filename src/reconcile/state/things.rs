//! Servers, volumes and ports of a node, as far as decisions need them.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::api::testnode_status::ServerFacts;

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
    pub address: Option<IpAddr>,
    /// All its addresses.
    pub addresses: Vec<IpAddr>,
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
