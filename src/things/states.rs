//! Every state that Nova, Cinder and Neutron document, and what we make of it.
//!
//! What we do in each of ours:
//!
//! | state | while the node is brought up or Ready | when the thing is to be deleted |
//! |---|---|---|
//! | [`ServerState::Building`] | wait, at most `timeouts.launch` | delete |
//! | [`ServerState::Active`] | go on to readiness, or Ready | delete |
//! | [`ServerState::Error`] | the attempt fails with Nova's fault; a Ready node says `ServerError` | delete |
//! | [`ServerState::Rebuilding`] | wait; it passes | delete |
//! | [`ServerState::Stopped`] | the attempt fails; a Ready node says `ServerStopped` | delete |
//! | [`ServerState::SoftDeleted`] | the attempt fails; a Ready node says `ServerLost` | delete for good, with `forceDelete` |
//! | [`ServerState::Other`] | wait; it passes, or the cloud cannot tell now | delete |
//! | [`VolumeState::Creating`] | wait | delete |
//! | [`VolumeState::Available`] | use it; a Ready node says `VolumeLost` | delete |
//! | [`VolumeState::Reserved`] | wait for the server that it is promised to | free it once no server can come, then delete |
//! | [`VolumeState::Attached`] | as it should be | its server is deleted first; what that left attached is freed, then deleted |
//! | [`VolumeState::Deleting`] | a Ready node says `VolumeLost` | wait |
//! | [`VolumeState::Error`] | the attempt fails | delete |
//! | [`VolumeState::ErrorDeleting`] | a Ready node says `VolumeLost` | say `VolumeStuck`: only an administrator can reset it |
//! | [`VolumeState::Other`] | wait | delete; where Cinder refuses, ask again, ever more slowly, and tell its words |
//!
//! A port or a floating IP is used, and deleted, in every state: `ACTIVE`, `DOWN`, `BUILD`, `ERROR` and `N/A` say whether packets flow, which
//! is not ours to judge. What is refused or unanswered for longer than `timeouts.delete` is told as `DeleteStuck`, and asked
//! for again for ever.

use super::{ServerState, VolumeState};

/// Nova's states: <https://docs.openstack.org/api-guide/compute/server_concepts.html>. The words are the API's; a state
/// that is not here is [`ServerState::Other`].
pub const SERVER_STATES: &[(&str, ServerState)] = &[
    ("ACTIVE", ServerState::Active),
    ("BUILD", ServerState::Building),
    ("DELETED", ServerState::Other),
    ("ERROR", ServerState::Error),
    ("HARD_REBOOT", ServerState::Other),
    ("MIGRATING", ServerState::Other),
    ("PASSWORD", ServerState::Other),
    ("PAUSED", ServerState::Stopped),
    ("REBOOT", ServerState::Other),
    ("REBUILD", ServerState::Rebuilding),
    ("RESCUE", ServerState::Other),
    ("RESIZE", ServerState::Other),
    ("REVERT_RESIZE", ServerState::Other),
    ("SHELVED", ServerState::Stopped),
    ("SHELVED_OFFLOADED", ServerState::Stopped),
    ("SHUTOFF", ServerState::Stopped),
    ("SOFT_DELETED", ServerState::SoftDeleted),
    // Nova before microversions.
    ("STOPPED", ServerState::Stopped),
    ("SUSPENDED", ServerState::Stopped),
    ("UNKNOWN", ServerState::Other),
    ("VERIFY_RESIZE", ServerState::Other),
];

/// Cinder's states: <https://docs.openstack.org/api-ref/block-storage/v3/#volumes-volumes>. A state that is not here is
/// [`VolumeState::Other`].
pub const VOLUME_STATES: &[(&str, VolumeState)] = &[
    ("attaching", VolumeState::Attached),
    ("available", VolumeState::Available),
    ("awaiting-transfer", VolumeState::Other),
    ("backing-up", VolumeState::Other),
    ("creating", VolumeState::Creating),
    ("deleting", VolumeState::Deleting),
    ("detaching", VolumeState::Attached),
    ("downloading", VolumeState::Creating),
    ("error", VolumeState::Error),
    ("error_backing-up", VolumeState::Other),
    ("error_deleting", VolumeState::ErrorDeleting),
    ("error_extending", VolumeState::Other),
    ("error_managing", VolumeState::Other),
    ("error_restoring", VolumeState::Other),
    ("extending", VolumeState::Other),
    ("in-use", VolumeState::Attached),
    ("maintenance", VolumeState::Other),
    ("managing", VolumeState::Other),
    ("reserved", VolumeState::Reserved),
    ("restoring-backup", VolumeState::Other),
    ("retyping", VolumeState::Other),
    ("uploading", VolumeState::Other),
];

impl ServerState {
    /// What Nova's word means to us.
    #[must_use]
    pub fn of(word: &str) -> Self {
        find(SERVER_STATES, word).unwrap_or(Self::Other)
    }
}

impl VolumeState {
    /// What Cinder's word means to us.
    #[must_use]
    pub fn of(word: &str) -> Self {
        find(VOLUME_STATES, word).unwrap_or(Self::Other)
    }
}

fn find<S: Copy>(table: &[(&str, S)], word: &str) -> Option<S> {
    table.iter().find(|(known, _)| *known == word).map(|(_, state)| *state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_is_in_its_table_once_and_a_new_one_is_other() {
        let servers: Vec<&str> = SERVER_STATES.iter().map(|(word, _)| *word).collect();
        let volumes: Vec<&str> = VOLUME_STATES.iter().map(|(word, _)| *word).collect();

        assert!(servers.is_sorted_by(|a, b| a < b), "{servers:?}");
        assert!(volumes.is_sorted_by(|a, b| a < b), "{volumes:?}");
        assert_eq!(ServerState::of("SOFT_DELETED"), ServerState::SoftDeleted);
        assert_eq!(VolumeState::of("error_deleting"), VolumeState::ErrorDeleting);
        assert_eq!(ServerState::of("DREAMING"), ServerState::Other);
        assert_eq!(VolumeState::of(""), VolumeState::Other);
    }
}
