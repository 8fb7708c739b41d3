//! What came of lives.

use std::fmt;
use std::ops::AddAssign;

/// A law that can be broken.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Law {
    /// Two servers of one node, neither being deleted, for longer than one poll.
    Twin,
    /// Something of a node is left when it is gone, or its name points at an address that is free.
    Leak,
    /// Something was done to what is somebody else's.
    Stranger,
    /// A node that could become Ready did not, or one that was to go is still there.
    Stuck,
    /// The machine of a node that was Ready was thrown away, or a node before its time.
    ThrownAway,
}

/// How many lives, what befell them, and which laws were broken.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Nodes that came and went.
    pub lifecycles: usize,
    /// Requests that met a fault, and what else went wrong.
    pub faults: usize,
    /// Operators killed.
    pub crashes: usize,
    /// The laws that were broken, and what was found, with the seed of the world.
    pub broken: Vec<(u64, Law, String)>,
}

impl Tally {
    /// A world that did not come to its end.
    #[must_use]
    pub fn panicked(seed: u64) -> Self {
        let what = "the world panicked; see above".to_owned();
        Self { broken: vec![(seed, Law::Stuck, what)], ..Self::default() }
    }

    /// Whether every law held.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.broken.is_empty()
    }

    /// How often a law was broken.
    #[must_use]
    pub fn count(&self, law: Law) -> usize {
        self.broken.iter().filter(|(_, broken, _)| *broken == law).count()
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.lifecycles += other.lifecycles;
        self.faults += other.faults;
        self.crashes += other.crashes;
        self.broken.extend(other.broken);
    }
}

/// One line. A machine that was thrown away is a node that was Ready and is not: it counts as stuck.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "lifecycles={} faults={} crashes={} twins={} leaks={} strangers_touched={} stuck={}",
            self.lifecycles,
            self.faults,
            self.crashes,
            self.count(Law::Twin),
            self.count(Law::Leak),
            self.count(Law::Stranger),
            self.count(Law::Stuck) + self.count(Law::ThrownAway),
        )
    }
}
