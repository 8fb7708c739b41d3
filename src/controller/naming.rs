//! From a Cloud and its Secret to a DNS driver. Bad input becomes a message for the condition, which never quotes a
//! Secret.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use secrecy::SecretString;
use tokio::time::Instant;
use tracing::warn;

use super::credentials::{problem, text};
use crate::api::cloud::CloudSpec;
use crate::api::dns as api;
use crate::clouds::{Config, Rights};
use crate::dns::exchange::Exchange;
use crate::dns::nsupdate_web::{BasicAuth, NsupdateWeb};
use crate::dns::pace::Paces;
use crate::dns::rfc2136::{Key, Rfc2136};
use crate::dns::{self, Authority, Dns, DnsOptions, Driver, Hostnames, NameServer, Observe, Zone};
use crate::error::Class;
use crate::metrics::Metrics;
use crate::reason::Reason;
use crate::reconcile::context::Seams;
use crate::reconcile::state::Problem;
use crate::transport::{TlsOptions, Verify};

/// What was not granted is asked about again after this time: somebody may have granted it.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// Makes the DNS of a Cloud.
///
/// # Errors
/// With what does not work, and what to do.
pub fn dns(
    cloud: &str,
    spec: &CloudSpec,
    secret: Option<&Secret>,
    seams: &Seams,
    paces: &Paces,
    metrics: &Metrics,
) -> Result<Option<Dns>, Problem> {
    let Some(settings) = &spec.dns else { return Ok(None) };
    let zone: Zone = read("zone", &settings.zone)?;
    let allowed = Hostnames::new(&settings.allow_hostnames)
        .map_err(|error| unusable("allowHostnames", error.to_string()))?;
    let verify = settings.verify.as_ref().map(|verify| read("verify.server", &verify.server)).transpose()?;
    let pace = paces.of(&zone, u32::try_from(settings.messages_per_second).unwrap_or(u32::MAX));
    let exchange = seams.dns.paced(pace.clone());
    let (driver, server) = match (&settings.rfc2136, &settings.nsupdate_web) {
        (Some(update), None) => {
            let update = rfc2136(update, &zone, secret, exchange.clone(), seams)?;
            let server = verify.unwrap_or_else(|| update.server.clone());
            (Driver::Rfc2136(update), Some(server))
        }
        (None, Some(_)) if verify.is_none() && settings.unverified != Some(true) => {
            let message =
                "give spec.dns.verify.server, or spec.dns.unverified: true where there is no server to ask";
            return Err(problem(Reason::DNSUnusable, message));
        }
        (None, Some(web)) => (Driver::NsupdateWeb(nsupdate_web(web, secret, seams)?.paced(pace)), verify),
        (Some(_), Some(_)) | (None, None) => {
            return Err(problem(Reason::DNSUnusable, "give either spec.dns.rfc2136 or spec.dns.nsupdateWeb"));
        }
    };
    let authority = server.map(|server| Authority { server, exchange });
    let (cloud, metrics) = (cloud.to_owned(), metrics.clone());
    let observe = Observe::new(move |call| {
        metrics.dns_request(&cloud, call.driver, call.call, Some(call.status), call.took);
    });
    Ok(Some(Dns::new(DnsOptions { zone, allowed, driver, authority, observe })))
}

/// Finds out what may be done to names, where the driver can tell and it is not known. What is not granted keeps new
/// machines away, as they could not have their names.
pub(super) async fn ask_rights(config: &Config) -> Option<Config> {
    let dns = config.dns.as_ref()?;
    match &config.rights {
        Rights::Granted(_) => return None,
        Rights::Refused(_, asked) | Rights::Silent(_, asked) if asked.elapsed() < ASK_AGAIN => return None,
        Rights::Unasked | Rights::Refused(..) | Rights::Silent(..) => {}
    }
    let rights = match dns.probe().await? {
        Ok(granted) => Rights::Granted(granted),
        Err(error) => {
            warn!(%error, "names cannot be changed");
            let problem = |reason| Problem { reason, message: error.to_string() };
            match error.class() {
                Class::Unreachable | Class::Busy => {
                    Rights::Silent(problem(Reason::DNSUpdateFailed), Instant::now())
                }
                Class::Auth
                | Class::NotFound
                | Class::Quota
                | Class::Capacity
                | Class::Conflict
                | Class::Invalid => Rights::Refused(problem(Reason::DNSUnusable), Instant::now()),
            }
        }
    };
    let unfit = match &rights {
        Rights::Refused(problem, _) => Some(problem.clone()),
        Rights::Unasked | Rights::Granted(_) | Rights::Silent(..) => None,
    };
    Some(Config { unfit, rights, ..config.clone() })
}

