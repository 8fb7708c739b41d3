//! Following changes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep_until};

use crate::DevCluster;
use crate::json::set;
use crate::request::Request;
use crate::resource::Resource;
use crate::selector::Selector;
use crate::status::Status;
use crate::store::{Change, Store};
use crate::view::View;

/// How often a quiet watch is told how far it has got.
const BOOKMARK: Duration = Duration::from_mins(1);
/// How long a watch lasts that does not say.
const LONGEST: Duration = Duration::from_mins(45);

/// A watch: what is wanted, and how far it has got.
pub(crate) struct Watch {
    resource: Arc<Resource>,
    namespace: String,
    selector: Selector,
    view: View,
    cursor: u64,
    bookmarks: bool,
    next_bookmark: Instant,
    until: Instant,
    ready: VecDeque<Value>,
    over: bool,
}

impl Watch {
    pub(crate) fn begin(
        store: &Store,
        resource: Arc<Resource>,
        request: &Request,
        selector: Selector,
    ) -> Result<Self, Status> {
        let query = &request.query;
        let from = query.get("resourceVersion");
        let initial = query.flag("sendInitialEvents");
        let seconds = query.get("timeoutSeconds").parse().map_or(LONGEST, Duration::from_secs);
        let now = Instant::now();
        let mut watch = Self {
            resource,
            namespace: request.call.namespace.clone(),
            selector,
            view: View::of(request),
            cursor: store.revision(),
            bookmarks: query.flag("allowWatchBookmarks"),
            next_bookmark: now + BOOKMARK,
            until: now + seconds,
            ready: VecDeque::new(),
            over: false,
        };
        if initial || from.is_empty() || from == "0" {
            watch.ready_what_is(store);
            if initial && watch.bookmarks {
                let mut bookmark = watch.bookmark();
                set(
                    &mut bookmark,
                    &["object", "metadata", "annotations", "k8s.io/initial-events-end"],
                    json!("true"),
                );
                watch.ready.push_back(bookmark);
            }
        } else {
            watch.cursor =
                from.parse().map_err(|_| Status::bad_request(format!("Invalid value: {from:?}")))?;
        }
        Ok(watch)
    }

    /// Queues what there is now, as additions.
    fn ready_what_is(&mut self, store: &Store) {
        let found: Vec<_> = store.list(&self.resource.storage, &self.namespace).collect();
        for (_, object) in found {
            if self.selector.matches(object) {
                let shown = self.view.one(&self.resource, object, store.clock.now());
                self.ready.push_back(json!({"type": "ADDED", "object": shown}));
            }
        }
    }

    fn bookmark(&self) -> Value {
        let object = json!({
            "apiVersion": self.resource.api_version(), "kind": self.resource.kind,
            "metadata": {"resourceVersion": self.cursor.to_string(), "creationTimestamp": null},
        });
        json!({"type": "BOOKMARK", "object": object})
    }

    /// The end, in the words of a server that no longer remembers.
    pub(crate) fn expire(&mut self) {
        let status = Status::expired(format!("too old resource version: {}", self.cursor));
        self.ready.clear();
        self.ready.push_back(json!({"type": "ERROR", "object": status.body()}));
        self.over = true;
    }

    /// The next event, when there is one; `None` when the watch ends.
    pub(crate) async fn next(&mut self, cluster: &DevCluster, dropped: &mut Receiver<u64>) -> Option<Value> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            let mut moved = {
                let store = cluster.store();
                self.catch_up(&store);
                store.moved()
            };
            if !self.ready.is_empty() {
                continue;
            }
            tokio::select! {
                _ = moved.changed() => {}
                _ = dropped.changed() => return None,
                () = sleep_until(self.until) => {
                    self.over = true;
                    if self.bookmarks {
                        return Some(self.bookmark());
                    }
                }
                () = sleep_until(self.next_bookmark), if self.bookmarks => {
                    self.next_bookmark = Instant::now() + BOOKMARK;
                    return Some(self.bookmark());
                }
            }
        }
    }

    /// Queues the changes since the last look.
    fn catch_up(&mut self, store: &Store) {
        let Some(changes) = store.since(self.cursor) else {
            self.expire();
            return;
        };
        let here = |change: &&Change| {
            change.key.storage == self.resource.storage
                && (self.namespace.is_empty() || change.key.namespace == self.namespace)
        };
        for change in changes.filter(here) {
            let wanted = |object: &Option<Arc<Value>>| {
                object.as_ref().is_some_and(|object| self.selector.matches(object))
            };
            let (kind, object) = match (wanted(&change.before), wanted(&change.after)) {
                (false, false) => continue,
                (false, true) => ("ADDED", change.shown.clone()),
                (true, true) => ("MODIFIED", change.shown.clone()),
                (true, false) => ("DELETED", change.shown.clone()),
            };
            let shown = self.view.one(&self.resource, &object, store.clock.now());
            self.ready.push_back(json!({"type": kind, "object": shown}));
        }
        self.cursor = store.revision();
    }
}
