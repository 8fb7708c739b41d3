//! Another release of the operator in the same cluster, in another namespace: while it leads, this one says so and does
//! nothing; when this one leads after it, it says what the other may have left. A standby of the same release is no stranger.

use k8s_openapi::api::core::v1::ObjectReference;
use tokio::sync::watch;
use tracing::warn;

use crate::kubernetes::events::{Event, Events, Severity};
use crate::lease::{Leadership, Settings};
use crate::reason::Reason;
use crate::reconcile::context::Seams;
use crate::supervision::Health;

/// Looks out for a leader that is at home elsewhere.
pub(super) struct Stranger {
    home: String,
    lease: String,
    pod: ObjectReference,
    events: Events,
    health: Health,
}

impl Stranger {
    pub(super) fn new(settings: &Settings, client: &kube::Client, seams: &Seams, health: &Health) -> Self {
        // The identity begins with the pod's name.
        let name = settings.identity.split('_').next().unwrap_or_default();
        let pod = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Pod".into()),
            namespace: Some(settings.home.clone()),
            name: Some(name.to_owned()),
            ..ObjectReference::default()
        };
        Self {
            home: settings.home.clone(),
            lease: format!("{}/{}", settings.namespace, settings.name),
            pod,
            events: Events::new(client.clone(), &settings.identity, seams.clock.clone()),
            health: health.clone(),
        }
    }

    /// Watches until the election ends.
    pub(super) async fn watch(self, mut leadership: watch::Receiver<Leadership>) {
        let mut waiting = None;
        loop {
            let leader = leader_elsewhere(&leadership.borrow_and_update(), &self.home);
            match leader {
                Some((holder, home)) => {
                    let why = format!(
                        "namespace {home} has the operator of this cluster: {holder} holds the Lease {}. One cluster has \
                         one testnode-operator: uninstall this one, or that one",
                        self.lease
                    );
                    warn!("{why}");
                    let awaited =
                        waiting.get_or_insert_with(|| self.health.awaits("the end of another operator"));
                    awaited.because(why.clone());
                    self.tell(Reason::AnotherOperator, &why).await;
                }
                None => {
                    if let Some(waiting) = waiting.take() {
                        waiting.met();
                    }
                }
            }
            let from = leader_before(&leadership.borrow());
            if let Some(from) = from {
                let left = format!(
                    "the operator was in namespace {from} before. Its finalizers `cloud.testnode.dev/…` hold the Secrets of \
                     Clouds there; only you can remove them, see docs/how-to/move-to-another-namespace.md"
                );
                warn!("{left}");
                self.tell(Reason::OperatorMoved, &left).await;
            }
            if leadership.changed().await.is_err() {
                return;
            }
        }
    }

    async fn tell(&self, reason: Reason, note: &str) {
        let (severity, action) = (Severity::Warning, "Elect");
        let regarding = self.pod.clone();
        self.events.publish(Event { severity, reason, action, note, regarding, related: None }).await;
    }
}

/// Who leads, and where it is at home, if that is not here.
fn leader_elsewhere(leadership: &Leadership, here: &str) -> Option<(String, String)> {
    match leadership {
        Leadership::Following { holder: Some(holder), home: Some(home) } if home != here => {
            Some((holder.clone(), home.clone()))
        }
        Leadership::Following { .. } | Leadership::Leading { .. } | Leadership::Unknown(_) => None,
    }
}

/// Where the leader before us was at home, if that is elsewhere and we lead now.
fn leader_before(leadership: &Leadership) -> Option<String> {
    match leadership {
        Leadership::Leading { from, .. } => from.clone(),
        Leadership::Following { .. } | Leadership::Unknown(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standby_of_the_same_release_is_no_stranger() {
        let follows =
            |home: &str| Leadership::Following { holder: Some("pod_1".into()), home: Some(home.into()) };

        assert_eq!(leader_elsewhere(&follows("here"), "here"), None);
        assert_eq!(leader_elsewhere(&follows("there"), "here"), Some(("pod_1".into(), "there".into())));
        assert_eq!(leader_elsewhere(&Leadership::Unknown(None), "here"), None);
    }
}
