//! One turn of a node: observe, plan, act, report.

pub mod plan;
pub mod state;
