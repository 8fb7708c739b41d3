//! Ports that exist and are named by their ids.

use super::offerings::{Offerings, Owner};
use super::{Problem, listed};
use crate::api::machine_type::MachineTypeSpec;
use crate::api::testnode::TestNodeSpec;
use crate::api::testnode_status::{ExistingPort, ResolvedNetwork};
use crate::reason::Reason;

/// The ids of ports that are named.
pub fn port_ids<'a>(machine: &'a MachineTypeSpec, node: &'a TestNodeSpec) -> impl Iterator<Item = &'a str> {
    let (networks, _) = listed(&node.networks, &machine.networks, "networks");
    networks.iter().filter_map(|network| network.port_id.as_deref())
}

/// The port of this id, as the network that it is on.
///
/// # Errors
/// `PortNotFound`, `NotAllowed`, or `CatalogueUnread` if it was not asked for.
pub(super) fn existing(id: &str, field: &str, offerings: &Offerings) -> Result<ResolvedNetwork, Problem> {
    let found = offerings.ports.get(id).ok_or_else(|| Problem::unread("ports"))?;
    let Some(port) = found else {
        let message = format!(
            "{field}.portID: Neutron shows this project no port {id}; name one that `openstack port list` shows, or leave \
             portID out, and a port is made"
        );
        return Err(Problem::new(Reason::PortNotFound, message));
    };
    if let Owner::Other(project) = &port.owner {
        let message = format!(
            "{field}.portID: port {id} belongs to project {project}, and only its servers can have it; name a port of the \
             project's own"
        );
        return Err(Problem::new(Reason::PortNotFound, message));
    }
    if port.marked {
        let message = format!(
            "{field}.portID: port {id} was made for a TestNode and is deleted with that; name one that you made yourself"
        );
        return Err(Problem::new(Reason::NotAllowed, message));
    }
    let network = offerings.networks.iter().find(|network| network.id == port.network);
    Ok(ResolvedNetwork {
        id: port.network.clone(),
        name: network.map(|network| network.name.clone()).unwrap_or_default(),
        port: Some(ExistingPort {
            id: id.to_owned(),
            addresses: port.addresses.iter().map(ToString::to_string).collect(),
            mac: port.mac.clone(),
        }),
        ..ResolvedNetwork::default()
    })
}
