//! How long to wait after a failure. Pure.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);

/// Half as long as the trouble has lasted. A streak that is measured, not counted, grows no map and no overflow.
#[must_use]
pub fn backoff(failing_for: Duration) -> Duration {
    (failing_for / 2).clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_tried_again_after_a_second_and_never_later_than_after_a_minute() {
        assert_eq!(backoff(Duration::ZERO), SHORTEST);
        assert_eq!(backoff(Duration::from_secs(30)), Duration::from_secs(15));
        assert_eq!(backoff(Duration::MAX), LONGEST);
    }
}
