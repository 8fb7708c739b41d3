//! Finalizers: what must happen before the API server may remove an object.

use std::fmt::Debug;

use kube::api::{Api, ObjectMeta, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::api::MANAGER;

/// Whether the object has this finalizer.
pub fn has<K: Resource>(object: &K, name: &str) -> bool {
    object.finalizers().iter().any(|found| found == name)
}

/// Adds a finalizer, unless it is there or the object is being deleted: the API server forbids new ones then.
///
/// # Errors
/// With 409 if somebody wrote the object after it was read.
pub async fn add<K>(api: &Api<K>, object: &K, name: &str) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    if has(object, name) || object.meta().deletion_timestamp.is_some() {
        return Ok(());
    }
    let names = object.finalizers().iter().cloned().chain([name.to_owned()]).collect();
    set(api, object, names).await.map(drop)
}

/// Removes a finalizer, if it is there.
///
/// # Errors
/// With 409 if somebody wrote the object after it was read.
pub async fn remove<K>(api: &Api<K>, object: &K, name: &str) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    if !has(object, name) {
        return Ok(());
    }
    let names = object.finalizers().iter().filter(|found| *found != name).cloned().collect();
    set(api, object, names).await.map(drop)
}

/// Writes all finalizers and returns the metadata as they are now. The rest of the object is what it was: otherwise the
/// API server would have answered 409. Only metadata is returned, so a Secret's data does not travel.
///
/// # Errors
/// With 409 if somebody wrote the object after it was read.
pub async fn set<K>(api: &Api<K>, object: &K, names: Vec<String>) -> Result<ObjectMeta, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let metadata = json!({
        "uid": object.uid(),
        "resourceVersion": object.resource_version(),
        "finalizers": names,
    });
    let patch = Patch::Merge(json!({ "metadata": metadata }));
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    Ok(api.patch_metadata(&object.name_any(), &params, &patch).await?.metadata)
}
