//! What a name server means that refuses an update.

use std::collections::BTreeSet;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::tsig::TsigError;
use jiff::Timestamp;

use super::problem::UpdateProblem;
use super::shown;
use super::tsig::{self, Key};

/// What a refusal of our message means.
pub(super) fn of(answer: &Message, ours: &Message, now: u64, key: &Key) -> UpdateProblem {
    let (name, algorithm) = (key.name(), key.algorithm());
    let said = answer.signature().map(|record| &record.data);
    match (answer.metadata.response_code, said.and_then(|said| said.error)) {
        (ResponseCode::NotAuth, Some(TsigError::BadSig | TsigError::BadTrunc)) => {
            UpdateProblem::WrongSecret { key: name }
        }
        (ResponseCode::NotAuth, Some(TsigError::BadKey)) => {
            UpdateProblem::UnknownKey { key: name, algorithm }
        }
        (ResponseCode::NotAuth, Some(TsigError::BadTime)) => UpdateProblem::Clocks {
            theirs: said.and_then(tsig::time_of_server).map_or_else(|| "another time".to_owned(), time),
            ours: time(now),
        },
        (ResponseCode::NotAuth | ResponseCode::NotZone, _) => UpdateProblem::NoSuchZone {
            zone: ours.queries.first().map(|query| shown(query.name())).unwrap_or_default(),
        },
        (ResponseCode::Refused, _) => UpdateProblem::Denied { key: name, kinds: kinds(ours) },
        (code, _) => UpdateProblem::Failed(code),
    }
}

/// The types of records that a message changes.
fn kinds(message: &Message) -> String {
    let kinds: BTreeSet<String> =
        message.authorities.iter().map(|record| record.record_type().to_string()).collect();
    kinds.into_iter().collect::<Vec<_>>().join(" ")
}

fn time(seconds: u64) -> String {
    let instant = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    instant.map_or_else(|| format!("{seconds} s"), |instant| instant.to_string())
}
