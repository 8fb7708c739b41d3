//! What is known of looks and changes of one kind in one cloud, whatever the things are: which listings were
//! complete, whose requests were answered, refused or lost, and who waits for a look. Pure but for the instants it is
//! given.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::reason::Reason;
use tokio::time::Instant;

/// After a create whose reply was lost nothing can come any more, once a listing began this long after it.
pub const SETTLING: Duration = Duration::from_secs(90);

/// The first look after a change of ours.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// The first look after a change that took effect: some clouds still list the volumes of a server that has just gone.
const MOMENT: Duration = Duration::from_millis(250);

/// A listing must begin after what it is to show, not with it, however coarse the clock.
const TICK: Duration = Duration::from_millis(1);

/// So long after a change a node is looked at each second.
const YOUNG: Duration = Duration::from_secs(3);

/// A listing takes at most one part in so many of the time: a cloud that is slow to answer is asked less often.
const SHARE: u32 = 5;

/// The quick look after a change is for a few nodes. While many change all the time, it would be the only pace.
const FEW: usize = 5;

/// A listing that failed this often in a row makes its cloud count as away.
const FAILURES_UNTIL_AWAY: u32 = 2;

/// Listings that are remembered.
const HISTORY: usize = 256;

/// Looks and changes of one kind in one cloud.
#[derive(Debug, Default)]
pub struct Ledger {
    /// When each complete listing began, oldest first.
    listings: VecDeque<Instant>,
    touches: HashMap<String, Touch>,
    wants: HashMap<String, Instant>,
    failing: Option<Failing>,
    /// How long the last listing took.
    took: Duration,
}

/// A listing that fails.
#[derive(Clone, Debug)]
pub struct Failing {
    /// Since when.
    pub since: Instant,
    /// How often in a row.
    pub failures: u32,
    /// Condition reason.
    pub reason: Reason,
    /// What was said.
    pub message: String,
    /// Not again before.
    pub retry_at: Instant,
}

/// What our own requests for one node came to.
#[derive(Clone, Copy, Debug, Default)]
struct Touch {
    changed: Option<Instant>,
    /// A listing that began after this shows what was made of the last request.
    dirty: Option<Instant>,
    /// A create whose reply never came, and when we stopped waiting.
    lost: Option<Instant>,
}

impl Ledger {
    /// A listing that began then is complete.
    pub fn listed(&mut self, began: Instant) {
        self.failing = None;
        self.listings.push_back(began);
        if self.listings.len() > HISTORY {
            self.listings.pop_front();
        }
    }

    /// So long the last listing took.
    pub fn took(&mut self, took: Duration) {
        self.took = took;
    }

    /// A listing failed.
    pub fn failed(&mut self, now: Instant, reason: Reason, message: String, wait: Option<Duration>) {
        let streak = self.failing.take();
        let failures = streak.as_ref().map_or(0, |failing| failing.failures) + 1;
        let backoff = Duration::from_secs(1 << failures.min(5)).min(Duration::from_secs(30));
        self.failing = Some(Failing {
            since: streak.map_or(now, |failing| failing.since),
            failures,
            reason,
            message,
            retry_at: now + wait.unwrap_or(Duration::ZERO).max(backoff),
        });
    }

    /// The streak of failures, if the last listing failed.
    #[must_use]
    pub fn failing(&self) -> Option<&Failing> {
        self.failing.as_ref()
    }

    /// The streak of failures, if it is so long that the cloud counts as away.
    #[must_use]
    pub fn away(&self) -> Option<&Failing> {
        self.failing().filter(|failing| failing.failures >= FAILURES_UNTIL_AWAY)
    }

    /// Our request for this node was answered as we wished: what it told is folded in. What became of an earlier one that was
    /// refused only a listing shows, as before.
    pub fn answered(&mut self, uid: &str, now: Instant) {
        self.touches.entry(uid.to_owned()).or_default().changed = Some(now);
    }

    /// Our request was refused: one fresh look decides what came of it.
    pub fn refused(&mut self, uid: &str, now: Instant) {
        let touch = self.touches.entry(uid.to_owned()).or_default();
        *touch = Touch { changed: Some(now), dirty: Some(now), ..*touch };
    }

    /// The reply to our request never came: it may take effect later.
    pub fn lost(&mut self, uid: &str, now: Instant) {
        self.touches.insert(uid.to_owned(), Touch { changed: Some(now), dirty: Some(now), lost: Some(now) });
    }

    /// What was seen of the node is old: something else that happened to it changed this too.
    pub fn outdated(&mut self, uid: &str, now: Instant) {
        let touch = self.touches.entry(uid.to_owned()).or_default();
        *touch = Touch { changed: Some(now), dirty: Some(now), ..*touch };
    }

