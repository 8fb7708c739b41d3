//! Trouble on demand: which request meets it, and what it does to it.

use std::time::Duration;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    log::Service,
    settings::seconds,
    wire::{Ask, Content, Reply},
};

/// A fault: every request that fits meets it, `skip` let through first, `times` at most.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only this service.
    #[serde(default)]
    pub service: Option<Service>,
    /// Only this method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only templates ([`crate::Call::template`]) or paths with query that this regex finds something in.
    #[serde(default)]
    pub path: Option<String>,
    /// Only bodies that this regex finds something in.
    #[serde(default)]
    pub body: Option<String>,
    /// So many that fit are let through first.
    #[serde(default)]
    pub skip: u32,
    /// So many meet it; all, if not given.
    #[serde(default)]
    pub times: Option<u32>,
    /// What it does.
    pub effect: Effect,
}

/// Whether a request took effect when the trouble comes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// It did not, and never will.
    #[default]
    Before,
    /// It did.
    After,
}

/// What a fault does to a request.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Effect {
    /// Answer this instead.
    Answer {
        /// Status.
        status: u16,
        /// Headers, as in `Retry-After: 30`.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// Body: a string as it is, null as nothing, anything else as JSON.
        #[serde(default)]
        body: Value,
        /// Before or after the effect.
        #[serde(default)]
        when: When,
    },
    /// Never answer.
    Hang {
        /// Before or after the effect.
        #[serde(default)]
        when: When,
    },
    /// Close the connection without an answer. In process the response has the extension [`crate::Dropped`] and a
    /// body that fails when read.
    Drop {
        /// Before or after the effect.
        #[serde(default)]
        when: When,
    },
    /// Take effect only after a while; answer at once with this status, or never.
    Late {
        /// How late.
        #[serde(with = "seconds")]
        by: Duration,
        /// As in 504.
        #[serde(default)]
        status: Option<u16>,
    },
    /// For `POST /servers`: reserve the volumes at once, make the server and answer after a while.
    InFlight {
        /// How long.
        #[serde(with = "seconds")]
        by: Duration,
    },
    /// For `POST /servers`: reserve the volumes, and die: the server is never made, and 500 is the answer.
    Halfway,
    /// Say 404 of what exists.
    NotFound,
    /// Leave out of a list what this regex finds something in (its JSON): everything, if not given.
    Omit {
        /// As in an id or a name.
        #[serde(default)]
        what: Option<String>,
    },
    /// Take effect, and give an answer that no honest cloud gives; each time another one.
    Twisted {
        /// Chooses the answers.
        seed: u64,
    },
    /// Be slow: wait before the request is looked at, or after, with an answer that is old when it comes. Before: a
    /// client that hangs up meanwhile is not served at all; for an effect after it has gone use [`Effect::Late`].
    Slow {
        /// How slow.
        #[serde(with = "seconds")]
        by: Duration,
        /// Wait before or after the effect.
        #[serde(default)]
        when: When,
    },
}

impl Fault {
    /// A fault that every request meets, as a start.
    #[must_use]
    pub fn new(effect: Effect) -> Self {
        Self { service: None, method: None, path: None, body: None, skip: 0, times: None, effect }
    }

    /// Only requests to this service whose template or path this regex finds something in.
    #[must_use]
    pub fn on(mut self, service: Service, path: &str) -> Self {
        self.service = Some(service);
        self.path = Some(path.into());
        self
    }

    /// Only requests whose body this regex finds something in.
    #[must_use]
    pub fn with_body(mut self, body: &str) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Only so many.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// So many are let through first.
    #[must_use]
    pub fn skip(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }
}

impl Effect {
    /// A plain refusal before the effect.
    #[must_use]
    pub fn refuse(status: u16) -> Self {
        Self::Answer { status, headers: Vec::new(), body: Value::Null, when: When::Before }
    }

    /// The request takes effect, and a gateway says 504.
    #[must_use]
    pub fn lost_reply() -> Self {
        Self::Answer { status: 504, headers: Vec::new(), body: Value::Null, when: When::After }
    }
}

/// A fault that counts.
pub(crate) struct Armed {
    fault: Fault,
    path: Option<Regex>,
    body: Option<Regex>,
    until: Option<Instant>,
    seen: u32,
}

impl Armed {
    pub fn new(fault: Fault, until: Option<Instant>) -> Result<Self, regex::Error> {
        let compile = |text: &Option<String>| text.as_deref().map(Regex::new).transpose();
        if let Effect::Omit { what: Some(what) } = &fault.effect {
            Regex::new(what)?;
        }
        Ok(Self { path: compile(&fault.path)?, body: compile(&fault.body)?, until, seen: 0, fault })
    }

    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// The effect, if this message to the name server meets it: a fault that is for that service alone.
    pub fn meet_message(&mut self, method: &str, template: &str) -> Option<Effect> {
        let fault = &self.fault;
        let fits = fault.service == Some(Service::Dns)
            && fault.method.as_ref().is_none_or(|only| only.eq_ignore_ascii_case(method))
            && self.path.as_ref().is_none_or(|only| only.is_match(template));
        if fits { self.count() } else { None }
    }

    /// The effect, if this request meets it.
    pub fn meet(&mut self, service: Service, template: &str, path: &str, ask: &Ask) -> Option<Effect> {
        let fault = &self.fault;
        let body = || String::from_utf8_lossy(&ask.body);
        let fits = fault.service.is_none_or(|only| only == service)
            && fault.method.as_ref().is_none_or(|only| only.eq_ignore_ascii_case(ask.method.as_str()))
            && self.path.as_ref().is_none_or(|only| only.is_match(template) || only.is_match(path))
            && self.body.as_ref().is_none_or(|only| only.is_match(&body()));
        if fits { self.count() } else { None }
    }

    /// Counts what fits, and says what becomes of it.
    fn count(&mut self) -> Option<Effect> {
        let fault = &self.fault;
        let over = self.until.is_some_and(|until| until <= Instant::now());
        if over || fault.times.is_some_and(|times| self.seen >= fault.skip.saturating_add(times)) {
            return None;
        }
        self.seen += 1;
        let effect = if let Effect::Twisted { seed } = &fault.effect {
            Effect::Twisted { seed: seed.wrapping_add(self.seen.into()) }
        } else {
            fault.effect.clone()
        };
        (self.seen > fault.skip).then_some(effect)
    }
}

/// The reply that a fault puts in the place of the real one.
pub(crate) fn instead(status: u16, headers: &[(String, String)], body: &Value) -> Reply {
    let mut reply = match body {
        Value::Null if status >= 400 => Reply::webob(status, "A fault that was asked for."),
        Value::Null => Reply::empty(status),
        Value::String(text) => Reply::text(status, text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Reply::json(status, body.clone())
        }
    };
    for (name, value) in headers {
        // Names live as long as the program in a reply; faults are few.
        reply.headers.push((name.to_ascii_lowercase().leak(), value.clone()));
    }
    reply
}

/// Leaves items out of every list in a body.
pub(crate) fn omit(reply: &mut Reply, what: Option<&str>) {
    let what = what.and_then(|what| Regex::new(what).ok());
    let Content::Json(body) = &mut reply.body else { return };
    let Some(fields) = body.as_object_mut() else { return };
    for list in fields.values_mut().filter_map(Value::as_array_mut) {
        list.retain(|item| what.as_ref().is_some_and(|what| !what.is_match(&item.to_string())));
    }
}
