//! What a watch of a kind brings: slim, and without objects that cannot be read.

use std::fmt::Debug;
use std::hash::Hash;

use futures::{Stream, StreamExt as _};
use kube::api::Api;
use kube::core::{DeserializeGuard, error_boundary::InvalidObject};
use kube::runtime::reflector::{ObjectRef, Store, store::Writer};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tracing::warn;

use super::slim::{PAGE, slim};
use crate::saying::Saying;

/// Watches all objects of a kind. The store that `writer` fills has each before it is told of here.
pub fn events<K>(
    client: Client,
    writer: Writer<K>,
    known: Store<K>,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    watcher(Api::<DeserializeGuard<K>>::all(client), watcher::Config::default().page_size(PAGE))
        .filter_map(move |event| std::future::ready(readable(event, &known)))
        .modify(slim)
        .reflect(writer)
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
