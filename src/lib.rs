//! `TestNode`: a machine in a test lab as a Kubernetes object.

pub mod api;
pub mod error;
pub mod openstack;
pub mod reconcile;
