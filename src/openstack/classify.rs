//! The one place that says what a refusal or a fault means for a node.
//!
//! The clouds' statuses are not enough: over quota alone has five shapes, and only the text tells Nova's from a policy's
//! refusal. `tests/field` has what clouds really say, where each was seen, and what it means; a test holds this to it.

use http::StatusCode;

use super::Service;
use crate::error::Class;

#[cfg(test)]
mod tests;

/// What a refusal means. `key` is the service's word for it, empty if it was
/// not the service itself that answered.
#[must_use]
pub fn refusal(service: Service, status: StatusCode, key: &str, message: &str) -> Class {
    let says = |words: &[&str]| contains(message, words);
    match status.as_u16() {
        // An application credential that is unknown or removed.
        404 if service == Service::Identity && !key.is_empty() => Class::Auth,
        // A wrong path in `auth_url`.
        404 if service == Service::Identity => Class::Invalid,
        // Glance has no word for it, and says it in two ways.
        404 if service == Service::Image && says(&["No image found", "Failed to find image"]) => {
            Class::NotFound
        }
        // Not the service's own 404: an error while looking is never "nothing there".
        404 if key.is_empty() || key == "HTTPNotFound" => Class::Unreachable,
        404 => Class::NotFound,
        413 if says(NEVER_FITS) => Class::Invalid,
        413 if says(QUOTA) => Class::Quota,
        413 if key.is_empty() && says(&["too large"]) => Class::Invalid,
        408 => Class::Unreachable,
        413 | 425 | 429 => Class::Busy,
        // First: the name of a policy may have any word in it, `quota` too.
        403 if says(POLICY) => Class::Auth,
        403 if says(ONLY_AN_EDIT) => Class::Invalid,
        403 if says(QUOTA) || says(&["maximum number of"]) => Class::Quota,
        401 | 403 => Class::Auth,
        409 if key == "OverQuota" || says(QUOTA) => Class::Quota,
        400 | 409 if says(NO_ADDRESS) => Class::Capacity,
        409 if says(&["Multiple possible networks"]) => Class::Invalid,
        409 | 423 => Class::Conflict,
        400 if says(MISCONFIGURED) => Class::Invalid,
        400 if says(STATE) => Class::Conflict,
        400..=499 => Class::Invalid,
        // 5xx, and a redirection, which none of these services sends by itself.
        _ => Class::Unreachable,
    }
}

/// What the fault of a server in ERROR means.
///
/// Most say nothing: a hypervisor's own error never reaches a tenant. What we do
/// not know is the cloud's failure, and may pass.
#[must_use]
pub fn fault(text: &str) -> Class {
    let says = |words: &[&str]| contains(text, words);
    if says(NEVER_FITS) || says(MISCONFIGURED) {
        Class::Invalid
    } else if says(QUOTA) {
        Class::Quota
    } else if says(NO_ADDRESS) || says(NO_HOST) {
        Class::Capacity
    } else if says(&["could not be found", "Can not find"]) {
        Class::NotFound
    } else if says(STATE) {
        Class::Conflict
    } else {
        Class::Unreachable
    }
}

const QUOTA: &[&str] = &[
    "quota",
    "over the limit",
    "over a limit",
    "LimitExceeded",
    "maximum number of ports",
    "maximum number of fixed",
];

const POLICY: &[&str] = &["policy doesn't allow", "disallowed by policy"];

/// No waiting cures these.
const NEVER_FITS: &[&str] = &["VolumeSizeExceedsLimit", "larger than maximum allowed"];

const ONLY_AN_EDIT: &[&str] =
    &["zero disk", "metadata items", "number of tags", "injected file", "interface on external network"];

/// What was asked for does not go together, or is not there: only an edit cures it.
const MISCONFIGURED: &[&str] = &[
    "unacceptable",
    "too small",
    "smaller than the minimum",
    "is not active",
    "availability zone is not available",
    "same availability_zone",
    "requires a subnet",
    "port_security_enabled and subnet",
];

const NO_ADDRESS: &[&str] = &[
    "No more IP addresses",
    "No more IPs available",
    "No fixed IP addresses available",
    "NoMoreFixedIps",
    "No more fixed IP",
];

/// This host, zone or cloud has no room for it; another one may.
const NO_HOST: &[&str] = &[
    "No valid host",
    "Exhausted all hosts",
    "Exceeded max scheduling attempts",
    "not enough hosts",
    "NoValidHost",
    "Insufficient compute resources",
    "group policy was violated",
    "Cannot allocate memory",
    "No space left on device",
];

/// The state of something named forbids it now.
const STATE: &[&str] = &[
    "status must be",
    "current status is",
    "already attached",
    "already in use",
    "still in use",
    "in-use",
    "in use",
    "error state",
    "is not available",
    "must be available",
];

fn contains(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(&word.to_lowercase()))
}
