//! What is left in a cloud of an earlier object of the same namespace and name.

use std::collections::BTreeSet;

use super::{Kind, Presence, ServerState};
use crate::api::FormerMachine;

/// A thing of an object that is gone, and whose namespace and name this node has.
#[derive(Clone, Debug, PartialEq)]
pub struct Former {
    /// The cloud.
    pub cloud: String,
    /// What it is.
    pub kind: Kind,
    /// The cloud's id.
    pub id: String,
    /// UID of the object that it was made for.
    pub uid: String,
    /// The attempt that made it; 0 if nobody knows.
    pub attempt: i64,
    /// Which of the attempt's things of this kind it is: a volume's name, a port's number.
    pub slot: String,
    /// Whether it is there.
    pub presence: Presence,
    /// A server's state.
    pub server: Option<ServerState>,
    /// The UIDs that a server's tags name.
    pub tagged: BTreeSet<String>,
    /// What is to become of it.
    pub wish: Option<FormerMachine>,
}
