//! An operator that lacks one of its guards, so that a storm can be seen to find out.
//!
//! The operator has no switch for this: what guards a write stands in the write, so it is taken out on the way to the
//! API server. Guards that are a matter of what is believed of a look are left out in the model, in
//! `src/reconcile/model/guards.rs`, and rules in `src/reconcile/model/mutants.rs`.

use axum::body::{Body, to_bytes};
use serde_json::Value;

/// A guard that can be left out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Guard {
    /// A write names the UID and the `resourceVersion` it was planned from.
    Version,
    /// Clouds and attempts are pinned to a project.
    Project,
    /// Clouds and attempts are pinned to a cluster id.
    ClusterId,
    /// A Cloud and its Secret stay while a node needs them.
    Finalizers,
}

impl Guard {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Version, Self::Project, Self::ClusterId, Self::Finalizers];

    /// What it is called on a command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Project => "project",
            Self::ClusterId => "cluster-id",
            Self::Finalizers => "finalizers",
        }
    }

    /// A request to the API server, without the guard.
    pub(super) async fn without(self, request: http::Request<Body>) -> http::Request<Body> {
        if request.method() != http::Method::PATCH {
            return request;
        }
        let (head, body) = request.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let Ok(mut body) = serde_json::from_slice::<Value>(&bytes) else {
            return http::Request::from_parts(head, bytes.into());
        };
        self.forget(head.uri.path(), &mut body);
        http::Request::from_parts(head, body.to_string().into())
    }

    fn forget(self, path: &str, body: &mut Value) {
        let without = |value: &mut Value, fields: &[&str]| {
            if let Some(object) = value.as_object_mut() {
                object.retain(|field, _| !fields.contains(&&**field));
            }
        };
        match self {
            Self::Version => without(&mut body["metadata"], &["uid", "resourceVersion"]),
            Self::Project | Self::ClusterId => {
                let pins: &[&str] =
                    if self == Self::Project { &["projectID", "region"] } else { &["clusterID"] };
                let Some(status) = body.get_mut("status") else { return };
                without(status, pins);
                let attempts = status.get_mut("attempts").and_then(Value::as_array_mut);
                attempts.into_iter().flatten().for_each(|attempt| without(attempt, pins));
            }
            Self::Finalizers if !path.contains("/testnodes/") => {
                without(&mut body["metadata"], &["finalizers"]);
            }
            Self::Finalizers => {}
        }
    }
}
