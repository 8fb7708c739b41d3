//! The way to sources: one request after the other, each of which may go where it goes.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderMap, StatusCode, header};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::timeout;
use url::Url;

use super::allowed::Allowed;
use super::state::Trouble;
use crate::reason::Reason;
use crate::saying::{Origin, Saying};
use crate::transport::{Pieces, pieces};

const CONNECT: Duration = Duration::from_secs(10);
/// A side that says nothing for so long is not waited for any longer.
pub const SILENCE: Duration = Duration::from_mins(1);
const MOST_HOPS: usize = 5;

/// What a source answers.
pub struct Answer {
    /// How.
    pub status: StatusCode,
    /// With which headers.
    pub headers: HeaderMap,
    /// And the body, not read yet.
    pub body: Pieces,
}

/// One request: where, and the headers that it has beside the usual ones.
pub struct Hop {
    /// Where.
    pub url: Url,
    /// Its headers.
    pub headers: HeaderMap,
}

type Hopped = BoxFuture<'static, Result<Answer, Trouble>>;

/// The way to sources.
#[derive(Clone)]
pub struct Web {
    allowed: Arc<Allowed>,
    hop: Arc<dyn Fn(Hop) -> Hopped + Send + Sync>,
}

impl Web {
    /// Sockets and TLS. Names have only addresses that are allowed; no proxy is used, and nothing is followed.
    ///
    /// # Errors
    /// The PEM holds no certificate.
    pub fn sockets(allowed: Allowed, ca_pem: Option<&[u8]>) -> Result<Self, String> {
        let allowed = Arc::new(allowed);
        let mut client = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .dns_resolver(Arc::new(Careful(allowed.clone())))
            .user_agent(concat!("testnode-operator/", env!("CARGO_PKG_VERSION")));
        for certificate in ca_pem
            .map(reqwest::Certificate::from_pem_bundle)
            .transpose()
            .map_err(|e| e.to_string())?
            .into_iter()
            .flatten()
        {
            client = client.add_root_certificate(certificate);
        }
        let client = client.build().map_err(|error| error.to_string())?;
        Ok(Self { allowed, hop: Arc::new(move |hop| over_sockets(client.clone(), hop).boxed()) })
    }

    /// A function in this process instead of a network.
    pub fn service<F, A>(allowed: Allowed, service: F) -> Self
    where
        F: Fn(Hop) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Answer, Trouble>> + Send + 'static,
    {
        Self { allowed: Arc::new(allowed), hop: Arc::new(move |hop| service(hop).boxed()) }
    }

    /// Asks for a URL, and follows redirections. The answer may be any status that is no redirection.
    ///
    /// # Errors
    /// `SourceForbidden` or `SourceUnreachable`.
    pub async fn get(&self, url: &Url, headers: HeaderMap) -> Result<Answer, Trouble> {
        let mut url = url.clone();
        for _ in 0..=MOST_HOPS {
            self.allowed.url(&url)?;
            let hop = Hop { url: url.clone(), headers: headers.clone() };
            let answer = timeout(SILENCE, (self.hop)(hop)).await;
            let answer = answer.map_err(|_| unreachable(&url, "it does not answer"))??;
            let location = answer
                .headers
                .get(header::LOCATION)
                .filter(|_| answer.status.is_redirection() && answer.status != StatusCode::NOT_MODIFIED);
            match location.map(|location| location.to_str().unwrap_or_default().to_owned()) {
                Some(location) => url = self.allowed.redirection(&url, &location)?,
                None => return Ok(answer),
            }
        }
        Err(Trouble::new(
            Reason::SourceForbidden,
            format!("{} redirects more than {MOST_HOPS} times", Origin::of(&url)),
        ))
    }
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Web").field(&self.allowed).finish()
    }
}

/// The source cannot be read now.
#[must_use]
pub fn unreachable(url: &Url, why: &str) -> Trouble {
    let message = format!("{}: {}", Origin::of(url), Saying::new(why));
    Trouble::new(Reason::SourceUnreachable, message)
}

/// What a status that is no success means.
#[must_use]
pub fn refused(url: &Url, status: StatusCode) -> Trouble {
    let passing = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
    if passing {
        return unreachable(url, &format!("it answers {status}"));
    }
    let message =
        format!("{} answers {status} for {}; correct the URL", Origin::of(url), Saying::name(file(url)));
    Trouble::new(Reason::SourceNotFound, message)
}

/// The last part of a URL's path.
#[must_use]
pub fn file(url: &Url) -> &str {
    url.path().rsplit('/').next().unwrap_or_default()
}

async fn over_sockets(client: reqwest::Client, hop: Hop) -> Result<Answer, Trouble> {
    let request = client.get(hop.url.clone()).headers(hop.headers);
    let response = request.send().await.map_err(|error| failed(&hop.url, &error))?;
    let (status, headers) = (response.status(), response.headers().clone());
    Ok(Answer { status, headers, body: pieces(response) })
}

/// What we refused is not the network's failure.
fn failed(url: &Url, error: &reqwest::Error) -> Trouble {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if let Some(Refused(trouble)) = error.downcast_ref::<Refused>() {
            return trouble.clone();
        }
        text = error.to_string();
        cause = error.source();
    }
    unreachable(url, &text)
}

/// Looks at addresses where the connection takes them: a name cannot change between the check and the use.
struct Careful(Arc<Allowed>);

#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message)]
struct Refused(Trouble);

impl Resolve for Careful {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.0.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One that is not allowed among several is no accident.
            for address in &found {
                allowed.address(address.ip()).map_err(Refused)?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
