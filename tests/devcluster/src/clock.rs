//! Time that follows tokio's clock, so that it stands still when a test pauses it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// A wall clock that moves with tokio's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    began: Instant,
    base: Timestamp,
}

impl Clock {
    pub(crate) fn starting(base: Timestamp) -> Self {
        Self { began: Instant::now(), base }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.began.elapsed()).unwrap_or(SignedDuration::MAX);
        self.base.checked_add(passed).unwrap_or(Timestamp::MAX)
    }

    /// Now, to the second, as `metadata` has it.
    pub(crate) fn stamp(&self) -> String {
        let now = self.now();
        Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
    }
}

/// A duration as kubectl prints ages: two units at most, `3d4h`, `90s`, `5m10s`.
pub(crate) fn age(passed: Duration) -> String {
    let seconds = passed.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let two = |big: u64, unit: &str, small: u64, rest: &str| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{small}{rest}") }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(days / 365, "y", days % 365, "d"),
        252_288_000.. => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_kubectl_prints_them() {
        let ages = [(0, "0s"), (119, "119s"), (120, "2m"), (150, "2m30s"), (3600, "60m"), (10_800, "3h")];
        let more =
            [(12_600, "3h30m"), (36_000, "10h"), (180_000, "2d2h"), (864_000, "10d"), (40_000_000, "462d")];

        for (seconds, text) in ages.into_iter().chain(more) {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }
}
