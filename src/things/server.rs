//! Servers.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Kind, Meta, Owner, Proof, Thing, properties};

/// A server of Nova's.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Id, name and marks.
    pub meta: Meta,
    /// Its state, as far as it matters.
    pub state: ServerState,
    /// Nova's word for that.
    pub status: String,
    /// Nova is deleting it, whatever the state says.
    pub deleting: bool,
    /// Why it is in ERROR, if Nova says so.
    pub fault: Option<Fault>,
    /// It is in ERROR, and Nova was not yet asked by its id why: a listing does not tell of every fault.
    pub unexplained: bool,
    /// The DNS name that was claimed for it, by its mark.
    pub fqdn: Option<String>,
    /// The UIDs of nodes that its tags name: one, but for a moment while it is adopted.
    pub tagged: BTreeSet<String>,
    /// Which boot of it runs: 1, and one more with each rebuild.
    pub boot: i64,
    /// The image that its root disk was made of; none if it boots from a volume.
    pub image: Option<String>,
    /// Its addresses, floating ones included.
    pub addresses: Vec<IpAddr>,
    /// The volumes that Nova has written down for it.
    pub volumes: Vec<String>,
    /// The same for servers on the same host.
    pub host_id: Option<String>,
    /// Nova's availability zone.
    pub zone: Option<String>,
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
    /// Its root disk is being made anew.
    Rebuilding,
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

impl Server {
    /// A server that Nova has just agreed to make. The answer has nothing but the id; the first listing has the rest.
    #[must_use]
    pub fn requested(id: String, name: String, owner: Owner, volumes: Vec<String>) -> Self {
        let tagged = BTreeSet::from([owner.uid.clone()]);
        Self {
            meta: Meta { id, name, owner: Some(owner), ..Meta::default() },
            state: ServerState::Building,
            status: "BUILD".to_owned(),
            deleting: false,
            fault: None,
            unexplained: false,
            fqdn: None,
            tagged,
            boot: 1,
            image: None,
            addresses: Vec::new(),
            volumes,
            host_id: None,
            zone: None,
        }
    }
}

impl Thing for Server {
    const KIND: Kind = Kind::Server;
    /// Nova's list leaves out the servers of cells that are down.
    const GONE_BY: Proof = Proof::NotFound;

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn is_leaving(&self) -> bool {
        self.deleting || self.state == ServerState::SoftDeleted
    }

    fn remember(&mut self, before: &Self) {
        if self.unexplained && before.state == ServerState::Error {
            self.fault.clone_from(&before.fault);
            self.unexplained = before.unexplained;
        }
        if !self.meta.lost.is_empty() {
            self.fqdn = self.fqdn.take().or_else(|| before.fqdn.clone());
        }
    }

    fn remark(&self, owner: &Owner, cluster: &str) -> String {
        format!("openstack server set {} {}", properties(&self.meta, owner, cluster, ""), self.meta.id)
    }
}
