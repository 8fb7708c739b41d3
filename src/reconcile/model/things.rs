//! Servers, volumes, floating IPs and ports, as the clouds of the model make them.

use std::net::IpAddr;

use super::world::{FORMER, NODE, UID, World};
use crate::things::{FloatingIp, Meta, Owner, Port, Server, ServerState, Volume, VolumeState};

fn meta(id: &str, owner: Owner, created: Option<u64>) -> Meta {
    // A port says nothing in words, nor when it was made.
    let ours = created.is_some() && [UID, FORMER].contains(&owner.uid.as_str());
    Meta {
        node: ours.then(|| NODE.to_owned()),
        id: id.to_owned(),
        owner: Some(owner),
        created: created.map(World::timestamp_of),
        ..Meta::default()
    }
}

/// A server that is being built.
pub fn server(id: &str, owner: Owner, volumes: Vec<String>, created: u64) -> Server {
    let requested = Server::requested(id.to_owned(), "n1".into(), owner.clone(), volumes);
    Server { meta: meta(id, owner, Some(created)), ..requested }
}

/// A volume in a state.
pub fn volume(id: &str, owner: Owner, key: &str, state: VolumeState, created: u64) -> Volume {
    Volume {
        meta: meta(id, owner, Some(created)),
        key: key.to_owned(),
        state,
        status: format!("{state:?}"),
        servers: Vec::new(),
        device: None,
    }
}

/// A floating IP that leads to a port.
pub fn floating_ip(id: &str, owner: Owner, address: IpAddr, port: &str) -> FloatingIp {
    FloatingIp { meta: meta(id, owner, None), address: Some(address), port: Some(port.to_owned()) }
}

/// A port that no server has.
pub fn port(id: &str, owner: Owner, index: usize, address: IpAddr) -> Port {
    Port {
        meta: meta(id, owner, None),
        index,
        device: None,
        addresses: vec![address],
        mac: String::new(),
        network: format!("net{index}"),
    }
}

/// A server as the answer of its create tells of it.
pub fn requested(shown: &Server) -> Server {
    let meta = Meta { created: None, ..shown.meta.clone() };
    Server { meta, state: ServerState::Building, fault: None, deleting: false, ..shown.clone() }
}

/// The only address of a port.
pub fn address(port: &Port) -> IpAddr {
    port.addresses[0]
}
