//! Ports.

use std::net::IpAddr;

use super::{Kind, Meta, Owner, Proof, Thing};
use crate::api::mark;

/// A port of Neutron's.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// Id, name and marks.
    pub meta: Meta,
    /// Which of the attempt's ports it is, by its name.
    pub index: usize,
    /// The server that has it.
    pub device: Option<String>,
    /// Its own addresses.
    pub addresses: Vec<IpAddr>,
    /// Its hardware address.
    pub mac: String,
    /// The id of its network.
    pub network: String,
}

impl Thing for Port {
    const KIND: Kind = Kind::Port;
    /// Neutron answers when its transaction is over.
    const GONE_BY: Proof = Proof::Answer;

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn is_leaving(&self) -> bool {
        false
    }

    fn remember(&mut self, before: &Self) {
        if self.meta.owner.is_none() {
            self.index = before.index;
        }
    }

    fn remark(&self, owner: &Owner, cluster: &str) -> String {
        let name = mark::port_name(&owner.uid, owner.attempt.unwrap_or(1), self.index);
        let id = &self.meta.id;
        match (self.meta.owner.is_none(), self.meta.is_unlisted()) {
            (true, false) => format!("openstack port set --name {name} {id}"),
            (false, _) => {
                format!("openstack port set --description {} {id}", mark::tag(mark::CLUSTER, cluster))
            }
            (true, true) => format!(
                "openstack port set --name {name} --description {} {id}",
                mark::tag(mark::CLUSTER, cluster)
            ),
        }
    }
}
