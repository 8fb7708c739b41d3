//! `TestNode`: a machine in a test lab as a Kubernetes object.

pub mod admin;
pub mod cli;
pub mod error;
pub mod lease;
pub mod metrics;
pub mod run;
pub mod telemetry;
