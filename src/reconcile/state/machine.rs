//! What is there of an attempt: its server, volumes, floating IP and ports. Of several of a kind one is kept.

use std::net::IpAddr;

use super::{CloudView, FloatingIp, Observed, Port, Presence, Server, ServerState, Volume};
use crate::api::cloud::{AddressFrom, AddressType, IpVersion};
use crate::api::testnode_status::{Attempt, FloatingIpPool, Resolved};

/// An attempt, and what is there of it.
#[derive(Clone, Debug)]
pub struct Machine<'a> {
    /// The attempt.
    pub attempt: &'a Attempt,
    /// The cloud that it is in.
    pub view: &'a CloudView,
    /// Its server.
    pub server: Option<&'a Server>,
    /// Its volumes, in the order in which they are wanted, as far as they are there.
    pub volumes: Vec<&'a Volume>,
    /// Its ports, in the order in which they are wanted, as far as they are there.
    pub ports: Vec<&'a Port>,
    /// The floating IP that leads to the port it is for.
    pub floating_ip: Option<&'a FloatingIp>,
}

impl Machine<'_> {
    /// The address to reach it by: the floating IP of a machine that is to have one, else that of its first port that has
    /// one; unless the Cloud's `addressFrom` says otherwise.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        let from = self.view.address_from.as_ref();
        let fixed = || self.ports.iter().find_map(|port| port.address);
        let resolved = self.attempt.resolved.as_ref();
        match (from.and_then(|from| from.kind), self.pool()) {
            (Some(AddressType::Fixed), _) | (None, None) => fixed(),
            (kind, Some(pool)) => {
                let network = self.network_of(pool);
                if from.is_none_or(|from| takes_floating(from, network, pool)) {
                    self.floating_ip?.address
                } else if kind == Some(AddressType::Floating) {
                    None
                } else {
                    fixed()
                }
            }
            (Some(AddressType::Floating), None) => {
                resolved.and_then(|resolved| resolved.floating_ip.as_ref()).and_then(|_| fixed())
            }
        }
    }

    /// Where its floating IP comes from, if it is to have one.
    #[must_use]
    pub fn pool(&self) -> Option<&FloatingIpPool> {
        self.attempt.resolved.as_ref()?.floating_ip.as_ref()?.pool.as_ref()
    }

    /// The port that the floating IP is for.
    #[must_use]
    pub fn port_of(&self, pool: &FloatingIpPool) -> Option<&Port> {
        let index = usize::try_from(pool.network).ok()?;
        self.ports.iter().find(|port| port.index == index).copied()
    }

    /// The name of the network that its port is on.
    #[must_use]
    pub fn network_of(&self, pool: &FloatingIpPool) -> Option<&str> {
        let networks = &self.attempt.resolved.as_ref()?.networks;
        networks.get(usize::try_from(pool.network).ok()?).map(|network| network.name.as_str())
    }

    /// Its server is ACTIVE.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.server.is_some_and(|server| server.state == ServerState::Active)
    }

    /// Its root disk is a volume.
    #[must_use]
    pub fn boots_from_volume(&self) -> bool {
        let resolved = self.attempt.resolved.as_ref();
        resolved.is_some_and(Resolved::boots_from_volume)
    }

    /// How many volumes it is to have.
    #[must_use]
    pub fn volumes_wanted(&self) -> usize {
        self.attempt.resolved.as_ref().map_or(0, |resolved| resolved.volumes.len())
    }

    /// How many ports it is to have.
    #[must_use]
    pub fn ports_wanted(&self) -> usize {
        self.attempt.resolved.as_ref().map_or(0, |resolved| resolved.networks.len())
    }
}

impl Observed {
    /// What is there of an attempt; `None` while nothing is known of its cloud.
    #[must_use]
    pub fn machine_of<'a>(&'a self, attempt: &'a Attempt) -> Option<Machine<'a>> {
        let view = self.clouds.get(&attempt.cloud)?;
        let server = kept_server(view, attempt, self.memory.hints.server.as_deref());
        let resolved = attempt.resolved.as_ref();
        let volumes = resolved.into_iter().flat_map(|resolved| &resolved.volumes);
        let ports = 0..resolved.map_or(0, |resolved| resolved.networks.len());
        let ports: Vec<&Port> = ports.filter_map(|index| kept_port(view, attempt, server, index)).collect();
        let pool = resolved.and_then(|resolved| resolved.floating_ip.as_ref()?.pool.as_ref());
        Some(Machine {
            attempt,
            view,
            server,
            volumes: volumes.filter_map(|wanted| kept_volume(view, attempt, server, &wanted.name)).collect(),
            floating_ip: pool.and_then(|pool| kept_floating_ip(view, attempt, &ports, pool)),
            ports,
        })
    }

