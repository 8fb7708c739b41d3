//! From a Cloud and its Secrets to a session and a DNS driver. Bad input is told in words for the condition; nothing of
//! a Secret is ever in them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use secrecy::SecretString;

use crate::api::Cloud;
use crate::api::cloud::{CloudSpec, Interface};
use crate::clouds::Dns;
use crate::dns::nsupdate_web::{BasicAuth, NsupdateWeb};
use crate::metrics::Metrics;
use crate::openstack::clouds_yaml::{self, Choice};
use crate::openstack::transport::{TlsOptions, Verify};
use crate::openstack::{Call, RateOptions, Session, SessionOptions};
use crate::reconcile::context::Seams;
use crate::reconcile::state::Problem;

/// Whether a Cloud reads this Secret.
#[must_use]
pub fn uses(cloud: &Cloud, secret: &str) -> bool {
    let dns = cloud.spec.dns.as_ref().and_then(|dns| dns.nsupdate_web.secret_ref.as_ref());
    cloud.spec.openstack.secret_ref.name == secret || dns.is_some_and(|reference| reference.name == secret)
}

/// A problem with what the admin gave.
fn problem(reason: &'static str, message: impl Into<String>) -> Problem {
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
            "SecretInvalid",
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
        .map_err(|error| problem("SecretInvalid", format!("clouds.yaml in {place}: {error}")))?;
    let transport = (seams.http)(&credentials.tls)
        .map_err(|failure| problem("SecretInvalid", format!("TLS settings in {place}: {failure}")))?;
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

fn text(data: &BTreeMap<String, ByteString>, key: &str) -> Option<String> {
    data.get(key)
        .and_then(|bytes| String::from_utf8(bytes.0.clone()).ok())
        .filter(|text| !text.trim().is_empty())
}

/// Makes the DNS driver.
///
/// # Errors
/// With what does not work, and what to do.
pub fn dns(spec: &CloudSpec, secret: Option<&Secret>, seams: &Seams) -> Result<Option<Dns>, Problem> {
    let Some(settings) = spec.dns.as_ref().map(|dns| &dns.nsupdate_web) else { return Ok(None) };
    let unusable =
        |field: &str, error: String| problem("DNSUnusable", format!("spec.dns.nsupdateWeb.{field}: {error}"));
    let zone =
        settings.zone.parse().map_err(|error: crate::dns::Error| unusable("zone", error.to_string()))?;
    let park: IpAddr = settings
        .park_address
        .parse()
        .map_err(|_| unusable("parkAddress", format!("{} is not an IP address", settings.park_address)))?;
    let verify = settings.verify.as_ref().map(|verify| verify.server.parse()).transpose();
    let verify = verify.map_err(|error: crate::dns::Error| unusable("verify.server", error.to_string()))?;
    let auth = match &settings.secret_ref {
        None => None,
        Some(reference) => Some(basic_auth(&reference.name, secret)?),
    };
    let plain = TlsOptions { ca_pem: None, verify: Verify::Full };
    let transport = (seams.http)(&plain).map_err(|failure| unusable("url", failure.to_string()))?;
    let web = NsupdateWeb::new(&settings.url, zone, auth.as_ref(), transport)
        .map_err(|error| unusable("url", error.to_string()))?;
    Ok(Some(Dns { web, park, verify }))
}

fn basic_auth(name: &str, secret: Option<&Secret>) -> Result<BasicAuth, Problem> {
    let data = secret.and_then(|secret| secret.data.clone());
    let missing = || {
        let message =
            format!("Secret {name} in the operator's namespace must have the keys username and password");
        problem("DNSUnusable", message)
    };
    let data = data.ok_or_else(missing)?;
    let user = text(&data, "username").ok_or_else(missing)?;
    let password = text(&data, "password").ok_or_else(missing)?;
    Ok(BasicAuth {
        user: user.trim().to_owned(),
        password: SecretString::from(password.trim_end_matches('\n').to_owned()),
    })
}
