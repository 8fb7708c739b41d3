//! Whether a node that became Ready still is. One that breaks is told, never replaced behind the tester's back.

use crate::api::testnode_status::Attempt;
use crate::reconcile::plan::{is_published, kept_ports, kept_server, kept_volumes};
use crate::reconcile::state::{Binding, CloudView, Observed, Problem, ServerState};

/// What is wrong with a node whose attempt made it Ready.
#[must_use]
pub fn health(seen: &Observed) -> Option<Problem> {
    let attempt = seen.memory.current().filter(|attempt| attempt.closed_at.is_some())?;
    let view = seen.clouds.get(&attempt.cloud)?;
    server(seen, view, attempt).or_else(|| parts(seen, view, attempt)).or_else(|| name(seen))
}

#[expect(clippy::unnecessary_wraps, reason = "every caller answers with an Option")]
fn broken(reason: &'static str, message: impl Into<String>) -> Option<Problem> {
    Some(Problem { reason, message: message.into() })
}

fn server(seen: &Observed, view: &CloudView, attempt: &Attempt) -> Option<Problem> {
    let Some(server) = kept_server(seen, view, attempt) else {
        return broken("ServerLost", "the server is gone; delete the node and make another");
    };
    match server.state {
        ServerState::Active | ServerState::Building | ServerState::Other => None,
        ServerState::Stopped => {
            broken("ServerStopped", format!("the server is {}; start it again", server.facts.status))
        }
        ServerState::Error => {
            let fault = server.fault.as_ref().map_or("Nova gives no fault", |fault| fault.message.as_str());
            broken("ServerError", format!("the server is in ERROR: {fault}"))
        }
        ServerState::SoftDeleted => broken(
            "ServerLost",
            "somebody deleted the server; the cloud keeps it for a while and can restore it",
        ),
    }
}

fn parts(seen: &Observed, view: &CloudView, attempt: &Attempt) -> Option<Problem> {
    let server = kept_server(seen, view, attempt);
    let volumes = kept_volumes(view, attempt, server);
    let wanted = attempt.resolved.as_ref()?;
    if let Some(lost) = wanted.volumes.iter().find(|wanted| !volumes.iter().any(|v| v.key == wanted.name)) {
        return broken(
            "VolumeLost",
            format!("volume {} is gone; delete the node and make another", lost.name),
        );
    }
    if let Some(loose) = volumes.iter().find(|volume| view.fresh.volume && volume.servers.is_empty()) {
        return broken("VolumeLost", format!("volume {} ({}) is on the server no more", loose.key, loose.id));
    }
    let ports = kept_ports(view, attempt, server);
    if ports.len() < wanted.networks.len() {
        return broken("PortLost", "a port is gone; delete the node and make another");
    }
    let lost = ports.iter().find(|port| port.binding == Binding::Lost)?;
    broken(
        "PortLost",
        format!("port {} is bound to the server no more; delete the node and make another", lost.id),
    )
}

fn name(seen: &Observed) -> Option<Problem> {
    let dns = seen.memory.dns.as_ref()?;
    if let Some(holder) = &seen.name.holder {
        return broken("NameConflict", format!("TestNode {holder} holds the name {} too", dns.name));
    }
    let found = seen.name.found.as_ref().filter(|_| !is_published(seen))?;
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    let found = if found.is_empty() { "nothing".into() } else { found.join(", ") };
    broken("DNSConflict", format!("{} points at {found}", dns.name))
}
