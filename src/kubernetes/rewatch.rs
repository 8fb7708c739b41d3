//! When a watch that broke begins again.

use std::time::Duration;

use kube::runtime::utils::Backoff;

const FIRST: Duration = Duration::from_millis(800);
const LONGEST: Duration = Duration::from_secs(30);

/// The pauses of client-go's reflectors, as kube has them, but without dice: one process has nothing to spread, and a
/// life that is lived again is the same.
#[derive(Clone, Debug)]
pub struct Rewatch(Duration);

impl Default for Rewatch {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Iterator for Rewatch {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST);
        Some(pause)
    }
}

impl Backoff for Rewatch {
    fn reset(&mut self) {
        self.0 = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_half_a_minute_and_begin_anew_after_success() {
        let mut rewatch = Rewatch::default();
        let millis: Vec<u128> = rewatch.by_ref().take(7).map(|pause| pause.as_millis()).collect();
        assert_eq!(millis, [800, 1600, 3200, 6400, 12800, 25600, 30000]);

        rewatch.reset();

        assert_eq!(rewatch.next(), Some(FIRST));
    }
}
