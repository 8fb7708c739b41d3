//! What an answer that is no success says, whichever service it comes from.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Response, StatusCode, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde_json::Value;

use super::{Error, Service, classify};
use crate::error::Effect;
use crate::saying::{Origin, Saying};

#[cfg(test)]
mod tests;

/// The longest pause that an answer can ask for. A service that asks for a day is asked again after this.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// What a cloud's clocks last said: the `Date` of each service's last answer.
#[derive(Debug, Default)]
pub(super) struct Clocks(Mutex<BTreeMap<&'static str, Timestamp>>);

impl Clocks {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer came.
    pub fn heard(&self, service: Service, headers: &HeaderMap) {
        if let Some(at) = said_at(headers) {
            self.lock().insert(service.label(), at);
        }
    }

    pub fn of(&self, service: Service) -> Option<Timestamp> {
        self.lock().get(service.label()).copied()
    }
}

/// The refusal that an answer from `at` is.
pub(super) fn refusal(call: &'static str, service: Service, at: Origin, answer: &Response<Vec<u8>>) -> Error {
    let Words { speaker, key, message } = words(answer.body());
    let status = answer.status();
    let class = classify::refusal(service, status, &key, &message);
    let mut message = Saying::new(&message);
    if let Some(place) = location(status, answer.headers()) {
        message = Saying::new(&format!("a redirection to {place}, which is not followed"));
    } else if message.is_empty() {
        message = Saying::new(status.canonical_reason().unwrap_or("no reason given"));
    }
    Error::Refused {
        call,
        service,
        at: (speaker == Speaker::Stranger).then_some(at),
        status,
        class,
        effect: effect(status, speaker),
        key: Saying::new(&key),
        message,
        request_id: request_id(answer.headers()),
        retry_after: retry_after(answer.headers()),
    }
}

/// Whether a request that was refused may have taken effect all the same.
///
/// Only a complete answer of the service itself says that it did not. Gateways answer 503 for a connection that broke
/// after the service had read the request, and a service that fails with 500 may fail after it has done the work.
fn effect(status: StatusCode, speaker: Speaker) -> Effect {
    match status.as_u16() {
        // Refused at the door, whoever guards it.
        401 | 407 | 413 | 429 => Effect::Answered,
        // A proxy that gave up waiting does not know what happened, whatever its answer looks like.
        408 | 425 | 499 => Effect::Unknown,
        400..=499 if speaker == Speaker::Service => Effect::Answered,
        _ => Effect::Unknown,
    }
}

/// Who wrote an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Speaker {
    /// The service: the shape is one of OpenStack's.
    Service,
    /// Something in front of it.
    Stranger,
}

/// What an answer says.
#[derive(Debug, Eq, PartialEq)]
struct Words {
    speaker: Speaker,
    /// The service's word for it; empty if there is none.
    key: String,
    message: String,
}

impl Words {
    fn of_stranger(text: &str) -> Self {
        Self { speaker: Speaker::Stranger, key: String::new(), message: plain(text) }
    }
}

fn words(body: &[u8]) -> Words {
    let text = String::from_utf8_lossy(body);
    let Ok(Value::Object(answer)) = serde_json::from_str::<Value>(&text) else {
        return Words::of_stranger(&text);
    };
    // Glance, and Nova for a path it does not have.
    if let Some(message) = answer.get("message").and_then(Value::as_str) {
        return Words { speaker: Speaker::Service, key: String::new(), message: plain(message) };
    }
    let said = answer.iter().find_map(|(key, fault)| {
        let message = fault.get("message").and_then(Value::as_str)?;
        // Neutron's key is always the same, its type is not.
        let word = fault.get("type").or_else(|| fault.get("title")).and_then(Value::as_str);
        let key = word.filter(|word| !word.is_empty()).unwrap_or(key).to_owned();
        Some(Words { speaker: Speaker::Service, key, message: spaced(message) })
    });
    said.unwrap_or_else(|| Words::of_stranger(&text))
}

/// Without markup. `<class 'ConnectFailure'>` in Nova's words is not markup.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tag)) = rest.split_once('<') {
        out.push_str(before);
        match tag.split_once('>') {
            Some((inside, after)) if is_markup(inside) => {
                out.push(' ');
                rest = after;
            }
            Some(_) | None => {
                out.push('<');
                rest = tag;
            }
        }
    }
    out.push_str(rest);
    spaced(&out)
}

fn is_markup(inside: &str) -> bool {
    inside.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!')
        && !inside.starts_with("class ")
}

fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Where a redirection points. It is never followed: a token goes only where the catalogue or the file says.
fn location(status: StatusCode, headers: &HeaderMap) -> Option<Origin> {
    let place = headers.get(header::LOCATION).filter(|_| status.is_redirection())?;
    Some(Origin::of_text(place.to_str().ok()?))
}

fn request_id(headers: &HeaderMap) -> Option<Box<str>> {
    let id = headers.get("x-openstack-request-id").or_else(|| headers.get("x-compute-request-id"))?;
    let id = id.to_str().ok()?;
    let is_id = id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_id.then(|| id.into())
}

/// How long an answer asks us to stay away: seconds, or a date by the answer's own clock. At most five minutes.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that does not fit is long.
        let seconds = text.parse().map_or(LONGEST_PAUSE, Duration::from_secs);
        return Some(seconds.min(LONGEST_PAUSE));
    }
    let until = date(text)?;
    let now = said_at(headers).unwrap_or_else(Timestamp::now);
    let pause = until.duration_since(now).try_into().unwrap_or(Duration::ZERO);
    Some(pause.min(LONGEST_PAUSE))
}

/// When it was answered, by the answerer's clock.
fn said_at(headers: &HeaderMap) -> Option<Timestamp> {
    headers.get(header::DATE).and_then(|now| date(now.to_str().ok()?))
}

fn date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}
