//! Deleting an object as it was read.

use std::fmt::Debug;

use kube::api::{Api, DeleteParams, Preconditions};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;

/// Deletes the object, and returns what is left of it while finalizers hold it.
///
/// # Errors
/// With 409 if somebody wrote the object after it was read.
pub async fn delete<K>(api: &Api<K>, object: &K) -> Result<Option<K>, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let preconditions = Preconditions { uid: object.uid(), resource_version: object.resource_version() };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    Ok(api.delete(&object.name_any(), &params).await?.left())
}
