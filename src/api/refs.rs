//! Whose a node is: the pool that made it, and the claim that has it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The pool that made a node, in the node's namespace.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub struct PoolRef {
    /// Its name.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// Its UID: a pool that was made again under this name is another.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[-0-9a-zA-Z]+$"))]
    pub uid: String,
}

/// The claim that has a node.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub struct ClaimRef {
    /// Its namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: String,
    /// Its name.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// Its UID: a claim that was made again under this name is another.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[-0-9a-zA-Z]+$"))]
    pub uid: String,
}
