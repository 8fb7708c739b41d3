//! The objects, and the history of their changes that watches read.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::json::set;
use crate::resource::Resource;

/// As many changes as are kept for watches that come late.
const REMEMBERED: usize = 20_000;

/// Where an object is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) storage: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(storage: &str, namespace: &str, name: &str) -> Self {
        Self { storage: storage.into(), namespace: namespace.into(), name: name.into() }
    }
}

/// One change of one object: `before` is missing when it was made, `after` when it went.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) key: Key,
    pub(crate) before: Option<Arc<Value>>,
    pub(crate) after: Option<Arc<Value>>,
    /// The object as of this revision: `after`, or what is said of it as it goes.
    pub(crate) shown: Arc<Value>,
}

/// Everything the server knows.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) resources: Vec<Arc<Resource>>,
    pub(crate) clock: Clock,
    objects: BTreeMap<Key, Arc<Value>>,
    history: VecDeque<Change>,
    /// Changes up to this revision are no longer in the history.
    forgotten: u64,
    revision: u64,
    uids: u64,
    /// Something went, or began to: its namespace or its dependents may have to follow.
    pub(crate) unsettled: bool,
    moved: watch::Sender<u64>,
}

impl Store {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            resources: crate::resource::built_in().into_iter().map(Arc::new).collect(),
            clock,
            objects: BTreeMap::new(),
            history: VecDeque::new(),
            forgotten: 0,
            revision: 1,
            uids: 0,
            unsettled: false,
            moved: watch::Sender::new(1),
        }
    }

    pub(crate) fn resource(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        let is = |r: &&Arc<Resource>| r.group == group && r.version == version && r.plural == plural;
        self.resources.iter().find(is).cloned()
    }

    /// The first resource that keeps its objects there.
    pub(crate) fn keeper(&self, storage: &str) -> Option<Arc<Resource>> {
        self.resources.iter().find(|resource| resource.storage == storage).cloned()
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Wakes at every change.
    pub(crate) fn moved(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    pub(crate) fn new_uid(&mut self) -> String {
        self.uids += 1;
        format!("5eed0000-0000-4000-8000-{:012x}", self.uids)
    }

    /// A few characters that no other generated name has.
    pub(crate) fn suffix(&mut self) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        self.uids += 1;
        let mut left = self.uids.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut suffix = String::new();
        while suffix.len() < 5 {
            let at = usize::try_from(left % LETTERS.len() as u64).unwrap_or_default();
            suffix.extend(LETTERS.get(at).map(|&letter| char::from(letter)));
            left /= LETTERS.len() as u64;
        }
        suffix
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// The objects of a storage, of one namespace or (when empty) of all, by namespace and name.
    pub(crate) fn list<'a>(
        &'a self,
        storage: &'a str,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
        self.objects
            .range(Key::new(storage, namespace, "")..)
            .take_while(move |(key, _)| key.storage == storage)
            .filter(move |(key, _)| namespace.is_empty() || key.namespace == namespace)
    }

    /// Everything, of every kind.
    pub(crate) fn everything(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.iter()
    }

    /// Stores an object under a new revision.
    pub(crate) fn put(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        set(&mut object, &["metadata", "resourceVersion"], json!(self.revision.to_string()));
        let after = Arc::new(object);
        let before = self.objects.insert(key.clone(), after.clone());
        self.remember(Change {
            revision: self.revision,
            key,
            before,
            after: Some(after.clone()),
            shown: after.clone(),
        });
        after
    }

    /// Removes an object; watches are shown `last`, or what was stored.
    pub(crate) fn remove(&mut self, key: &Key, last: Option<Value>) -> Option<Arc<Value>> {
        let before = self.objects.remove(key)?;
        self.unsettled = true;
        self.revision += 1;
        let mut last = last.unwrap_or_else(|| (*before).clone());
        set(&mut last, &["metadata", "resourceVersion"], json!(self.revision.to_string()));
        let shown = Arc::new(last);
        self.remember(Change {
            revision: self.revision,
            key: key.clone(),
            before: Some(before),
            after: None,
            shown: shown.clone(),
        });
        Some(shown)
    }

    fn remember(&mut self, change: Change) {
        self.history.push_back(change);
        while self.history.len() > REMEMBERED {
            if let Some(gone) = self.history.pop_front() {
                self.forgotten = gone.revision;
            }
        }
        self.moved.send_replace(self.revision);
    }

    /// The changes after a revision; `None` where it is too long ago.
    pub(crate) fn since(&self, revision: u64) -> Option<impl Iterator<Item = &Change>> {
        if revision < self.forgotten {
            return None;
        }
        let first = self.history.partition_point(|change| change.revision <= revision);
        Some(self.history.range(first..))
    }

    /// Forgets all changes, so that a watch from before now is told 410.
    pub(crate) fn forget(&mut self) {
        self.history.clear();
        self.revision += 1;
        self.forgotten = self.revision;
    }
}
