//! The paddles behind us: what is not ours is asked of it.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use tokio::time::timeout;
use tracing::warn;
use url::Url;

use super::decide::No;
use crate::saying::Origin;
use crate::transport::{Keep, Transport};

/// How long it may take: everything is answered in 5 s.
const PATIENCE: Duration = Duration::from_secs(4);
/// The longest list that is read of it.
const LONGEST: usize = 16 * 1024 * 1024;

/// Another lock server.
pub struct Upstream {
    base: Url,
    http: Transport,
}

/// What it answered.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What kind of body it is.
    pub kind: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Whether it did what was asked.
    #[must_use]
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Upstream {
    /// The server at `base`.
    #[must_use]
    pub fn new(base: Url, http: Transport) -> Self {
        Self { base, http }
    }

    /// Where it is, without user and password.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin::of(&self.base)
    }

    /// Asks it what we were asked, without any `Authorization`: that is for us.
    ///
    /// # Errors
    /// If no usable answer comes.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        query: Option<&str>,
        body: &[u8],
    ) -> Result<Answer, No> {
        let mut url = self.base.clone();
        // Always with the last slash, as teuthology does: paddles redirects what has none.
        url.set_path(&format!("{}/{}/", self.base.path().trim_end_matches('/'), path.trim_matches('/')));
        url.set_query(query);
        let mut request =
            http::Request::builder().method(method).uri(url.as_str()).header(ACCEPT, "application/json");
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let away = |why: String| {
            warn!(upstream = %self.origin(), why, "the lock server behind this one did not answer");
            No(503, format!("the lock server behind this one, {}, did not answer: {why}", self.origin()))
        };
        let request = request.extension(Keep::All(LONGEST)).body(body.to_vec());
        let request = request.map_err(|_| No(400, "this cannot be asked".into()))?;
        let answer = match timeout(PATIENCE, self.http.send(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(failure)) => return Err(away(failure.text.to_string())),
            Err(_) => return Err(away(format!("nothing came within {} s", PATIENCE.as_secs()))),
        };
        let status = answer.status().as_u16();
        if answer.status().is_redirection() {
            return Err(away("it redirects, which teuthology cannot follow".into()));
        }
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
        Ok(Answer { status, kind, body: answer.into_body() })
    }
}
