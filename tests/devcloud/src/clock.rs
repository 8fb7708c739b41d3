//! The wall clock of the cloud: a start instant, an epoch, and the time that tokio says has gone by.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Turns instants into the timestamps that bodies and headers show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    epoch: Timestamp,
}

impl Clock {
    pub(crate) fn new(epoch: Timestamp) -> Self {
        Self { started: Instant::now(), epoch }
    }

    /// The time as it is told.
    pub(crate) fn now(&self, at: Instant) -> Timestamp {
        self.wall(at)
    }

    fn wall(&self, at: Instant) -> Timestamp {
        let elapsed = at.saturating_duration_since(self.started);
        let elapsed = SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::MAX);
        self.epoch.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// As Nova, Neutron and Glance write it: `2024-02-20T10:11:12Z`.
    pub(crate) fn zulu(&self, at: Instant) -> String {
        self.wall(at).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// As Keystone writes it: microseconds and a Z.
    pub(crate) fn zulu_micros(&self, at: Instant) -> String {
        self.wall(at).strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
    }

    /// As Cinder writes it: microseconds and no zone.
    pub(crate) fn naive_micros(&self, at: Instant) -> String {
        self.wall(at).strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string()
    }

    /// As HTTP writes it in `Date`.
    pub(crate) fn http(&self, at: Instant) -> String {
        self.wall(at).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// As cloud-init writes it: `Tue, 20 Feb 2024 10:11:12 +0000`.
    pub(crate) fn cloud_init(&self, at: Instant) -> String {
        self.wall(at).strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
    }

    /// As syslog writes it: `Feb 20 10:11:12`.
    pub(crate) fn syslog(&self, at: Instant) -> String {
        self.wall(at).strftime("%b %e %H:%M:%S").to_string()
    }

    /// The instant of a timestamp in a query, if it is one.
    pub(crate) fn instant(&self, text: &str) -> Option<Instant> {
        let text = text.trim().replace(' ', "+");
        let zoned = text.ends_with('Z') || text.get(10..).is_some_and(|t| t.contains(['+', '-']));
        let stamp: Timestamp = if zoned { text.parse().ok()? } else { format!("{text}Z").parse().ok()? };
        let since = stamp.duration_since(self.epoch);
        Some(match std::time::Duration::try_from(since) {
            Ok(after) => self.started + after,
            Err(_) => self.started,
        })
    }
}
