//! One turn of a MachineType: says, per cloud and operating system, what it comes to or why it cannot, before anyone
//! asks for a node.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::api::Api;
use kube::runtime::controller::Action;
use tokio::time::Instant;
use tracing::{instrument, warn};

use crate::api::common::Os;
use crate::api::machine_type::{CloudChoice, MachineTypeSpec, MachineTypeStatus, Offer};
use crate::api::{MachineType, TestNodeSpec};
use crate::catalogue::List;
use crate::clouds::{Handle, Login};
use crate::kubernetes::conditions::Conditions;
use crate::kubernetes::error::{is_conflict, is_gone};
use crate::kubernetes::status::Reported;
use crate::reason::Reason;
use crate::reconcile::context::Context;
use crate::select;

/// How often it is looked at again: images come and go.
const LOOK: Duration = Duration::from_mins(11);
/// A cloud that could not be asked is asked again.
const AGAIN: Duration = Duration::from_secs(30);
/// The pause before the status is written again, after somebody else wrote the object.
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
            Some(handle) => read(&select::in_cloud(&machine.spec, &choice.name), &handle).await,
        };
        all_asked &= known.is_ok();
        let found = ctx.clouds.find(&choice.name);
        offers.extend(oses.iter().map(|os| {
            let bare = Offer { cloud: choice.name.clone(), os: named(os.as_ref()), ..Offer::default() };
            match (&known, &found) {
                (Ok(()), Some(handle)) => offer(&ctx, &machine.spec, bare, os.as_ref(), handle),
                (Ok(()), None) => bare,
                (Err(problem), _) => Offer { problem: Some(problem.clone()), ..bare },
            }
        }));
    }
    let status = MachineTypeStatus {
        observed_generation: machine.metadata.generation,
        clouds: Some(choices.iter().map(|choice| choice.name.as_str()).collect::<Vec<_>>().join(",")),
        oses: Some(oses.iter().map(|os| named(os.as_ref())).collect::<Vec<_>>().join(",")),
        conditions: conditions(&machine, &offers, &ctx),
        offers,
    };
    let again = if all_asked { LOOK } else { AGAIN };
    Ok(Action::requeue(tell(&machine, status, &ctx).await?.unwrap_or(again)))
}

/// The operating systems that the type names; none for an image of which it names none.
fn oses(spec: &MachineTypeSpec) -> Vec<Option<Os>> {
    let mut oses: Vec<Os> =
        spec.default_os.iter().cloned().chain(spec.images.iter().map(|rule| rule.os.clone())).collect();
    let mut seen = std::collections::BTreeSet::new();
    oses.retain(|os| seen.insert(os.clone()));
    let unnamed = (spec.image.is_some() && spec.default_os.is_none()).then_some(None);
    unnamed.into_iter().chain(oses.into_iter().map(Some)).collect()
}

fn named(os: Option<&Os>) -> String {
    os.map_or_else(|| "the type's image".to_owned(), ToString::to_string)
}

fn asked(os: Option<&Os>) -> TestNodeSpec {
    TestNodeSpec { os: os.cloned(), ..TestNodeSpec::default() }
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

fn offer(ctx: &Context, spec: &MachineTypeSpec, bare: Offer, os: Option<&Os>, handle: &Handle) -> Offer {
    let Some(offerings) = handle.catalogue.offerings() else { return bare };
    let spec = select::in_cloud(spec, &handle.name);
    let published = ctx.machine_images.published(&spec, &handle.name);
    match select::resolve(&spec, &asked(os), &offerings, &published) {
        Ok(resolved) => {
            Offer { flavor: Some(resolved.flavor.name), image: Some(resolved.image.name), ..bare }
        }
        Err(problem) => Offer { problem: Some(problem.message), ..bare },
    }
}

fn conditions(machine: &MachineType, offers: &[Offer], ctx: &Context) -> Vec<Condition> {
    let old = machine.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let mut conditions = Conditions::new(old, machine.metadata.generation, (ctx.seams.clock)());
    match offers.iter().find_map(|offer| Some((offer, offer.problem.as_ref()?))) {
        None => conditions.put(
            "Ready",
            "True",
            Reason::Ready,
            "every cloud can make every operating system that is named",
        ),
        Some((offer, problem)) => {
            let message = format!("{} in cloud {}: {problem}", offer.os, offer.cloud);
            conditions.put("Ready", "False", Reason::NotResolved, message);
        }
    }
    conditions.into_vec()
}

/// Writes the status, if it says something new. Returns when to look again, if it could not be written now.
async fn tell(
    machine: &MachineType,
    status: MachineTypeStatus,
    ctx: &Context,
) -> Result<Option<Duration>, kube::Error> {
    let types = Api::<MachineType>::all(ctx.client.clone());
    match ctx.statuses.report(&types, machine, &status).await {
        Ok(Reported::Unchanged | Reported::Written(_)) => Ok(None),
        Ok(Reported::Later(pause)) => Ok(Some(pause)),
        Err(error) if is_conflict(&error) || is_gone(&error) => Ok(Some(CONFLICT)),
        Err(error) => Err(error),
    }
}
