//! What is wanted: the node's spec, its machine type, and what the attempt under way has pinned of it.

use std::time::Duration;

use jiff::Timestamp;

use super::{Expiry, Hold, Memory, Need, Observed, Problem};
use crate::api::common::{CheckKind, ReadinessCheck};
use crate::api::hold::OnFailure;
use crate::api::machine_type::ConsoleAccess;
use crate::api::testnode::UserDataRef;
use crate::api::testnode_status::{AskedSystem, Attempt, Outcome};
use crate::api::{MachineType, TestNode};
use crate::reason::Reason;
use crate::select;

/// The check of the schema's default.
const CONSOLE: ReadinessCheck = ReadinessCheck::new(CheckKind::Console);

/// What the spec and its machine type ask for. `TEAR_DOWN` never looks at it: a bad spec cannot hold up a deletion.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The generation of the spec.
    pub generation: i64,
    /// The digest of what the spec asks of a machine.
    pub asks: String,
    /// What the spec asks of a machine's system.
    pub system: AskedSystem,
    /// The generation of the machine type.
    pub machine_type_generation: i64,
    /// The operating system, for people.
    pub os: Option<String>,
    /// Change nothing.
    pub paused: bool,
    /// When the node is to be deleted by itself, if ever.
    pub expiry: Option<Expiry>,
    /// Whether anybody needs the node. It is filled in by who looks.
    pub need: Need,
    /// What to do with a machine whose launch failed.
    pub on_failure: OnFailure,
    /// Until when the node is kept, if somebody says so.
    pub hold: Option<Hold>,
    /// What must be true before Ready.
    pub readiness: Vec<ReadinessCheck>,
    /// Bound of the launch phase.
    pub launch_timeout: Duration,
    /// Bound of the boot phase.
    pub boot_timeout: Duration,
    /// How long something that was deleted may still be there.
    pub delete_timeout: Duration,
    /// Attempts per cloud in a new round.
    pub launch_retries: i64,
    /// The digest of the machine type's part of the user data as it is now; `None` if the machine type is gone.
    pub user_data_digest: Option<String>,
    /// What `spec.userDataRef` names.
    pub user_data: UserData,
    /// A look at the console that is asked for.
    pub console_request: Option<String>,
    /// What machines print must not be shown, in words.
    pub console_forbidden: Option<String>,
    /// Why no new attempt can be opened, whatever the cloud: the machine type is missing, or forbids it.
    pub problem: Option<Problem>,
}

/// User data that is not in the spec itself.
#[derive(Clone, Debug, PartialEq)]
pub enum UserData {
    /// There is none, or it was read.
    Known,
    /// It can be used. For the create of the server it is read once more.
    Checked(UserDataRef),
    /// It must be read.
    Unread(UserDataRef),
    /// Somebody must make it, or let us read it.
    Cannot {
        /// Why.
        problem: Problem,
        /// When to try again.
        again: Timestamp,
    },
}

