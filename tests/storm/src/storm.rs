//! Random lives: nodes come and go in a lab in which whatever can go wrong does, until it ends; then each node must come
//! to its end. Each seed is one world, the same each time.
//!
//! Begin with [`World`]: how a world passes. What can befall it is in [`gust`], what must be true of it in [`laws`].

pub mod blow;
pub mod gust;
pub mod laws;
pub mod life;
pub mod tally;
pub mod world;

pub use tally::Tally;
pub use world::World;

use crate::lab::Guard;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The seeds of worlds in which a law was once broken. They are tried before all others.
#[must_use]
pub fn failed_once() -> Vec<u64> {
    let lines = include_str!("../seeds").lines().filter_map(|line| line.split('#').next());
    lines.map(str::trim).filter(|seed| !seed.is_empty()).map(|seed| seed.parse().unwrap()).collect()
}

/// Lives the world of a seed to its end, in all weathers or only in that which a guard is there for.
#[must_use]
pub fn live(seed: u64, against: Option<Guard>) -> Tally {
    live_to_the_end(seed, against, None)
}

/// The same in the weather that a guard is there for, with an operator that lacks it.
#[must_use]
pub fn live_without(guard: Guard, seed: u64) -> Tally {
    live_to_the_end(seed, Some(guard), Some(guard))
}

fn live_to_the_end(seed: u64, against: Option<Guard>, without: Option<Guard>) -> Tally {
    let lived = catch_unwind(AssertUnwindSafe(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async { World::new(seed, against, without).await.live().await })
    }));
    lived.unwrap_or_else(|_| Tally::panicked(seed))
}
