use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use devcluster::{DevCluster, Verb};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Event, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::events::{Event as Note, EventType, Recorder};
use kube::runtime::finalizer::{Event as Held, finalizer};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use serde_json::json;
use tower::ServiceExt as _;

use crate::{cluster, probe};

const HOLD: &str = "lab.example.org/hold";

fn client(cluster: &DevCluster) -> Client {
    let service = cluster.router().into_service::<Body>();
    let service = service.map_request(|r: axum::http::Request<kube::client::Body>| r.map(Body::new));
    Client::new(service, "default")
}

fn kind() -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("lab.example.org", "v1", "Probe"), "probes")
}

struct Context {
    client: Client,
    turns: AtomicUsize,
}

#[derive(Debug)]
struct Failed(String);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

async fn reconcile(object: Arc<DynamicObject>, context: Arc<Context>) -> Result<Action, Failed> {
    context.turns.fetch_add(1, Ordering::SeqCst);
    let client = context.client.clone();
    let api = Api::namespaced_with(client.clone(), "default", &kind());
    let turn = |event: Held<DynamicObject>| async {
        match event {
            Held::Apply(object) => {
                let status = json!({
                    "apiVersion": "lab.example.org/v1", "kind": "Probe",
                    "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "Ready"}]},
                });
                let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &kind());
                let by = PatchParams::apply("operator").force();
                api.patch_status(&object.name_any(), &by, &Patch::Apply(&status)).await?;
                let note = Note {
                    type_: EventType::Normal,
                    reason: "Ready".into(),
                    note: Some("it is ready".into()),
                    action: "Reconcile".into(),
                    secondary: None,
                };
                let recorder = Recorder::new(client.clone(), "operator".into());
                recorder.publish(&note, &object.object_ref(&kind())).await?;
                Ok::<_, kube::Error>(Action::requeue(Duration::from_mins(5)))
            }
            Held::Cleanup(_) => Ok(Action::await_change()),
        }
    };
    finalizer(&api, HOLD, object, turn).await.map_err(|error| Failed(error.to_string()))
}

#[tokio::test(start_paused = true)]
async fn the_real_controller_holds_reports_and_lets_go() {
    let cluster = cluster();
    let client = client(&cluster);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &kind());
    let context = Arc::new(Context { client: client.clone(), turns: AtomicUsize::new(0) });
    let controller = Controller::new_with(api.clone(), watcher::Config::default(), kind())
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_secs(5)), context.clone())
        .for_each(|_| async {});
    let running = tokio::spawn(controller);

    cluster.faults().conflict(1, "probes");
    let object: DynamicObject = serde_json::from_value(probe("p", &json!({"image": "a"}))).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap_err();
    api.create(&PostParams::default(), &object).await.unwrap();
    tokio::time::sleep(Duration::from_hours(1)).await;

    let seen = api.get("p").await.unwrap();
    assert_eq!(seen.finalizers(), [HOLD]);
    assert_eq!(seen.data["status"]["conditions"][0]["status"], "True");
    let turns = context.turns.load(Ordering::SeqCst);
    assert!((13..20).contains(&turns), "{turns} turns in an hour");
    let events: Api<Event> = Api::default_namespaced(client.clone());
    let events = events.list(&ListParams::default()).await.unwrap();
    assert_eq!(events.items[0].message.as_deref(), Some("it is ready"));

    cluster.faults().drop_watches();
    cluster.faults().expire_watches(1);
    tokio::time::sleep(Duration::from_mins(1)).await;
    api.delete("p", &DeleteParams::default()).await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;

    assert!(api.get_opt("p").await.unwrap().is_none());
    assert!(cluster.faults().count(Verb::List, "probes") >= 2);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_streaming_list_feeds_a_watcher() {
    let cluster = cluster();
    let client = client(&cluster);
    let api: Api<Secret> = Api::default_namespaced(client.clone());
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"k": "v"}});
    api.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();

    let metadata: Api<PartialObjectMeta<Secret>> = Api::default_namespaced(client);
    let config = watcher::Config::default().streaming_lists();
    let mut objects = std::pin::pin!(watcher(metadata, config).applied_objects());

    assert_eq!(objects.next().await.unwrap().unwrap().name_any(), "s");
    assert_eq!(api.get("s").await.unwrap().data.unwrap()["k"].0, b"v");
}
