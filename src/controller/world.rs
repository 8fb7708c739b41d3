//! What the controllers share: the context of turns, and what the watches know of each kind.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use kube::api::Api;
use kube::core::{DeserializeGuard, error_boundary::InvalidObject};
use kube::runtime::controller::Controller;
use kube::runtime::reflector::{self, ObjectRef, Store, store::Writer};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tracing::warn;

use super::pools::{Pools, WokenClaims, WokenPools};
use crate::api::{Cloud, MachineType, TestNode, TestNodeClaim, TestNodePool};
use crate::kubernetes::slim::{PAGE, slim};
use crate::reconcile::context::Context;
use crate::saying::Saying;
use crate::supervision::Supervisor;

/// What the controllers share.
pub struct World {
    /// What every turn needs.
    pub ctx: Arc<Context>,
    /// Keeps tasks running.
    pub supervisor: Supervisor,
    /// The nodes.
    pub nodes: Kept<TestNode>,
    /// The clouds.
    pub clouds: Kept<Cloud>,
    /// The machine types.
    pub machine_types: Kept<MachineType>,
    /// The pools.
    pub pools: Kept<TestNodePool>,
    /// The claims.
    pub claims: Kept<TestNodeClaim>,
    /// What the turns of pools and claims share.
    pub stock: Arc<Pools>,
    /// Pools that were woken.
    pub woken_pools: Taken<WokenPools>,
    /// Claims that were woken.
    pub woken_claims: Taken<WokenClaims>,
    /// Nodes that were woken.
    pub woken: Woken,
    /// Clouds that can be looked at for the first time, are away, or are back.
    pub cloud_news: Taken<UnboundedReceiver<ObjectRef<Cloud>>>,
}

/// The objects of one kind, as the watch of its controller knows them.
pub struct Kept<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    /// To read them.
    pub store: Store<K>,
    writer: Taken<Writer<K>>,
    /// Whether the first list is there. `Store::wait_until_ready` wakes only the task that asked last.
    ready: watch::Sender<bool>,
}

/// Nodes that are to be looked at.
pub type Woken = Taken<UnboundedReceiver<ObjectRef<TestNode>>>;

/// Something that one controller takes for itself.
pub struct Taken<T>(Mutex<Option<T>>);

impl<T> Taken<T> {
    /// Not taken yet.
    pub fn new(value: T) -> Self {
        Self(Mutex::new(Some(value)))
    }

    /// Takes it. There is nothing the second time.
    pub fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<K> Kept<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    /// Nothing is known yet.
    #[must_use]
    pub fn new() -> Self {
        let (store, writer) = reflector::store();
        Self { store, writer: Taken::new(writer), ready: watch::Sender::new(false) }
    }

    /// Waits until the first list is there, in whatever task.
    pub async fn ready(&self) {
        // The sender is ours.
        drop(self.listed().wait_for(|ready| *ready).await);
    }

    /// Whether the first list is there.
    pub fn listed(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// The controller whose watch fills the store. `seen` is called with each object that the watch brings, after the
    /// store has it.
    pub fn controller(&self, client: Client, seen: impl Fn(&K) + Send + 'static) -> Controller<K>
    where
        K::DynamicType: Eq + Hash + Clone + Debug + Unpin,
    {
        let config = watcher::Config::default().page_size(PAGE);
        let Some(writer) = self.writer.take() else { return Controller::new(Api::all(client), config) };
        let (ready, known) = (self.ready.clone(), self.store.clone());
        let events = watcher(Api::<DeserializeGuard<K>>::all(client), config)
            .filter_map(move |event| std::future::ready(readable(event, &known)))
            .modify(slim)
            .reflect(writer)
            .inspect(move |event| match event {
                Ok(Event::Apply(object) | Event::InitApply(object) | Event::Delete(object)) => seen(object),
                Ok(Event::InitDone) => {
                    ready.send_replace(true);
                }
                Ok(Event::Init) | Err(_) => {}
            });
        Controller::for_stream(events.applied_objects(), self.store.clone())
    }
}

/// What a watch brings, without objects that this version cannot read: a newer version may have words that it does not
/// know, and one such object must not break the watch of all. It counts as not there, and nothing of it is touched.
fn readable<K>(
    event: watcher::Result<Event<DeserializeGuard<K>>>,
    known: &Store<K>,
) -> Option<watcher::Result<Event<K>>>
where
    K: Resource<DynamicType = ()> + Clone,
{
    let before = |bad: &InvalidObject| {
        let mut at = ObjectRef::<K>::new(bad.metadata.name.as_deref().unwrap_or_default());
        at.namespace.clone_from(&bad.metadata.namespace);
        warn!(kind = %K::kind(&()), object = %at, error = %Saying::new(&bad.error), "this version cannot read it; it is left as it is");
        known.get(&at).map(|object| Event::Delete(K::clone(&object)))
    };
    match event {
        Ok(Event::Apply(DeserializeGuard(Ok(object)))) => Some(Ok(Event::Apply(object))),
        Ok(Event::InitApply(DeserializeGuard(Ok(object)))) => Some(Ok(Event::InitApply(object))),
        Ok(Event::Delete(DeserializeGuard(Ok(object)))) => Some(Ok(Event::Delete(object))),
        Ok(Event::Apply(DeserializeGuard(Err(bad))) | Event::Delete(DeserializeGuard(Err(bad)))) => {
            before(&bad).map(Ok)
        }
        Ok(Event::InitApply(DeserializeGuard(Err(bad)))) => {
            before(&bad);
            None
        }
        Ok(Event::Init) => Some(Ok(Event::Init)),
        Ok(Event::InitDone) => Some(Ok(Event::InitDone)),
        Err(error) => Some(Err(error)),
    }
}

impl<K> Default for Kept<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}
