//! What is asked of a guest's sshd, and what may come of it.

use std::sync::Arc;

use super::private_key::PrivateKey;
use crate::ssh_key::PublicKey;

/// A login that is wanted.
#[derive(Clone, Debug)]
pub struct Login {
    /// As whom.
    pub user: String,
    /// With what.
    pub key: Arc<PrivateKey>,
    /// The path of a file that must be there: letters, digits and `._/-`, so that no shell reads anything into it.
    pub sentinel: Option<String>,
}

/// Why a guest's sshd is not as it is wanted, for people. A guest that is not up yet is nobody's error.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Trouble {
    /// Nobody is there, or goes away.
    #[error("{0}")]
    NoAnswer(String),
    /// Somebody is there that speaks no SSH, or another one.
    #[error("{0}")]
    Garbage(&'static str),
    /// It has another host key than those that are known.
    #[error("it shows another host key")]
    OtherKey(PublicKey),
    /// The user may not come in with this key.
    #[error("it does not let us in")]
    Refused,
    /// The file is not there.
    #[error("the file is not there")]
    NoFile,
}
