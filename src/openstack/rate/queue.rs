//! Who was refused a token and comes next. Namespaces are served in turn: a caller of a namespace that has a thousand
//! others waiting comes after one call of each other namespace, not after all of theirs.
//!
//! This is start-time fair queueing: a caller's number is one above the last of its namespace, and never below the
//! number that was served last.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::Caller;

/// Those who wait, by their numbers. Two of the same number are served in the order they came.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<(u64, u64), Waiting>,
    /// The number that was served last.
    served: u64,
    /// How many have come so far.
    came: u64,
}

#[derive(Debug)]
struct Waiting {
    caller: Caller,
    /// After this it has given up.
    until: Instant,
}

impl Queue {
    /// How many come before this caller. Whoever did not come back in time is dropped first.
    pub(super) fn before(&mut self, caller: &Caller, now: Instant) -> u32 {
        self.waiting.retain(|_, waiting| waiting.until >= now);
        let place = self.place(caller).unwrap_or_else(|| (self.next_number(caller), u64::MAX));
        u32::try_from(self.waiting.range(..place).count()).unwrap_or(u32::MAX)
    }

    /// The caller was refused; it keeps its place until then.
    pub(super) fn wait(&mut self, caller: &Caller, until: Instant) {
        if let Some(waiting) = self.place(caller).and_then(|place| self.waiting.get_mut(&place)) {
            waiting.until = until;
            return;
        }
        self.came += 1;
        let place = (self.next_number(caller), self.came);
        self.waiting.insert(place, Waiting { caller: caller.clone(), until });
    }

    /// The caller has its token.
    pub(super) fn serve(&mut self, caller: &Caller) {
        if let Some(place) = self.place(caller) {
            self.waiting.remove(&place);
            self.served = self.served.max(place.0);
        }
    }

    /// The caller does not wait here any longer.
    pub(super) fn leave(&mut self, caller: &Caller) {
        self.waiting.retain(|_, waiting| waiting.caller.who != caller.who);
    }

    fn place(&self, caller: &Caller) -> Option<(u64, u64)> {
        self.waiting.iter().find(|(_, waiting)| waiting.caller.who == caller.who).map(|(place, _)| *place)
    }

    fn next_number(&self, caller: &Caller) -> u64 {
        let own = self.waiting.iter().rev().find(|(_, other)| other.caller.namespace == caller.namespace);
        own.map_or(0, |((number, _), _)| *number).max(self.served) + 1
    }
}
