//! Writes how the nodes of a claim are reached into a `ConfigMap` beside it: made once, never changed, and gone with the claim.
//! One that is not the claim's is left as it is.

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Resource, ResourceExt};
use tokio::time::Instant;
use tracing::info;

use super::pools::{LOOK, Pools};
use crate::api::TestNodeClaim;
use crate::kubernetes::error::is_taken;
use crate::output::{Machine, files};
use crate::reason::Reason;

impl Pools {
    /// Whether a claim asks for output that is not known to be written. What was refused is tried again after a while.
    pub(super) fn output_is_due(&self, claim: &TestNodeClaim) -> bool {
        let memory = self.memory();
        let seen = memory.output.get(&claim.uid().unwrap_or_default());
        claim.spec.output.is_some()
            && seen.is_none_or(|(at, trouble)| trouble.is_some() && at.elapsed() >= LOOK)
    }

    /// Why the output of a claim is not written.
    pub(super) fn output_trouble(&self, claim: &TestNodeClaim) -> Option<(Reason, String)> {
        self.memory().output.get(&claim.uid().unwrap_or_default())?.1.clone()
    }
}

/// Writes it, or finds that it is written, or why it is not.
///
/// # Errors
/// If the API server cannot be asked.
pub(super) async fn write(claim: &TestNodeClaim, pools: &Pools) -> Result<(), kube::Error> {
    let Some(name) = claim.spec.output.as_ref().map(|output| &output.config_map) else { return Ok(()) };
    let namespace = claim.namespace().unwrap_or_default();
    let api = Api::<ConfigMap>::namespaced(pools.ctx.client.clone(), &namespace);
    let _permit = pools.ctx.api_server.take(&namespace).await;
    let trouble = match api.create(&PostParams::default(), &config_map(claim, name)).await {
        Ok(_) => {
            info!(config_map = name, "written");
            None
        }
        Err(error) if is_taken(&error) => match api.get_opt(name).await {
            Ok(Some(found)) if is_its_own(&found, claim) => None,
            Ok(Some(_)) => Some((
                Reason::OutputConflict,
                format!("there is a ConfigMap {name} that is not this claim's; it is left as it is"),
            )),
            Ok(None) => Some((Reason::OutputConflict, format!("ConfigMap {name} was just deleted"))),
            Err(error) => forbidden(error, name, &namespace)?,
        },
        Err(error) => forbidden(error, name, &namespace)?,
    };
    pools.memory().output.insert(claim.uid().unwrap_or_default(), (Instant::now(), trouble));
    Ok(())
}

fn forbidden(
    error: kube::Error,
    name: &str,
    namespace: &str,
) -> Result<Option<(Reason, String)>, kube::Error> {
    if !matches!(&error, kube::Error::Api(status) if status.is_forbidden()) {
        return Err(error);
    }
    let why = format!(
        "the operator may not write ConfigMap {name} in namespace {namespace}; an admin can add the namespace to the chart's \
         outputNamespaces"
    );
    Ok(Some((Reason::OutputForbidden, why)))
}

fn is_its_own(found: &ConfigMap, claim: &TestNodeClaim) -> bool {
    found.owner_references().iter().any(|owner| Some(&owner.uid) == claim.metadata.uid.as_ref())
}

fn config_map(claim: &TestNodeClaim, name: &str) -> ConfigMap {
    let machines: Vec<Machine> = Machine::of_claim(claim).into_iter().filter_map(Result::ok).collect();
    let owner = OwnerReference {
        api_version: TestNodeClaim::api_version(&()).into_owned(),
        kind: TestNodeClaim::kind(&()).into_owned(),
        name: claim.name_any(),
        uid: claim.uid().unwrap_or_default(),
        ..OwnerReference::default()
    };
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some(files(&machines)),
        immutable: Some(true),
        ..ConfigMap::default()
    }
}
