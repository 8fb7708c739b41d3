//! What a guest tells of itself: that it booted, which keys it has, that a port is open.

pub mod console;
pub mod host_keys;
pub mod tcp;
