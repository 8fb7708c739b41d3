//! How an HTTP request reaches a service of somebody else. Tests replace it by a function in the process.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};
use hyper::body::Bytes;

use crate::error::Effect;
use crate::saying::Saying;

#[cfg(test)]
mod tests;
mod tls;
mod upload;

pub use upload::Upload;

const CONNECT: Duration = Duration::from_secs(10);
/// Apache, in front of many clouds, closes an idle connection after 5 s. A POST
/// that meets the close has an unknown fate, so we close it first.
const IDLE: Duration = Duration::from_secs(4);
/// What is read of an answer unless its request says otherwise, and of every refusal: it is only shown.
const SMALL: usize = 64 * 1024;

type Answer = BoxFuture<'static, Result<http::Response<Vec<u8>>, Failure>>;

/// The bytes of a body as they come.
pub type Pieces = BoxStream<'static, Result<Bytes, String>>;

type Opened = BoxFuture<'static, Result<http::Response<Pieces>, Failure>>;

/// Request in, answer out.
#[derive(Clone)]
pub struct Transport {
    whole: Arc<dyn Fn(http::Request<Vec<u8>>) -> Answer + Send + Sync>,
    streamed: Arc<dyn Fn(http::Request<Upload>) -> Answer + Send + Sync>,
    opened: Arc<dyn Fn(http::Request<Vec<u8>>) -> Opened + Send + Sync>,
}

/// No complete answer came.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// `None` if the connection never stood, else `Unknown`.
    pub effect: Effect,
    /// What went wrong, for people.
    pub text: Saying,
}

/// How much of an answer is kept in memory: an extension of the request that asks for it. Without it, and of every
/// answer that is no success, the first 64 KiB are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keep {
    /// So many bytes at the beginning; the rest is not read.
    First(usize),
    /// So many bytes at the end.
    Last(usize),
    /// All of it; more bytes than this are an error.
    All(usize),
}

/// An extension of an answer whose beginning was not kept.
#[derive(Clone, Copy, Debug)]
pub struct Beheaded;

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
        let client = client_of(tls, Speak::All)?;
        // Hardly any process streams: what it takes is made when it is needed.
        let (tls, made) = (tls.clone(), OnceLock::new());
        let streams = Arc::new(move || made.get_or_init(|| client_of(&tls, Speak::Http1)).clone());
        let opens = streams.clone();
        Ok(Self {
            whole: Arc::new(move |request| exchange(client.clone(), request).boxed()),
            streamed: Arc::new(move |request| {
                let client = streams();
                async move { exchange(client?, request.map(reqwest::Body::wrap)).await }.boxed()
            }),
            opened: Arc::new(move |request| {
                let client = opens();
                async move { open(client?, request).await }.boxed()
            }),
        })
    }

    /// A function in this process instead of a network.
    pub fn service<F, A>(service: F) -> Self
    where
        F: Fn(http::Request<Vec<u8>>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<http::Response<Vec<u8>>, Failure>> + Send + 'static,
    {
        let service = Arc::new(service);
        let (whole, opens) = (service.clone(), service.clone());
        Self {
            whole: Arc::new(move |request| whole(request).boxed()),
            streamed: Arc::new(move |request| {
                let service = service.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collected().await.map_err(|why| Failure::after(why.to_string()))?;
                    service(http::Request::from_parts(head, body)).await
                }
                .boxed()
            }),
            opened: Arc::new(move |request| {
                let answer = opens(request);
                let one = |body: Vec<u8>| futures::stream::iter([Ok(Bytes::from(body))]).boxed();
                async move { Ok(answer.await?.map(one)) }.boxed()
            }),
        }
    }

    pub(crate) fn send(&self, request: http::Request<Vec<u8>>) -> Answer {
        (self.whole)(request)
    }

    /// Sends a request whose body is made while it is sent, over HTTP/1.1.
    pub(crate) fn send_streamed(&self, request: http::Request<Upload>) -> Answer {
        (self.streamed)(request)
    }

    /// Sends a request whose answer is read as it comes, over HTTP/1.1.
    pub(crate) fn open(&self, request: http::Request<Vec<u8>>) -> Opened {
        (self.opened)(request)
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
        Self { effect: Effect::None, text: text.into() }
    }

    /// The request may have been read: it may have happened, and may still.
    #[must_use]
    pub fn after(text: String) -> Self {
        Self { effect: Effect::Unknown, text: text.into() }
    }
}

