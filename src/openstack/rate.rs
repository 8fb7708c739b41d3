//! How often a cloud is asked: one bucket of tokens per service, from which
//! deleting may take the last, creating leaves some, and polling leaves more.
//!
//! Nothing here makes a call wait: a caller that finds the bucket empty is told
//! for how long, and asks again then. Namespaces are served in turn, and of each
//! the oldest node first; a node waits for one call at a time. Only a poller
//! waits, with [`Limiter::ready`].

mod queue;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Service;
use crate::age::Age;
use queue::Queue;

#[cfg(test)]
mod tests;

/// How long to stay away when only calls in flight stand in the way.
const CROWDED: Duration = Duration::from_millis(500);
const SHORTEST_STOP: Duration = Duration::from_secs(1);
const LONGEST_STOP: Duration = Duration::from_mins(5);
/// A caller that does not come back so long after it was told to has given up its place.
const LATE: Duration = Duration::from_secs(2);

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
    lines: BTreeMap<(Service, Lane), Line>,
}

/// The bucket as one instant: when it will be full again.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    full_at: Option<Instant>,
    stopped_until: Option<Instant>,
}

/// The calls of one lane to one service.
#[derive(Debug, Default)]
struct Line {
    in_flight: usize,
    queue: Queue,
}

/// The right to make one call. The call is in flight until this is dropped.
#[derive(Debug)]
pub struct Ticket {
    limiter: Arc<Limiter>,
    line: (Service, Lane),
}

impl Limiter {
    /// Full buckets.
    #[must_use]
    pub fn new(rate: RateOptions) -> Arc<Self> {
        let interval = Duration::from_secs(1) / rate.requests_per_second.max(1);
        Arc::new(Self { interval, burst: rate.burst.max(1), state: Mutex::default() })
    }

    /// Takes a token, or says when to ask again. A caller that is refused keeps its place behind those before it; without
    /// a caller, the call waits behind nobody.
    ///
    /// # Errors
    /// How long to wait: the bucket is too empty for this lane, the service
    /// asked for a pause, or too many calls are in flight.
    pub fn try_take(
        self: &Arc<Self>,
        service: Service,
        lane: Lane,
        caller: Option<&Age>,
    ) -> Result<Ticket, Duration> {
        let (mut state, now, which) = (self.state(), Instant::now(), (service, lane));
        let before = caller.map_or(0, |caller| {
            // It plans something else now.
            for (_, other) in state.lines.iter_mut().filter(|(other, _)| **other != which) {
                other.queue.leave(caller);
            }
            state.lines.entry(which).or_default().queue.before(caller, now)
        });
        match self.admit(&state, which, before, now) {
            Ok(full_at) => {
                if let Some(bucket) = state.buckets.get_mut(service as usize) {
                    bucket.full_at = Some(full_at);
                }
                let taken = state.lines.entry(which).or_default();
                taken.in_flight += 1;
                if let Some(caller) = caller {
                    taken.queue.serve(caller);
                }
                Ok(Ticket { limiter: Arc::clone(self), line: which })
            }
            Err(wait) => {
                if let Some(caller) = caller {
                    state.lines.entry(which).or_default().queue.wait(caller, now + wait + LATE);
                }
                Err(wait)
            }
        }
    }

    /// Waits until a token could be had. It is not taken: another may be faster.
    pub async fn ready(&self, service: Service, lane: Lane) {
        loop {
            let admitted = self.admit(&self.state(), (service, lane), 0, Instant::now());
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

    /// Whether the service asked for a pause that is not over.
    #[must_use]
    pub fn is_stopped(&self, service: Service) -> bool {
        let bucket = self.state().buckets.get(service as usize).copied().unwrap_or_default();
        bucket.stopped_until.is_some_and(|until| until > Instant::now())
    }

    /// When the bucket would be full again after one more call, if that may be made now and still leaves enough for
    /// those that are `before` it.
    fn admit(
        &self,
        state: &State,
        (service, lane): (Service, Lane),
        before: u32,
        now: Instant,
    ) -> Result<Instant, Duration> {
        let bucket = state.buckets.get(service as usize).copied().unwrap_or_default();
        if let Some(until) = bucket.stopped_until.filter(|until| *until > now) {
            return Err(until - now);
        }
        let in_flight = state.lines.get(&(service, lane)).map_or(0, |line| line.in_flight);
        if in_flight.saturating_add(before as usize) >= at_once(lane) {
            return Err(CROWDED);
        }
        let full_at = bucket.full_at.map_or(now, |at| at.max(now)) + self.interval;
        let room = self.interval * (self.burst - reserve(lane, self.burst));
        let with_those_before = full_at + self.interval * before;
        match (with_those_before - now).checked_sub(room).filter(|wait| !wait.is_zero()) {
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
        if let Some(line) = self.limiter.state().lines.get_mut(&self.line) {
            line.in_flight = line.in_flight.saturating_sub(1);
        }
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

/// Calls of one lane that one service is asked at once. A lane that hangs holds up no other: while deletions are not
/// answered, servers are still made and lists still read.
fn at_once(lane: Lane) -> usize {
    match lane {
        Lane::Delete | Lane::Create => 16,
        Lane::Poll => 12,
    }
}
