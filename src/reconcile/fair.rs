//! Who may go next, where only so many can go at once: one namespace after the other, and within a namespace whoever
//! came first. So a namespace with a thousand nodes delays the single node of another by one place, not by a thousand.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// So many permits, given to namespaces in turn.
#[derive(Debug)]
pub struct Fair(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Permits that nobody waits for.
    free: usize,
    /// The namespace that was served last.
    last: String,
    /// Who waits, by namespace. No queue is empty.
    waiting: BTreeMap<String, VecDeque<oneshot::Sender<Permit>>>,
}

/// The right to go. It is given back when this is dropped.
#[derive(Debug)]
#[must_use = "dropping it gives it back"]
pub struct Permit(Option<Arc<Mutex<State>>>);

impl Fair {
    /// All permits free.
    #[must_use]
    pub fn new(permits: usize) -> Self {
        let state = State { free: permits, last: String::new(), waiting: BTreeMap::new() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Waits for the namespace's turn.
    pub async fn take(&self, namespace: &str) -> Permit {
        loop {
            let turn = {
                let mut state = lock(&self.0);
                if let Some(left) = state.free.checked_sub(1) {
                    state.free = left;
                    return Permit(Some(self.0.clone()));
                }
                let (give, turn) = oneshot::channel();
                state.waiting.entry(namespace.to_owned()).or_default().push_back(give);
                turn
            };
            if let Ok(permit) = turn.await {
                return permit;
            }
        }
    }
}

impl State {
    /// The next to go, of the namespace after the one that was served last.
    fn next(&mut self) -> Option<oneshot::Sender<Permit>> {
        let after = (Bound::Excluded(self.last.as_str()), Bound::Unbounded);
        let found = self.waiting.range::<str, _>(after).next().or_else(|| self.waiting.iter().next());
        let namespace = found?.0.clone();
        let queue = self.waiting.get_mut(&namespace)?;
        let next = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&namespace);
        }
        self.last = namespace;
        next
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(state) = self.0.take() else { return };
        loop {
            let next = {
                let mut state = lock(&state);
                let next = state.next();
                if next.is_none() {
                    state.free += 1;
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(Self(Some(state.clone()))) {
                Ok(()) => return,
                // Nobody waits there any longer: the next one has it.
                Err(mut unwanted) => drop(unwanted.0.take()),
            }
        }
    }
}

/// What the lock guards is sound even where its holder panicked.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::BoxFuture;

    use super::*;

    /// Starts to wait in each of these namespaces, in this order.
    async fn queue<'a>(fair: &'a Fair, namespaces: &[&'a str]) -> Vec<(&'a str, BoxFuture<'a, Permit>)> {
        let mut all = Vec::new();
        for namespace in namespaces {
            let mut turn = fair.take(namespace).boxed();
            assert!(futures::poll!(&mut turn).is_pending());
            all.push((*namespace, turn));
        }
        all
    }

    /// In which order they are served.
    async fn order<'a>(mut waiting: Vec<(&'a str, BoxFuture<'a, Permit>)>, first: Permit) -> Vec<&'a str> {
        drop(first);
        let mut served = Vec::new();
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut left = Vec::new();
            for (namespace, mut turn) in waiting {
                match futures::poll!(&mut turn) {
                    std::task::Poll::Ready(permit) => {
                        served.push(namespace);
                        drop(permit);
                    }
                    std::task::Poll::Pending => left.push((namespace, turn)),
                }
            }
            assert!(left.len() < before, "nobody is served any longer");
            waiting = left;
        }
        served
    }

    #[tokio::test]
    async fn one_node_of_a_namespace_does_not_wait_for_all_nodes_of_another() {
        let fair = Fair::new(1);
        let permit = fair.take("a").await;
        let waiting = queue(&fair, &["a", "a", "a", "a", "b", "c"]).await;

        let served = order(waiting, permit).await;

        assert_eq!(served.len(), 6);
        assert!(served.iter().position(|namespace| *namespace == "b").unwrap() <= 2, "{served:?}");
        assert!(served.iter().position(|namespace| *namespace == "c").unwrap() <= 3, "{served:?}");
    }

    #[tokio::test]
    async fn whoever_stopped_waiting_holds_up_nobody_and_loses_no_permit() {
        let fair = Fair::new(1);
        let permit = fair.take("a").await;
        let mut waiting = queue(&fair, &["a", "b", "c"]).await;

        drop(waiting.remove(0));
        let served = order(waiting, permit).await;

        assert_eq!(served, ["b", "c"]);
        assert!(fair.take("a").now_or_never().is_some());
    }

    #[tokio::test]
    async fn as_many_go_at_once_as_there_are_permits() {
        let fair = Fair::new(3);
        let permits = [fair.take("a").await, fair.take("a").await, fair.take("b").await];

        assert!(fair.take("c").now_or_never().is_none());
        drop(permits);
        assert!(fair.take("c").now_or_never().is_some());
    }
}
