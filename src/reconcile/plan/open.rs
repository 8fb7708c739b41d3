//! The attempt that is under way, and what of it is there.

use super::surplus::{kept_ports, kept_server, kept_volumes};
use super::{Step, Waiting};
use crate::api::testnode_status::Attempt;
use crate::reconcile::state::{CloudView, Kind, Observed, Port, Server, Volume};

/// Everything about the attempt that is under way.
pub(super) struct Open<'a> {
    pub attempt: &'a Attempt,
    pub view: &'a CloudView,
    pub server: Option<&'a Server>,
    pub volumes: Vec<&'a Volume>,
    pub ports: Vec<&'a Port>,
}

impl<'a> Open<'a> {
    pub fn of(seen: &'a Observed) -> Option<Self> {
        let attempt = seen.memory.open()?;
        let view = seen.clouds.get(&attempt.cloud)?;
        let server = kept_server(seen, view, attempt);
        let (volumes, ports) = (kept_volumes(view, attempt, server), kept_ports(view, attempt, server));
        Some(Self { attempt, view, server, volumes, ports })
    }

    pub fn look(&self, reason: &'static str, message: impl Into<String>, kind: Kind) -> Step {
        Step::Wait(Waiting::look(reason, message, &self.attempt.cloud, kind))
    }
}
