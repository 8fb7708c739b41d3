//! One turn of a MachineType: says, per cloud and operating system, what it comes to or why it cannot, before anyone
//! asks for a node.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use serde_json::json;
use tokio::time::Instant;
use tracing::{instrument, warn};

use super::conditions::condition;
use crate::api::common::Os;
use crate::api::machine_type::{CloudChoice, MachineTypeSpec, MachineTypeStatus, Offer};
use crate::api::{MANAGER, MachineType, TestNodeSpec};
use crate::catalogue::List;
use crate::clouds::{Handle, Login};
use crate::reconcile::context::Context;
use crate::select;

/// How often it is looked at again: images come and go.
const LOOK: Duration = Duration::from_mins(11);
/// A cloud that could not be asked is asked again.
const AGAIN: Duration = Duration::from_secs(30);
/// A status that somebody else wrote meanwhile is written again.
const CONFLICT: Duration = Duration::from_secs(1);

/// One turn.
///
/// # Errors
/// If the API server cannot be written.
#[instrument(name = "machine_type", skip_all, fields(machine_type = machine.name_any()))]
pub async fn reconcile(machine: Arc<MachineType>, ctx: Arc<Context>) -> Result<Action, kube::Error> {
    let mut choices: Vec<&CloudChoice> = machine.spec.clouds.iter().collect();
    choices.sort_by_key(|choice| (Reverse(choice.weight), choice.name.clone()));
    let oses = oses(&machine.spec);
    let (mut offers, mut all_asked) = (Vec::new(), true);
    for choice in &choices {
        let known = match ctx.clouds.find(&choice.name) {
            None => Err(format!("there is no Cloud {}", choice.name)),
            Some(handle) => read(&machine.spec, &handle).await,
        };
        all_asked &= known.is_ok();
        let found = ctx.clouds.find(&choice.name);
        offers.extend(oses.iter().map(|os| match (&known, &found) {
            (Ok(()), Some(handle)) => offer(&machine.spec, &choice.name, os, handle),
            (Ok(()), None) => Offer { cloud: choice.name.clone(), os: os.to_string(), ..Offer::default() },
            (Err(problem), _) => Offer {
                cloud: choice.name.clone(),
                os: os.to_string(),
                problem: Some(problem.clone()),
                ..Offer::default()
            },
        }));
    }
    let status = MachineTypeStatus {
        observed_generation: machine.metadata.generation,
        clouds: Some(choices.iter().map(|choice| choice.name.as_str()).collect::<Vec<_>>().join(",")),
        oses: Some(oses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
        conditions: vec![ready(&machine, &offers, &ctx)],
        offers,
    };
    let again = if all_asked { LOOK } else { AGAIN };
    Ok(Action::requeue(tell(&machine, status, &ctx).await?.unwrap_or(again)))
}

/// The operating systems that the type names.
fn oses(spec: &MachineTypeSpec) -> Vec<Os> {
    let mut oses: Vec<Os> =
        spec.default_os.iter().cloned().chain(spec.images.iter().map(|rule| rule.os.clone())).collect();
    let mut seen = std::collections::BTreeSet::new();
    oses.retain(|os| seen.insert(os.clone()));
    oses
}

fn asked(os: &Os) -> TestNodeSpec {
    TestNodeSpec { os: Some(os.clone()), ..TestNodeSpec::default() }
}

/// Reads what is missing of a cloud's catalogue.
async fn read(spec: &MachineTypeSpec, handle: &Handle) -> Result<(), String> {
    let wanted = List::wanted(spec, &TestNodeSpec::default());
    let config = handle.config();
    let session = match (&config.login, &config.session) {
        (Login::In(_), Some(session)) => session,
        (Login::Refused(problem), _) => return Err(problem.message.clone()),
        (Login::In(_) | Login::Pending, _) => return Err("not logged in yet".into()),
    };
    while let Some(list) = handle.catalogue.missing(&wanted, Instant::now()) {
        if let Err(error) = handle.catalogue.load(session, list).await {
            warn!(%error, "the catalogue cannot be read");
            return Err(error.to_string());
        }
    }
    Ok(())
}

fn offer(spec: &MachineTypeSpec, cloud: &str, os: &Os, handle: &Handle) -> Offer {
    let bare = Offer { cloud: cloud.to_owned(), os: os.to_string(), ..Offer::default() };
    let Some(offerings) = handle.catalogue.offerings() else { return bare };
    match select::resolve(spec, &asked(os), &offerings) {
        Ok(resolved) => {
            Offer { flavor: Some(resolved.flavor.name), image: Some(resolved.image.name), ..bare }
        }
        Err(problem) => Offer { problem: Some(problem.message), ..bare },
    }
}

fn ready(machine: &MachineType, offers: &[Offer], ctx: &Context) -> Condition {
    let old = machine.status.as_ref().map(|status| status.conditions.clone()).unwrap_or_default();
    let put = |said: (&str, &str, &str)| {
        condition(&old, machine.metadata.generation, (ctx.seams.clock)(), "Ready", said)
    };
    let broken = offers.iter().find_map(|offer| Some((offer, offer.problem.as_ref()?)));
    match broken {
        None => put(("True", "Ready", "every cloud can make every operating system that is named")),
        Some((offer, problem)) => {
            put(("False", "NotResolved", &format!("{} in cloud {}: {problem}", offer.os, offer.cloud)))
        }
    }
}

/// Writes the status, where it says something new. Returns when to look again, if that could not be told now.
async fn tell(
    machine: &MachineType,
    status: MachineTypeStatus,
    ctx: &Context,
) -> Result<Option<Duration>, kube::Error> {
    if machine.status.as_ref() == Some(&status) {
        return Ok(None);
    }
    let key = format!("MachineType {}", machine.name_any());
    let pause = ctx.told.pause(&key, &machine.status);
    if !pause.is_zero() {
        return Ok(Some(pause));
    }
    let body = json!({
        "apiVersion": MachineType::api_version(&()),
        "kind": MachineType::kind(&()),
        "metadata": { "name": machine.name_any(), "uid": machine.uid(), "resourceVersion": machine.resource_version() },
        "status": status,
    });
    let types = Api::<MachineType>::all(ctx.client.clone());
    let params = PatchParams::apply(MANAGER).force();
    match types.patch_status(&machine.name_any(), &params, &Patch::Apply(body)).await {
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(Some(CONFLICT)),
        written => {
            ctx.told.wrote(&key, &written?.status);
            Ok(None)
        }
    }
}