    /// A change that was noted before has taken effect: what was seen of the node until then is old.
    pub fn carried_out(&mut self, uid: &str, now: Instant) {
        self.touches.entry(uid.to_owned()).or_default().dirty = Some(now);
    }

    /// The node need not wait for a listing: another answer told it what it waited for.
    pub fn told(&mut self, uid: &str) {
        self.wants.remove(uid);
    }

    /// The node is gone.
    pub fn forget(&mut self, uid: &str) {
        self.touches.remove(uid);
        self.wants.remove(uid);
    }

    /// When the last complete listing began.
    #[must_use]
    pub fn last(&self) -> Option<Instant> {
        self.listings.back().copied()
    }

    /// What is there shows every change that was made for the node. One that was `born` in this process has nothing
    /// that we did not make; for any other a first listing is needed.
    #[must_use]
    pub fn is_fresh(&self, uid: &str, born: Born) -> bool {
        let dirty = self.touches.get(uid).and_then(|touch| touch.dirty);
        let looked = born == Born::Here || !self.listings.is_empty();
        looked && dirty.is_none_or(|dirty| self.last().is_some_and(|last| last > dirty))
    }

    /// No create whose fate is unknown can take effect any more: one complete listing after it, then one that began
    /// [`SETTLING`] after it. `suspect` is since when an earlier process' requests are unknown.
    #[must_use]
    pub fn is_settled(&self, uid: &str, suspect: Option<Instant>) -> bool {
        self.settles_at(uid, suspect).is_none()
    }

    /// When the next listing that settling needs may begin.
    #[must_use]
    pub fn settles_at(&self, uid: &str, suspect: Option<Instant>) -> Option<Instant> {
        let lost = self.touches.get(uid).and_then(|touch| touch.lost);
        let since = lost.max(suspect)?;
        let Some(first) = self.listings.iter().find(|began| **began > since) else { return Some(since) };
        let settled = self.listings.iter().any(|began| began > first && *began >= since + SETTLING);
        (!settled).then_some(since + SETTLING)
    }

    /// A node waits for a listing that begins then or later; it is looked at as soon as pace allows.
    pub fn want(&mut self, uid: &str, not_before: Instant) {
        self.wants.insert(uid.to_owned(), not_before);
    }

    /// A node waits for news of what it has.
    pub fn want_news(&mut self, uid: &str, now: Instant) {
        let touch = self.touches.get(uid).copied().unwrap_or_default();
        let soon = touch.changed.map_or(now, |changed| changed + FIRST_LOOK);
        let soon = touch.dirty.map_or(soon, |dirty| soon.max(dirty + MOMENT));
        self.wants.insert(uid.to_owned(), soon);
    }

    /// The nodes whose wait ends with a listing that began then. They do not wait for another one until they say so again.
    pub fn satisfied(&mut self, began: Instant) -> Vec<String> {
        let done: Vec<String> =
            self.wants.iter().filter(|(_, wanted)| **wanted <= began).map(|(uid, _)| uid.clone()).collect();
        for uid in &done {
            self.wants.remove(uid);
        }
        done
    }

    /// When our last request was answered, refused or lost.
    #[must_use]
    pub fn changed(&self) -> Option<Instant> {
        self.touches.values().filter_map(|touch| touch.changed).max()
    }

    /// Nobody waits for a listing, and none failed.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.wants.is_empty() && self.failing.is_none()
    }

    /// When to list next.
    #[must_use]
    pub fn due(&self, now: Instant, active: Duration, idle: Duration) -> Instant {
        if let Some(failing) = &self.failing {
            return failing.retry_at;
        }
        let Some(last) = self.last() else { return now };
        let few = self.wants.len() <= FEW;
        let wanted = self.wants.iter().map(|(uid, not_before)| {
            let touch = self.touches.get(uid).copied().unwrap_or_default();
            let young = few && touch.changed.is_some_and(|changed| now < changed + YOUNG);
            let pace = if young { FIRST_LOOK.min(active) } else { active }.max(self.took * SHARE);
            let due = (*not_before).max(last + pace);
            touch.dirty.map_or(due, |dirty| due.max(dirty + TICK))
        });
        wanted.chain([last + idle]).min().unwrap_or(last + idle)
    }
}

