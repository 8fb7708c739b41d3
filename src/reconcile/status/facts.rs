//! The facts of a status: ids, addresses, volumes, host keys, instants.

use std::net::IpAddr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::common::CheckKind;
use crate::api::testnode_status::{
    AddressFacts, Attempt, FloatingIpFacts, PortFacts, SshFacts, TestNodeStatus, Times, VolumeFacts,
};
use crate::reconcile::plan::{is_published, target_address};
use crate::reconcile::state::{Desired, Machine, Need, Observed, Server, Standing};

/// Everything but conditions and phase. What cannot be looked at now stays as it was.
pub(super) fn facts(before: Option<&TestNodeStatus>, desired: &Desired, seen: &Observed) -> TestNodeStatus {
    let before = before.cloned().unwrap_or_default();
    let attempt = seen.memory.current();
    let last = attempt.or(seen.memory.last());
    let mut status = TestNodeStatus {
        uid: Some(seen.uid.clone()),
        os: desired.os.clone().or(before.os.clone()),
        cloud: last.map(|attempt| attempt.cloud.clone()),
        resolved: last.and_then(|attempt| attempt.resolved.clone()),
        fqdn: seen.memory.dns.as_ref().map(|dns| dns.name.clone()),
        dns: seen.memory.dns.clone(),
        attempts: seen.memory.attempts.clone(),
        console: seen.memory.console.clone(),
        times: before.times.clone(),
        ssh: before.ssh.clone().filter(|_| attempt.is_some()),
        ..TestNodeStatus::default()
    };
    if let Some(forbidden) = &desired.console_forbidden {
        hide_console(&mut status, forbidden);
    }
    if let Some(dns) = status.dns.as_mut() {
        dns.verified_at = verified_at(&before, seen);
    }
    let machine = last.and_then(|attempt| seen.machine_of(attempt));
    match (last, machine) {
        // What a listing left out must stay known until it was asked for, also while a node is paused.
        (Some(_), Some(machine))
            if machine.view.standing == Standing::Seen && machine.view.missing().is_none() =>
        {
            things(&mut status, desired, seen, &machine);
        }
        (Some(_), _) => as_it_was(&mut status, before),
        (None, _) => {}
    }
    instants(&mut status, desired, seen);
    status
}

/// What was shown of a console before that was forbidden.
fn hide_console(status: &mut TestNodeStatus, forbidden: &str) {
    status.attempts.iter_mut().for_each(|attempt| attempt.console_tail = None);
    if let Some(console) = status.console.as_mut().filter(|console| !console.text.is_empty()) {
        console.text.clear();
        console.problem = Some(forbidden.to_owned());
    }
}

/// Kept while it stands, so that a look at rest writes nothing.
fn verified_at(before: &TestNodeStatus, seen: &Observed) -> Option<Time> {
    let before = before.dns.as_ref().and_then(|dns| dns.verified_at.clone());
    if seen.name.verifiable && is_published(seen) { before.or(Some(Time(seen.now))) } else { before }
}

/// "Could not look" is not "is not there".
fn as_it_was(status: &mut TestNodeStatus, before: TestNodeStatus) {
    status.server = before.server;
    status.volumes = before.volumes;
    status.ports = before.ports;
    status.floating_ip = before.floating_ip;
    status.addresses = before.addresses;
    status.access_ip = before.access_ip;
    status.ssh = before.ssh;
}

fn things(status: &mut TestNodeStatus, desired: &Desired, seen: &Observed, machine: &Machine<'_>) {
    let Machine { attempt, server, volumes, ports, .. } = machine;
    status.server = server.map(|server| server.facts.clone());
    status.volumes = volumes
        .iter()
        .map(|volume| VolumeFacts {
            name: volume.key.clone(),
            id: volume.id.clone(),
            status: volume.status.clone(),
            device: volume.device.clone(),
            serial: Some(serial(&volume.id)),
            path: Some(format!("/dev/disk/by-id/virtio-{}", serial(&volume.id))),
        })
        .collect();
    status.ports = ports
        .iter()
        .map(|port| PortFacts {
            id: port.id.clone(),
            network: port.network.clone(),
            addresses: port.addresses.iter().map(ToString::to_string).collect(),
            mac: Some(port.mac.clone()).filter(|mac| !mac.is_empty()),
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
                .map(move |address| address_facts(*address, name.cloned().unwrap_or_default(), "fixed"))
        })
        .collect();
    if let Some((id, address, port)) =
        machine.floating_ip.and_then(|ip| Some((&ip.id, ip.address?, ip.port.clone()?)))
    {
        let network = machine.pool().and_then(|pool| machine.network_of(pool)).unwrap_or_default();
        status.addresses.push(address_facts(address, network.to_owned(), "floating"));
        status.floating_ip = Some(FloatingIpFacts { id: id.clone(), address: address.to_string(), port });
    }
    status.access_ip = target_address(seen).map(|address| address.to_string());
    ssh(status, desired, seen, attempt, *server);
}

