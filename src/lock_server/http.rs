//! The server's front: who may ask, which place a path is, and what the answer looks like on the wire.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use http::header::{
    ACCEPT, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName,
    ORIGIN, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tracing::warn;

use super::decide::No;
use super::desk::Desk;
use super::show;
use super::tokens::{Token, Tokens};
use super::upstream::{Answer, Upstream};
use super::wire::{
    self, Filter, LONGEST_BODY, LONGEST_PATH, LockMany, LockOne, Place, message, no_job_stats,
};

/// All is answered within 5 s. A client of teuthology's waits for ever.
const WITHIN: Duration = Duration::from_millis(4800);
/// How long a body may take to come.
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// How many pages may be open that are told what changes: each has a connection for as long as an hour.
pub const MOST_PAGES: usize = 64;

/// What there is to answer with.
pub struct Front {
    /// What requests come to.
    pub desk: Desk,
    /// What is not ours is asked there.
    pub upstream: Option<Upstream>,
    /// Who may ask; everybody if absent.
    pub tokens: Option<Tokens>,
    /// Whether a token is needed to read, too.
    pub tokens_for_all: bool,
    /// The places of pages that are told what changes.
    pub pages: Arc<Semaphore>,
    /// Becomes true when the process is about to end.
    pub ending: watch::Receiver<bool>,
}

/// A request, read.
struct Asked<'a> {
    method: Method,
    path: &'a str,
    query: Option<&'a str>,
    headers: &'a HeaderMap,
    body: &'a [u8],
    token: Option<Token>,
}

impl Asked<'_> {
    fn is_read(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }

    fn token(&self) -> Option<&str> {
        self.token.as_ref().map(Token::name)
    }

    fn may_be(&self, owner: Option<&str>) -> Result<(), No> {
        let (Some(token), Some(owner)) = (&self.token, owner) else { return Ok(()) };
        if token.may_be(owner) {
            return Ok(());
        }
        Err(No(403, format!("the token of {} may not act for this owner", token.name())))
    }
}

type Answered = Response<Body>;

/// The routes: one function, since nothing here may redirect or refuse a path for its form.
pub fn router(front: Arc<Front>) -> Router {
    Router::new().fallback(answer).with_state(front)
}

