//! One cloud under one credential: its token, its pace, and the way every
//! request goes out.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::{HeaderName, Response, StatusCode};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use url::Url;

use super::answer::Clocks;
use super::endpoints::Wanted;
use super::identity::{self, Token};
use super::rate::Limiter;
use super::request::Request;
use super::{
    BlockStorage, Compute, Credentials, Error, Images, Lane, Networks, Project, RateOptions, Service, answer,
};
use crate::age::Age;
use crate::error::Class;
use crate::saying::Origin;
use crate::transport::{Failure, Keep, Transport, Verify};

/// Nova gives up on a compute host that is away after 60 s, and says so.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long a failed login speaks for those that come after it: fifty nodes
/// with a wrong password must not lock the account.
const LOGIN_PAUSE: Duration = Duration::from_secs(5);

mod stream;
#[cfg(test)]
mod tests;

/// What a session is made of.
pub struct SessionOptions {
    /// The Cloud's name, for logs.
    pub cloud: String,
    /// Who we are, and where the cloud is.
    pub credentials: Credentials,
    /// How requests reach it.
    pub transport: Transport,
    /// How often it may be asked.
    pub rate: RateOptions,
    /// Told of every request that was sent.
    pub observe: Arc<dyn Fn(&Call) + Send + Sync>,
}

/// One request that was sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    /// Who was asked.
    pub service: Service,
    /// For what.
    pub call: &'static str,
    /// The status of the answer, if one came.
    pub status: Option<StatusCode>,
    /// How long it took.
    pub took: Duration,
}

impl Call {
    /// The outcome as a metric label: the status, or `none`.
    #[must_use]
    pub fn outcome(&self) -> &str {
        self.status.as_ref().map_or("none", StatusCode::as_str)
    }
}

/// One cloud under one credential. A clone is the same session.
#[derive(Clone)]
pub struct Session(Arc<Inner>, Option<Arc<Age>>);

struct Inner {
    options: SessionOptions,
    limiter: Arc<Limiter>,
    token: ArcSwapOption<Token>,
    clocks: Clocks,
    /// The project of the first token.
    home: OnceLock<Project>,
    /// Held while logging in, so that one does it for all.
    login: Mutex<LastLogin>,
}

#[derive(Default)]
struct LastLogin {
    failed: Option<(Instant, Error)>,
    /// When a token that was refused was replaced.
    replaced: Option<Instant>,
}

impl Session {
    /// A session that has not logged in yet.
    #[must_use]
    pub fn new(options: SessionOptions) -> Self {
        let limiter = Limiter::new(options.rate);
        Self(
            Arc::new(Inner {
                options,
                limiter,
                token: ArcSwapOption::empty(),
                clocks: Clocks::default(),
                home: OnceLock::new(),
                login: Mutex::default(),
            }),
            None,
        )
    }

    /// The same session, whose requests wait for the turn of a node.
    #[must_use]
    pub fn on_behalf_of(&self, node: Age) -> Self {
        Self(Arc::clone(&self.0), Some(Arc::new(node)))
    }

    /// Nova's calls.
    #[must_use]
    pub fn compute(&self) -> Compute {
        Compute(self.clone())
    }

    /// Cinder's calls.
    #[must_use]
    pub fn block_storage(&self) -> BlockStorage {
        BlockStorage(self.clone())
    }

    /// Glance's calls.
    #[must_use]
    pub fn image(&self) -> Images {
        Images(self.clone())
    }

    /// Neutron's calls.
    #[must_use]
    pub fn network(&self) -> Networks {
        Networks(self.clone())
    }

    /// The pace of this cloud.
    #[must_use]
    pub fn limiter(&self) -> &Arc<Limiter> {
        &self.0.limiter
    }

    /// What the service's clock said in its last answer. What it made is dated by that clock, not by ours.
    #[must_use]
    pub fn date(&self, service: Service) -> Option<Timestamp> {
        self.0.clocks.of(service)
    }

    /// Logs in unless that was done, and says for which project.
    ///
    /// # Errors
    /// As Keystone answers.
    pub async fn login(&self) -> Result<Project, Error> {
        Ok(self.token(None).await?.project.clone())
    }

    /// Whether the last login opened another project than the first.
    #[must_use]
    pub fn has_strayed(&self) -> bool {
        self.0
            .login
            .try_lock()
            .is_ok_and(|last| matches!(last.failed, Some((_, Error::ProjectChanged { .. }))))
    }

