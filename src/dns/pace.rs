//! How often the servers of a zone are asked: by all Clouds that name their machines there, together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Zone;

/// After a pause the messages of a tenth of a second may go at once.
const AT_ONCE: Duration = Duration::from_millis(100);

/// The paces of all zones.
#[derive(Clone, Debug, Default)]
pub struct Paces(Arc<Mutex<HashMap<Zone, Arc<Mutex<Bucket>>>>>);

/// The pace of one zone, as one Cloud has a part in it.
#[derive(Clone, Debug)]
pub struct Pace {
    bucket: Arc<Mutex<Bucket>>,
    /// The zone's bucket looks at it for as long as the Cloud has this configuration.
    _interval: Arc<Duration>,
}

#[derive(Debug, Default)]
struct Bucket {
    /// What each Cloud allows: the time from one message to the next.
    intervals: Vec<Weak<Duration>>,
    /// When all messages that were let go would have gone, one by one.
    full: Option<Instant>,
}

impl Paces {
    /// The pace of a zone, for a Cloud that allows so many messages a second. Of several Clouds the lowest figure holds.
    #[must_use]
    pub fn of(&self, zone: &Zone, messages_per_second: u32) -> Pace {
        let interval = Arc::new(Duration::from_secs(1) / messages_per_second.max(1));
        let bucket = lock(&self.0).entry(zone.clone()).or_default().clone();
        lock(&bucket).intervals.push(Arc::downgrade(&interval));
        Pace { bucket, _interval: interval }
    }
}

impl Pace {
    /// Waits until one more message may be sent.
    pub async fn turn(&self) {
        let at = lock(&self.bucket).next(Instant::now());
        sleep_until(at).await;
    }
}

impl Bucket {
    /// When the next message may go. It counts as sent.
    fn next(&mut self, now: Instant) -> Instant {
        self.intervals.retain(|interval| interval.strong_count() > 0);
        let interval =
            self.intervals.iter().filter_map(Weak::upgrade).max().map_or(Duration::ZERO, |all| *all);
        let full = self.full.unwrap_or(now).max(now);
        self.full = Some(full + interval);
        now.max(full.checked_sub(AT_ONCE.saturating_sub(interval)).unwrap_or(now))
    }
}

/// What the lock guards is sound even where its holder panicked.
fn lock<T>(guarded: &Mutex<T>) -> MutexGuard<'_, T> {
    guarded.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    fn zone(name: &str) -> Zone {
        name.parse().unwrap()
    }

    /// How long it takes until so many messages have gone.
    async fn sends(paces: &[&Pace], messages: usize) -> Duration {
        let began = Instant::now();
        join_all(paces.iter().cycle().take(messages).map(|pace| pace.turn())).await;
        began.elapsed()
    }

    /// To the next millisecond, as fine as time is in these tests.
    fn is(took: Duration, milliseconds: u64) -> bool {
        took.abs_diff(Duration::from_millis(milliseconds)) <= Duration::from_millis(1)
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenth_of_a_seconds_messages_go_at_once_and_the_others_one_by_one() {
        let pace = Paces::default().of(&zone("front.example.test"), 100);

        assert!(is(sends(&[&pace], 10).await, 0));
        assert!(is(sends(&[&pace], 100).await, 1000));
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert!(is(sends(&[&pace], 10).await, 0), "after a pause again");
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_clouds_with_one_zone_the_lower_figure_holds_for_both_until_it_is_gone() {
        let paces = Paces::default();
        let (fast, slow) =
            (paces.of(&zone("front.example.test"), 1000), paces.of(&zone("front.example.test"), 2));

        assert!(is(sends(&[&fast, &slow], 5).await, 2000));
        drop(slow);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(is(sends(&[&fast], 1000).await, 900));
    }

    #[tokio::test(start_paused = true)]
    async fn another_zone_has_a_pace_of_its_own() {
        let paces = Paces::default();
        let (one, other) = (paces.of(&zone("a.example.test"), 1), paces.of(&zone("b.example.test"), 1));

        assert!(is(sends(&[&one, &other], 2).await, 0));
        assert!(is(sends(&[&one], 1).await, 1000));
    }
}
