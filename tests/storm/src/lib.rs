//! Labs: the whole operator in this process, between an API server and simulated clouds. The API server is simulated and time
//! virtual, or both are real (see [`lab::Cluster`]).
//!
//! Begin with [`lab::Lab`]; random lives in labs are in [`storm`].

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a lab says by panicking that something in it is not as it must be"
)]

pub mod chance;
pub mod lab;
pub mod storm;