/// Where a node's life in a cloud began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Born {
    /// This process added the first finalizer for the cloud: nothing was made there before.
    Here,
    /// Before this process.
    Before,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_lost_create_is_settled_by_two_listings_of_which_one_began_ninety_seconds_later() {
        let start = Instant::now();
        let mut ledger = Ledger::default();
        ledger.lost("u", start);
        assert_eq!(ledger.settles_at("u", None), Some(start));

        ledger.listed(start + SETTLING);
        assert!(!ledger.is_settled("u", None), "one listing is not two");

        let mut ledger = Ledger::default();
        ledger.lost("u", start);
        ledger.listed(start + SECOND);
        ledger.listed(start + 89 * SECOND);
        assert!(!ledger.is_settled("u", None), "both began too early");
        ledger.listed(start + 90 * SECOND);
        assert!(ledger.is_settled("u", None));
        assert!(ledger.is_settled("another", None));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_does_not_tell_what_became_of_an_earlier_request_that_was_refused() {
        let start = Instant::now();
        let mut ledger = Ledger::default();
        ledger.refused("u", start);

        ledger.answered("u", start + SECOND);
        assert!(!ledger.is_fresh("u", Born::Here));

        ledger.listed(start + 2 * SECOND);
        assert!(ledger.is_fresh("u", Born::Here));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_of_an_earlier_process_are_unknown_since_the_lease_was_taken() {
        let start = Instant::now();
        let mut ledger = Ledger::default();
        ledger.listed(start + SECOND);

        assert!(!ledger.is_settled("u", Some(start)));
        ledger.listed(start + 91 * SECOND);
        assert!(ledger.is_settled("u", Some(start)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_request_needs_a_listing_that_began_after_it() {
        let start = Instant::now();
        let mut ledger = Ledger::default();
        assert!(ledger.is_fresh("u", Born::Here));
        assert!(!ledger.is_fresh("u", Born::Before));
        ledger.listed(start);
        assert!(ledger.is_fresh("u", Born::Before));

        ledger.refused("u", start + SECOND);
        assert!(!ledger.is_fresh("u", Born::Here));
        ledger.listed(start + SECOND);
        assert!(!ledger.is_fresh("u", Born::Here), "it began no later than the answer");
        ledger.listed(start + 2 * SECOND);
        assert!(ledger.is_fresh("u", Born::Here));

        ledger.refused("u", start + 3 * SECOND);
        ledger.answered("u", start + 4 * SECOND);
        assert!(!ledger.is_fresh("u", Born::Here), "the answer was to another request");
        ledger.listed(start + 5 * SECOND);
        assert!(ledger.is_fresh("u", Born::Here));
    }

    #[tokio::test(start_paused = true)]
    async fn a_young_change_is_looked_at_each_second_then_at_the_active_pace_and_rest_at_the_idle_one() {
        let start = Instant::now();
        let (active, idle) = (2 * SECOND, 30 * SECOND);
        let mut ledger = Ledger::default();
        assert_eq!(ledger.due(start, active, idle), start, "never listed");
        ledger.listed(start);
        assert_eq!(ledger.due(start, active, idle), start + idle);

        ledger.answered("u", start);
        ledger.want_news("u", start);
        assert_eq!(ledger.due(start, active, idle), start + SECOND);
        ledger.listed(start + SECOND);
        ledger.want_news("u", start + SECOND);
        assert_eq!(ledger.due(start + SECOND, active, idle), start + 2 * SECOND);
        ledger.listed(start + 4 * SECOND);
        assert_eq!(ledger.due(start + 4 * SECOND, active, idle), start + 6 * SECOND);

        assert_eq!(ledger.satisfied(start + 6 * SECOND), ["u"]);
        assert_eq!(ledger.due(start + 6 * SECOND, active, idle), start + 34 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn many_young_changes_and_a_slow_cloud_are_looked_at_less_often() {
        let start = Instant::now();
        let (active, idle) = (2 * SECOND, 30 * SECOND);
        let mut ledger = Ledger::default();
        ledger.listed(start);
        for node in 0..=FEW {
            ledger.answered(&node.to_string(), start);
            ledger.want_news(&node.to_string(), start);
        }
        assert_eq!(ledger.due(start, active, idle), start + active);

        ledger.took(SECOND);
        assert_eq!(ledger.due(start, active, idle), start + 5 * SECOND);
        ledger.took(SECOND / 10);
        assert_eq!(ledger.due(start, active, idle), start + active);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_listing_is_asked_again_slower_and_slower_and_no_sooner_than_told() {
        let start = Instant::now();
        let mut ledger = Ledger::default();
        ledger.failed(start, Reason::CloudUnreachable, "no".into(), None);
        assert_eq!(ledger.due(start, SECOND, SECOND), start + 2 * SECOND);
        ledger.failed(start, Reason::RateLimited, "slow down".into(), Some(60 * SECOND));
        assert_eq!(ledger.due(start, SECOND, SECOND), start + 60 * SECOND);
        assert_eq!(ledger.failing().map(|failing| failing.failures), Some(2));
        ledger.listed(start);
        assert!(ledger.failing().is_none());
    }
}
