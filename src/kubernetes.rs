//! How an object of the API server is written, whatever its kind: its status, its finalizers, its conditions, its
//! end, and the events about it; and what of it is kept in memory.
//!
//! Every write names the object's UID and the `resourceVersion` that it was planned from. If somebody wrote the object
//! in between, the API server answers 409 and nothing is changed.

pub mod conditions;
pub mod delete;
pub mod error;
pub mod events;
pub mod finalizers;
pub mod rewatch;
pub mod slim;
pub mod status;
pub mod watched;
