//! Finalizers that keep what nodes need: a Cloud, and its Secrets.

use std::fmt::Debug;

use kube::api::{Api, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::api::MANAGER;

/// Adds a finalizer, unless the object goes.
pub(super) async fn guard<K>(api: &Api<K>, object: &K, name: &str) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    if object.finalizers().iter().any(|found| found == name) || object.meta().deletion_timestamp.is_some() {
        return Ok(());
    }
    let names = object.finalizers().iter().cloned().chain([name.to_owned()]).collect();
    set_finalizers(api, object, names).await
}

/// Removes a finalizer.
pub(super) async fn unguard<K>(api: &Api<K>, object: &K, name: &str) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    if !object.finalizers().iter().any(|found| found == name) {
        return Ok(());
    }
    let names = object.finalizers().iter().filter(|found| *found != name).cloned().collect();
    set_finalizers(api, object, names).await
}

/// Writes the finalizers, if the object is still as it was seen.
pub(super) async fn set_finalizers<K>(api: &Api<K>, object: &K, names: Vec<String>) -> Result<(), kube::Error>
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
    api.patch_metadata(&object.name_any(), &params, &patch).await.map(drop)
}
