//! To log in to a cloud, and whether that is still the cloud it was.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use tracing::warn;

use crate::api::Cloud;
use crate::clouds::Login;
use crate::error::Class;
use crate::openstack::{Project, Session};
use crate::reason::Reason;
use crate::reconcile::context::Context;
use crate::reconcile::state::{Pins, Problem};

/// Everything that a session and a driver are made from, but no secret.
pub(super) fn fingerprint(cloud: &Cloud, secret: Option<&Secret>, dns_secret: Option<&Secret>) -> String {
    let version = |secret: Option<&Secret>| {
        secret.map(|secret| (secret.uid(), secret.data.clone().map(|data| blurred(&data))))
    };
    format!(
        "{:?} {:?} {:?} {:?}",
        cloud.metadata.uid,
        cloud.metadata.generation,
        version(secret),
        version(dns_secret)
    )
}

/// A Secret's data as a number: our own guard alters its `resourceVersion`, but not this.
fn blurred(data: &BTreeMap<String, ByteString>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (key, value) in data {
        (key, &value.0).hash(&mut hasher);
    }
    hasher.finish()
}

/// Who it is that the credentials open, or why not.
pub(super) async fn log_in(session: &Session, cloud: &Cloud, ctx: &Context) -> Login {
    match session.login().await {
        Ok(project) => pinned(&project, cloud, ctx),
        Err(error) => {
            warn!(%error, "login failed");
            let secret = &cloud.spec.openstack.secret_ref.name;
            Login::Refused(match error.class() {
                Class::Unreachable | Class::Busy => Problem::new(Reason::CloudUnreachable, error.to_string()),
                Class::Auth
                | Class::NotFound
                | Class::Quota
                | Class::Capacity
                | Class::Conflict
                | Class::Invalid => {
                    let cure = format!("{error}; fix clouds.yaml in Secret {}/{secret}", ctx.namespace);
                    Problem::new(Reason::AuthenticationFailed, cure)
                }
            })
        }
    }
}

/// Region and project are pinned at the first login; under a token of another nothing is done.
fn pinned(project: &Project, cloud: &Cloud, ctx: &Context) -> Login {
    let status = cloud.status.clone().unwrap_or_default();
    let differs = |pin: &Option<String>, now: &str| pin.as_deref().is_some_and(|pin| pin != now);
    if differs(&status.project_id, &project.id.0) || differs(&status.region, &project.region) {
        let message = format!(
            "the credentials open project {} in region {}, but this Cloud was pinned to project {} in region {}; put \
             the old ones back, or make another Cloud",
            project.id,
            project.region,
            status.project_id.unwrap_or_default(),
            status.region.unwrap_or_default()
        );
        return Login::Refused(Problem { reason: Reason::ProjectChanged, message });
    }
    if differs(&status.cluster_id, ctx.clouds.cluster_id()) {
        let pin = status.cluster_id.unwrap_or_default();
        let message = format!(
            "what is there is marked with cluster id {pin}; start the operator with --cluster-id {pin}"
        );
        return Login::Refused(Problem { reason: Reason::ClusterIDChanged, message });
    }
    Login::In(Pins {
        region: Some(project.region.clone()),
        project_id: Some(project.id.0.clone()),
        cluster_id: Some(ctx.clouds.cluster_id().to_owned()),
    })
}
