//! Servers, volumes, floating IPs and ports of a node, as far as decisions need them.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::api::testnode_status::{BootId, ServerFacts};
pub use crate::things::{Fault, ServerState, Verdict, VolumeState};

/// How sure we are that a thing is still there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Presence {
    /// Seen, or made just now.
    There,
    /// A list left it out: only a GET by id tells.
    Missing,
    /// We asked for its end, and that was answered.
    Going,
    /// It is there, but somebody removed the marks of our cluster and of the node. Without a mark of ours nothing is
    /// touched.
    Unmarked,
}

/// How far the deletion of a thing has come.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ending {
    /// It should have been gone by now: `timeouts.delete` is over. This changes what is told, never what is done.
    pub overdue: bool,
    /// What the cloud said when it last refused to delete it, or to free it for that.
    pub refusal: Option<String>,
}

/// A server of the node.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Nova's id.
    pub id: String,
    /// The attempt it was made in.
    pub attempt: i64,
    /// How often its root disk was made.
    pub boot: i64,
    /// The image that its root disk was made of; none if it boots from a volume, or nobody has said yet.
    pub image: Option<String>,
    /// Whether it is there.
    pub presence: Presence,
    /// Its state.
    pub state: ServerState,
    /// Why it is in ERROR.
    pub fault: Option<Fault>,
    /// It is in ERROR, and Nova was not yet asked why.
    pub unexplained: bool,
    /// How far its deletion has come.
    pub ending: Ending,
    /// The command that gives back the marks that somebody removed from it.
    pub remark: Option<String>,
    /// Orders servers by age; Nova's time.
    pub created: Option<Timestamp>,
    /// For people.
    pub facts: ServerFacts,
}

impl Server {
    /// What the guest says now belongs to this boot.
    #[must_use]
    pub fn boot(&self) -> BootId {
        BootId { server: self.id.clone(), number: self.boot }
    }
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
    /// How far its deletion has come.
    pub ending: Ending,
    /// See [`Server::remark`].
    pub remark: Option<String>,
    /// The device, once attached.
    pub device: Option<String>,
}

impl Volume {
    /// It is on this server.
    #[must_use]
    pub fn is_on(&self, server: Option<&Server>) -> bool {
        server.is_some_and(|server| self.servers.contains(&server.id))
    }
}

/// A volume that exists by itself, and that an attempt uses.
#[derive(Clone, Debug, PartialEq)]
pub struct UsedVolume {
    /// Cinder's id.
    pub id: String,
    /// Attachments of it whose server does not exist; `None` if that was not asked since the last server was created.
    pub reservations: Option<Vec<String>>,
}

/// A floating IP of the node.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatingIp {
    /// Neutron's id.
    pub id: String,
    /// The attempt it was made in.
    pub attempt: i64,
    /// Whether it is there.
    pub presence: Presence,
    /// The address.
    pub address: Option<IpAddr>,
    /// The port that it leads to.
    pub port: Option<String>,
    /// How far its deletion has come.
    pub ending: Ending,
    /// See [`Server::remark`].
    pub remark: Option<String>,
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
    /// Its hardware address.
    pub mac: String,
    /// Its network's id.
    pub network: String,
    /// How far its deletion has come.
    pub ending: Ending,
    /// See [`Server::remark`].
    pub remark: Option<String>,
}

impl Port {
    /// It is bound to this server.
    #[must_use]
    pub fn is_bound_to(&self, server: Option<&Server>) -> bool {
        server.is_some_and(|server| self.device.as_ref() == Some(&server.id))
    }
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
