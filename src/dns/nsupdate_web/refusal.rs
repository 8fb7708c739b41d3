//! What a refusal of nsupdate-web, or of a proxy before it, means.

use http::StatusCode;

use crate::error::Class;

/// What a refusal means: nsupdate-web's own are by code, but a 403 can be a proxy's as well.
pub fn class_of(status: StatusCode, message: &str) -> Class {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => Class::Auth,
        StatusCode::FORBIDDEN if !is_regex_refusal(message) => Class::Auth,
        StatusCode::TOO_MANY_REQUESTS => Class::Busy,
        // "Not implemented" is for ever; any other 5xx passes, and so does a proxy's "Request Timeout".
        StatusCode::NOT_IMPLEMENTED => Class::Invalid,
        StatusCode::REQUEST_TIMEOUT => Class::Unreachable,
        status if status.is_server_error() => Class::Unreachable,
        _ => Class::Invalid,
    }
}

/// What to do about it; empty, or starts with its own punctuation.
pub fn cure(status: StatusCode, message: &str) -> &'static str {
    match status {
        StatusCode::FORBIDDEN if is_regex_refusal(message) => {
            "; the name must match allow_hosts of nsupdate-web"
        }
        StatusCode::UNAUTHORIZED => "; check the user and password in the Secret",
        status if status.is_redirection() => "; use the URL that it redirects to",
        _ => "",
    }
}

fn is_regex_refusal(message: &str) -> bool {
    message.contains("allow_hosts")
}
