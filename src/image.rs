//! Images in every cloud: what `testnode-operator images` does.
//!
//! For each MachineImage a [`turn`] looks at the source and then, for each cloud, does what the rules in [`plan`] say. Data goes
//! from the source to Glance in a task of its own, [`transfer`], through a few buffers and no disk.

pub mod act;
pub mod allowed;
pub mod canary;
pub mod desk;
pub mod golden;
pub mod head;
pub mod keep;
pub mod look;
#[cfg(test)]
mod model;
pub mod plan;
pub mod record;
pub mod refresh;
pub mod source;
pub mod state;
pub mod status;
pub mod sums;
pub mod transfer;
pub mod transfers;
pub mod turn;
pub mod unpack;
pub mod web;
