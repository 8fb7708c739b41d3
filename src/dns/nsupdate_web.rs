//! nsupdate-web: sets every address of a name with one GET, and can do nothing else.
//!
//! It cannot delete, it remembers what it was asked and answers `no-change` without looking, and
//! without an `ip` it takes the caller's address. So an `ip` is always sent, and what the zone
//! holds is asked of the zone's own server (see [`lookup`](super::lookup)).

use std::net::IpAddr;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{Error, Fqdn, Hostname, Zone, saying};
use crate::error::{Class, Effect};
use crate::openstack::Transport;

/// nsupdate itself gives up after 3 s; what takes longer than this was lost on the way.
const TOTAL: Duration = Duration::from_secs(15);

/// More than these nsupdate-web refuses.
const MOST_ADDRESSES: usize = 32;

/// What nsupdate-web made of an update.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// The name server took the update.
    Success,
    /// It has been asked for the same before. Nothing was sent, and nothing is proven.
    NoChange,
}

/// The credentials of a proxy before nsupdate-web.
#[derive(Clone, Debug)]
pub struct BasicAuth {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

/// One nsupdate-web and the zone that it updates.
#[derive(Clone, Debug)]
pub struct NsupdateWeb {
    url: Url,
    zone: Zone,
    authorization: Option<HeaderValue>,
    transport: Transport,
}

impl NsupdateWeb {
    /// A client for the nsupdate-web at `url`, which was started for `zone`.
    ///
    /// # Errors
    /// If the URL is not a plain http or https URL, or the credentials cannot be said in HTTP.
    pub fn new(url: &str, zone: Zone, auth: Option<&BasicAuth>, transport: Transport) -> Result<Self, Error> {
        let unusable = |rule| Error::Unusable { what: "URL of nsupdate-web", given: shown(url), rule };
        let parsed = Url::parse(url).map_err(|_| unusable("must be like http://host:port/path"))?;
        if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
            return Err(unusable("must start with http:// or https:// and a host"));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(unusable("credentials belong in the Secret, not in the URL"));
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(unusable("must have neither a query nor a fragment"));
        }
        let authorization = auth.map(authorization).transpose()?;
        Ok(Self { url: parsed, zone, authorization, transport })
    }

    /// The whole name of a host in this zone.
    ///
    /// # Errors
    /// If it is longer than DNS can say.
    pub fn fqdn(&self, hostname: &Hostname) -> Result<Fqdn, Error> {
        Fqdn::new(hostname, &self.zone)
    }

    /// Makes `addresses` all that the name says. Whatever else it said is gone.
    ///
    /// # Errors
    /// See [`Error`]; with [`Effect::Unknown`] the name may have been set, now or later.
    pub async fn set(&self, hostname: &Hostname, addresses: &[IpAddr]) -> Result<Answer, Error> {
        let name = self.fqdn(hostname)?;
        let request = self.request(hostname, addresses)?;
        let no_answer = |message, effect| Error::NoAnswer {
            name: name.to_string(),
            server: self.server(),
            message,
            effect,
        };
        let sent = tokio::time::timeout(TOTAL, self.transport.send(request)).await;
        let Ok(sent) = sent else {
            return Err(no_answer(format!("nothing within {} s", TOTAL.as_secs()), Effect::Unknown));
        };
        let response = sent.map_err(|failure| no_answer(failure.text, failure.effect))?;
        self.understand(&name, &response)
    }

    fn request(&self, hostname: &Hostname, addresses: &[IpAddr]) -> Result<Request<Vec<u8>>, Error> {
        let given = || saying(format!("{} addresses", addresses.len()).as_bytes());
        if addresses.is_empty() {
            // Without an address it would take ours.
            let rule = "a name needs at least one";
            return Err(Error::Unusable { what: "update with", given: given(), rule });
        }
        if addresses.len() > MOST_ADDRESSES {
            let rule = "nsupdate-web takes at most 32";
            return Err(Error::Unusable { what: "update with", given: given(), rule });
        }
        let mut url = self.url.clone();
        url.query_pairs_mut()
            .append_pair("name", hostname.as_str())
            .extend_pairs(addresses.iter().map(|address| ("ip", address.to_string())));
        let mut request = Request::get(url.as_str());
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let rule = "cannot be said in HTTP";
        request.body(Vec::new()).map_err(|_| Error::Unusable {
            what: "URL of nsupdate-web",
            given: shown(url.as_str()),
            rule,
        })
    }

    fn understand(&self, name: &Fqdn, response: &Response<Vec<u8>>) -> Result<Answer, Error> {
        let (name, server) = (name.to_string(), self.server());
        let (status, message) = (response.status(), saying(response.body()));
        match (status, message.as_str()) {
            (StatusCode::OK, "success") => Ok(Answer::Success),
            (StatusCode::OK, "no-change") => Ok(Answer::NoChange),
            (StatusCode::OK, _) => Err(Error::Stranger { name, server, message }),
            _ => Err(Error::Refused { name, server, status, cure: cure(status, &message), message }),
        }
    }

    /// Host and port: who answered. The path is not ours to show, it may hold a token.
    fn server(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

/// What a refusal means: nsupdate-web's own are by code, but a 403 can be a proxy's as well.
pub(super) fn class_of(status: StatusCode, message: &str) -> Class {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => Class::Auth,
        StatusCode::FORBIDDEN if !is_regex_refusal(message) => Class::Auth,
        StatusCode::TOO_MANY_REQUESTS => Class::Busy,
        // "Not implemented" is for ever; any other 5xx passes, and so does a proxy's "Request Timeout".
        StatusCode::NOT_IMPLEMENTED => Class::Invalid,
        StatusCode::REQUEST_TIMEOUT => Class::Unreachable,
        status if status.is_server_error() => Class::Unreachable,
        _ => Class::Invalid,
    }
}

fn cure(status: StatusCode, message: &str) -> &'static str {
    match status {
        StatusCode::FORBIDDEN if is_regex_refusal(message) => {
            "; the name must match allow_hosts of nsupdate-web"
        }
        StatusCode::UNAUTHORIZED => "; check the user and password in the Secret",
        status if status.is_redirection() => "; use the URL that it redirects to",
        _ => "",
    }
}

fn is_regex_refusal(message: &str) -> bool {
    message.contains("allow_hosts")
}

fn authorization(auth: &BasicAuth) -> Result<HeaderValue, Error> {
    let rule = "must not contain ':' or control characters";
    let unusable =
        || Error::Unusable { what: "user of nsupdate-web", given: saying(auth.user.as_bytes()), rule };
    if auth.user.contains(':') || auth.user.chars().any(char::is_control) {
        return Err(unusable());
    }
    let pair = format!("{}:{}", auth.user, auth.password.expose_secret());
    let value = format!("Basic {}", BASE64_STANDARD.encode(pair));
    let mut header = HeaderValue::from_str(&value).map_err(|_| unusable())?;
    header.set_sensitive(true);
    Ok(header)
}

/// A URL as it may be shown: nobody's password, nobody's token.
fn shown(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let head = url.get(..end).unwrap_or_default();
    match head.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
            saying(format!("{scheme}://{host}").as_bytes())
        }
        None => saying(head.as_bytes()),
    }
}

#[cfg(test)]
mod tests;
