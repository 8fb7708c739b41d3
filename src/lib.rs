//! `TestNode`: a machine in a test lab as a Kubernetes object.

pub mod api;
pub mod catalogue;
pub mod cloud_init;
pub mod dns;
pub mod error;
pub mod guest;
pub mod lease;
pub mod metrics;
pub mod openstack;
pub mod reconcile;
pub mod select;
pub mod ssh_key;
pub mod telemetry;
