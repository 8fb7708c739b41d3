//! The driver of RFC 2136 against the simulated name server; and the same once more against BIND, by
//! `tests/e2e/suites/openstack/bind.sh`.
//!
//! Each test has a name of its own in the zone, so that a server that lives on can serve them all.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod changes;
mod laws;
mod refusals;
mod reverse;
mod server;