/// What is spoken: a stream has fewer buffers on the way in HTTP/1.1.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Speak {
    All,
    Http1,
}

fn client_of(tls: &TlsOptions, speak: Speak) -> Result<reqwest::Client, Failure> {
    let mut client = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .redirect(reqwest::redirect::Policy::none())
        // A request is sent once. Only the session may send it again, after a 401.
        .retry(reqwest::retry::never())
        .user_agent(concat!("testnode-operator/", env!("CARGO_PKG_VERSION")));
    client = match (&tls.ca_pem, tls.verify) {
        (_, Verify::Nothing) => client.tls_danger_accept_invalid_certs(true),
        (Some(pem), Verify::Full) => {
            let mut trusting = tls::trusting(pem).map_err(|why| Failure::before(format!("cacert: {why}")))?;
            if speak == Speak::Http1 {
                trusting.alpn_protocols.retain(|protocol| protocol != b"h2");
            }
            client.tls_backend_preconfigured(trusting)
        }
        (None, Verify::Full) => client,
    };
    if speak == Speak::Http1 {
        client = client.http1_only();
    }
    client.build().map_err(|error| Failure::before(chain(&error)))
}

async fn exchange<B: Into<reqwest::Body>>(
    client: reqwest::Client,
    request: http::Request<B>,
) -> Result<http::Response<Vec<u8>>, Failure> {
    let keep = request.extensions().get().copied().unwrap_or(Keep::First(SMALL));
    let request = reqwest::Request::try_from(request).map_err(|error| Failure::before(chain(&error)))?;
    let mut response = client.execute(request).await.map_err(|error| failed(&error))?;
    let mut body = Body { keep, bytes: Vec::new(), beheaded: false };
    if !response.status().is_success() {
        body.keep = Keep::First(SMALL);
    }
    while let Some(chunk) = response.chunk().await.map_err(|error| Failure::after(chain(&error)))? {
        if body.take(&chunk)? == Reading::Enough {
            break;
        }
    }
    let mut answer = http::Response::new(body.bytes);
    *answer.status_mut() = response.status();
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    if body.beheaded {
        answer.extensions_mut().insert(Beheaded);
    }
    Ok(answer)
}

async fn open(
    client: reqwest::Client,
    request: http::Request<Vec<u8>>,
) -> Result<http::Response<Pieces>, Failure> {
    let request = reqwest::Request::try_from(request).map_err(|error| Failure::before(chain(&error)))?;
    let mut response = client.execute(request).await.map_err(|error| failed(&error))?;
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    let mut answer = http::Response::new(pieces(response));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}

fn failed(error: &reqwest::Error) -> Failure {
    if error.is_connect() { Failure::before(chain(error)) } else { Failure::after(chain(error)) }
}

/// The body of an answer as it comes. After an error there is no more.
pub(crate) fn pieces(response: reqwest::Response) -> Pieces {
    let body = futures::stream::unfold(Some(response), |response| async {
        let mut response = response?;
        match response.chunk().await {
            Ok(Some(bytes)) => Some((Ok(bytes), Some(response))),
            Ok(None) => None,
            Err(error) => Some((Err(error.to_string()), None)),
        }
    });
    body.boxed()
}

/// The beginning of a body, for who only shows it.
pub(crate) async fn beginning(mut pieces: Pieces) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < SMALL
        && let Some(Ok(piece)) = pieces.next().await
    {
        bytes.extend_from_slice(&piece);
    }
    bytes.truncate(SMALL);
    bytes
}

/// What is kept of a body while it comes.
struct Body {
    keep: Keep,
    bytes: Vec<u8>,
    beheaded: bool,
}

/// Whether more of a body is wanted.
#[derive(Eq, PartialEq)]
enum Reading {
    More,
    Enough,
}

impl Body {
    fn take(&mut self, chunk: &[u8]) -> Result<Reading, Failure> {
        self.bytes.extend_from_slice(chunk);
        let length = self.bytes.len();
        match self.keep {
            Keep::First(most) if length >= most => {
                self.bytes.truncate(most);
                Ok(Reading::Enough)
            }
            Keep::Last(most) if length > most => {
                self.bytes.drain(..length - most);
                self.beheaded = true;
                Ok(Reading::More)
            }
            Keep::All(most) if length > most => {
                Err(Failure::after(format!("the answer is larger than {} MiB", most.div_ceil(1 << 20))))
            }
            Keep::First(_) | Keep::Last(_) | Keep::All(_) => Ok(Reading::More),
        }
    }
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
    tls::explained(text)
}