/// What may be done to names, as a condition; none where nobody can tell.
pub(super) fn rights(config: &Config) -> Option<(&'static str, Reason, String)> {
    Some(match &config.rights {
        Rights::Unasked => return None,
        Rights::Granted(what) => ("True", Reason::Granted, what.clone()),
        Rights::Refused(problem, _) => ("False", problem.reason, problem.message.clone()),
        Rights::Silent(problem, _) => ("Unknown", problem.reason, problem.message.clone()),
    })
}

fn unusable(field: &str, error: impl std::fmt::Display) -> Problem {
    problem(Reason::DNSUnusable, format!("spec.dns.{field}: {error}"))
}

fn read<T: std::str::FromStr<Err = dns::Error>>(field: &str, given: &str) -> Result<T, Problem> {
    given.parse().map_err(|error| unusable(field, error))
}

fn nsupdate_web(
    settings: &api::NsupdateWeb,
    secret: Option<&Secret>,
    seams: &Seams,
) -> Result<NsupdateWeb, Problem> {
    let not_an_address = |_| format!("{} is not an IP address", settings.park_address);
    let park = settings.park_address.parse().map_err(not_an_address);
    let park = park.map_err(|error| unusable("nsupdateWeb.parkAddress", error))?;
    let auth = match &settings.secret_ref {
        None => None,
        Some(reference) => Some(basic_auth(&reference.name, secret)?),
    };
    let plain = TlsOptions { ca_pem: None, verify: Verify::Full };
    let transport = (seams.http)(&plain).map_err(|failure| unusable("nsupdateWeb.url", failure))?;
    NsupdateWeb::new(&settings.url, park, auth.as_ref(), transport)
        .map_err(|error| unusable("nsupdateWeb.url", error))
}

fn basic_auth(name: &str, secret: Option<&Secret>) -> Result<BasicAuth, Problem> {
    let data = secret.and_then(|secret| secret.data.clone());
    let missing = || {
        let message =
            format!("Secret {name} in the operator's namespace must have the keys username and password");
        problem(Reason::DNSUnusable, message)
    };
    let data = data.ok_or_else(missing)?;
    let user = text(&data, "username").ok_or_else(missing)?;
    let password = text(&data, "password").ok_or_else(missing)?;
    Ok(BasicAuth {
        user: user.trim().to_owned(),
        password: SecretString::from(password.trim_end_matches('\n').to_owned()),
    })
}

fn rfc2136(
    settings: &api::Rfc2136,
    zone: &Zone,
    secret: Option<&Secret>,
    exchange: Exchange,
    seams: &Seams,
) -> Result<Rfc2136, Problem> {
    let name = &settings.tsig_secret_ref.name;
    let secret = secret.and_then(|secret| text(secret.data.as_ref()?, "secret")).ok_or_else(|| {
        let message = format!(
            "Secret {name} in the operator's namespace must have the key secret: that of the TSIG key {}, in base64",
            settings.key_name
        );
        problem(Reason::DNSUnusable, message)
    })?;
    let key = Key::new(&settings.key_name, settings.algorithm.as_str(), &SecretString::from(secret));
    let reverse = settings.reverse_zones.iter().map(|zone| read("rfc2136.reverseZones", zone));
    Ok(Rfc2136 {
        server: read::<NameServer>("rfc2136.server", &settings.server)?,
        zone: zone.clone(),
        reverse: reverse.collect::<Result<_, _>>()?,
        key: key.map_err(|error| unusable("rfc2136", error))?,
        ttl: u32::try_from(settings.ttl).unwrap_or(60),
        exchange,
        clock: seams.clock.clone(),
    })
}
