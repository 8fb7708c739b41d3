//! What becomes of a machine that failed, and for how long a node is kept whatever else says that it goes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to do with a machine whose launch failed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum OnFailure {
    /// End it whole, then try again: the next zone, the next cloud.
    #[default]
    Retry,
    /// Keep machine and name as they are, for somebody to look at.
    Hold,
}

/// Until when a node is kept, and why.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Hold {
    /// The instant at which the hold ends, as `2026-12-01T08:00:00Z`.
    // A string inside: one malformed object must not break the watch of all.
    #[schemars(
        length(max = 40),
        regex(
            pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$"
        )
    )]
    pub until: String,
    /// Why, for whoever wonders.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[^\x00-\x1f\x7f]*$"))]
    pub reason: String,
}
