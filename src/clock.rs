//! The two clocks, read together. How long something took is measured with the steady one; the other is for people, and
//! for what is remembered longer than a process lives.

use std::time::Duration;

use jiff::Timestamp;

/// An instant of the clock that never steps. It means nothing outside of this process.
pub type Steady = tokio::time::Instant;

/// One moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// As people write it.
    pub wall: Timestamp,
    /// As this process measures it.
    pub steady: Steady,
}

impl Now {
    /// When an instant of the wall clock was, by the steady one; now, if it is still to come. `None` if it was before
    /// everything that the steady clock can say.
    #[must_use]
    pub fn steady_at(&self, wall: Timestamp) -> Option<Steady> {
        let ago = Duration::try_from(self.wall.duration_since(wall)).unwrap_or_default();
        self.steady.checked_sub(ago)
    }

    /// An earlier instant, as people write it.
    #[must_use]
    pub fn wall_at(self, earlier: Steady) -> Timestamp {
        self.wall.checked_sub(self.steady.saturating_duration_since(earlier)).unwrap_or(self.wall)
    }
}
