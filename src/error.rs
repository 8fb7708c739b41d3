//! What every error in here can tell: its class, and whether what was asked for may have happened.

use crate::reason::Reason;
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
    pub fn reason(self) -> Reason {
        match self {
            Self::Quota => Reason::QuotaExceeded,
            Self::Capacity => Reason::NoValidHost,
            Self::Busy => Reason::RateLimited,
            Self::Auth => Reason::AuthenticationFailed,
            Self::Unreachable => Reason::CloudUnreachable,
            Self::NotFound => Reason::NotFound,
            Self::Conflict => Reason::Conflict,
            Self::Invalid => Reason::RequestRefused,
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
    /// The service itself answered, and completely: one fresh look decides.
    Answered,
    /// Anything else (a timeout, a reset, any 5xx, an HTML page, a broken answer): it may have happened, and may still.
    Unknown,
}

/// What is wrong with a certificate, by the words of the TLS library, and what cures it. The certificates of a kubeconfig
/// meet it: the client's own, and that of the API server.
const CERTIFICATES: &[(&str, &str)] = &[
    (
        "UnsupportedCertVersion",
        "a certificate is of X.509 version 1; issue it again as version 3: openssl x509 -req -in NAME.csr -CA ca.pem -CAkey \
         ca.key -CAcreateserial -days 365 -extfile <(echo basicConstraints=CA:FALSE) -out NAME.pem",
    ),
    (
        "not valid for any names",
        "the API server's certificate has a CN and no subjectAltName; issue it again with one, as openssl x509 -req does with \
         -extfile <(echo subjectAltName=DNS:HOST)",
    ),
];

/// An error, and its cause, and the cause of that. Many errors of libraries include their cause: nothing is printed twice.
/// Where the certificates of a laboratory are at fault, the cure is said, too.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |&cause| cause.source()).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    match CERTIFICATES.iter().find(|(words, _)| text.contains(words)) {
        Some((_, cure)) => format!("{text}; {cure}"),
        None => text,
    }
}
