//! Floating IPs.

use std::net::IpAddr;

use super::{Kind, Meta, Owner, Proof, Thing};
use crate::api::mark;

/// A floating IP of Neutron's.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatingIp {
    /// Id and marks; it has no name.
    pub meta: Meta,
    /// The address.
    pub address: Option<IpAddr>,
    /// The port that it leads to; none once that is gone.
    pub port: Option<String>,
}

impl Thing for FloatingIp {
    const KIND: Kind = Kind::FloatingIp;
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

    fn remember(&mut self, _: &Self) {}

    fn remark(&self, owner: &Owner, cluster: &str) -> String {
        let description = mark::floating_ip(cluster, &owner.uid, owner.attempt.unwrap_or(1));
        format!("openstack floating ip set --description \"{description}\" {}", self.meta.id)
    }
}
