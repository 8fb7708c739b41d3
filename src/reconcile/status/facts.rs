//! The facts of a status: ids, addresses, volumes, host keys, instants.

use std::net::IpAddr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::testnode_status::{
    AddressFacts, Attempt, PortFacts, SshFacts, TestNodeStatus, Times, VolumeFacts,
};
use crate::reconcile::plan::{is_published, kept_ports, kept_server, kept_volumes, target_address};
use crate::reconcile::state::{CloudView, Desired, Observed, Presence, Server, ServerState, Standing};

const SSH_PORT: i32 = 22;

/// Everything but conditions and phase. What cannot be looked at now stays as it was.
pub(super) fn facts(before: Option<&TestNodeStatus>, desired: &Desired, seen: &Observed) -> TestNodeStatus {
    let before = before.cloned().unwrap_or_default();
    let attempt = seen.memory.current();
    let last = attempt.or(seen.memory.last());
    let mut status = TestNodeStatus {
        os: desired.os.clone().or(before.os.clone()),
        cloud: last.map(|attempt| attempt.cloud.clone()),
        resolved: last.and_then(|attempt| attempt.resolved.clone()),
        fqdn: seen.memory.dns.as_ref().map(|dns| dns.name.clone()),
        dns: seen.memory.dns.clone(),
        attempts: seen.memory.attempts.clone(),
        console_tail: before.console_tail.clone().filter(|_| seen.memory.ready_at.is_none()),
        times: before.times.clone(),
        ssh: before.ssh.clone().filter(|_| attempt.is_some()),
        ..TestNodeStatus::default()
    };
    if let Some(dns) = status.dns.as_mut() {
        dns.verified_at = verified_at(&before, seen);
    }
    let view = last.and_then(|attempt| seen.clouds.get(&attempt.cloud));
    match (last, view) {
        (Some(attempt), Some(view)) if view.standing == Standing::Seen && !is_unsure(view) => {
            things(&mut status, seen, attempt, view);
        }
        (Some(_), _) => as_it_was(&mut status, before),
        (None, _) => {}
    }
    instants(&mut status, desired, seen);
    status
}

/// Kept while it stands, so that a look at rest writes nothing.
fn verified_at(before: &TestNodeStatus, seen: &Observed) -> Option<Time> {
    let before = before.dns.as_ref().and_then(|dns| dns.verified_at.clone());
    if seen.name.verifiable && is_published(seen) { before.or(Some(Time(seen.now))) } else { before }
}

/// Whether a listing left out what may be there: its id must stay known until it was asked for, also while a node is
/// paused and nothing is asked.
fn is_unsure(view: &CloudView) -> bool {
    let mut servers = view.servers.iter().map(|server| server.presence);
    let mut volumes = view.volumes.iter().map(|volume| volume.presence);
    let mut ports = view.ports.iter().map(|port| port.presence);
    servers.any(is_missing) || volumes.any(is_missing) || ports.any(is_missing)
}

fn is_missing(presence: Presence) -> bool {
    presence == Presence::Missing
}

/// "Could not look" is not "is not there".
fn as_it_was(status: &mut TestNodeStatus, before: TestNodeStatus) {
    status.server = before.server;
    status.volumes = before.volumes;
    status.ports = before.ports;
    status.addresses = before.addresses;
    status.access_ip = before.access_ip;
    status.ssh = before.ssh;
}

fn things(status: &mut TestNodeStatus, seen: &Observed, attempt: &Attempt, view: &CloudView) {
    let server = kept_server(seen, view, attempt);
    let volumes = kept_volumes(view, attempt, server);
    let ports = kept_ports(view, attempt, server);
    status.server = server.map(|server| server.facts.clone());
    status.volumes = volumes
        .iter()
        .map(|volume| VolumeFacts {
            name: volume.key.clone(),
            id: volume.id.clone(),
            status: volume.status.clone(),
            device: volume.device.clone(),
        })
        .collect();
    status.ports = ports
        .iter()
        .map(|port| PortFacts {
            id: port.id.clone(),
            network: port.network.clone(),
            addresses: port.addresses.iter().map(ToString::to_string).collect(),
        })
        .collect();
    let networks = attempt.resolved.iter().flat_map(|resolved| &resolved.networks);
    status.addresses = ports
        .iter()
        .flat_map(|port| {
            let name =
                networks.clone().find(|network| network.id == port.network).map(|network| &network.name);
            port.addresses
                .iter()
                .map(move |address| address_facts(*address, name.cloned().unwrap_or_default()))
        })
        .collect();
    status.access_ip = target_address(seen).map(|address| address.to_string());
    ssh(status, seen, attempt, server);
}

fn address_facts(address: IpAddr, network: String) -> AddressFacts {
    let version = if address.is_ipv4() { 4 } else { 6 };
    AddressFacts { address: address.to_string(), version, network, kind: "fixed".into() }
}

/// The host keys are those of the first complete block the server ever showed.
fn ssh(status: &mut TestNodeStatus, seen: &Observed, attempt: &Attempt, server: Option<&Server>) {
    let user = attempt.resolved.as_ref().and_then(|resolved| resolved.image.user.clone());
    let known = status.ssh.take().map(|ssh| ssh.host_keys).filter(|keys| !keys.is_empty());
    let host_keys = known.unwrap_or_else(|| seen.guest.host_keys.clone());
    if server.is_some() && (!host_keys.is_empty() || user.is_some()) {
        status.ssh = Some(SshFacts { user, port: SSH_PORT, host_keys });
    }
}

fn instants(status: &mut TestNodeStatus, desired: &Desired, seen: &Observed) {
    let active = seen.memory.current().and_then(|attempt| {
        let view = seen.clouds.get(&attempt.cloud)?;
        kept_server(seen, view, attempt).filter(|server| server.state == ServerState::Active)?;
        Some(attempt.number)
    });
    if let Some(attempt) = status.attempts.iter_mut().find(|attempt| Some(attempt.number) == active) {
        attempt.server_active_at.get_or_insert(Time(seen.now));
    }
    let current = seen.memory.current().map(|attempt| attempt.number);
    let current = status.attempts.iter().find(|attempt| Some(attempt.number) == current);
    let server_active_at = current.and_then(|attempt| attempt.server_active_at.clone());
    let ready_at = seen.memory.ready_at.map(Time);
    let expires_at = desired.expiry.as_ref().map(|expiry| Time(expiry.at));
    let times = Times { server_active_at, ready_at, expires_at };
    status.times = (times != Times::default()).then_some(times);
}