/// Nova gives a disk the id of its volume as its serial number, of which virtio carries 20 characters.
fn serial(volume: &str) -> String {
    volume.chars().take(20).collect()
}

fn address_facts(address: IpAddr, network: String, kind: &str) -> AddressFacts {
    let version = if address.is_ipv4() { 4 } else { 6 };
    AddressFacts { address: address.to_string(), version, network, kind: kind.into() }
}

/// The host keys are those of the first complete block that this boot of the server ever showed, or the first one seen.
fn ssh(
    status: &mut TestNodeStatus,
    desired: &Desired,
    seen: &Observed,
    attempt: &Attempt,
    server: Option<&Server>,
) {
    let Some(boot) = server.map(Server::boot) else {
        status.ssh = None;
        return;
    };
    let user = attempt.resolved.as_ref().and_then(|resolved| resolved.image.user.clone());
    let known = status.ssh.take().filter(|ssh| ssh.boot.as_ref() == Some(&boot));
    let (host_keys, from) = if seen.guest.boot.as_ref() == Some(&boot) {
        let (keys, from) = seen.host_keys();
        (keys.to_vec(), Some(from))
    } else {
        known.map(|known| (known.host_keys, known.host_keys_from)).unwrap_or_default()
    };
    let boot = (!host_keys.is_empty()).then_some(boot);
    if boot.is_some() || user.is_some() {
        let host_keys_from = from.filter(|_| boot.is_some());
        status.ssh = Some(SshFacts { user, port: ssh_port(desired), boot, host_keys, host_keys_from });
    }
}

/// Where sshd listens, as the check says that tries it.
fn ssh_port(desired: &Desired) -> i32 {
    let check = desired.readiness.iter().find(|check| check.kind == CheckKind::Ssh);
    check.and_then(|check| check.port).unwrap_or(22)
}

fn instants(status: &mut TestNodeStatus, desired: &Desired, seen: &Observed) {
    if let Some((machine, rebuild)) = seen.machine_being_rebuilt() {
        let active = machine.server.filter(|server| server.boot == rebuild.number && machine.is_active());
        let number = active.map(|_| machine.attempt.number);
        let attempt = status.attempts.iter_mut().find(|attempt| Some(attempt.number) == number);
        if let Some(rebuild) = attempt.and_then(|attempt| attempt.rebuild.as_mut()) {
            rebuild.server_active_at.get_or_insert(Time(seen.now));
        }
    }
    let active = seen.machine().filter(Machine::is_active).map(|machine| machine.attempt.number);
    if let Some(attempt) = status.attempts.iter_mut().find(|attempt| Some(attempt.number) == active) {
        attempt.server_active_at.get_or_insert(Time(seen.now));
    }
    let current = seen.memory.current().map(|attempt| attempt.number);
    let current = status.attempts.iter().find(|attempt| Some(attempt.number) == current);
    let server_active_at = current.and_then(|attempt| attempt.server_active_at.clone());
    let ready_at = seen.memory.ready_at.map(Time);
    let expires_at = desired.expiry.as_ref().map(|expiry| Time(expiry.at));
    let released_at = match &desired.need {
        Need::Kept(kept) => Some(Time(kept.since)),
        // A claim that was over is not there again.
        Need::Needed | Need::Unsure(_) | Need::Unneeded(_) => {
            status.times.as_ref().and_then(|times| times.released_at.clone())
        }
    };
    let times = Times { server_active_at, ready_at, released_at, expires_at, since: None };
    status.times = (times != Times::default()).then_some(times);
}
