//! Keystone: one login, and what comes of it.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Response, header};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::credentials::{Credentials, Domain, Key, Login, ProjectRef, User};
use super::endpoints::Endpoints;
use super::wire::{instant, lenient, word};
use super::{Error, ProjectId, Service, answer};
use crate::saying::Origin;
use crate::transport::Keep;

/// What the login is called in errors and metrics.
pub(super) const CALL: &str = "log in";
/// A token is renewed this long before its end, or a tenth of its life if that is less.
const EARLY: Duration = Duration::from_mins(5);
/// The most of a login's answer that is read. The catalogue of a large cloud has some 100 KiB.
const LARGEST_ANSWER: usize = 2 << 20;
/// If Keystone does not say how long a token lives.
const SHORT_LIFE: Duration = Duration::from_mins(10);

/// Whose cloud it is: pinned by others, to notice when it changes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Project {
    /// The project's id.
    pub id: ProjectId,
    /// Its name, for people.
    pub name: String,
    /// The region that we use.
    pub region: String,
    /// The account's name, for people.
    pub user: String,
}

/// What a login gives.
#[derive(Debug)]
pub(super) struct Token {
    /// Marked sensitive.
    pub value: HeaderValue,
    pub renew_at: Instant,
    pub project: Project,
    pub endpoints: Endpoints,
}

/// The login as it goes out.
pub(super) fn request(credentials: &Credentials) -> http::Request<Vec<u8>> {
    let mut url = credentials.auth_url.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(["auth", "tokens"]);
    }
    let mut request = http::Request::new(body(&credentials.login).to_string().into_bytes());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = url.as_str().parse().unwrap_or_default();
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(header::CONTENT_TYPE, json.clone());
    request.headers_mut().insert(header::ACCEPT, json);
    request.extensions_mut().insert(Keep::All(LARGEST_ANSWER));
    request
}

fn body(login: &Login) -> Value {
    match login {
        Login::Password { user, password, project } => {
            let mut who = user_ref(user);
            if let Some(map) = who.as_object_mut() {
                map.insert("password".to_owned(), json!(password.expose_secret()));
            }
            let scope = match project {
                ProjectRef::Id(id) => json!({ "id": id }),
                ProjectRef::Name(name, domain) => json!({ "name": name, "domain": domain_ref(domain) }),
            };
            json!({ "auth": {
                "identity": { "methods": ["password"], "password": { "user": who } },
                "scope": { "project": scope },
            }})
        }
        Login::ApplicationCredential { key, secret } => {
            let secret = secret.expose_secret();
            let key = match key {
                Key::Id(id) => json!({ "id": id, "secret": secret }),
                Key::Name(name, user) => json!({ "name": name, "user": user_ref(user), "secret": secret }),
            };
            json!({ "auth": { "identity": {
                "methods": ["application_credential"], "application_credential": key,
            }}})
        }
    }
}

fn user_ref(user: &User) -> Value {
    match user {
        User::Id(id) => json!({ "id": id }),
        User::Name(name, domain) => json!({ "name": name, "domain": domain_ref(domain) }),
    }
}

fn domain_ref(domain: &Domain) -> Value {
    match domain {
        Domain::Id(id) => json!({ "id": id }),
        Domain::Name(name) => json!({ "name": name }),
    }
}

/// Reads the answer of the Keystone `at` to a login that was sent at `sent`.
pub(super) fn token(
    credentials: &Credentials,
    at: Origin,
    answer: &Response<Vec<u8>>,
    sent: Instant,
) -> Result<Token, Error> {
    if !answer.status().is_success() {
        return Err(answer::refusal(CALL, Service::Identity, at, answer));
    }
    let malformed = |text: &str| Error::Malformed {
        call: CALL,
        service: Service::Identity,
        at: at.clone(),
        text: text.into(),
    };
    let header = HeaderName::from_static("x-subject-token");
    let mut value =
        answer.headers().get(header).cloned().ok_or_else(|| malformed("there is no X-Subject-Token"))?;
    value.set_sensitive(true);
    let text = String::from_utf8_lossy(answer.body());
    let body: Body = serde_json::from_str(&text).map_err(|error| malformed(&error.to_string()))?;
    let life = body.token.life();
    let no_endpoint =
        |text: String| Error::NoEndpoint { call: CALL, service: Service::Compute, text: text.into() };
    let Some(project) = body.token.project else {
        return Err(no_endpoint("the login is for no project: name one in `clouds.yaml`".to_owned()));
    };
    let region = body
        .token
        .catalog
        .region(credentials.region.as_deref(), credentials.services.get(&Service::Compute))
        .map_err(no_endpoint)?;
    Ok(Token {
        value,
        renew_at: sent + life.saturating_sub(EARLY.min(life / 10)),
        project: Project { id: project.id, name: project.name, region, user: body.token.user.name },
        endpoints: body.token.catalog,
    })
}

#[derive(Deserialize)]
struct Body {
    token: WireToken,
}

#[derive(Deserialize)]
struct WireToken {
    #[serde(default, deserialize_with = "instant")]
    expires_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "instant")]
    issued_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient")]
    project: Option<WireProject>,
    #[serde(default, deserialize_with = "lenient")]
    user: Named,
    #[serde(default, deserialize_with = "lenient")]
    catalog: Endpoints,
}

#[derive(Deserialize)]
struct WireProject {
    id: ProjectId,
    #[serde(default, deserialize_with = "word")]
    name: String,
}

#[derive(Default, Deserialize)]
struct Named {
    #[serde(default, deserialize_with = "word")]
    name: String,
}

impl WireToken {
    /// Both instants are Keystone's, so our clock may be wrong.
    fn life(&self) -> Duration {
        match (self.issued_at, self.expires_at) {
            (Some(issued), Some(expires)) => {
                expires.duration_since(issued).try_into().unwrap_or(Duration::ZERO)
            }
            (Some(_) | None, None) | (None, Some(_)) => SHORT_LIFE,
        }
    }
}
