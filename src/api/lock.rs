//! Claims as the lock server makes and alters them, and what it writes of slots.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::claim::{Lease, TestNodeClaim};
use super::common::Period;
use super::slot::TestNodeSlot;

/// The label on claims of the lock server: the request that they answer.
pub const LOCK_REQUEST: &str = "testnode.dev/lock-request";

/// The annotation on claims of the lock server: the name of the token that the request came with.
pub const LOCK_TOKEN: &str = "testnode.dev/lock-token";

/// A lease that begins now.
#[must_use]
pub fn lease(duration: &str, now: Timestamp) -> Lease {
    Lease { duration: Period(duration.to_owned()), renew_time: Some(now.to_string()) }
}

impl TestNodeClaim {
    /// A merge patch of the claim, if nobody has written it since it was read.
    fn patch(&self, spec: &Value) -> Value {
        let metadata = &self.metadata;
        json!({"metadata": {"uid": metadata.uid, "resourceVersion": metadata.resource_version}, "spec": spec})
    }

    /// A merge patch that gives it this lease, or none.
    #[must_use]
    pub fn leased(&self, lease: Option<&Lease>) -> Value {
        self.patch(&json!({"lease": lease}))
    }

    /// A merge patch that gives a node back.
    #[must_use]
    pub fn releasing(&self, node: &str) -> Value {
        let mut released = self.spec.released.clone();
        if !released.iter().any(|name| name == node) {
            released.push(node.to_owned());
        }
        self.patch(&json!({"released": released}))
    }

    /// A merge patch that describes it anew; not at all if the text is empty.
    #[must_use]
    pub fn described(&self, text: &str) -> Value {
        self.patch(&json!({"description": Some(text).filter(|text| !text.is_empty())}))
    }
}

impl TestNodeSlot {
    /// A merge patch that says this and nothing else, if nobody has written it since it was read.
    #[must_use]
    pub fn saying(&self, other: &Self) -> Value {
        let (metadata, spec) = (&self.metadata, &other.spec);
        json!({
            "metadata": {"uid": metadata.uid, "resourceVersion": metadata.resource_version},
            "spec": {"down": spec.down, "nodeUID": spec.node_uid, "description": spec.description},
        })
    }
}
