//! Events: what `kubectl describe` shows below an object.
//!
//! What is said again is counted in the event that says it; what says something else is an event of its own. (The
//! publisher of kube counts by the reason alone and keeps the first text for minutes.)

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event as Written, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::ResourceExt;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use tokio::time::Instant;
use tracing::debug;

use super::error::said;
use crate::api::MANAGER;
use crate::reason::Reason;

/// An event that is not repeated for this long is over; the next one is new. client-go has the same.
const SERIES: Duration = Duration::from_mins(6);
/// The longest note that the API server takes, in bytes.
const LONGEST_NOTE: usize = 1024;
/// The most events that are remembered, so that many objects cannot fill the memory.
const MOST: usize = 4096;
/// Where events about objects without a namespace are, as everywhere in Kubernetes.
const CLUSTER_SCOPED: &str = "default";

/// Whether a person must look.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// It takes its course.
    Normal,
    /// Something does not work, or somebody must act.
    Warning,
}

/// An event to publish.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// Whether a person must look.
    pub severity: Severity,
    /// Why, in one word.
    pub reason: Reason,
    /// What we were doing, in one word.
    pub action: &'static str,
    /// The whole story; cut at what the API server takes.
    pub note: &'a str,
    /// The object that it is about.
    pub regarding: ObjectReference,
    /// Another object that has to do with it.
    pub related: Option<ObjectReference>,
}

/// Publishes events.
pub struct Events {
    client: kube::Client,
    instance: String,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    published: AtomicU64,
    series: Mutex<BTreeMap<Key, Series>>,
}

/// Events that are equal in all of this are one, counted.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Key {
    severity: Severity,
    reason: Reason,
    note: String,
    regarding: [Option<String>; 4],
    related: Option<[Option<String>; 4]>,
}

/// An event that was published.
#[derive(Clone, Debug)]
struct Series {
    name: String,
    count: i32,
    last: Instant,
}

impl Events {
    /// A publisher; `instance` is who we are among several operators.
    #[must_use]
    pub fn new(
        client: kube::Client,
        instance: &str,
        clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    ) -> Self {
        Self {
            client,
            // The API server takes at most 128 bytes.
            instance: cut(instance, 128).to_owned(),
            clock,
            published: AtomicU64::new(0),
            series: Mutex::default(),
        }
    }

    /// Publishes an event. One that cannot be written (its namespace is being deleted, say) never fails the work that it
    /// tells about.
    pub async fn publish(&self, event: Event<'_>) {
        let reason = event.reason;
        if let Err(error) = self.try_publish(event).await {
            debug!(error = said(&error), %reason, "an event could not be written");
        }
    }

    async fn try_publish(&self, event: Event<'_>) -> Result<(), kube::Error> {
        let key = Key {
            severity: event.severity,
            reason: event.reason,
            note: cut(event.note, LONGEST_NOTE).to_owned(),
            regarding: identity(&event.regarding),
            related: event.related.as_ref().map(identity),
        };
        let namespace = event.regarding.namespace.clone().unwrap_or_else(|| CLUSTER_SCOPED.to_owned());
        let api = Api::<Written>::namespaced(self.client.clone(), &namespace);
        let now = MicroTime((self.clock)());
        let series = match self.again(&key) {
            Some(series) => {
                let more = EventSeries { count: series.count, last_observed_time: now.clone() };
                let patch = Patch::Merge(Written { series: Some(more), ..Written::default() });
                match api.patch(&series.name, &PatchParams::default(), &patch).await {
                    // The API server forgets events after an hour, or somebody deleted it.
                    Err(kube::Error::Api(status)) if status.is_not_found() => None,
                    Err(error) => return Err(error),
                    Ok(_) => Some(series),
                }
            }
            None => None,
        };
        let series = if let Some(series) = series {
            series
        } else {
            let written = self.new_event(event, key.note.clone(), namespace, now);
            let name = written.name_any();
            api.create(&PostParams::default(), &written).await?;
            Series { name, count: 1, last: Instant::now() }
        };
        self.series().insert(key, series);
        Ok(())
    }

    /// The event that says this already, one higher.
    fn again(&self, key: &Key) -> Option<Series> {
        let now = Instant::now();
        let mut all = self.series();
        all.retain(|_, series| now.duration_since(series.last) < SERIES);
        while all.len() >= MOST {
            let Some(oldest) = all.iter().min_by_key(|(_, series)| series.last).map(|(key, _)| key.clone())
            else {
                break;
            };
            all.remove(&oldest);
        }
        let series = all.get(key)?;
        Some(Series { count: series.count.saturating_add(1), last: now, ..series.clone() })
    }

