//! `TestNode`: a machine in a test lab as a Kubernetes object.

pub mod cloud_init;
pub mod dns;
pub mod error;
pub mod guest;
pub mod openstack;
pub mod ssh_key;
