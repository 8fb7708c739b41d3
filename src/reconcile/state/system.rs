//! The system of a machine that was Ready: whether another is asked for, and whether one is being made.

use super::{Machine, Memory, Observed, Problem};
use crate::api::testnode_status::{Attempt, Rebuild};
use crate::api::{TestNodeSpec, testnode_status::AskedSystem};
use crate::select::System;

/// Another system that is asked for, and that no rebuild was begun for yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// What the spec asks for.
    pub asked: AskedSystem,
    /// What that comes to in the machine's cloud.
    pub system: WishedSystem,
}

/// What a wish for another system comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum WishedSystem {
    /// The cloud's images have not been read.
    Unread,
    /// It can be had, like this.
    Can(Box<System>),
    /// It cannot.
    Cannot(Problem),
}

impl Attempt {
    /// Whether its machine was made, or rebuilt, for another system than this.
    #[must_use]
    pub fn has_another_system_than(&self, asked: &AskedSystem) -> bool {
        // An older release, which knew no rebuild, did not write down for what it made the machine.
        self.asked.as_ref().map_or(asked.rebuild.is_some(), |was| was != asked)
    }
}

impl Memory {
    /// The rebuild that is under way.
    #[must_use]
    pub fn rebuild(&self) -> Option<&Rebuild> {
        self.current()?.rebuild.as_ref().filter(|rebuild| rebuild.is_open())
    }

    /// The rebuild that failed, of a machine that was Ready.
    #[must_use]
    pub fn failed_rebuild(&self) -> Option<&Rebuild> {
        self.current()?.rebuild.as_ref().filter(|rebuild| rebuild.has_failed())
    }

    /// It has its machine, whose system is not being made anew, nor could not be.
    #[must_use]
    pub fn is_made(&self) -> bool {
        let current = self.current().filter(|attempt| attempt.closed_at.is_some());
        current.is_some() && self.rebuild().is_none() && self.failed_rebuild().is_none()
    }

    /// A server, or its system, is being made: user data is needed for that.
    #[must_use]
    pub fn is_making(&self) -> bool {
        self.open().is_some() || self.rebuild().is_some()
    }

    /// The machine that was Ready is to have another system than it has, or than the last rebuild was to give it.
    #[must_use]
    pub fn wishes(&self, spec: &TestNodeSpec) -> Option<(&Attempt, AskedSystem)> {
        let attempt = self.current().filter(|attempt| attempt.closed_at.is_some())?;
        let asked = spec.asked_system();
        let tried = attempt.rebuild.as_ref();
        let tried =
            tried.is_some_and(|tried| tried.is_open() || (tried.has_failed() && tried.asked == asked));
        (!tried && attempt.has_another_system_than(&asked)).then_some((attempt, asked))
    }
}

impl Observed {
    /// The machine whose system is being made anew, and how.
    #[must_use]
    pub fn machine_being_rebuilt(&self) -> Option<(Machine<'_>, &Rebuild)> {
        Some((self.machine()?, self.memory.rebuild()?))
    }

    /// The machine whose guest is about to be ready: one that is being made, or one that has its new system.
    #[must_use]
    pub fn machine_booting(&self) -> Option<Machine<'_>> {
        let rebuilt = || {
            let (machine, rebuild) = self.machine_being_rebuilt()?;
            (machine.server?.boot == rebuild.number).then_some(machine)
        };
        self.machine_under_way().or_else(rebuilt)
    }
}
