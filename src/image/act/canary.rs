//! Requests about the TestNode that tests an image.

use jiff::SignedDuration;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams, Preconditions};
use tracing::{info, warn};

use super::At;
use crate::api::machine_image::CanaryRecord;
use crate::api::{MachineType, TestNode};
use crate::image::canary;
use crate::image::state::{Canary, CanaryMemory, SETTLED, Trouble, TypeRead, after};
use crate::kubernetes::error::{is_conflict, is_gone, is_taken, said};
use crate::reason::Reason;

/// What the API server refused is asked for again after this: somebody must act first.
const REFUSED: SignedDuration = SignedDuration::from_mins(1);
/// And what it did not answer after this.
const UNANSWERED: SignedDuration = SignedDuration::from_secs(5);

impl At<'_> {
    fn test_of(&self, id: &str) -> Option<CanaryRecord> {
        self.record(id)?.canary.clone()
    }

    fn about<R>(&self, id: &str, alter: impl FnOnce(&mut CanaryMemory) -> R) -> R {
        self.known(id, |known| alter(&mut known.canary))
    }

    fn nodes(&self, test: &CanaryRecord) -> Api<TestNode> {
        Api::namespaced(self.desk.client.clone(), &test.namespace)
    }

    /// Remembers what was read.
    fn found(&self, id: &str, look: Canary) {
        let now = self.desk.now();
        self.about(id, |known| {
            known.look = Some(look);
            known.looked = Some(now);
            // What an earlier process asked for may still be on its way.
            known.settles.get_or_insert(after(now, SETTLED));
            known.trouble = None;
        });
    }

    fn failed(&self, id: &str, what: &str, error: &kube::Error) {
        warn!(cloud = self.cloud, image = id, error = said(error), "{what}");
        let (reason, pause) = if is_refused(error) {
            (Reason::CanaryFailed, REFUSED)
        } else {
            (Reason::CanaryWaiting, UNANSWERED)
        };
        let trouble = Trouble::new(reason, format!("{what}: {}", said(error)));
        let until = after(self.desk.now(), pause);
        self.about(id, |known| {
            known.look = None;
            known.trouble = Some((trouble, until));
        });
    }

    pub(super) async fn find_canary(&self, id: &str) {
        let Some(test) = self.test_of(id) else { return };
        match self.nodes(&test).get_opt(&test.name).await {
            Ok(node) => {
                let look = node.map_or(Canary::Missing, |node| canary::seen(&node, self.cloud, id));
                self.found(id, look);
            }
            Err(error) => {
                self.failed(id, &format!("TestNode {}/{} cannot be read", test.namespace, test.name), &error);
            }
        }
    }

    pub(super) async fn read_type(&self, name: &str) {
        let found = Api::<MachineType>::all(self.desk.client.clone()).get_opt(name).await;
        let os = match found {
            Ok(Some(machine)) => canary::os(&machine.spec, name, self.image_name(), self.cloud),
            Ok(None) => Err(Trouble::new(
                Reason::CanaryFailed,
                format!("there is no MachineType {name}; make it, or name another in clouds[].canary"),
            )),
            Err(error) => {
                let reason = if is_refused(&error) { Reason::CanaryFailed } else { Reason::CanaryWaiting };
                Err(Trouble::new(reason, format!("MachineType {name} cannot be read: {}", said(&error))))
            }
        };
        let at = self.desk.now();
        self.note(|memory| memory.machine_type = Some(TypeRead { name: name.to_owned(), at, os }));
    }

    /// Makes it. Its name is the fence: if it is there already, it is looked at.
    pub(super) async fn make_canary(&self, id: &str) {
        let Some(test) = self.test_of(id) else { return };
        let Some(kind) = self.image.spec.canary(self.cloud) else { return };
        let read = self.note(|memory| memory.machine_type.clone());
        let Some(os) = read.filter(|read| read.name == kind).and_then(|read| read.os.ok()) else { return };
        let metadata = ObjectMeta {
            name: Some(test.name.clone()),
            namespace: Some(test.namespace.clone()),
            ..ObjectMeta::default()
        };
        let spec = canary::asked(self.image_name(), self.cloud, id, kind, os);
        let node = TestNode { metadata, spec, status: None };
        match self.nodes(&test).create(&PostParams::default(), &node).await {
            Ok(made) => {
                info!(cloud = self.cloud, image = id, node = test.name, "made a TestNode that tests it");
                self.found(id, canary::seen(&made, self.cloud, id));
            }
            Err(error) if is_taken(&error) || is_conflict(&error) => {
                self.about(id, |known| known.look = None);
            }
            Err(error) => {
                let what = format!("TestNode {}/{} cannot be made", test.namespace, test.name);
                self.failed(id, &what, &error);
                if !is_refused(&error) {
                    // It may be made all the same, and later.
                    let settles = after(self.desk.now(), SETTLED);
                    self.about(id, |known| known.settles = Some(settles));
                }
            }
        }
    }

    /// Deletes it, and no other of its name.
    pub(super) async fn drop_canary(&self, id: &str) {
        let Some(test) = self.test_of(id) else { return };
        let Some(Canary::There(node)) = self.about(id, |known| known.look.take()) else { return };
        let preconditions = Some(Preconditions { uid: Some(node.uid), resource_version: None });
        let params = DeleteParams { preconditions, ..DeleteParams::default() };
        match self.nodes(&test).delete(&test.name, &params).await {
            Ok(_) => {
                info!(
                    cloud = self.cloud,
                    image = id,
                    node = test.name,
                    "deleted the TestNode that tested it"
                );
            }
            Err(error) if is_gone(&error) || is_conflict(&error) => {}
            Err(error) => {
                let what = format!("TestNode {}/{} cannot be deleted", test.namespace, test.name);
                self.failed(id, &what, &error);
            }
        }
    }

    fn image_name(&self) -> &str {
        self.image.metadata.name.as_deref().unwrap_or_default()
    }
}

/// The API server answered, and will answer the same again: nothing was done.
fn is_refused(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if (400..500).contains(&status.code) && !matches!(status.code, 408 | 409 | 429))
}
