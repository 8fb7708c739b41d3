//! What an answer that is no success says, whichever service it comes from.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Response, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde_json::Value;

use super::{Error, Service, classify};

#[cfg(test)]
mod tests;

/// A message can repeat the whole user data.
const LONGEST_MESSAGE: usize = 300;

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

/// The refusal that an answer is.
pub(super) fn refusal(call: &'static str, service: Service, answer: &Response<Vec<u8>>) -> Error {
    let (key, message) = words(answer.body());
    let status = answer.status();
    let class = classify::refusal(service, status, &key, &message);
    let message = if message.is_empty() {
        status.canonical_reason().unwrap_or("no reason given").to_owned()
    } else {
        cut(message)
    };
    Error::Refused {
        call,
        service,
        status,
        class,
        key,
        message,
        request_id: request_id(answer.headers()),
        retry_after: retry_after(answer.headers()),
    }
}

/// The service's word for it and its message. There is no word if it was not
/// the service that answered, but something in front of it.
fn words(body: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(body);
    let Ok(Value::Object(answer)) = serde_json::from_str::<Value>(&text) else {
        return (String::new(), plain(&text));
    };
    // Glance, and Nova for a path it does not have.
    if let Some(message) = answer.get("message").and_then(Value::as_str) {
        return (String::new(), plain(message));
    }
    let said = answer.iter().find_map(|(key, fault)| {
        let message = fault.get("message").and_then(Value::as_str)?;
        // Neutron's key is always the same, its type is not.
        let word = fault.get("type").or_else(|| fault.get("title")).and_then(Value::as_str);
        Some((word.unwrap_or(key).to_owned(), spaced(message)))
    });
    said.unwrap_or_else(|| (String::new(), spaced(&text)))
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

fn cut(message: String) -> String {
    match message.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", message.get(..end).unwrap_or_default()),
        None => message,
    }
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-openstack-request-id").or_else(|| headers.get("x-compute-request-id"))?;
    Some(id.to_str().ok()?.to_owned())
}

/// Seconds, or a date against the answer's own.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = date(text)?;
    let now = said_at(headers).unwrap_or_else(Timestamp::now);
    Some(until.duration_since(now).try_into().unwrap_or(Duration::ZERO))
}

/// When it was answered, by the answerer's clock.
fn said_at(headers: &HeaderMap) -> Option<Timestamp> {
    headers.get(header::DATE).and_then(|now| date(now.to_str().ok()?))
}

fn date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}
