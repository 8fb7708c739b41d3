//! What this process last wrote as the status of an object, and when. Two operators may be at work for a
//! moment, and see different things: without this they would overwrite each other as fast as the API server can answer,
//! and every write would wake all nodes.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What somebody else wrote over ours stands at least this long.
const PATIENCE: Duration = Duration::from_secs(5);

/// The last statuses, by UID, or by kind and name.
#[derive(Debug, Default)]
pub struct Told(Mutex<BTreeMap<String, (String, Instant)>>);

impl Told {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (String, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long to wait before a status is written, given how it stands: not at all, unless it was written over.
    pub fn pause(&self, object: &str, stands: &impl std::fmt::Debug) -> Duration {
        match self.lock().get(object) {
            Some((told, at)) if *told != format!("{stands:?}") => PATIENCE.saturating_sub(at.elapsed()),
            Some(_) | None => Duration::ZERO,
        }
    }

    /// It is gone.
    pub fn forget(&self, object: &str) {
        self.lock().remove(object);
    }

    /// It was written.
    pub fn wrote(&self, object: &str, status: &impl std::fmt::Debug) {
        self.lock().insert(object.to_owned(), (format!("{status:?}"), Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_another_wrote_over_ours_stands_for_a_while_and_our_own_can_be_written_over_at_once() {
        let told = Told::default();
        assert_eq!(told.pause("cloud a", &"anything"), Duration::ZERO);

        told.wrote("cloud a", &"ours");

        assert_eq!(told.pause("cloud a", &"ours"), Duration::ZERO);
        assert_eq!(told.pause("cloud b", &"theirs"), Duration::ZERO);
        assert_eq!(told.pause("cloud a", &"theirs"), PATIENCE);
        tokio::time::advance(PATIENCE).await;
        assert_eq!(told.pause("cloud a", &"theirs"), Duration::ZERO);
    }
}
