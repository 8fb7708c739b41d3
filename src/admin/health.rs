//! What the process still waits for, and what in it must keep moving.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The health of the process. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    awaited: BTreeMap<u64, &'static str>,
    pulses: BTreeMap<u64, Beats>,
}

#[derive(Debug)]
struct Beats {
    of: &'static str,
    within: Duration,
    last: Instant,
}

impl Health {
    /// Of a process that waits for nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Not ready until `what` is there, said so that "waiting for" fits before
    /// it.
    pub fn awaits(&self, what: &'static str) -> Awaited {
        let mut state = self.state();
        let id = state.id();
        state.awaited.insert(id, what);
        Awaited { health: self.clone(), id }
    }

    /// Not alive when `of` goes without a beat for longer than `within`.
    pub fn pulse(&self, of: &'static str, within: Duration) -> Pulse {
        let mut state = self.state();
        let id = state.id();
        state.pulses.insert(id, Beats { of, within, last: Instant::now() });
        Pulse { health: self.clone(), id }
    }

    /// What is missing until the process is ready, in the order it was asked
    /// for.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        self.state().awaited.values().map(|what| format!("waiting for {what}")).collect()
    }

    /// What has stopped moving.
    #[must_use]
    pub fn stuck(&self, now: Instant) -> Vec<String> {
        let state = self.state();
        let late = state.pulses.values().filter_map(|beats| beats.complaint(now));
        late.collect()
    }

    /// What the lock guards is sound even where its holder panicked.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Beats {
    fn complaint(&self, now: Instant) -> Option<String> {
        let silent = now.duration_since(self.last);
        (silent > self.within).then(|| {
            let (of, silent, within) = (self.of, silent.as_secs(), self.within.as_secs());
            format!("{of}: no progress for {silent} s, which should not take more than {within} s")
        })
    }
}

/// Something without which the process is not ready. Dropped without being
/// met it stays missing.
#[derive(Debug)]
#[must_use = "what is dropped is never met"]
pub struct Awaited {
    health: Health,
    id: u64,
}

impl Awaited {
    /// It is there.
    pub fn met(self) {
        self.health.state().awaited.remove(&self.id);
    }
}

/// A loop that has to keep moving until it ends, which is when this is
/// dropped.
#[derive(Debug)]
#[must_use = "a loop without a pulse is not watched"]
pub struct Pulse {
    health: Health,
    id: u64,
}

impl Pulse {
    /// It moves.
    pub fn beat(&self) {
        if let Some(beats) = self.health.state().pulses.get_mut(&self.id) {
            beats.last = Instant::now();
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.health.state().pulses.remove(&self.id);
    }
}
