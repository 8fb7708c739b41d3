//! When to look at servers that are being deleted. While few are, each is asked for by its id soon after its end was asked
//! for: that proves what otherwise a listing and then a question prove. Of many one listing tells. Pure but for the instants
//! it is given.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::things::Owner;

/// When to look, counted from the answer to the request that deletes the server.
const LOOKS: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), LAST];

/// The last of these looks.
const LAST: Duration = Duration::from_secs(4);

/// From then on listings tell, as of everything else.
const OVER: Duration = Duration::from_secs(5);

/// If more leave at once, a listing is cheaper.
const FEW: usize = 2;

/// The servers whose first looks are not over, by id.
#[derive(Debug, Default)]
pub struct Farewells(BTreeMap<String, Farewell>);

#[derive(Debug)]
struct Farewell {
    owner: Owner,
    asked: Instant,
    /// How many looks were made.
    looks: usize,
}

impl Farewells {
    /// Its end was asked for.
    pub fn begin(&mut self, id: &str, owner: &Owner, now: Instant) {
        self.0.retain(|_, farewell| farewell.over() > now);
        self.0.insert(id.to_owned(), Farewell { owner: owner.clone(), asked: now, looks: 0 });
    }

    /// It is gone.
    pub fn end(&mut self, id: &str) {
        self.0.remove(id);
    }

    /// When the looks at this node's servers are over, if there are some.
    #[must_use]
    pub fn over(&self, uid: &str) -> Option<Instant> {
        let own = self.few()?.filter(|(_, farewell)| farewell.owner.uid == uid);
        own.map(|(_, farewell)| farewell.over()).max()
    }

    /// The next look: at which server, whose it is, and when.
    #[must_use]
    pub fn next(&self) -> Option<(String, Owner, Instant)> {
        let looks = self.few()?.filter_map(|(id, farewell)| Some((id, farewell, farewell.due()?)));
        let (id, farewell, due) = looks.min_by_key(|(_, _, due)| *due)?;
        Some((id.clone(), farewell.owner.clone(), due))
    }

    /// A look is made now. Returns whether it still tells something: the server may have been proved gone meanwhile.
    #[must_use]
    pub fn look(&mut self, id: &str) -> bool {
        let farewell = self.0.get_mut(id);
        farewell.map(|farewell| farewell.looks += 1).is_some()
    }

    fn few(&self) -> Option<impl Iterator<Item = (&String, &Farewell)>> {
        (self.0.len() <= FEW).then(|| self.0.iter())
    }
}

impl Farewell {
    fn due(&self) -> Option<Instant> {
        LOOKS.get(self.looks).map(|after| self.asked + *after)
    }

    fn over(&self) -> Instant {
        self.asked + OVER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn owner(uid: &str) -> Owner {
        Owner { uid: uid.into(), attempt: Some(1) }
    }

    fn next(farewells: &Farewells, start: Instant) -> Option<(String, Duration)> {
        farewells.next().map(|(id, _, due)| (id, due - start))
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_is_looked_at_after_half_a_second_and_one_two_and_four_seconds() {
        let start = Instant::now();
        let mut farewells = Farewells::default();
        farewells.begin("a", &owner("u"), start);

        let mut looks = Vec::new();
        while let Some((_, due)) = next(&farewells, start) {
            looks.push(due);
            assert!(farewells.look("a"));
        }

        assert_eq!(looks, LOOKS);
        assert_eq!(farewells.over("u"), Some(start + OVER));
        assert_eq!(farewells.over("another"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_look_that_is_due_first_is_the_next() {
        let start = Instant::now();
        let mut farewells = Farewells::default();
        farewells.begin("a", &owner("u"), start);
        assert!(farewells.look("a"));
        farewells.begin("b", &owner("v"), start + SECOND / 4);
        assert_eq!(next(&farewells, start), Some(("b".into(), SECOND * 3 / 4)));

        farewells.end("b");
        assert!(!farewells.look("b"), "it is gone");
        assert_eq!(next(&farewells, start), Some(("a".into(), SECOND)));
    }

    #[tokio::test(start_paused = true)]
    async fn of_many_nobody_is_looked_at_until_few_are_left() {
        let start = Instant::now();
        let mut farewells = Farewells::default();
        for id in ["a", "b", "c"] {
            farewells.begin(id, &owner(id), start);
        }
        assert_eq!((next(&farewells, start), farewells.over("a")), (None, None));

        farewells.end("b");
        assert_eq!(next(&farewells, start), Some(("a".into(), SECOND / 2)));

        // Those before it were all looked at long ago.
        farewells.begin("d", &owner("d"), start + 5 * SECOND);
        assert_eq!(next(&farewells, start), Some(("d".into(), SECOND * 11 / 2)));
        assert_eq!(farewells.over("a"), None);
    }
}
