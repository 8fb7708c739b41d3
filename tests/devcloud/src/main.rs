//! The simulated cloud as a program.

fn main() {}
