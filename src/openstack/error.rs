//! What can go wrong between us and a cloud.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use super::Service;
use super::clouds_yaml;
use crate::error::{Class, Effect};

/// A call that did not do what it was for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// No complete answer: connection, TLS, timeout.
    #[error("{call}: no answer from {service}: {text}")]
    NoAnswer {
        /// What we were doing.
        call: &'static str,
        /// Who was asked.
        service: Service,
        /// Whether it may have happened.
        effect: Effect,
        /// What the network said.
        text: String,
    },
    /// The service answered with a refusal.
    #[error("{call}: {service} answered {}: {message}{}", .status.as_u16(), Request(.request_id))]
    Refused {
        /// What we were doing.
        call: &'static str,
        /// Who answered.
        service: Service,
        /// With which status.
        status: StatusCode,
        /// What it means for the node.
        class: Class,
        /// The word the service has for it: `itemNotFound`, `OverQuota`; may be empty.
        key: String,
        /// The service's words, without markup, cut.
        message: String,
        /// What its operators want to know.
        request_id: Option<String>,
        /// How long it asked us to stay away.
        retry_after: Option<Duration>,
    },
    /// Nothing was sent: the rate toward this service allows no more now.
    #[error("{call}: {service} may be asked again in {wait:.1?}")]
    Throttled {
        /// What we wanted to do.
        call: &'static str,
        /// Who would have been asked.
        service: Service,
        /// When to come back.
        wait: Duration,
    },
    /// Answered, but not in words we know.
    #[error("{call}: {service} answered what we do not understand: {text}")]
    Malformed {
        /// What we were doing.
        call: &'static str,
        /// Who answered.
        service: Service,
        /// What we stumbled over.
        text: String,
    },
    /// The catalogue has no such service for us.
    #[error("{call}: {text}")]
    NoEndpoint {
        /// What we wanted to do.
        call: &'static str,
        /// What was looked for.
        service: Service,
        /// What there is instead.
        text: String,
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
            Self::NoAnswer { .. } | Self::Malformed { .. } => Class::Unreachable,
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
            | Self::NoEndpoint { .. }
            | Self::ProjectChanged { .. }
            | Self::Credentials(_) => Effect::None,
            Self::NoAnswer { effect, .. } => *effect,
            // A gateway speaks for a service that may still be at it.
            Self::Refused { status: StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT, .. } => {
                Effect::Unknown
            }
            Self::Refused { .. } | Self::Malformed { .. } => Effect::Answered,
        }
    }

    /// Whether the service says that what was named is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.class() == Class::NotFound
    }

    /// The status of a refusal.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::NoAnswer { .. }
            | Self::Throttled { .. }
            | Self::Malformed { .. }
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
            | Self::NoEndpoint { .. }
            | Self::ProjectChanged { .. }
            | Self::Credentials(_) => None,
        }
    }
}

struct Request<'a>(&'a Option<String>);

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |id| write!(f, " (request {id})"))
    }
}
