//! What can go wrong between us and a cloud.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use super::Service;
use super::clouds_yaml;
use crate::error::{Class, Effect};
use crate::saying::{Origin, Saying};

/// A call that did not do what it was for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// No complete answer: connection, TLS, timeout.
    #[error("{call}: no answer from {service} at {at}: {text}")]
    NoAnswer {
        /// What we were doing.
        call: &'static str,
        /// Who was asked.
        service: Service,
        /// Where.
        at: Origin,
        /// Whether it may have happened.
        effect: Effect,
        /// What the network said.
        text: Saying,
    },
    /// The service, or something in front of it, answered with a refusal.
    #[error(
        "{call}: {service}{} answered {}: {message}{}{}",
        At(.at), .status.as_u16(), Request(.request_id), Pause(.retry_after)
    )]
    Refused {
        /// What we were doing.
        call: &'static str,
        /// Who answered, or who was asked.
        service: Service,
        /// Where, if the service itself did not answer: then the address may be wrong.
        at: Option<Origin>,
        /// With which status.
        status: StatusCode,
        /// What it means for the node.
        class: Class,
        /// Whether what was asked for may have happened.
        effect: Effect,
        /// The word the service has for it: `itemNotFound`, `OverQuota`; may be empty.
        key: Saying,
        /// The service's words, without markup.
        message: Saying,
        /// What its operators want to know.
        request_id: Option<Box<str>>,
        /// How long it asked us to stay away; at most five minutes.
        retry_after: Option<Duration>,
    },
    /// Nothing was sent: the rate for this service does not allow another request now.
    #[error("{call}: {service} may be asked again in {wait:.1?}")]
    Throttled {
        /// What we wanted to do.
        call: &'static str,
        /// Who would have been asked.
        service: Service,
        /// When to come back.
        wait: Duration,
        /// The service itself asked for that; else our own pace does.
        asked: bool,
    },
    /// The answer says that it worked, but it cannot be read.
    #[error("{call}: the answer of {service} at {at} cannot be read: {text}")]
    Malformed {
        /// What we were doing.
        call: &'static str,
        /// Who answered.
        service: Service,
        /// Where.
        at: Origin,
        /// What is wrong with the answer.
        text: Saying,
    },
    /// A list that has no end, or is too long to be kept.
    #[error("{call}: the list of {service} {text}")]
    TooLong {
        /// What we were doing.
        call: &'static str,
        /// Who answered.
        service: Service,
        /// How long it is.
        text: Saying,
    },
    /// Neither the catalogue nor the `clouds.yaml` has an address of the service.
    #[error("{call}: {text}")]
    NoEndpoint {
        /// What we wanted to do.
        call: &'static str,
        /// What was looked for.
        service: Service,
        /// What there is instead.
        text: Saying,
    },
    /// A new token is for another project than the first: what is ours cannot be seen with it.
    #[error("login: the credentials opened project {was} and now open {now}")]
    ProjectChanged {
        /// The id at the first login.
        was: String,
        /// The id now.
        now: String,
    },
    /// The `clouds.yaml` cannot be used.
    #[error(transparent)]
    Credentials(#[from] clouds_yaml::Error),
}

impl Error {
    /// What this means for the node that met it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Refused { class, .. } => *class,
            Self::Throttled { .. } => Class::Busy,
            Self::NoAnswer { .. } | Self::Malformed { .. } | Self::TooLong { .. } => Class::Unreachable,
            Self::NoEndpoint { .. } => Class::Invalid,
            Self::Credentials(_) | Self::ProjectChanged { .. } => Class::Auth,
        }
    }

    /// Whether what was asked for may have happened.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            // The call itself was never made, or only answered 401.
            Self::NoAnswer { service: Service::Identity, .. }
            | Self::Refused { service: Service::Identity, .. }
            | Self::Malformed { service: Service::Identity, .. }
            | Self::Throttled { .. }
            | Self::TooLong { .. }
            | Self::NoEndpoint { .. }
            | Self::ProjectChanged { .. }
            | Self::Credentials(_) => Effect::None,
            Self::NoAnswer { effect, .. } | Self::Refused { effect, .. } => *effect,
            // The status says that it happened, and the rest of the answer is lost.
            Self::Malformed { .. } => Effect::Unknown,
        }
    }

    /// Whether the service says that what was named is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.class() == Class::NotFound
    }

    /// The word that the service has for its refusal; empty if there is none.
    #[must_use]
    pub fn key(&self) -> &str {
        if let Self::Refused { key, .. } = self { key } else { "" }
    }

    /// The status of a refusal.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::NoAnswer { .. }
            | Self::Throttled { .. }
            | Self::Malformed { .. }
            | Self::TooLong { .. }
            | Self::NoEndpoint { .. }
            | Self::ProjectChanged { .. }
            | Self::Credentials(_) => None,
        }
    }

    /// How long to stay away, if that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Throttled { wait, .. } => Some(*wait),
            Self::NoAnswer { .. }
            | Self::Malformed { .. }
            | Self::TooLong { .. }
            | Self::NoEndpoint { .. }
            | Self::ProjectChanged { .. }
            | Self::Credentials(_) => None,
        }
    }
}

struct At<'a>(&'a Option<Origin>);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |origin| write!(f, " at {origin}"))
    }
}

struct Pause<'a>(&'a Option<Duration>);

impl fmt::Display for Pause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |pause| write!(f, "; it asks us to wait {} s", pause.as_secs()))
    }
}

struct Request<'a>(&'a Option<Box<str>>);

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |id| write!(f, " (request {id})"))
    }
}
