//! The objects of a store by what they belong to, so that nobody looks through all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};
use tokio::sync::watch;

/// Namespace and name.
pub(super) type Place = (String, String);

/// Where the objects of a store are, by what they belong to.
pub(super) struct Index<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store: Store<K>,
    belongs_to: fn(&K) -> Option<Place>,
    known: Mutex<Known>,
}

struct Known {
    /// It changes with each list.
    listed: watch::Receiver<bool>,
    places: BTreeMap<Place, BTreeSet<Place>>,
}

impl<K> Index<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    pub(super) fn new(
        store: Store<K>,
        listed: watch::Receiver<bool>,
        belongs_to: fn(&K) -> Option<Place>,
    ) -> Self {
        Self { store, belongs_to, known: Mutex::new(Known { listed, places: BTreeMap::new() }) }
    }

    /// The watch brought this object, and the store has done with it what is to be done.
    pub(super) fn saw(&self, object: &K) {
        let Some(owner) = (self.belongs_to)(object) else { return };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if self.store.get(&ObjectRef::from_obj(object)).is_some() {
            known.places.entry(owner).or_default().insert(place(object));
        } else if let Some(there) = known.places.get_mut(&owner) {
            // It went; or it is of a new list, all of which the store has when that has ended.
            there.remove(&place(object));
            if there.is_empty() {
                known.places.remove(&owner);
            }
        }
    }

    /// What belongs to this.
    pub(super) fn of(&self, owner: &Place) -> Vec<Arc<K>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.listed.has_changed().unwrap_or(false) {
            known.listed.borrow_and_update();
            known.places = BTreeMap::new();
            for object in self.store.state() {
                if let Some(owner) = (self.belongs_to)(&object) {
                    known.places.entry(owner).or_default().insert(place(&*object));
                }
            }
        }
        let there = known.places.get(owner).into_iter().flatten();
        let found = there
            .filter_map(|(namespace, name)| self.store.get(&ObjectRef::new(name).within(namespace)))
            .filter(|object| (self.belongs_to)(object).as_ref() == Some(owner));
        found.collect()
    }
}

fn place<K: Resource<DynamicType = ()>>(object: &K) -> Place {
    (object.namespace().unwrap_or_default(), object.name_any())
}

#[cfg(test)]
mod tests {
    use kube::runtime::reflector;
    use kube::runtime::watcher::Event;
    use serde_json::{from_value, json};

    use super::*;
    use crate::api::TestNodeClaim;

    fn claim(name: &str, pool: &str) -> TestNodeClaim {
        from_value(json!({"metadata": {"name": name, "namespace": "a"}, "spec": {"pool": {"name": pool}}}))
            .unwrap()
    }

    fn names(index: &Index<TestNodeClaim>, pool: &str) -> Vec<String> {
        index.of(&("a".into(), pool.into())).iter().map(|claim| claim.name_any()).collect()
    }

    #[test]
    fn it_knows_what_was_listed_what_came_and_what_went() {
        let (store, mut writer) = reflector::store();
        let (listed, receiver) = watch::channel(false);
        let of_pool = |claim: &TestNodeClaim| Some(("a".into(), claim.spec.pool.name.clone()));
        let index = Index::new(store, receiver, of_pool);
        for event in [Event::Init, Event::InitApply(claim("one", "p"))] {
            writer.apply_watcher_event(&event);
        }
        index.saw(&claim("one", "p"));
        writer.apply_watcher_event(&Event::InitDone);
        listed.send_replace(true);
        assert_eq!(names(&index, "p"), ["one"]);

        writer.apply_watcher_event(&Event::Apply(claim("two", "p")));
        index.saw(&claim("two", "p"));
        writer.apply_watcher_event(&Event::Delete(claim("one", "p")));
        index.saw(&claim("one", "p"));
        assert_eq!(names(&index, "p"), ["two"]);

        // A watch that begins anew does not tell what went meanwhile.
        for event in [Event::Init, Event::InitApply(claim("two", "q")), Event::InitDone] {
            writer.apply_watcher_event(&event);
        }
        listed.send_replace(true);
        assert_eq!((names(&index, "p").len(), names(&index, "q")), (0, vec!["two".to_owned()]));
    }
}
