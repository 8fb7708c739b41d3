//! The lab at a glance, over HTTP.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::body::Bytes;
use futures::stream;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY};
use http::{HeaderValue, Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{sleep, timeout};

use super::desk::Desk;
use super::page::{self, Glance};

/// Nothing but our own two files, and no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// Many changes at once are told once.
const PAUSE: Duration = Duration::from_secs(1);
/// Something is said this often, so that nothing between us and the browser takes the connection for dead.
const BEAT: Duration = Duration::from_secs(20);
/// A browser begins anew after that.
const LONGEST: u32 = 180;

fn glance(desk: &Desk) -> Glance {
    let watched = desk.watched();
    page::glance(&desk.pools(), &desk.known(), &watched.clouds.state(), &watched.pools.state(), desk.now())
}

fn answer(kind: &'static str, text: String) -> Response<Body> {
    let mut answered = Response::new(Body::from(text));
    answered.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answered
}

/// The page. `query` may have `q`, what is searched for.
pub fn page(desk: &Desk, query: &str) -> Response<Body> {
    let mut answered = answer("text/html; charset=utf-8", page::html(&glance(desk), &page::searched(query)));
    let headers = answered.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("x-frame-options"), HeaderValue::from_static("DENY"));
    answered
}

/// The same for programs.
pub fn lab(desk: &Desk) -> Response<Body> {
    answer("application/json", serde_json::to_string(&glance(desk)).unwrap_or_default())
}

/// A file that the page needs.
pub fn file(name: &str) -> Response<Body> {
    match name {
        "lab.css" => answer("text/css; charset=utf-8", include_str!("page/lab.css").into()),
        "lab.js" => answer("text/javascript; charset=utf-8", include_str!("page/lab.js").into()),
        _ => {
            let mut answered = Response::new(Body::empty());
            *answered.status_mut() = StatusCode::NOT_FOUND;
            answered
        }
    }
}

/// Says whenever something changed, until the browser goes or we do. `place` is given back then.
pub fn events(desk: &Desk, ending: watch::Receiver<bool>, place: OwnedSemaphorePermit) -> Response<Body> {
    let changes = desk.watched().changes.clone();
    let said =
        stream::unfold((changes, ending, 0, place), |(mut changes, mut ending, number, place)| async move {
            if number > LONGEST || *ending.borrow() {
                return None;
            }
            let text = if number == 0 {
                "retry: 3000\n: hello\n\n"
            } else {
                let news = async {
                    let heard = changes.changed().await;
                    sleep(PAUSE).await;
                    changes.mark_unchanged();
                    heard
                };
                let heard = tokio::select! {
                    heard = timeout(BEAT, news) => heard,
                    _ = ending.wait_for(|ending| *ending) => return None,
                };
                match heard {
                    Ok(Ok(())) => "event: changed\ndata: \n\n",
                    Ok(Err(_)) => return None,
                    Err(_) => ": still here\n\n",
                }
            };
            Some((
                Ok::<_, Infallible>(Bytes::from_static(text.as_bytes())),
                (changes, ending, number + 1, place),
            ))
        });
    let mut answered = Response::new(Body::from_stream(said));
    answered.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    answered
}
