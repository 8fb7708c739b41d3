//! What a guest tells of itself: that it booted, which keys it has, that a port is open, who answers there.

pub mod console;
pub mod dial;
pub mod host_keys;
pub mod ssh;
pub mod tcp;
