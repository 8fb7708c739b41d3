//! Wakes nodes by their UID: pollers and the gate know nothing of names.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::api::TestNode;

/// Which object each UID is, and the way to the controller's queue.
pub struct Waker {
    known: Mutex<HashMap<String, ObjectRef<TestNode>>>,
    queue: UnboundedSender<ObjectRef<TestNode>>,
}

impl Waker {
    /// A waker, and the queue it fills.
    #[must_use]
    pub fn new() -> (Self, UnboundedReceiver<ObjectRef<TestNode>>) {
        let (queue, woken) = unbounded_channel();
        (Self { known: Mutex::default(), queue }, woken)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, ObjectRef<TestNode>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This UID is that object.
    pub fn learn(&self, uid: &str, object: ObjectRef<TestNode>) {
        self.known().entry(uid.to_owned()).or_insert(object);
    }

    /// The object is gone.
    pub fn forget(&self, uid: &str) {
        self.known().remove(uid);
    }

    /// Has a node look again. One that this process never saw is not ours to wake.
    pub fn wake(&self, uid: &str) {
        if let Some(object) = self.known().get(uid) {
            // The receiver ends with the process.
            drop(self.queue.send(object.clone()));
        }
    }

    /// Has all nodes look again.
    pub fn wake_all(&self) {
        for object in self.known().values() {
            drop(self.queue.send(object.clone()));
        }
    }
}
