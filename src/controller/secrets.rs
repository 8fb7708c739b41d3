//! Secrets that no Cloud needs any more: nothing of ours holds them, or the namespace that they are in.
//!
//! A Cloud releases its Secret when it is deleted. What is left then is the finalizer of a Cloud that went without us, as
//! somebody removed its finalizers, and of one that reads another Secret now.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use kube::runtime::reflector::Store;
use tracing::{info, warn};

use super::credentials;
use crate::api::{Cloud, FINALIZER_PREFIX, TestNode};
use crate::kubernetes::error::said;
use crate::kubernetes::finalizers;
use crate::reconcile::context::Context;
use crate::supervision::Pulse;

/// How often it is looked whether a Cloud went or reads another Secret.
const LOOK: Duration = Duration::from_mins(1);
/// A look takes no longer, with all its requests.
const LONGEST: Duration = Duration::from_mins(30);

/// Releases Secrets, at the start and whenever Clouds need other ones than before. All Clouds are `known` by then.
pub(super) async fn release_unneeded(ctx: Arc<Context>, known: Store<Cloud>, pulse: &Pulse) {
    let mut settled = None;
    loop {
        pulse.beat(LONGEST);
        let clouds = known.state();
        let needed = needs(&clouds);
        if settled.as_ref() != Some(&needed) {
            match release(&ctx, &clouds).await {
                Ok(true) => settled = Some(needed),
                Ok(false) => {}
                Err(error) => warn!(error = said(&error), "cannot see which Secrets are needed"),
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Which Secret each Cloud logs in with.
fn needs(clouds: &[Arc<Cloud>]) -> BTreeSet<(String, String)> {
    clouds.iter().map(|cloud| (cloud.name_any(), cloud.spec.openstack.secret_ref.name.clone())).collect()
}

/// Releases what is not needed. Whether that is all: a Secret is kept while a node waits for a Cloud that is not there.
async fn release(ctx: &Context, clouds: &[Arc<Cloud>]) -> Result<bool, kube::Error> {
    let secrets = Api::<Secret>::namespaced(ctx.client.clone(), &ctx.namespace);
    let found = match secrets.list_metadata(&ListParams::default()).await {
        // Where the chart's rbac.secretNames limits us, nobody else's Secret can have a finalizer of ours.
        Err(kube::Error::Api(status)) if status.code == 403 => return Ok(true),
        found => found?,
    };
    let mut all = true;
    for secret in found {
        let name = secret.name_any();
        for finalizer in unneeded(&name, secret.finalizers(), clouds) {
            if is_waited_for(finalizer, clouds, ctx).await? {
                all = false;
            } else if let Some(secret) = secrets.get_opt(&name).await? {
                finalizers::remove(&secrets, &secret, finalizer).await?;
                info!(secret = name, finalizer, "released: no Cloud needs it");
            }
        }
    }
    Ok(all)
}

/// The finalizers on a Secret of Clouds that do not read it.
fn unneeded<'a>(secret: &str, finalizers: &'a [String], clouds: &[Arc<Cloud>]) -> Vec<&'a str> {
    let reads =
        |name: &str| clouds.iter().any(|cloud| cloud.name_any() == name && credentials::uses(cloud, secret));
    let ours =
        finalizers.iter().filter(|f| f.strip_prefix(FINALIZER_PREFIX).is_some_and(|name| !reads(name)));
    ours.map(String::as_str).collect()
}

/// Whether the Cloud is not there, and a node has something in it: it will come back, and need its Secret.
async fn is_waited_for(finalizer: &str, clouds: &[Arc<Cloud>], ctx: &Context) -> Result<bool, kube::Error> {
    let name = finalizer.strip_prefix(FINALIZER_PREFIX);
    if clouds.iter().any(|cloud| Some(cloud.name_any().as_str()) == name) {
        return Ok(false);
    }
    let nodes = Api::<TestNode>::all(ctx.client.clone()).list_metadata(&ListParams::default()).await?;
    Ok(nodes.items.iter().any(|node| finalizers::has(node, finalizer)))
}
