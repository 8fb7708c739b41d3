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
    awaited: BTreeMap<u64, Missing>,
    pulses: BTreeMap<u64, Beats>,
}

#[derive(Debug)]
struct Missing {
    what: &'static str,
    /// Why it is not there, as far as that is known.
    why: Option<String>,
}

#[derive(Debug)]
struct Beats {
    of: String,
    /// When it moved last, and how long it may take until it moves again. `None` while it waits for something that may
    /// never come.
    last: Option<(Instant, Duration)>,
}

impl Health {
    /// Of a process that waits for nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Not ready until `what` is there, worded so that "waiting for" fits before it.
    pub fn awaits(&self, what: &'static str) -> Awaited {
        let mut state = self.state();
        let id = state.id();
        state.awaited.insert(id, Missing { what, why: None });
        Awaited { health: self.clone(), id }
    }

    /// Watches something that must keep moving. It counts as waiting until its first beat.
    pub fn pulse(&self, of: &str) -> Pulse {
        let mut state = self.state();
        let id = state.id();
        state.pulses.insert(id, Beats { of: of.to_owned(), last: None });
        Pulse { health: self.clone(), id }
    }

    /// What is missing until the process is ready, in the order it was asked for.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let told = |missing: &Missing| match &missing.why {
            None => format!("waiting for {}", missing.what),
            Some(why) => format!("waiting for {}: {why}", missing.what),
        };
        self.state().awaited.values().map(told).collect()
    }

    /// What has stopped moving.
    #[must_use]
    pub fn stuck(&self, now: Instant) -> Vec<String> {
        self.state().pulses.values().filter_map(|beats| beats.complaint(now)).collect()
    }

    /// Whether the thing of this name has stopped moving, in words.
    #[must_use]
    pub fn complaint(&self, of: &str, now: Instant) -> Option<String> {
        self.state().pulses.values().filter(|beats| beats.of == of).find_map(|beats| beats.complaint(now))
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
        let (last, within) = self.last?;
        let silent = now.saturating_duration_since(last);
        (silent > within).then(|| {
            let (of, silent, within) = (&self.of, silent.as_secs(), within.as_secs());
            format!("{of}: no progress for {silent} s, which should not take more than {within} s")
        })
    }
}

/// Something without which the process is not ready. Dropped without being met it stays missing.
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

    /// It is not there, for this reason.
    pub fn because(&self, why: impl Into<String>) {
        if let Some(missing) = self.health.state().awaited.get_mut(&self.id) {
            missing.why = Some(why.into());
        }
    }
}

/// Something that has to keep moving until this is dropped.
#[derive(Debug)]
#[must_use = "a loop without a pulse is not watched"]
pub struct Pulse {
    health: Health,
    id: u64,
}

impl Pulse {
    /// It moves, and will move again within this time.
    pub fn beat(&self, within: Duration) {
        self.set(Some((Instant::now(), within)));
    }

    /// It waits for something that may never come.
    pub fn rest(&self) {
        self.set(None);
    }

    fn set(&self, last: Option<(Instant, Duration)>) {
        if let Some(beats) = self.health.state().pulses.get_mut(&self.id) {
            beats.last = last;
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.health.state().pulses.remove(&self.id);
    }
}
