//! Machines in the forms that other programs read: teuthology, ssh, Ansible. Pure.
//!
//! Everything that is printed was checked here first. A status can be forged by whoever may write it, and a line break
//! in a name would become a line of its own in somebody's ssh config.

mod forms;
mod machine;
#[cfg(test)]
pub(crate) use machine::tests;

pub use forms::{files, inventory, known_hosts, remark, ssh_config, targets};
pub use machine::{Machine, Unusable};
