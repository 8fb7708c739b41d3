//! What the sandbox and the measurements of scale have in common.

pub mod site;

/// What may go wrong is told, and ends the program.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
