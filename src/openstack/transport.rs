//! How a request reaches the cloud: the one seam that tests replace.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::error::Effect;

#[cfg(test)]
mod tests;

const CONNECT: Duration = Duration::from_secs(10);
/// Apache, in front of many clouds, closes an idle connection after 5 s. A POST
/// that meets the close has an unknown fate, so we let go first.
const IDLE: Duration = Duration::from_secs(4);
/// No list of ours comes near; a larger answer is not one.
const LARGEST_BODY: usize = 64 * 1024 * 1024;

type Answer = BoxFuture<'static, Result<http::Response<Vec<u8>>, Failure>>;

/// Request in, answer out.
#[derive(Clone)]
pub struct Transport(Arc<dyn Fn(http::Request<Vec<u8>>) -> Answer + Send + Sync>);

/// No complete answer came.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// `None` if the connection never stood, else `Unknown`.
    pub effect: Effect,
    /// What went wrong, for people.
    pub text: String,
}

/// Whom to trust.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsOptions {
    /// Certificates to trust beside the system's, in PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// Whether the server's certificate is looked at.
    pub verify: Verify,
}

/// Whether the server's certificate is looked at.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Verify {
    /// It must be valid for the host and signed by someone trusted.
    #[default]
    Full,
    /// Any will do: `verify: false` in a `clouds.yaml`.
    Nothing,
}

impl Transport {
    /// Sockets and TLS. The process must have installed a crypto provider.
    ///
    /// # Errors
    /// The PEM holds no certificate, or the system has no trusted ones.
    pub fn reqwest(tls: &TlsOptions) -> Result<Self, Failure> {
        let mut client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .redirect(reqwest::redirect::Policy::none())
            // A request is sent once. Only the session may send it again, after a 401.
            .retry(reqwest::retry::never())
            .user_agent(concat!("testnode-operator/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = &tls.ca_pem {
            let certificates = reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|error| Failure::before(format!("cacert: {}", chain(&error))))?;
            if certificates.is_empty() {
                return Err(Failure::before("cacert: holds no certificate in PEM".to_owned()));
            }
            client = client.tls_certs_merge(certificates);
        }
        client = match tls.verify {
            Verify::Full => client,
            Verify::Nothing => client.tls_danger_accept_invalid_certs(true),
        };
        let client = client.build().map_err(|error| Failure::before(chain(&error)))?;
        Ok(Self::service(move |request| exchange(client.clone(), request)))
    }

    /// A function in this process instead of a network.
    pub fn service<F, A>(service: F) -> Self
    where
        F: Fn(http::Request<Vec<u8>>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<http::Response<Vec<u8>>, Failure>> + Send + 'static,
    {
        Self(Arc::new(move |request| service(request).boxed()))
    }

    pub(crate) fn send(&self, request: http::Request<Vec<u8>>) -> Answer {
        (self.0)(request)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

impl Failure {
    /// The connection or TLS never stood: nothing happened.
    #[must_use]
    pub fn before(text: String) -> Self {
        Self { effect: Effect::None, text }
    }

    /// The request may have been read: it may have happened, and may still.
    #[must_use]
    pub fn after(text: String) -> Self {
        Self { effect: Effect::Unknown, text }
    }
}

async fn exchange(
    client: reqwest::Client,
    request: http::Request<Vec<u8>>,
) -> Result<http::Response<Vec<u8>>, Failure> {
    let request = reqwest::Request::try_from(request).map_err(|error| Failure::before(chain(&error)))?;
    let mut response = client.execute(request).await.map_err(|error| {
        if error.is_connect() { Failure::before(chain(&error)) } else { Failure::after(chain(&error)) }
    })?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Failure::after(chain(&error)))? {
        if body.len() + chunk.len() > LARGEST_BODY {
            return Err(Failure::after(format!("the answer is larger than {LARGEST_BODY} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    let mut answer = http::Response::new(body);
    *answer.status_mut() = response.status();
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    Ok(answer)
}

/// reqwest's own text stops at "error sending request"; the reason is below it.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