    /// Whether the cloud has no such service: neither the file nor the catalogue names one in our region.
    ///
    /// # Errors
    /// As Keystone answers a login.
    pub(super) async fn lacks(&self, service: Service) -> Result<bool, Error> {
        let options = self.0.options.credentials.services.get(&service);
        let token = self.token(None).await?;
        Ok(!token.endpoints.has(service, &token.project.region, options))
    }

    /// Keys of the `clouds.yaml` that we have no use for, and openstacksdk has.
    #[must_use]
    pub fn unused(&self) -> &[String] {
        &self.0.options.credentials.unused
    }

    /// Why somebody on the way could read or alter what we say to this cloud; empty if nobody can. What the catalogue
    /// says counts once we have logged in.
    #[must_use]
    pub fn exposures(&self) -> Vec<String> {
        let credentials = &self.0.options.credentials;
        let mut exposures = Vec::new();
        if credentials.tls.verify == Verify::Nothing {
            exposures.push("certificates are not verified, since clouds.yaml says so".to_owned());
        }
        let mut plain = |service: Service, url: &Url| {
            if url.scheme() != "https" {
                exposures.push(format!("{service} is asked without TLS at {}", Origin::of(url)));
            }
        };
        plain(Service::Identity, &credentials.auth_url);
        if let Some(token) = self.0.token.load_full() {
            for service in Service::ALL.into_iter().filter(|service| *service != Service::Identity) {
                let endpoint = self.endpoint(service, &token);
                if let Ok(url) = &endpoint {
                    plain(service, url);
                }
            }
        }
        exposures
    }

    fn endpoint(&self, service: Service, token: &Token) -> Result<Url, String> {
        let credentials = &self.0.options.credentials;
        token.endpoints.find(&Wanted {
            service,
            region: &token.project.region,
            interfaces: &credentials.interfaces,
            project: &token.project.id,
            options: credentials.services.get(&service),
        })
    }

    /// Sends a request whose answer's body does not matter.
    pub(super) async fn done(&self, request: Request) -> Result<(), Error> {
        self.send(&request.keep(Keep::First(0))).await.map(drop)
    }

    /// Sends a request and reads the answer.
    pub(super) async fn json<T: DeserializeOwned>(&self, request: Request) -> Result<T, Error> {
        Ok(self.json_and_size(request).await?.0)
    }

    /// Sends a request and reads the answer, and says how many bytes it had.
    pub(super) async fn json_and_size<T: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<(T, usize), Error> {
        let Answer { at, response } = self.send(&request).await?;
        // One name that is not UTF-8 must not hide a whole list.
        let text = String::from_utf8_lossy(response.body());
        let read = serde_json::from_str(&text).map_err(|error| request.malformed(at, &error.to_string()))?;
        Ok((read, response.body().len()))
    }

    pub(super) async fn send(&self, request: &Request) -> Result<Answer, Error> {
        let token = self.token(None).await?;
        let answer = self.send_with(request, &token).await?;
        if answer.response.status() != StatusCode::UNAUTHORIZED {
            return self.judge(request, answer);
        }
        // Nothing happened; the token may have been revoked. Once more.
        let token = self.token(Some(&token)).await?;
        let answer = self.send_with(request, &token).await?;
        self.judge(request, answer)
    }

    async fn send_with(&self, request: &Request, token: &Token) -> Result<Answer, Error> {
        let Request { call, service, lane, .. } = *request;
        let (outgoing, at) = self.addressed(request, token)?;
        let response = self.exchange(call, service, lane, &at, outgoing).await?;
        Ok(Answer { at, response })
    }

    /// A request as it goes out with a token, and where to.
    fn addressed(&self, request: &Request, token: &Token) -> Result<(http::Request<Vec<u8>>, Origin), Error> {
        let Request { call, service, .. } = *request;
        let endpoint = self.endpoint(service, token);
        let endpoint = endpoint.map_err(|text| Error::NoEndpoint { call, service, text: text.into() })?;
        let mut outgoing = request.at(&endpoint);
        outgoing.headers_mut().insert(HeaderName::from_static("x-auth-token"), token.value.clone());
        Ok((outgoing, Origin::of(&endpoint)))
    }

