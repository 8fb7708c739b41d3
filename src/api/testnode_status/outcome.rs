//! How an attempt, or a rebuild, ended.

use serde::{Deserialize, Serialize};

/// How an attempt, or a rebuild, ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(from = "String", into = "String")]
pub enum Outcome {
    /// The machine became Ready.
    Ready,
    /// It did not; the attempt counts.
    Failed,
    /// It did not, and that says nothing about the place: the cloud had no room, or the machine type changed. The
    /// attempt does not count.
    Uncounted,
}

// A word from a newer release reads as a failure: the machine is not Ready, and will be ended.
impl From<String> for Outcome {
    fn from(word: String) -> Self {
        match word.as_str() {
            "Ready" => Self::Ready,
            "Uncounted" => Self::Uncounted,
            _ => Self::Failed,
        }
    }
}

impl From<Outcome> for String {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ready => "Ready",
            Outcome::Failed => "Failed",
            Outcome::Uncounted => "Uncounted",
        }
        .into()
    }
}
