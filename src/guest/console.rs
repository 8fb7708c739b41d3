//! What a guest says on its serial console. Pure.

use crate::ssh_key::PublicKey;

/// A reader of consoles; it has no state.
#[derive(Clone, Copy, Debug)]
pub struct Console;

/// What a console tells.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reading {
    /// The last stage that cloud-init announced.
    pub stage: Option<String>,
    /// cloud-init's final message.
    pub finished: Option<Finished>,
    /// The first complete block of host keys.
    pub host_keys: Vec<PublicKey>,
    /// What went wrong on the way, bounded.
    pub failures: Vec<String>,
}

/// cloud-init ran to its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finished {
    /// It found no metadata: user data, keys and hostname were not applied.
    pub datasource_none: bool,
    /// The line that said so.
    pub line: String,
}
