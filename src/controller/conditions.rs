//! Conditions of the kinds that an admin writes.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// A condition. The time of the last transition stands while the status does.
#[must_use]
pub fn condition(
    old: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
    kind: &str,
    (status, reason, message): (&str, &str, &str),
) -> Condition {
    let same = old.iter().find(|old| old.type_ == kind && old.status == status);
    let since =
        same.map(|old| old.last_transition_time.clone()).filter(|time| time.0 != Timestamp::UNIX_EPOCH);
    Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.chars().take(1024).collect(),
        observed_generation: generation,
        last_transition_time: since.unwrap_or(Time(now)),
    }
}
