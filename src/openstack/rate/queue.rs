//! Who was refused a token and comes next. Namespaces are served in turn: a caller of a namespace that has a thousand
//! others waiting comes after one call of each other namespace, not after all of theirs. Of one namespace the oldest
//! node comes first.
//!
//! This is start-time fair queueing: with each caller its namespace gets a number, one above its last, and never below the
//! number that was served last; the older of its callers have the lower numbers.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::age::Age;

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
    caller: Age,
    /// After this it has given up.
    until: Instant,
}

impl Queue {
    /// How many come before this caller. Whoever did not come back in time is dropped first.
    pub(super) fn before(&mut self, caller: &Age, now: Instant) -> u32 {
        self.waiting.retain(|_, waiting| waiting.until >= now);
        let younger =
            || self.own(caller).find(|(_, waiting)| waiting.caller > *caller).map(|(place, _)| *place);
        let place = self.place(caller).or_else(younger);
        let place = place.unwrap_or_else(|| (self.next_number(caller), u64::MAX));
        u32::try_from(self.waiting.range(..place).count()).unwrap_or(u32::MAX)
    }

    /// The caller was refused; it keeps its place until then.
    pub(super) fn wait(&mut self, caller: &Age, until: Instant) {
        if let Some(waiting) = self.place(caller).and_then(|place| self.waiting.get_mut(&place)) {
            waiting.until = until;
            return;
        }
        self.came += 1;
        let place = (self.next_number(caller), self.came);
        self.waiting.insert(place, Waiting { caller: caller.clone(), until });
        self.put_in_order(caller);
    }

    /// The caller has its token.
    pub(super) fn serve(&mut self, caller: &Age) {
        if let Some(place) = self.place(caller) {
            self.waiting.remove(&place);
            self.served = self.served.max(place.0);
        }
    }

    /// The caller does not wait here any longer.
    pub(super) fn leave(&mut self, caller: &Age) {
        self.waiting.retain(|_, waiting| waiting.caller.uid != caller.uid);
    }

    fn place(&self, caller: &Age) -> Option<(u64, u64)> {
        self.waiting.iter().find(|(_, waiting)| waiting.caller.uid == caller.uid).map(|(place, _)| *place)
    }

    /// Those of a caller's namespace.
    fn own(&self, caller: &Age) -> impl DoubleEndedIterator<Item = (&(u64, u64), &Waiting)> {
        self.waiting.iter().filter(|(_, other)| other.caller.namespace() == caller.namespace())
    }

    fn next_number(&self, caller: &Age) -> u64 {
        self.own(caller).next_back().map_or(0, |((number, _), _)| *number).max(self.served) + 1
    }

    /// Gives the lower numbers of a caller's namespace to the older.
    fn put_in_order(&mut self, caller: &Age) {
        let places: Vec<(u64, u64)> = self.own(caller).map(|(place, _)| *place).collect();
        let mut own: Vec<Waiting> = places.iter().filter_map(|place| self.waiting.remove(place)).collect();
        own.sort_by(|a, b| a.caller.cmp(&b.caller));
        self.waiting.extend(places.into_iter().zip(own));
    }
}
