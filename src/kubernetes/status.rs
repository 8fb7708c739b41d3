//! Status, by server-side apply under our one field manager, and what this process wrote last.
//!
//! Two operators may be at work for a moment and see different things. Without a pause they would overwrite each other
//! as fast as the API server can answer, and every write would wake all nodes.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::api::{Api, Patch, PatchParams};
use kube::core::object::HasStatus;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::api::MANAGER;

/// What another operator wrote over ours is left alone for this long.
const LEFT_ALONE: Duration = Duration::from_secs(5);

/// Writes statuses, and remembers by UID what it wrote last, as a number: whether two are the same is all that is asked.
#[derive(Debug, Default)]
pub struct StatusWriter(Mutex<BTreeMap<String, (u64, Instant)>>);

/// What came of reporting a status.
#[derive(Debug)]
pub enum Reported<K> {
    /// The object says so already.
    Unchanged,
    /// Somebody else has just written something else; it may be written after this time.
    Later(Duration),
    /// Written; this is the object as it is now.
    Written(Box<K>),
}

impl StatusWriter {
    /// Writes a status.
    ///
    /// # Errors
    /// With 409 if somebody wrote the object after it was read.
    pub async fn write<K>(&self, api: &Api<K>, object: &K, status: &K::Status) -> Result<K, kube::Error>
    where
        K: Resource<DynamicType = ()> + HasStatus + Clone + DeserializeOwned + Debug,
        K::Status: Serialize,
    {
        let body = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": {
                "name": object.name_any(),
                "namespace": object.namespace(),
                "uid": object.uid(),
                "resourceVersion": object.resource_version(),
            },
            "status": status,
        });
        let params = PatchParams::apply(MANAGER).force();
        let applied = api.patch_status(&object.name_any(), &params, &Patch::Apply(body)).await;
        let wanted = value(Some(status));
        let mut written = match applied {
            // Of what we do not name any longer the part of somebody else would be left, and that part alone is not valid.
            Err(kube::Error::Api(answer)) if answer.code == 422 && value(object.status()) != wanted => {
                object.clone()
            }
            applied => applied?,
        };
        // What somebody else has written too, a restore say, is still there when we do not name it any longer.
        let stands = value(written.status());
        if stands != wanted {
            let body = json!({
                "metadata": { "uid": written.uid(), "resourceVersion": written.resource_version() },
                "status": difference(&stands, &wanted),
            });
            let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
            written = api.patch_status(&object.name_any(), &params, &Patch::Merge(body)).await?;
        }
        self.last().insert(uid(object), (digest(&value(written.status())), Instant::now()));
        Ok(written)
    }

    /// Writes a status if it says something new, and not at once over what another operator has just written.
    ///
    /// # Errors
    /// With 409 if somebody wrote the object after it was read.
    pub async fn report<K>(
        &self,
        api: &Api<K>,
        object: &K,
        status: &K::Status,
    ) -> Result<Reported<K>, kube::Error>
    where
        K: Resource<DynamicType = ()> + HasStatus + Clone + DeserializeOwned + Debug,
        K::Status: Serialize,
    {
        let stands = value(object.status());
        // Times are written in whole seconds: what differs by less is the same.
        if stands == value(Some(status)) {
            return Ok(Reported::Unchanged);
        }
        let pause = self.pause(&uid(object), &stands);
        if !pause.is_zero() {
            return Ok(Reported::Later(pause));
        }
        self.write(api, object, status).await.map(Box::new).map(Reported::Written)
    }

    /// The object is gone.
    pub fn forget(&self, uid: &str) {
        self.last().remove(uid);
    }

    /// How long to wait before a status is written, given what the object says now. Zero unless our own was overwritten.
    fn pause(&self, uid: &str, stands: &Value) -> Duration {
        match self.last().get(uid) {
            Some((written, at)) if *written != digest(stands) => LEFT_ALONE.saturating_sub(at.elapsed()),
            Some(_) | None => Duration::ZERO,
        }
    }

    fn last(&self) -> MutexGuard<'_, BTreeMap<String, (u64, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The merge patch (RFC 7396) that makes the one of the other: what is not wanted is null.
fn difference(stands: &Value, wanted: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (stands, wanted) else { return wanted.clone() };
    let gone = before.keys().filter(|key| !after.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let other = after.iter().filter(|(key, value)| before.get(*key) != Some(*value));
    let other = other.map(|(key, value)| {
        (key.clone(), before.get(key).map_or_else(|| value.clone(), |before| difference(before, value)))
    });
    gone.chain(other).collect()
}

fn uid(object: &impl Resource) -> String {
    object.meta().uid.clone().unwrap_or_default()
}

fn digest(status: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    status.to_string().hash(&mut hasher);
    hasher.finish()
}

/// As JSON, with the conditions in one order: for the API server they are a map by type, and it keeps an order of its own.
/// Our statuses can always be written as JSON; one that could not would count as absent, and be written.
fn value<S: Serialize>(status: Option<&S>) -> Value {
    let mut value = serde_json::to_value(status).unwrap_or_default();
    if let Some(conditions) = value.get_mut("conditions").and_then(Value::as_array_mut) {
        conditions.sort_by_cached_key(|condition| condition.get("type").map(ToString::to_string));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_only_what_differs_and_nulls_what_is_not_wanted() {
        let stands = json!({"a": 1, "b": {"c": 1, "d": 2}, "e": [1, 2], "f": "same"});
        let wanted = json!({"b": {"c": 3}, "e": [2], "f": "same", "g": true});

        let patch = json!({"a": null, "b": {"c": 3, "d": null}, "e": [2], "g": true});
        assert_eq!(difference(&stands, &wanted), patch);
    }

    #[test]
    fn the_order_of_the_conditions_is_no_difference() {
        let status = |types: [&str; 2]| json!({"conditions": types.map(|kind| json!({"type": kind}))});

        let one = value(Some(&status(["Ready", "Reconciling"])));
        assert_eq!(one, value(Some(&status(["Reconciling", "Ready"]))));
        assert_ne!(one, value(Some(&status(["Ready", "Stalled"]))));
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_wrote_over_ours_is_left_alone_for_a_while_and_our_own_can_be_overwritten_at_once() {
        let (ours, theirs) = (json!("ours"), json!("theirs"));
        let writer = StatusWriter::default();
        assert_eq!(writer.pause("a", &theirs), Duration::ZERO);

        writer.last().insert("a".into(), (digest(&ours), Instant::now()));

        assert_eq!(writer.pause("a", &ours), Duration::ZERO);
        assert_eq!(writer.pause("b", &theirs), Duration::ZERO);
        assert_eq!(writer.pause("a", &theirs), LEFT_ALONE);
        tokio::time::advance(LEFT_ALONE).await;
        assert_eq!(writer.pause("a", &theirs), Duration::ZERO);
    }
}
