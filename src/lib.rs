//! `TestNode`: a machine in a test lab as a Kubernetes object.

pub mod admin;
pub mod api;
pub mod catalogue;
pub mod cli;
pub mod cloud_init;
pub mod clouds;
pub mod controller;
pub mod dns;
pub mod error;
pub mod gate;
pub mod guest;
pub mod inventory;
pub mod lease;
pub mod metrics;
pub mod openstack;
pub mod reconcile;
pub mod run;
pub mod select;
pub mod ssh_key;
pub mod telemetry;