    fn new_event(&self, event: Event<'_>, note: String, namespace: String, now: MicroTime) -> Written {
        let number = self.published.fetch_add(1, Ordering::Relaxed);
        let object = event.regarding.name.as_deref().unwrap_or(MANAGER);
        Written {
            metadata: ObjectMeta {
                namespace: Some(namespace),
                name: Some(format!("{}.{:x}.{number:x}", cut(object, 200), now.0.as_nanosecond())),
                ..ObjectMeta::default()
            },
            action: Some(event.action.to_owned()),
            reason: Some(event.reason.to_string()),
            event_time: Some(now),
            note: Some(note),
            regarding: Some(event.regarding),
            related: event.related,
            reporting_controller: Some(MANAGER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(format!("{:?}", event.severity)),
            ..Written::default()
        }
    }

    fn series(&self) -> MutexGuard<'_, BTreeMap<Key, Series>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which object is meant, and which part of it.
fn identity(object: &ObjectReference) -> [Option<String>; 4] {
    [object.namespace.clone(), object.name.clone(), object.uid.clone(), object.field_path.clone()]
}

/// The beginning of a text, of so many bytes at most.
fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::{Method, Request, Response, StatusCode};
    use kube::client::Body;
    use serde_json::Value;
    use tokio::time::advance;

    use super::*;

    /// Requests: method, name in the path, body.
    type Sent = Mutex<Vec<(Method, String, Value)>>;

    /// A publisher, and each request that it sends.
    fn publisher() -> (Events, Arc<Sent>) {
        let sent = Arc::<Sent>::default();
        let seen = sent.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let seen = seen.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body: Value = serde_json::from_slice(&body.collect_bytes().await.unwrap()).unwrap();
                let name = parts.uri.path().rsplit('/').next().unwrap().to_owned();
                let known = seen.lock().unwrap().iter().any(|(_, _, sent)| sent["metadata"]["name"] == *name);
                let status = match parts.method {
                    Method::PATCH if !known => StatusCode::NOT_FOUND,
                    _ => StatusCode::OK,
                };
                let answer = if status == StatusCode::OK {
                    serde_json::json!({"metadata": {}, "eventTime": null})
                } else {
                    serde_json::json!({"kind": "Status", "code": 404, "reason": "NotFound", "status": "Failure"})
                };
                seen.lock().unwrap().push((parts.method, name, body));
                let answer = Body::from(serde_json::to_vec(&answer).unwrap());
                Ok::<_, std::convert::Infallible>(Response::builder().status(status).body(answer).unwrap())
            }
        });
        let client = kube::Client::new(service, "default");
        (Events::new(client, "here", Arc::new(|| Timestamp::constant(1_000, 0))), sent)
    }

    fn node() -> ObjectReference {
        ObjectReference {
            namespace: Some("rados".into()),
            name: Some("smithi001".into()),
            ..ObjectReference::default()
        }
    }

    fn event(note: &str) -> Event<'_> {
        let (severity, reason, action) = (Severity::Normal, Reason::OpenAttempt, "Reconcile");
        Event { severity, reason, action, note, regarding: node(), related: None }
    }

    fn notes(sent: &Sent) -> Vec<String> {
        let sent = sent.lock().unwrap();
        let posted = sent.iter().filter(|(method, _, _)| method == Method::POST);
        posted.map(|(_, _, body)| body["note"].as_str().unwrap().to_owned()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn events_of_one_reason_with_different_texts_are_different_events() {
        let (events, sent) = publisher();

        events.publish(event("open attempt 1")).await;
        events.publish(event("open attempt 2")).await;

        assert_eq!(notes(&sent), ["open attempt 1", "open attempt 2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_said_again_is_counted_until_it_was_silent_for_six_minutes() {
        let (events, sent) = publisher();

        for _ in 0..3 {
            events.publish(event("again")).await;
            advance(Duration::from_mins(5)).await;
        }
        advance(Duration::from_mins(1)).await;
        events.publish(event("again")).await;

        let sent = sent.lock().unwrap();
        let counts: Vec<&Value> = sent.iter().map(|(_, _, body)| &body["series"]["count"]).collect();
        assert_eq!(counts, [&Value::Null, &Value::from(2), &Value::from(3), &Value::Null]);
        assert_ne!(sent[0].2["metadata"]["name"], sent[3].2["metadata"]["name"]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_the_api_server_forgot_is_published_anew() {
        let (events, sent) = publisher();
        events.publish(event("again")).await;
        sent.lock().unwrap().clear();

        events.publish(event("again")).await;

        assert_eq!(notes(&sent), ["again"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_note_is_cut_at_what_the_api_server_takes() {
        let (events, sent) = publisher();

        events.publish(event(&"ü".repeat(1000))).await;

        assert_eq!(notes(&sent), ["ü".repeat(512)]);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_however_many_objects_there_are() {
        let (events, _) = publisher();

        for number in 0..MOST + 10 {
            events.publish(event(&number.to_string())).await;
        }

        assert_eq!(events.series().len(), MOST);
    }
}
