//! Claims: what a claim's turn does, and what people read of it. Pure. Which nodes a claim gets says
//! [`pool::desk`](crate::pool::desk).

pub mod serve;
pub mod status;
