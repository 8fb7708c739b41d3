//! `kubectl testnode`: what people need of their machines, from what the cluster already says. It needs no more rights than
//! `get` and `list` on TestNodes, claims and events, which `testnode-view` has. Only `console` writes: it asks for a look with
//! `spec.consoleRequest`, for which `testnode-edit` is enough.

pub mod cli;
mod command;
mod console;
mod error;
mod login;
mod look;
mod story;

pub use command::run;
pub use error::Error;
