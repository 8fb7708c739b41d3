//! Why a name could not be changed or read.

use std::io;

use hickory_proto::op::ResponseCode;
use http::StatusCode;

use super::nsupdate_web::refusal;
use super::rfc2136::UpdateProblem;
use crate::error::{Class, Effect};

/// Why a name could not be set or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// We cannot even ask: a name, an address list, a URL or a server that nothing can be done with.
    #[error("{what} {given:?}: {rule}")]
    Unusable {
        /// What it was meant to be.
        what: &'static str,
        /// What was given, in one bounded line.
        given: String,
        /// The rule it breaks, and so the cure.
        rule: &'static str,
    },
    /// nsupdate-web, or a proxy before it, refused.
    #[error("set {name}: nsupdate-web at {server} answered {status}: {message}{cure}")]
    Refused {
        /// The name that was to be set.
        name: String,
        /// Host and port of the URL.
        server: String,
        /// The HTTP code.
        status: StatusCode,
        /// The body, in one bounded line.
        message: String,
        /// What to do about it; empty, or starts with its own punctuation.
        cure: &'static str,
    },
    /// Success of HTTP, but not the words of nsupdate-web.
    #[error("set {name}: {server} answered {message:?}, which nsupdate-web never says; check the URL")]
    Stranger {
        /// The name that was to be set.
        name: String,
        /// Host and port of the URL.
        server: String,
        /// The body, in one bounded line.
        message: String,
    },
    /// nsupdate-web could not be reached, or its answer did not come.
    #[error("set {name}: no answer from nsupdate-web at {server}: {message}")]
    NoAnswer {
        /// The name that was to be set.
        name: String,
        /// Host and port of the URL.
        server: String,
        /// What the transport said.
        message: String,
        /// Whether the update may have been applied.
        effect: Effect,
    },
    /// A name server did not take an update (RFC 2136), or is not known to have.
    #[error("change {name} at {server}: {problem}")]
    Update {
        /// The name that was to change.
        name: String,
        /// The server as it is configured.
        server: String,
        /// Why, and what to do.
        problem: Box<UpdateProblem>,
    },
    /// The name of the server itself does not resolve.
    #[error("find the address of name server {server}")]
    Unresolved {
        /// The server as it is configured.
        server: String,
        /// What the resolver said.
        #[source]
        source: io::Error,
    },
    /// The name server did not answer.
    #[error("ask {server} for {name}: no answer")]
    Silent {
        /// The name that was looked up.
        name: String,
        /// The server that was asked.
        server: String,
        /// What the socket said.
        #[source]
        source: io::Error,
    },
    /// What came is not an answer to our question.
    #[error("ask {server} for {name}: its answer is no answer to the question: {message}")]
    Garbled {
        /// The name that was looked up.
        name: String,
        /// The server that was asked.
        server: String,
        /// What is wrong with it.
        message: String,
    },
    /// The name server answered with an error of its own.
    #[error("ask {server} for {name}: it answered {code}")]
    Failed {
        /// The name that was looked up.
        name: String,
        /// The server that was asked.
        server: String,
        /// The response code.
        code: ResponseCode,
    },
    /// The answer is hearsay: only the zone's own server knows what the zone says now.
    #[error(
        "ask {server} for {name}: it is not authoritative; set spec.dns.verify.server to a server of the zone itself"
    )]
    NotAuthoritative {
        /// The name that was looked up.
        name: String,
        /// The server that was asked.
        server: String,
    },
}

impl Error {
    /// Whether, and for whom, trying again can help.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Unusable { .. } | Self::NotAuthoritative { .. } => Class::Invalid,
            Self::Refused { status, message, .. } => refusal::class_of(*status, message),
            Self::Update { problem, .. } => problem.class(),
            // A server that does not serve the zone, or not to us.
            Self::Failed { code, .. } if matches!(*code, ResponseCode::Refused | ResponseCode::NotAuth) => {
                Class::Invalid
            }
            Self::Stranger { .. }
            | Self::NoAnswer { .. }
            | Self::Unresolved { .. }
            | Self::Silent { .. }
            | Self::Garbled { .. }
            | Self::Failed { .. } => Class::Unreachable,
        }
    }

    /// Whether the zone may have changed. A look-up never changes it.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            // nsupdate was waiting when it gave up: the update may be applied when BIND comes back.
            Self::Refused { status, .. } if status.is_server_error() => Effect::Unknown,
            Self::Refused { .. } | Self::Stranger { .. } => Effect::Answered,
            Self::NoAnswer { effect, .. } => *effect,
            Self::Update { problem, .. } => problem.effect(),
            Self::Unusable { .. }
            | Self::Unresolved { .. }
            | Self::Silent { .. }
            | Self::Garbled { .. }
            | Self::Failed { .. }
            | Self::NotAuthoritative { .. } => Effect::None,
        }
    }
}
