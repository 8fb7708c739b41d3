//! Whether a node that became Ready still is. If it breaks, that is reported; it is never replaced while a tester may be
//! using it.

use crate::reason::Reason;
use crate::reconcile::plan::is_published;
use crate::reconcile::state::{Binding, Found, Machine, Observed, Problem, ServerState};

/// What is wrong with a node whose attempt made it Ready.
#[must_use]
pub fn health(seen: &Observed) -> Option<Problem> {
    let machine = seen.machine().filter(|machine| machine.attempt.closed_at.is_some())?;
    server(&machine).or_else(|| parts(&machine)).or_else(|| name(seen))
}

#[expect(clippy::unnecessary_wraps, reason = "every caller answers with an Option")]
fn broken(reason: Reason, message: impl Into<String>) -> Option<Problem> {
    Some(Problem { reason, message: message.into() })
}

fn server(machine: &Machine<'_>) -> Option<Problem> {
    let Some(server) = machine.server else {
        return broken(Reason::ServerLost, "the server is gone; delete the node and make another");
    };
    match server.state {
        ServerState::Active | ServerState::Building | ServerState::Rebuilding | ServerState::Other => None,
        ServerState::Stopped => {
            broken(Reason::ServerStopped, format!("the server is {}; start it again", server.facts.status))
        }
        ServerState::Error => {
            let fault = server.fault.as_ref().map_or("Nova gives no fault", |fault| fault.message.as_str());
            broken(Reason::ServerError, format!("the server is in ERROR: {fault}"))
        }
        ServerState::SoftDeleted => broken(
            Reason::ServerLost,
            "somebody deleted the server; the cloud keeps it for a while and can restore it",
        ),
    }
}

fn parts(machine: &Machine<'_>) -> Option<Problem> {
    let (view, volumes, ports) = (machine.view, &machine.volumes, &machine.ports);
    let wanted = machine.attempt.resolved.as_ref()?;
    if let Some(lost) = wanted.volumes.iter().find(|wanted| !volumes.iter().any(|v| v.key == wanted.name)) {
        return broken(
            Reason::VolumeLost,
            format!("volume {} is gone; delete the node and make another", lost.name),
        );
    }
    if let Some(loose) = volumes.iter().find(|volume| view.fresh.volume && volume.servers.is_empty()) {
        return broken(
            Reason::VolumeLost,
            format!("volume {} ({}) is no longer on the server", loose.key, loose.id),
        );
    }
    if ports.len() < wanted.networks.len() {
        return broken(Reason::PortLost, "a port is gone; delete the node and make another");
    }
    if machine.pool().is_some() && machine.floating_ip.is_none() {
        return broken(
            Reason::FloatingIPLost,
            "the floating IP is gone, or leads elsewhere; delete the node and make another",
        );
    }
    let lost = ports.iter().find(|port| port.binding == Binding::Lost)?;
    broken(
        Reason::PortLost,
        format!("port {} is no longer bound to the server; delete the node and make another", lost.id),
    )
}

fn name(seen: &Observed) -> Option<Problem> {
    let dns = seen.memory.dns.as_ref()?;
    if let Some(holder) = &seen.name.holder {
        return broken(Reason::NameConflict, format!("TestNode {holder} holds the name {} too", dns.name));
    }
    let message = match seen.name.found.as_ref().filter(|_| !is_published(seen))? {
        Found::Taken(why) => format!("{}: {why}", dns.name),
        Found::Free => format!("{} points at nothing; it is published again", dns.name),
        Found::Ours(addresses) => {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            format!("{} points at {}; it is published again", dns.name, addresses.join(", "))
        }
    };
    broken(Reason::DNSConflict, message)
}
