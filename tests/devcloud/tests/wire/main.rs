//! What the simulated cloud answers is what a real one was seen to answer.
#![allow(missing_docs, reason = "tests are named by sentences")]

mod client;
mod life;
