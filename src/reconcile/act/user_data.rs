//! User data that stands in a Secret or a ConfigMap beside the node. It is read by name, and only where the chart's
//! `userDataNamespaces` lets us: whoever may make nodes there can bring each of its Secrets into a machine. The
//! operator's own namespace, where the credentials of the clouds are, is never one of them.
//!
//! The content is kept only while a server is made. Neither it nor the names of keys are ever quoted: what is referred
//! to may not be user data at all.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, ResourceExt};
use secrecy::SecretSlice;
use tokio::time::Instant;

use crate::api::TestNode;
use crate::api::testnode::{UserDataKind, UserDataRef};
use crate::reason::Reason;
use crate::reconcile::context::Context;
use crate::reconcile::error::Error;
use crate::reconcile::notes::UserDataNotes;
use crate::reconcile::observe::Look;
use crate::reconcile::state::Problem;
use crate::reconcile::userdata;
use crate::select;

/// Reads it. That it is not there, or not for us, or cannot be used, is an answer.
pub(super) async fn read(
    place: &UserDataRef,
    node: &TestNode,
    look: &Look,
    ctx: &Context,
) -> Result<(), Error> {
    let namespace = node.namespace().unwrap_or_default();
    let found = if namespace == ctx.namespace {
        Err(forbidden(format!(
            "user data is never read in namespace {namespace}, where the credentials of the clouds are; make the node in \
             another namespace, or use spec.userData"
        )))
    } else {
        match content(place, &namespace, ctx).await {
            Ok(Some(content)) => usable(place, content, node, look),
            Ok(None) => {
                Err(not_found(format!("{place} in namespace {namespace} has no key {}; add it", place.key)))
            }
            Err(kube::Error::Api(status)) if status.is_not_found() => Err(not_found(format!(
                "there is no {place} in namespace {namespace}; make it, with the key {}",
                place.key
            ))),
            Err(kube::Error::Api(status)) if status.is_forbidden() => Err(forbidden(format!(
                "the operator may not read {place} in namespace {namespace}; add the namespace to the chart's \
                 userDataNamespaces, or use spec.userData"
            ))),
            Err(error) => return Err(error.into()),
        }
    };
    let uid = node.uid().unwrap_or_default();
    ctx.note(&uid, |notes| {
        notes.user_data = Some(UserDataNotes { place: place.clone(), at: Instant::now(), found });
    });
    Ok(())
}

/// What is under the key, if there is one. A ConfigMap has text, or bytes that are none.
async fn content(
    place: &UserDataRef,
    namespace: &str,
    ctx: &Context,
) -> Result<Option<Vec<u8>>, kube::Error> {
    match place.kind {
        UserDataKind::Secret => {
            let found = Api::<Secret>::namespaced(ctx.client.clone(), namespace).get(&place.name).await?;
            Ok(found.data.unwrap_or_default().remove(&place.key).map(|bytes| bytes.0))
        }
        UserDataKind::ConfigMap => {
            let found = Api::<ConfigMap>::namespaced(ctx.client.clone(), namespace).get(&place.name).await?;
            let text = found.data.unwrap_or_default().remove(&place.key).map(String::into_bytes);
            let bytes = || found.binary_data.unwrap_or_default().remove(&place.key).map(|bytes| bytes.0);
            Ok(text.or_else(bytes))
        }
    }
}

/// Before anything is made it is enough to know that it can be used; for the server's create it is kept.
fn usable(
    place: &UserDataRef,
    content: Vec<u8>,
    node: &TestNode,
    look: &Look,
) -> Result<Option<Arc<SecretSlice<u8>>>, Problem> {
    let fqdn = look.seen.memory.dns.as_ref().map(|dns| dns.name.as_str());
    let unfit = userdata::too_large(format!("spec.userDataRef ({place})"), &content).or_else(|| {
        let machine = look.machine.as_ref()?;
        let memory = &look.seen.memory;
        let pinned = memory.open().and_then(|open| open.resolved.as_ref()?.os.clone());
        let pinned = pinned.or_else(|| memory.rebuild()?.os.clone());
        let os = pinned.or_else(|| select::os(&machine.spec, &node.spec).ok());
        userdata::build(node, &machine.spec, os.as_ref(), fqdn, Some(&content), 1).err()
    });
    match unfit {
        Some(message) => Err(Problem { reason: Reason::InvalidUserData, message }),
        None if look.seen.memory.is_making() => Ok(Some(Arc::new(SecretSlice::from(content)))),
        None => Ok(None),
    }
}

fn not_found(message: String) -> Problem {
    Problem { reason: Reason::UserDataNotFound, message }
}

fn forbidden(message: String) -> Problem {
    Problem { reason: Reason::UserDataForbidden, message }
}