    /// Sends one request, paced, timed and observed.
    async fn exchange(
        &self,
        call: &'static str,
        service: Service,
        lane: Lane,
        at: &Origin,
        request: http::Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, Error> {
        let inner = &self.0;
        let ticket = inner.limiter.try_take(service, lane, self.1.as_deref());
        let asked = || inner.limiter.is_stopped(service);
        let _ticket = ticket.map_err(|wait| Error::Throttled { call, service, wait, asked: asked() })?;
        let sent = Instant::now();
        let answer = timeout(PATIENCE, inner.options.transport.send(request))
            .await
            .unwrap_or_else(|_| Err(Failure::after(format!("nothing within {PATIENCE:?}"))));
        self.heard(call, service, at, sent, answer)
    }

    /// What was answered, told to who observes.
    fn heard<T>(
        &self,
        call: &'static str,
        service: Service,
        at: &Origin,
        sent: Instant,
        answer: Result<Response<T>, Failure>,
    ) -> Result<Response<T>, Error> {
        let status = answer.as_ref().ok().map(Response::status);
        if let Ok(answer) = &answer {
            self.0.clocks.heard(service, answer.headers());
        }
        (self.0.options.observe)(&Call { service, call, status, took: sent.elapsed() });
        let at = || at.clone();
        answer.map_err(|Failure { effect, text }| Error::NoAnswer { call, service, at: at(), effect, text })
    }

    fn judge(&self, request: &Request, answer: Answer) -> Result<Answer, Error> {
        if answer.response.status().is_success() { Ok(answer) } else { Err(self.refusal(request, answer)) }
    }

    fn refusal(&self, request: &Request, answer: Answer) -> Error {
        let error = answer::refusal(request.call, request.service, answer.at, &answer.response);
        self.heed(request.service, &error);
        error
    }

    /// Stays away from a service that asks for it. Not when over quota, which
    /// Cinder says with the same status: what is deleted then is the cure.
    fn heed(&self, service: Service, error: &Error) {
        let busy = error.class() == Class::Busy;
        let away = error.status() == Some(StatusCode::SERVICE_UNAVAILABLE) && error.retry_after().is_some();
        if busy || away {
            self.0.limiter.stop(service, error.retry_after());
        }
    }

    /// A token that is good for a while yet, and is not the refused one.
    async fn token(&self, refused: Option<&Arc<Token>>) -> Result<Arc<Token>, Error> {
        if let Some(token) = self.usable(refused) {
            return Ok(token);
        }
        let mut last = self.0.login.lock().await;
        if let Some(token) = self.usable(refused) {
            return Ok(token);
        }
        if let Some((at, error)) = &last.failed
            && at.elapsed() < LOGIN_PAUSE
        {
            return Err(error.clone());
        }
        // A service that refuses every token is not cured by more of them.
        if let Some(refused) = refused
            && last.replaced.is_some_and(|at| at.elapsed() < LOGIN_PAUSE)
        {
            return Ok(Arc::clone(refused));
        }
        let token = self.log_in().await;
        match &token {
            Ok(token) => {
                self.0.token.store(Some(Arc::clone(token)));
                *last = LastLogin { failed: None, replaced: refused.map(|_| Instant::now()) };
            }
            // Nothing was tried.
            Err(Error::Throttled { .. }) => {}
            Err(error) => last.failed = Some((Instant::now(), error.clone())),
        }
        token
    }

    fn usable(&self, refused: Option<&Arc<Token>>) -> Option<Arc<Token>> {
        self.0.token.load_full().filter(|token| {
            refused.is_none_or(|refused| !Arc::ptr_eq(refused, token)) && Instant::now() < token.renew_at
        })
    }

    async fn log_in(&self) -> Result<Arc<Token>, Error> {
        let credentials = &self.0.options.credentials;
        let sent = Instant::now();
        let request = identity::request(credentials);
        let at = Origin::of(&credentials.auth_url);
        let answer = self.exchange(identity::CALL, Service::Identity, Lane::Delete, &at, request).await?;
        let token = identity::token(credentials, at, &answer, sent);
        if let Err(error) = &token {
            self.heed(Service::Identity, error);
        }
        let token = token?;
        let home = self.0.home.get_or_init(|| token.project.clone());
        if home.id != token.project.id {
            // There our lists would be empty, and every absence believed.
            return Err(Error::ProjectChanged {
                was: home.id.to_string(),
                now: token.project.id.to_string(),
            });
        }
        Ok(Arc::new(token))
    }
}

/// An answer, and where it came from.
pub(super) struct Answer {
    pub at: Origin,
    pub response: Response<Vec<u8>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session").field(&self.0.options.cloud).finish()
    }
}
