//! What flags accept, and what they are where nobody sets them.

use std::env;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use jiff::SignedDuration;

/// `90s`, `15m`, `1h30m`: as in every manifest.
pub(super) fn duration(given: &str) -> Result<Duration, String> {
    let parsed = given.parse::<SignedDuration>().ok().and_then(|parsed| Duration::try_from(parsed).ok());
    match parsed {
        Some(duration) if !duration.is_zero() => Ok(duration),
        Some(_) | None => Err("a duration above zero is needed, such as 90s, 15m or 1h30m".to_owned()),
    }
}

/// What Kubernetes takes as the name of a namespace.
pub(super) fn label(given: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = (1..=63).contains(&given.len())
        && given.chars().all(|c| plain(c) || c == '-')
        && given.starts_with(plain)
        && given.ends_with(plain);
    if fits {
        Ok(given.to_owned())
    } else {
        Err("a name of 1 to 63 of a-z, 0-9 and - is needed, with no - at its ends".to_owned())
    }
}

/// It stands in a server tag, which Nova limits to 60 characters, behind
/// `testnode-cluster=`.
pub(super) fn cluster_id(given: &str) -> Result<String, String> {
    match label(given) {
        Ok(id) if id.len() <= 43 => Ok(id),
        Ok(_) => Err("at most 43 characters fit in a server's tag".to_owned()),
        Err(refusal) => Err(refusal),
    }
}

/// Anything that is something: an empty holder means nobody.
pub(super) fn identity(given: &str) -> Result<String, String> {
    match given.trim() {
        "" => Err("a name is needed".to_owned()),
        name => Ok(name.to_owned()),
    }
}

pub(super) fn own_namespace() -> String {
    variable("POD_NAMESPACE").unwrap_or_else(|| "testnode-system".to_owned())
}

/// A container that starts again in the same pod is another candidate: what
/// its predecessor had under way may not have ended.
pub(super) fn new_identity() -> String {
    let host = || fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    let name = variable("POD_NAME").or_else(host).unwrap_or_else(|| "testnode-operator".to_owned());
    // The standard library seeds its hashers from the system's random source.
    format!("{name}_{:016x}", RandomState::new().hash_one(&name))
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
