//! What the simulated cloud answers is what a real one was seen to answer.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests are named by sentences and may panic, as may the client that they share"
)]

mod client;
mod console;
mod fence;
mod identity;
mod images;
mod life;
mod lists;
mod names;
mod network;
mod rebuild;
mod refusals;
mod sockets;
mod trouble;
mod volumes;
