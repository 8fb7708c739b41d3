//! From a Cloud and its Secret to a session. Bad input becomes a message for the condition, which
//! never quotes a Secret.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use crate::api::cloud::{CloudSpec, Interface};
use crate::api::{Cloud, dns as api};
use crate::metrics::Metrics;
use crate::openstack::clouds_yaml::{self, Choice};
use crate::openstack::{Call, RateOptions, Session, SessionOptions};
use crate::reason::Reason;
use crate::reconcile::context::Seams;
use crate::reconcile::state::Problem;

/// Whether a Cloud reads this Secret.
#[must_use]
pub fn uses(cloud: &Cloud, secret: &str) -> bool {
    let dns = cloud.spec.dns.as_ref().and_then(api::Dns::secret);
    cloud.spec.openstack.secret_ref.name == secret || dns.is_some_and(|reference| reference.name == secret)
}

/// A problem with what the admin gave.
pub(super) fn problem(reason: Reason, message: impl Into<String>) -> Problem {
    Problem { reason, message: message.into() }
}

/// Makes a session from `clouds.yaml`.
///
/// # Errors
/// With the key that does not work, and what to do.
pub fn session(
    name: &str,
    spec: &CloudSpec,
    secret: &Secret,
    seams: &Seams,
    metrics: &Metrics,
) -> Result<Session, Problem> {
    let data = secret.data.clone().unwrap_or_default();
    let place = format!(
        "Secret {}/{}",
        secret.metadata.namespace.clone().unwrap_or_default(),
        secret.metadata.name.clone().unwrap_or_default()
    );
    let text = text(&data, "clouds.yaml").ok_or_else(|| {
        problem(
            Reason::SecretInvalid,
            format!("{place} has no key clouds.yaml with text in it; put the cloud's clouds.yaml there"),
        )
    })?;
    let choice = Choice {
        cloud: &spec.openstack.cloud_name,
        region: spec.openstack.region.as_deref(),
        interface: spec.openstack.interface.map(word),
        ca_pem: data.get("cacert").map(|pem| pem.0.as_slice()),
    };
    let credentials = clouds_yaml::parse(&text, &choice)
        .map_err(|error| problem(Reason::SecretInvalid, format!("clouds.yaml in {place}: {error}")))?;
    let transport = (seams.http)(&credentials.tls)
        .map_err(|failure| problem(Reason::SecretInvalid, format!("TLS settings in {place}: {failure}")))?;
    let (cloud, metrics) = (name.to_owned(), metrics.clone());
    Ok(Session::new(SessionOptions {
        cloud: name.to_owned(),
        credentials,
        transport,
        rate: RateOptions {
            requests_per_second: u32::try_from(spec.rate.requests_per_second).unwrap_or(10),
            burst: u32::try_from(spec.rate.burst).unwrap_or(10),
        },
        observe: Arc::new(move |call: &Call| {
            let status = call.status.map(|status| status.as_u16());
            metrics.cloud_request(&cloud, call.service.label(), call.call, status, call.took);
        }),
    }))
}

fn word(interface: Interface) -> &'static str {
    match interface {
        Interface::Public => "public",
        Interface::Internal => "internal",
        Interface::Admin => "admin",
    }
}

/// A key of a Secret, as text that is not blank.
pub(super) fn text(data: &BTreeMap<String, ByteString>, key: &str) -> Option<String> {
    data.get(key)
        .and_then(|bytes| String::from_utf8(bytes.0.clone()).ok())
        .filter(|text| !text.trim().is_empty())
}
