//! User data that stands in a Secret or a ConfigMap beside the node. It is read by name, and only where the chart's
//! `userDataNamespaces` lets us: who may make nodes there can bring each of its Secrets into a machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, ResourceExt};
use secrecy::SecretSlice;
use tokio::time::Instant;

use crate::api::TestNode;
use crate::api::testnode::{UserDataKind, UserDataRef};
use crate::reconcile::context::{Context, UserDataNotes};
use crate::reconcile::error::Error;
use crate::reconcile::state::Problem;

/// Reads it. That it is not there, or not for us, is an answer.
pub(super) async fn read(place: &UserDataRef, node: &TestNode, ctx: &Context) -> Result<(), Error> {
    let namespace = node.namespace().unwrap_or_default();
    let content = match place.kind {
        UserDataKind::Secret => secret(place, Api::namespaced(ctx.client.clone(), &namespace)).await,
        UserDataKind::ConfigMap => config_map(place, Api::namespaced(ctx.client.clone(), &namespace)).await,
    };
    let found = match content {
        Ok(content) => content.map(|content| Arc::new(SecretSlice::from(content))),
        Err(kube::Error::Api(status)) if status.is_not_found() => Err(problem(
            "UserDataNotFound",
            format!("there is no {place} in namespace {namespace}; make it, with the key {}", place.key),
        )),
        Err(kube::Error::Api(status)) if status.is_forbidden() => Err(problem(
            "UserDataForbidden",
            format!(
                "the operator may not read {place} in namespace {namespace}; add the namespace to the chart's \
                 userDataNamespaces, or use spec.userData"
            ),
        )),
        Err(error) => return Err(error.into()),
    };
    let uid = node.uid().unwrap_or_default();
    ctx.note(&uid, |notes| {
        notes.user_data = Some(UserDataNotes { place: place.clone(), at: Instant::now(), found });
    });
    Ok(())
}

async fn secret(place: &UserDataRef, api: Api<Secret>) -> Result<Result<Vec<u8>, Problem>, kube::Error> {
    let mut data = api.get(&place.name).await?.data.unwrap_or_default();
    Ok(data.remove(&place.key).map(|content| content.0).ok_or_else(|| no_key(place, &data)))
}

/// Text, or bytes that are none.
async fn config_map(
    place: &UserDataRef,
    api: Api<ConfigMap>,
) -> Result<Result<Vec<u8>, Problem>, kube::Error> {
    let found = api.get(&place.name).await?;
    let text = found.data.unwrap_or_default().into_iter().map(|(key, text)| (key, text.into_bytes()));
    let bytes = found.binary_data.unwrap_or_default().into_iter().map(|(key, bytes)| (key, bytes.0));
    let mut data: BTreeMap<String, Vec<u8>> = text.chain(bytes).collect();
    Ok(data.remove(&place.key).ok_or_else(|| no_key(place, &data)))
}

fn no_key<T>(place: &UserDataRef, data: &BTreeMap<String, T>) -> Problem {
    let keys: Vec<&str> = data.keys().map(String::as_str).collect();
    let message = format!("{place} has no key {}; it has: {}", place.key, keys.join(", "));
    problem("UserDataNotFound", message)
}

fn problem(reason: &'static str, message: String) -> Problem {
    Problem { reason, message }
}