    /// The machine that is there, or is being made.
    #[must_use]
    pub fn machine(&self) -> Option<Machine<'_>> {
        self.machine_of(self.memory.current()?)
    }

    /// The machine that is being made.
    #[must_use]
    pub fn machine_under_way(&self) -> Option<Machine<'_>> {
        self.machine_of(self.memory.open()?)
    }

    /// A Cloud that has something of this node, or an attempt of it, and does not hold the object yet.
    #[must_use]
    pub fn cloud_to_hold(&self) -> Option<&str> {
        let attempt = self.memory.current().or_else(|| self.memory.to_end());
        let used = |cloud: &String| attempt.is_some_and(|attempt| attempt.cloud == *cloud);
        let unheld = |(cloud, view): &(&String, &CloudView)| {
            !self.held.contains(*cloud) && !view.is_unknown() && (!view.is_empty() || used(cloud))
        };
        self.clouds.iter().find(unheld).map(|(cloud, _)| cloud.as_str())
    }
}

/// The one that the status shows, if it lives, else the oldest that stays and is not in ERROR. A status can name a server of
/// somebody else: one without our marks comes last.
fn kept_server<'a>(view: &'a CloudView, attempt: &Attempt, hint: Option<&str>) -> Option<&'a Server> {
    view.servers.iter().filter(|server| server.attempt == attempt.number).min_by_key(|s| {
        let (unmarked, going) = (s.presence == Presence::Unmarked, s.presence == Presence::Going);
        (unmarked, Some(s.id.as_str()) != hint, going, s.state == ServerState::Error, s.created, s.id.clone())
    })
}

/// What the kept server has, else the oldest.
fn kept_volume<'a>(
    view: &'a CloudView,
    attempt: &Attempt,
    server: Option<&Server>,
    key: &str,
) -> Option<&'a Volume> {
    let own = view.volumes.iter().filter(|volume| volume.attempt == attempt.number && volume.key == key);
    own.filter(|volume| volume.presence != Presence::Going)
        .min_by_key(|volume| (!volume.is_on(server), volume.created, volume.id.clone()))
}

/// Whether the floating IP is an address that may count.
fn takes_floating(from: &AddressFrom, network: Option<&str>, pool: &FloatingIpPool) -> bool {
    let named = from.network.as_deref();
    // Neutron's floating IPs are IPv4.
    from.version != Some(IpVersion::V6)
        && named.is_none_or(|named| network == Some(named) || pool.name == named)
}

/// The one that leads to the port it is for.
fn kept_floating_ip<'a>(
    view: &'a CloudView,
    attempt: &Attempt,
    ports: &[&Port],
    pool: &FloatingIpPool,
) -> Option<&'a FloatingIp> {
    let index = usize::try_from(pool.network).ok()?;
    let port = ports.iter().find(|port| port.index == index)?;
    let own = view.floating_ips.iter().filter(|ip| ip.attempt == attempt.number);
    own.filter(|ip| ip.presence != Presence::Going && ip.port.as_ref() == Some(&port.id))
        .min_by_key(|ip| (ip.presence == Presence::Unmarked, ip.id.clone()))
}

/// What the kept server has, else what the floating IP leads to, else the first by its id.
fn kept_port<'a>(
    view: &'a CloudView,
    attempt: &Attempt,
    server: Option<&Server>,
    index: usize,
) -> Option<&'a Port> {
    let of_index = |port: &&Port| port.attempt == attempt.number && port.index == index;
    if let Some(existing) = view.existing_ports.iter().find(of_index) {
        return Some(existing);
    }
    let own = view.ports.iter().filter(of_index);
    own.filter(|port| port.presence != Presence::Going).min_by_key(|port| {
        let floating = view.floating_ips.iter().any(|ip| ip.port.as_ref() == Some(&port.id));
        (port.presence == Presence::Unmarked, !port.is_bound_to(server), !floating, port.id.clone())
    })
}
