//! The whole operator in this process, in virtual time, between a simulated API server and a simulated cloud.
//!
//! Begin with `harness.rs`; each other module is one kind of story.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by panicking that it failed"
)]

mod capacity;
mod cost;
mod crash;
mod crowd;
mod faults;
mod harness;
mod input;
mod kubernetes;
mod launch;
mod life;
mod loss;
mod names;
mod places;
mod stuck;
