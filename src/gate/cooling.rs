//! Places that had no host for a flavor a while ago: better tried elsewhere meanwhile.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// A place that failed by capacity is avoided for so long.
pub const COOLS_FOR: Duration = Duration::from_mins(5);

/// Where a machine of one flavor was to be made.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Place {
    /// The cloud.
    pub cloud: String,
    /// The zone that was asked for.
    pub zone: Option<String>,
    /// The flavor.
    pub flavor: String,
}

/// The places that cool down, and until when.
#[derive(Debug, Default)]
pub(super) struct Cooling(HashMap<Place, Instant>);

impl Cooling {
    /// No host was found there.
    pub(super) fn failed(&mut self, place: Place, now: Instant) {
        self.0.retain(|_, until| *until > now);
        self.0.insert(place, now + COOLS_FOR);
    }

    /// A machine was made there. Returns whether that is news.
    pub(super) fn worked(&mut self, place: &Place) -> bool {
        self.0.remove(place).is_some()
    }

    /// How long it is still to be avoided.
    pub(super) fn left(&self, place: &Place, now: Instant) -> Option<Duration> {
        self.0.get(place).filter(|until| **until > now).map(|until| *until - now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_avoided_for_its_flavor_until_its_time_ends_or_a_machine_was_made() {
        let place = |flavor: &str| Place { cloud: "c".into(), zone: None, flavor: flavor.into() };
        let (mut cooling, now) = (Cooling::default(), Instant::now());

        cooling.failed(place("small"), now);

        assert_eq!(cooling.left(&place("small"), now), Some(COOLS_FOR));
        assert_eq!(cooling.left(&place("big"), now), None);
        assert_eq!(cooling.left(&place("small"), now + COOLS_FOR), None);
        assert!(cooling.worked(&place("small")));
        assert_eq!(cooling.left(&place("small"), now), None);
    }
}
