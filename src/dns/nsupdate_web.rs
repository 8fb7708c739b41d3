//! nsupdate-web: sets all addresses of a name with one GET, and can do nothing else.
//!
//! It cannot delete a name, so a name is *parked* instead: on the Cloud's park address, beside [`PARKED`]. It remembers
//! what it was asked for and answers `no-change` without looking at the zone. Where the zone is known to say something
//! else, another update is sent first. Without an `ip` it takes the caller's address, so an `ip` is always sent.

pub(super) mod refusal;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::pace::Pace;
use super::record::{PARKED, STAND_IN};
use super::{Answer, Error, Fqdn, saying};
use crate::error::Effect;
use crate::transport::Transport;

/// nsupdate itself gives up after 3 s; what takes longer than this was lost on the way.
const TOTAL: Duration = Duration::from_secs(15);

/// More than these nsupdate-web refuses.
const MOST_ADDRESSES: usize = 32;

/// What nsupdate-web said of an update.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Said {
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

/// One nsupdate-web, which was started for the Cloud's zone.
#[derive(Clone, Debug)]
pub struct NsupdateWeb {
    url: Url,
    park: IpAddr,
    authorization: Option<HeaderValue>,
    transport: Transport,
    pace: Option<Pace>,
}

impl NsupdateWeb {
    /// A client for the nsupdate-web at `url`, which parks names on `park`.
    ///
    /// # Errors
    /// If the URL is not a plain http or https URL, or the credentials cannot be said in HTTP.
    pub fn new(
        url: &str,
        park: IpAddr,
        auth: Option<&BasicAuth>,
        transport: Transport,
    ) -> Result<Self, Error> {
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
        Ok(Self { url: parsed, park, authorization, transport, pace: None })
    }

    /// The same client, at this pace.
    #[must_use]
    pub fn paced(self, pace: Pace) -> Self {
        Self { pace: Some(pace), ..self }
    }

    /// The address on which names are parked.
    #[must_use]
    pub fn park(&self) -> IpAddr {
        self.park
    }

    /// Makes `addresses` all that the name says. `asked` is true if the zone was asked before, and says something else.
    ///
    /// # Errors
    /// See [`Error`]; with [`Effect::Unknown`] the name may have been changed, now or later.
    pub async fn publish(
        &self,
        name: &Fqdn,
        addresses: &BTreeSet<IpAddr>,
        asked: bool,
    ) -> Result<Answer, Error> {
        let mut other = addresses.clone();
        other.insert(STAND_IN);
        self.change(name, addresses, &other, asked).await
    }

    /// Parks the name. `asked` is as in [`NsupdateWeb::publish`].
    ///
    /// # Errors
    /// As [`NsupdateWeb::publish`].
    pub async fn withdraw(&self, name: &Fqdn, asked: bool) -> Result<Answer, Error> {
        let parked = BTreeSet::from([self.park, PARKED]);
        self.change(name, &parked, &BTreeSet::from([PARKED, STAND_IN]), asked).await
    }

    /// Sets `wanted`. Where nsupdate-web wrongly believes that the zone has it, it sends nothing before it was asked for
    /// something else: for `other`, which is as good for the moment in between.
    async fn change(
        &self,
        name: &Fqdn,
        wanted: &BTreeSet<IpAddr>,
        other: &BTreeSet<IpAddr>,
        asked: bool,
    ) -> Result<Answer, Error> {
        match self.set(name, wanted).await? {
            Said::Success => Ok(Answer::Done),
            Said::NoChange if !asked => Ok(Answer::Unproven),
            Said::NoChange => {
                self.set(name, other).await?;
                self.set(name, wanted).await?;
                Ok(Answer::Done)
            }
        }
    }

    async fn set(&self, name: &Fqdn, addresses: &BTreeSet<IpAddr>) -> Result<Said, Error> {
        let request = self.request(name, addresses)?;
        let no_answer = |message, effect| Error::NoAnswer {
            name: name.to_string(),
            server: self.server(),
            message,
            effect,
        };
        if let Some(pace) = &self.pace {
            pace.turn().await;
        }
        let sent = tokio::time::timeout(TOTAL, self.transport.send(request)).await;
        let Ok(sent) = sent else {
            return Err(no_answer(format!("nothing within {} s", TOTAL.as_secs()), Effect::Unknown));
        };
        let response = sent.map_err(|failure| no_answer(failure.text.to_string(), failure.effect))?;
        self.understand(name, &response)
    }

    fn request(&self, name: &Fqdn, addresses: &BTreeSet<IpAddr>) -> Result<Request<Vec<u8>>, Error> {
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
            .append_pair("name", name.host())
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

    fn understand(&self, name: &Fqdn, response: &Response<Vec<u8>>) -> Result<Said, Error> {
        let (name, server) = (name.to_string(), self.server());
        let (status, message) = (response.status(), saying(response.body()));
        match (status, message.as_str()) {
            (StatusCode::OK, "success") => Ok(Said::Success),
            (StatusCode::OK, "no-change") => Ok(Said::NoChange),
            (StatusCode::OK, _) => Err(Error::Stranger { name, server, message }),
            _ => Err(Error::Refused { name, server, status, cure: refusal::cure(status, &message), message }),
        }
    }

    /// Host and port: who answered. The path is not ours to show, it may hold a token.
    fn server(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
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
