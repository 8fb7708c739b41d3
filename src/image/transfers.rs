//! The transfers that are under way in this process: one for each cloud, and not too many.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

use super::state::{Sent, Slot, Trouble};
use super::transfer::{Job, transfer};
use crate::api::MachineImage;

/// All of them, by cloud.
pub struct Transfers {
    running: Mutex<BTreeMap<String, Running>>,
    most: usize,
    wake: UnboundedSender<ObjectRef<MachineImage>>,
}

struct Running {
    uid: String,
    id: String,
    bytes: Arc<AtomicU64>,
    ended: Arc<Mutex<Option<Result<Sent, Trouble>>>>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Transfers {
    /// None yet, and never more than so many. `wake` is told of the MachineImage whose transfer ended.
    #[must_use]
    pub fn new(most: usize, wake: UnboundedSender<ObjectRef<MachineImage>>) -> Self {
        Self { running: Mutex::default(), most, wake }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a MachineImage may begin one to a cloud.
    #[must_use]
    pub fn slot(&self, uid: &str, cloud: &str) -> Slot {
        let running = self.lock();
        match running.get(cloud) {
            Some(ours) if ours.uid == uid => Slot::Ours(ours.id.clone(), ours.bytes.load(Ordering::Relaxed)),
            Some(_) => Slot::Busy,
            None if running.len() >= self.most => Slot::Busy,
            None => Slot::Free,
        }
    }

    /// Begins one, unless there is no slot for it.
    pub fn begin(&self, owner: &MachineImage, uid: &str, cloud: &str, job: Job) {
        let mut running = self.lock();
        if running.contains_key(cloud) || running.len() >= self.most {
            return;
        }
        let (id, bytes) = (job.id.0.clone(), job.bytes.clone());
        let ended = Arc::<Mutex<_>>::default();
        let (result, wake, owner) = (Arc::clone(&ended), self.wake.clone(), ObjectRef::from_obj(owner));
        let work = tokio::spawn(async move {
            let done = transfer(job).await;
            *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            // The receiver ends with the process.
            drop(wake.send(owner));
        });
        let task = work.abort_handle();
        running.insert(cloud.to_owned(), Running { uid: uid.to_owned(), id, bytes, ended, task });
    }

    /// How the transfer of a MachineImage to a cloud ended, if it did; its slot is free then.
    pub fn ended(&self, uid: &str, cloud: &str) -> Option<(String, Result<Sent, Trouble>)> {
        let mut running = self.lock();
        let ours = running.get(cloud).filter(|ours| ours.uid == uid)?;
        let done = ours.ended.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let id = ours.id.clone();
        running.remove(cloud);
        Some((id, done))
    }

    /// Gives one up: its connection is cut.
    pub fn cancel(&self, uid: &str, cloud: &str) {
        let mut running = self.lock();
        if running.get(cloud).is_some_and(|ours| ours.uid == uid) {
            running.remove(cloud);
        }
    }

    /// The MachineImage is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().retain(|_, running| running.uid != uid);
    }
}