async fn answer(State(front): State<Arc<Front>>, request: Request<Body>) -> Answered {
    let (parts, body) = request.into_parts();
    let is_get = parts.method == Method::GET;
    let answered = match timeout(BODY_WITHIN, axum::body::to_bytes(body, LONGEST_BODY)).await {
        Ok(Ok(body)) => {
            let asked = Asked {
                method: parts.method,
                path: parts.uri.path(),
                query: parts.uri.query(),
                headers: &parts.headers,
                body: &body,
                token: None,
            };
            timeout(WITHIN, front.answer(asked)).await.unwrap_or_else(|_| {
                Err(No(503, "the API server of Kubernetes did not answer in time; try again".into()))
            })
        }
        Ok(Err(_)) => Err(No(413, format!("a body has at most {} KiB", LONGEST_BODY / 1024))),
        Err(_) => Err(No(408, "the body did not come".into())),
    };
    let mut answered = answered.unwrap_or_else(|No(status, why)| refusal(status, &why));
    let headers = answered.headers_mut();
    if is_get {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    answered
}

/// JSON as it is.
fn json<T: serde::Serialize>(value: &T) -> Answered {
    body(StatusCode::OK, "application/json", serde_json::to_string(value).unwrap_or_default())
}

fn body(status: StatusCode, kind: &'static str, text: impl Into<Body>) -> Answered {
    let mut answered = Response::new(text.into());
    *answered.status_mut() = status;
    answered.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answered
}

fn refusal(status: u16, why: &str) -> Answered {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut answered = body(status, "application/json", message(why).to_string());
    if status == StatusCode::UNAUTHORIZED {
        let basic = HeaderValue::from_static("Basic realm=\"testnodes\", charset=\"UTF-8\"");
        answered.headers_mut().insert(WWW_AUTHENTICATE, basic);
    }
    answered
}

fn not_for(allowed: &'static str) -> Answered {
    let mut answered = refusal(405, &format!("this URI only supports {allowed}"));
    answered.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answered
}

fn forwarded(answer: Answer) -> Answered {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let kind = answer.kind.and_then(|kind| HeaderValue::from_str(&kind).ok());
    let mut answered = Response::new(Body::from(answer.body));
    *answered.status_mut() = status;
    answered
        .headers_mut()
        .insert(CONTENT_TYPE, kind.unwrap_or_else(|| HeaderValue::from_static("application/json")));
    answered
}

impl Front {
    async fn answer(&self, mut asked: Asked<'_>) -> Result<Answered, No> {
        if asked.path.len() + asked.query.map_or(0, str::len) > LONGEST_PATH {
            return Err(No(414, format!("a path has at most {LONGEST_PATH} bytes")));
        }
        if asked.method != Method::GET && asked.headers.contains_key(ORIGIN) {
            return Err(No(403, "pages of browsers may only read".into()));
        }
        self.authenticate(&mut asked)?;
        match wire::place(asked.path) {
            Place::Home if asked.is_read() && wants_html(asked.headers) => {
                Ok(show::page(&self.desk, asked.query.unwrap_or_default()))
            }
            Place::Home if asked.is_read() => Ok(json(&Value::Object(serde_json::Map::new()))),
            Place::Lab if asked.is_read() => Ok(show::lab(&self.desk)),
            Place::File(name) if asked.is_read() => Ok(show::file(name)),
            Place::Events if asked.method == Method::GET => self.events(),
            Place::Nodes if asked.is_read() => self.list(&asked).await,
            Place::Nodes if asked.method == Method::POST => self.add(&asked).await,
            Place::Nodes => Ok(not_for("GET, POST")),
            Place::LockMany if asked.method == Method::POST => self.lock_many(&asked).await,
            Place::UnlockMany if asked.method == Method::POST => self.unlock_many(&asked).await,
            Place::LockMany | Place::UnlockMany => {
                Err(No(400, "this URI only supports POST requests".into()))
            }
            Place::MachineTypes if asked.is_read() => self.machine_types(&asked).await,
            Place::JobStats if asked.is_read() => match &self.upstream {
                Some(upstream) => self.forward(upstream, &asked).await,
                None => Ok(json(&Value::Object(serde_json::Map::new()))),
            },
            Place::Home
            | Place::Lab
            | Place::File(_)
            | Place::Events
            | Place::MachineTypes
            | Place::JobStats => Ok(not_for("GET")),
            Place::Node(name) => self.node(&asked, &name).await,
            Place::Lock(name) => self.lock_one(&asked, &name).await,
            Place::NodeJobs(name) => self.of_jobs(&asked, &name, &Value::Array(Vec::new())).await,
            Place::NodeJobStats(name) => self.of_jobs(&asked, &name, &no_job_stats()).await,
            Place::Results => Err(No(
                404,
                "this is a lock server only; results_server of teuthology.yaml must be another URL".into(),
            )),
            Place::Nowhere => Err(No(404, "there is nothing here".into())),
        }
    }

    /// Finds out whose token came. Without a file of tokens everybody may ask.
    fn authenticate(&self, asked: &mut Asked<'_>) -> Result<(), No> {
        let Some(tokens) = &self.tokens else { return Ok(()) };
        let header = asked.headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
        asked.token = tokens.holder(header);
        let needed = self.tokens_for_all || !asked.is_read();
        if asked.token.is_none() && needed {
            warn!(path = asked.path, with = header.is_some(), "refused: no token, or a wrong one");
            return Err(No(
                401,
                "this lock server needs a name and a token, as in https://NAME:TOKEN@host/".into(),
            ));
        }
        Ok(())
    }

    fn events(&self) -> Result<Answered, No> {
        let place = self.pages.clone().try_acquire_owned();
        let place =
            place.map_err(|_| No(503, "too many pages are open; close one, or load it again".into()))?;
        Ok(show::events(&self.desk, self.ending.clone(), place))
    }

    async fn forward(&self, upstream: &Upstream, asked: &Asked<'_>) -> Result<Answered, No> {
        upstream.ask(asked.method.as_str(), asked.path, asked.query, asked.body).await.map(forwarded)
    }

    /// What is said of a node that is not ours.
    async fn elsewhere(&self, asked: &Asked<'_>, why: &str) -> Result<Answered, No> {
        match &self.upstream {
            Some(upstream) => self.forward(upstream, asked).await,
            None => Err(No(404, why.into())),
        }
    }

    async fn list(&self, asked: &Asked<'_>) -> Result<Answered, No> {
        let query = asked.query.unwrap_or_default();
        let filter = Filter::read(query).map_err(|why| No(400, why))?;
        let pools = self.desk.pools();
        let rows = self.desk.known().rows(&pools);
        let most = filter.count.unwrap_or(usize::MAX);
        let rows: Vec<&wire::Row> = rows.iter().filter(|row| filter.wants(row)).take(most).collect();
        let only_ours =
            filter.machine_types.as_ref().is_some_and(|types| types.iter().all(|name| pools.have(name)));
        let Some(upstream) = self.upstream.as_ref().filter(|_| !only_ours && rows.len() < most) else {
            return Ok(json(&rows));
        };
        let answer = upstream.ask("GET", asked.path, asked.query, &[]).await?;
        if !answer.is_good() {
            return Ok(forwarded(answer));
        }
        let others = wire::rows_of_others(&answer.body).map_err(|why| {
            No(503, format!("the lock server behind this one, {}: {why}", upstream.origin()))
        })?;
        let mut all: Vec<Value> = rows.iter().filter_map(|row| serde_json::to_value(row).ok()).collect();
        let theirs = others
            .into_iter()
            .filter(|(name, machine_type, _)| pools.find(name).is_none() && !pools.have(machine_type));
        all.extend(theirs.map(|(_, _, row)| row));
        all.truncate(most);
        Ok(json(&all))
    }

    async fn add(&self, asked: &Asked<'_>) -> Result<Answered, No> {
        let pools = self.desk.pools();
        let (name, machine_type) = wire::created(asked.body);
        let ours = name.as_ref().is_some_and(|name| pools.find(name).is_some())
            || machine_type.is_some_and(|machine_type| pools.have(&machine_type));
        match &self.upstream {
            Some(upstream) if !ours => self.forward(upstream, asked).await,
            _ => Err(No(400, "nodes are made by pools: see kubectl get testnodepools".into())),
        }
    }

    async fn lock_many(&self, asked: &Asked<'_>) -> Result<Answered, No> {
        // Of any refusal but 503 teuthology says only "reason: unknown".
        let request = wire::lock_many(asked.body).map_err(|why| No(503, why))?;
        asked.may_be(Some(&request.owner)).map_err(|No(_, why)| No(503, why))?;
        let pools = self.desk.pools();
        let (ours, theirs): (Vec<String>, Vec<String>) =
            request.machine_types.iter().cloned().partition(|name| pools.have(name));
        if let Some(upstream) = self.upstream.as_ref().filter(|_| ours.is_empty() && !theirs.is_empty()) {
            return self.forward(upstream, asked).await;
        }
        let machine_types = if ours.is_empty() { theirs } else { ours };
        let request = LockMany { machine_types, ..request };
        let rows = self.desk.lock_many(&pools, &request, asked.token()).await;
        rows.map(|rows| json(&rows)).map_err(|No(_, why)| No(503, why))
    }

    async fn unlock_many(&self, asked: &Asked<'_>) -> Result<Answered, No> {
        let request = wire::unlock_many(asked.body).map_err(|why| No(400, why))?;
        asked.may_be(Some(&request.owner))?;
        let pools = self.desk.pools();
        let any_ours = request.names.iter().any(|name| pools.find(name).is_some());
        if let Some(upstream) = self.upstream.as_ref().filter(|_| !any_ours && !request.names.is_empty()) {
            return self.forward(upstream, asked).await;
        }
        let all_ours = request.names.iter().all(|name| pools.find(name).is_some());
        if self.upstream.is_some() && !all_ours {
            return Err(No(
                400,
                "unlock nodes of this lock server and of the one behind it one by one".into(),
            ));
        }
        self.desk.unlock_many(&pools, &request).await.map(|states| json(&states))
    }

    async fn machine_types(&self, asked: &Asked<'_>) -> Result<Answered, No> {
        let mut types = self.desk.pools().machine_types();
        if let Some(upstream) = &self.upstream {
            let answer = upstream.ask("GET", asked.path, asked.query, &[]).await?;
            types.extend(wire::words_of_others(&answer.body));
        }
        Ok(json(&types))
    }

    async fn node(&self, asked: &Asked<'_>, name: &str) -> Result<Answered, No> {
        let pools = self.desk.pools();
        let update = asked.method == Method::PUT;
        let Some((served, host)) = pools.find(name) else {
            let missing = if update { "attempted to update a non-existent node" } else { "node not found" };
            if asked.method == Method::DELETE {
                return Err(No(400, "nodes are removed where they are made".into()));
            }
            if update && asked.token.is_some() {
                // In a real paddles an update can lock a node, too.
                wire::update(asked.body).map_err(|why| No(400, why))?;
            }
            return self.elsewhere(asked, missing).await;
        };
        if update {
            let update = wire::update(asked.body).map_err(|why| No(400, why))?;
            self.desk.update(served, &host, &update, |owner| asked.may_be(Some(owner))).await?;
            return Ok(json(&Value::Object(serde_json::Map::new())));
        }
        if asked.method == Method::DELETE {
            return Err(No(400, "nodes are made and removed by pools; use --status down".into()));
        }
        if !asked.is_read() {
            return Ok(not_for("GET, PUT"));
        }
        // What a browser fetches for a page is not asked by a job.
        let confirms = !is_of_browser(asked.headers);
        self.desk.node(served, &host, confirms).await.map(|row| json(&row))
    }

    async fn lock_one(&self, asked: &Asked<'_>, name: &str) -> Result<Answered, No> {
        if asked.method != Method::PUT && asked.method != Method::POST {
            let method = asked.method.as_str();
            return Err(No(
                400,
                format!("this URI only supports PUT and POST requests but {method} was attempted"),
            ));
        }
        let request: LockOne = wire::lock_one(asked.body).map_err(|why| No(400, why))?;
        let pools = self.desk.pools();
        let found = pools.find(name);
        if request.locked.is_some() || found.is_none() {
            asked.may_be(request.owner.as_deref())?;
        }
        let Some((served, host)) = found else {
            return self.elsewhere(asked, "node not found").await;
        };
        let state = self.desk.lock_one(&pools, served, &host, &request, asked.token()).await?;
        Ok(json(&state))
    }

    async fn of_jobs(&self, asked: &Asked<'_>, name: &str, none: &Value) -> Result<Answered, No> {
        if !asked.is_read() {
            return Ok(not_for("GET"));
        }
        match (self.desk.pools().find(name), &self.upstream) {
            // Its jobs are where results are reported to.
            (_, Some(upstream)) => self.forward(upstream, asked).await,
            (Some(_), None) => Ok(json(none)),
            (None, None) => Err(No(404, "node not found".into())),
        }
    }
}

/// Whether a browser sent this for a page. It names the page, or says where the page is from.
fn is_of_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site")
}

fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}
