//! What every error in here can tell: its class, and whether what was asked for may have happened.

use std::fmt;

/// What a failure means for the node that met it. One classifier assigns it
/// over service, HTTP code, body and fault text; every decision reads it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Class {
    /// Over a quota or limit; waiting for something to be freed can help.
    Quota,
    /// The cloud has no host or no room for this; another zone or cloud may.
    Capacity,
    /// Too many requests (429, 413 with `Retry-After`), or a conflict that passes.
    Busy,
    /// Credentials refused (401, a policy's 403, an unknown credential).
    Auth,
    /// No usable answer: connection, TLS, timeout, 5xx.
    Unreachable,
    /// What was named is not there.
    NotFound,
    /// The state of the object forbids it now; look again.
    Conflict,
    /// Only an edit cures this.
    Invalid,
}

impl Class {
    /// The class as a metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::Capacity => "capacity",
            Self::Busy => "busy",
            Self::Auth => "auth",
            Self::Unreachable => "unreachable",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
        }
    }
}

impl Class {
    /// The class as condition and event reason.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Quota => "QuotaExceeded",
            Self::Capacity => "NoValidHost",
            Self::Busy => "RateLimited",
            Self::Auth => "AuthenticationFailed",
            Self::Unreachable => "CloudUnreachable",
            Self::NotFound => "NotFound",
            Self::Conflict => "Conflict",
            Self::Invalid => "RequestRefused",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// What is known of the effect of a request that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// The connection or TLS never stood: nothing happened.
    None,
    /// A complete reply came: one fresh look decides.
    Answered,
    /// Timeout, reset, 502 or 504: it may have happened, and may still.
    Unknown,
}
