//! What the lock server knows of the cluster without asking: every object that it serves or shows.

use std::fmt::Debug;
use std::sync::Arc;

use futures::StreamExt as _;
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::warn;

use crate::api::{Cloud, MachineType, TestNode, TestNodeClaim, TestNodePool, TestNodeSlot};
use crate::kubernetes::error::said;
use crate::kubernetes::rewatch::Rewatch;
use crate::kubernetes::watched::events;
use crate::saying::Saying;
use crate::supervision::{Awaited, Health};

/// All objects that the lock server reads.
pub struct Watched {
    /// Pools.
    pub pools: Store<TestNodePool>,
    /// Machine types.
    pub types: Store<MachineType>,
    /// Clouds.
    pub clouds: Store<Cloud>,
    /// Nodes.
    pub nodes: Store<TestNode>,
    /// Claims.
    pub claims: Store<TestNodeClaim>,
    /// What somebody says of slots.
    pub marks: Store<TestNodeSlot>,
    /// Counts what the watches bring.
    pub changes: watch::Receiver<u64>,
    /// Dropped, they end.
    _tasks: JoinSet<()>,
}

impl Watched {
    /// Begins to watch. It is not ready until everything was listed once.
    #[must_use]
    pub fn begin(client: &Client, health: &Health) -> Self {
        let (sender, changes) = watch::channel(0);
        let (sender, mut tasks) = (Arc::new(sender), JoinSet::new());
        let mut keeper = Keeper { client, health, sender, tasks: &mut tasks };
        Self {
            pools: keeper.keep("the list of TestNodePools"),
            types: keeper.keep("the list of MachineTypes"),
            clouds: keeper.keep("the list of Clouds"),
            nodes: keeper.keep("the list of TestNodes"),
            claims: keeper.keep("the list of TestNodeClaims"),
            marks: keeper.keep("the list of TestNodeSlots"),
            changes,
            _tasks: tasks,
        }
    }
}

struct Keeper<'a> {
    client: &'a Client,
    health: &'a Health,
    sender: Arc<watch::Sender<u64>>,
    tasks: &'a mut JoinSet<()>,
}

impl Keeper<'_> {
    fn keep<K>(&mut self, what: &'static str) -> Store<K>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    {
        let (store, writer) = reflector::store();
        let (sender, mut awaited) = (self.sender.clone(), Some(self.health.awaits(what)));
        let events = events(self.client.clone(), writer, store.clone()).backoff(Rewatch::default());
        self.tasks.spawn(async move {
            let mut events = std::pin::pin!(events);
            while let Some(event) = events.next().await {
                heard(&event, &mut awaited, what);
                sender.send_modify(|count| *count = count.wrapping_add(1));
            }
        });
        store
    }
}

fn heard<K>(event: &watcher::Result<Event<K>>, awaited: &mut Option<Awaited>, what: &'static str) {
    match event {
        Ok(Event::InitDone) => {
            if let Some(awaited) = awaited.take() {
                awaited.met();
            }
        }
        Ok(Event::Init | Event::InitApply(_) | Event::Apply(_) | Event::Delete(_)) => {}
        Err(error) => {
            let why = Saying::new(&match error {
                watcher::Error::InitialListFailed(error)
                | watcher::Error::WatchStartFailed(error)
                | watcher::Error::WatchFailed(error) => said(error),
                watcher::Error::WatchError(status) => status.message.clone(),
                watcher::Error::NoResourceVersion => error.to_string(),
            });
            warn!(error = %why, "{what} cannot be had");
            if let Some(awaited) = awaited {
                awaited.because(why.to_string());
            }
        }
    }
}
