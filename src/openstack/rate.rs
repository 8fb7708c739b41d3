//! How often a cloud is asked: one bucket of tokens per service, from which
//! deleting may take the last, creating leaves some, and polling leaves more.
//!
//! Nothing here makes a call wait: who finds the bucket empty is told for how
//! long, and looks again then. Only a poller waits, with [`Limiter::ready`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Service;

#[cfg(test)]
mod tests;

/// One silent cloud must not tie up everything.
const IN_FLIGHT: usize = 32;
/// How long to stay away when only calls in flight stand in the way.
const CROWDED: Duration = Duration::from_millis(500);
const SHORTEST_STOP: Duration = Duration::from_secs(1);
const LONGEST_STOP: Duration = Duration::from_mins(5);

/// How often a cloud may be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RateOptions {
    /// Requests per second and service, in the long run.
    pub requests_per_second: u32,
    /// How many may go at once after a pause.
    pub burst: u32,
}

impl Default for RateOptions {
    fn default() -> Self {
        Self { requests_per_second: 10, burst: 10 }
    }
}

/// What a call is for. What frees something goes before what takes something,
/// and both before looking.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Lane {
    /// Takes the last tokens.
    Delete,
    /// Leaves a few to deletions.
    Create,
    /// Leaves more to both.
    Poll,
}

/// The buckets of one cloud.
#[derive(Debug)]
pub struct Limiter {
    interval: Duration,
    burst: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    buckets: [Bucket; Service::ALL.len()],
    in_flight: usize,
}

/// The bucket as one instant: when it will be full again.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    full_at: Option<Instant>,
    stopped_until: Option<Instant>,
}

/// The leave to make one call. The call is in flight until this is dropped.
#[derive(Debug)]
pub struct Ticket(Arc<Limiter>);

impl Limiter {
    /// Full buckets.
    #[must_use]
    pub fn new(rate: RateOptions) -> Arc<Self> {
        let interval = Duration::from_secs(1) / rate.requests_per_second.max(1);
        Arc::new(Self { interval, burst: rate.burst.max(1), state: Mutex::default() })
    }

    /// Takes a token, or says when to ask again.
    ///
    /// # Errors
    /// How long to wait: the bucket is too empty for this lane, the service
    /// asked for a pause, or too many calls are in flight.
    pub fn try_take(self: &Arc<Self>, service: Service, lane: Lane) -> Result<Ticket, Duration> {
        let mut state = self.state();
        let now = Instant::now();
        let full_at = self.admit(&state, service, lane, now)?;
        if let Some(bucket) = state.buckets.get_mut(service as usize) {
            bucket.full_at = Some(full_at);
        }
        state.in_flight += 1;
        Ok(Ticket(Arc::clone(self)))
    }

    /// Waits until a token could be had. It is not taken: another may be faster.
    pub async fn ready(&self, service: Service, lane: Lane) {
        loop {
            let admitted = self.admit(&self.state(), service, lane, Instant::now());
            match admitted {
                Ok(_) => return,
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    /// Stops a service for as long as it asked for, within reason: some answer
    /// `Retry-After: 0`, which would be a hot loop.
    pub fn stop(&self, service: Service, retry_after: Option<Duration>) {
        let pause = retry_after.unwrap_or(SHORTEST_STOP).clamp(SHORTEST_STOP, LONGEST_STOP);
        let until = Instant::now() + pause;
        if let Some(bucket) = self.state().buckets.get_mut(service as usize) {
            bucket.stopped_until = bucket.stopped_until.max(Some(until));
        }
    }

    /// When the bucket would be full again after one more call, if that may go now.
    fn admit(&self, state: &State, service: Service, lane: Lane, now: Instant) -> Result<Instant, Duration> {
        let bucket = state.buckets.get(service as usize).copied().unwrap_or_default();
        if let Some(until) = bucket.stopped_until.filter(|until| *until > now) {
            return Err(until - now);
        }
        if state.in_flight >= in_flight(lane) {
            return Err(CROWDED);
        }
        let full_at = bucket.full_at.map_or(now, |at| at.max(now)) + self.interval;
        let room = self.interval * (self.burst - reserve(lane, self.burst));
        match (full_at - now).checked_sub(room).filter(|wait| !wait.is_zero()) {
            Some(wait) => Err(wait),
            None => Ok(full_at),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.in_flight = state.in_flight.saturating_sub(1);
    }
}

/// The tokens that a lane leaves to those before it.
fn reserve(lane: Lane, burst: u32) -> u32 {
    let wanted = match lane {
        Lane::Delete => 0,
        Lane::Create => (burst / 8).max(1),
        Lane::Poll => (burst / 3).max(2),
    };
    wanted.min(burst - 1)
}

fn in_flight(lane: Lane) -> usize {
    match lane {
        Lane::Delete => IN_FLIGHT,
        Lane::Create => IN_FLIGHT - 4,
        Lane::Poll => IN_FLIGHT - 8,
    }
}
