//! What the controllers share: the context of turns, and what the watches know of each kind.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use futures::stream::BoxStream;
use kube::api::Api;
use kube::runtime::controller::Controller;
use kube::runtime::reflector::{self, ObjectRef, Store, store::Writer};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tracing::debug;

use super::Stop;
use super::pools::{Pools, WokenClaims, WokenPools};
use crate::api::{Cloud, MachineImage, MachineType, TestNode, TestNodeClaim, TestNodePool, TestNodeSlot};
use crate::kubernetes::rewatch::Rewatch;
use crate::kubernetes::watched::events;
use crate::reconcile::context::Context;
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
    /// The images that machine types may name.
    pub machine_images: Kept<MachineImage>,
    /// The pools.
    pub pools: Kept<TestNodePool>,
    /// The claims.
    pub claims: Kept<TestNodeClaim>,
    /// What people say of slots.
    pub slots: Kept<TestNodeSlot>,
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
        match self.events(client.clone(), seen) {
            Some(events) => Controller::for_stream(events.applied_objects(), self.store.clone()),
            None => Controller::new(Api::all(client), watcher::Config::default()),
        }
    }

    /// Fills the store until told to stop, where nothing is done with the objects themselves. `seen` is as for a controller.
    pub async fn keep(&self, client: Client, seen: impl Fn(&K) + Send + 'static, stop: Stop) {
        let Some(events) = self.events(client, seen) else { return };
        let events = events.backoff(Rewatch::default()).take_until(stop);
        events
            .for_each(|event| async move {
                if let Err(error) = event {
                    debug!(%error, "watch");
                }
            })
            .await;
    }

    fn events(
        &self,
        client: Client,
        seen: impl Fn(&K) + Send + 'static,
    ) -> Option<BoxStream<'static, watcher::Result<Event<K>>>> {
        let (ready, writer) = (self.ready.clone(), self.writer.take()?);
        let events = events(client, writer, self.store.clone()).inspect(move |event| match event {
            Ok(Event::Apply(object) | Event::InitApply(object) | Event::Delete(object)) => seen(object),
            Ok(Event::InitDone) => {
                ready.send_replace(true);
            }
            Ok(Event::Init) | Err(_) => {}
        });
        Some(events.boxed())
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