impl Desired {
    /// What node and machine type ask for now. An attempt is a snapshot: what it has pinned of the machine type counts
    /// until the next one begins, also when the machine type was edited or deleted meanwhile. The node's own
    /// `readiness` may be edited, and counts at once.
    #[must_use]
    pub fn of(node: &TestNode, machine: Option<&MachineType>, memory: &Memory) -> Self {
        let resolved = memory.last().and_then(|last| last.resolved.as_ref());
        let pinned = resolved.and_then(|resolved| resolved.machine_type.as_ref());
        let spec = machine.map(|machine| &machine.spec);
        let timeouts = pinned.map(|pinned| &pinned.timeouts).or(spec.map(|spec| &spec.timeouts));
        let timeouts = timeouts.cloned().unwrap_or_default();
        let readiness = pinned.map(|pinned| &pinned.readiness).or(spec.map(|spec| &spec.readiness));
        let own = node
            .spec
            .readiness
            .as_ref()
            .map(|checks| checks.iter().cloned().map(ReadinessCheck::without_login));
        // Nobody waits to look at a machine of a pool: it is to be of use.
        let on_failure = if node.spec.pool_ref.is_some() {
            None
        } else {
            pinned.map(|pinned| pinned.on_failure).or(spec.map(|spec| spec.on_failure))
        };
        let os = match resolved {
            Some(resolved) => resolved.os.clone(),
            None => spec.and_then(|spec| select::os(spec, &node.spec).ok()),
        };
        Self {
            generation: node.metadata.generation.unwrap_or(0),
            asks: node.spec.asks(),
            system: node.spec.asked_system(),
            machine_type_generation: machine.and_then(|machine| machine.metadata.generation).unwrap_or(0),
            paused: node.spec.paused,
            expiry: Expiry::of(node, machine),
            need: Need::Needed,
            on_failure: node.spec.on_failure.or(on_failure).unwrap_or_default(),
            hold: Hold::of(node, machine),
            // Nothing is ever Ready unchecked because nobody says how to check it.
            readiness: own
                .map(Iterator::collect)
                .or(readiness.cloned())
                .unwrap_or_else(|| vec![CONSOLE]),
            launch_timeout: timeouts.launch.or(Duration::from_mins(15)),
            boot_timeout: timeouts.boot.or(Duration::from_mins(10)),
            delete_timeout: timeouts.delete.or(Duration::from_mins(10)),
            launch_retries: spec.map_or(3, |spec| spec.launch_retries),
            user_data_digest: spec.map(|spec| select::user_data_digest(spec, os.as_ref())),
            user_data: UserData::Known,
            console_request: node.spec.console_request.clone(),
            console_forbidden: console_forbidden(node, machine),
            problem: machine.is_none().then(|| Problem {
                reason: Reason::MachineTypeNotFound,
                message: format!(
                    "there is no MachineType {}; make a node of another one, which an admin of the lab can name",
                    node.spec.machine_type
                ),
            }),
            os: os.map(|os| os.to_string()),
        }
    }
}

/// What a machine type forbade stays hidden when it is gone.
fn console_forbidden(node: &TestNode, machine: Option<&MachineType>) -> Option<String> {
    let name = &node.spec.machine_type;
    match machine.map(|machine| machine.spec.console_access) {
        Some(ConsoleAccess::Allowed) => None,
        Some(ConsoleAccess::Forbidden) => Some(format!("MachineType {name} has consoleAccess: Forbidden")),
        None => Some(format!("there is no MachineType {name}, which would say whether it may be shown")),
    }
}

impl Desired {
    /// The hold, if it lasts.
    #[must_use]
    pub fn held(&self, now: Timestamp) -> Option<&Hold> {
        self.hold.as_ref().filter(|hold| hold.lasts(now))
    }

    /// The failed attempt whose machine is kept for somebody to look at, because `onFailure` is `Hold`, or the node is held.
    #[must_use]
    pub fn held_attempt<'a>(&self, seen: &'a Observed) -> Option<&'a Attempt> {
        let kept = self.on_failure == OnFailure::Hold || self.held(seen.now).is_some();
        let attempt = seen.memory.to_end().filter(|_| kept)?;
        let is_last = seen.memory.last().is_some_and(|last| last.number == attempt.number);
        (is_last && attempt.outcome == Some(Outcome::Failed)).then_some(attempt)
    }
}

#[cfg(test)]
impl Desired {
    /// Nothing in particular, with all the time in the world.
    #[must_use]
    pub fn any() -> Self {
        Self {
            generation: 1,
            asks: "asked".into(),
            system: AskedSystem::default(),
            machine_type_generation: 1,
            os: None,
            paused: false,
            expiry: None,
            need: Need::Needed,
            on_failure: OnFailure::Hold,
            hold: None,
            readiness: Vec::new(),
            launch_timeout: Duration::MAX,
            boot_timeout: Duration::MAX,
            delete_timeout: Duration::MAX,
            launch_retries: 1,
            user_data_digest: None,
            user_data: UserData::Known,
            console_request: None,
            console_forbidden: None,
            problem: None,
        }
    }
}

#[cfg(test)]
mod tests;
