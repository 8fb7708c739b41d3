//! One turn of a Cloud: reads its Secret, logs in, pins region and project, and says how it stands.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use serde_json::json;
use tokio::time::Instant;
use tracing::{info, instrument};

use super::conditions::condition;
use super::credentials;
use super::guards::{guard, set_finalizers, unguard};
use super::login::{fingerprint, log_in};
use super::orphans::orphans;
use crate::api::cloud::CloudStatus;
use crate::api::{CLOUD_GUARD, Cloud, MANAGER, TestNode, finalizer};
use crate::clouds::{Config, Handle, Login};
use crate::inventory::ledger::Born;
use crate::openstack::Session;
use crate::reconcile::context::Context;
use crate::reconcile::state::{Problem, Standing};

/// How often usage and reachability are told, where they changed.
const LOOK: Duration = Duration::from_secs(15);
/// A login that was refused is tried again: a credential may have been mended in the cloud.
const LOGIN_AGAIN: Duration = Duration::from_secs(30);
/// The same where Keystone did not answer.
const REACH_AGAIN: Duration = Duration::from_secs(5);
/// A status that somebody else wrote meanwhile is written again.
const AGAIN: Duration = Duration::from_secs(1);

/// One turn.
///
/// # Errors
/// If the API server cannot be read or written.
#[instrument(name = "cloud", skip_all, fields(cloud = cloud.name_any()))]
pub async fn reconcile(cloud: Arc<Cloud>, ctx: Arc<Context>) -> Result<Action, kube::Error> {
    let name = cloud.name_any();
    let clouds = Api::<Cloud>::all(ctx.client.clone());
    let handle = ctx.clouds.ensure(&name);
    let going = cloud.metadata.deletion_timestamp.is_some();
    if !going && !cloud.finalizers().iter().any(|guard| guard == CLOUD_GUARD) {
        let guards = cloud.finalizers().iter().cloned().chain([CLOUD_GUARD.to_owned()]).collect();
        set_finalizers(&clouds, &*cloud, guards).await?;
        // The watch tells sooner; where somebody takes the guard away again, this is not a race.
        return Ok(Action::requeue(Duration::from_secs(1)));
    }
    let secrets = Api::<Secret>::namespaced(ctx.client.clone(), &ctx.namespace);
    if going && !is_needed(&name, &ctx).await? {
        return release(&cloud, &clouds, &secrets, &ctx).await;
    }
    configure(&cloud, &handle, &secrets, &ctx, going).await?;
    let again = again_in(&handle.config()).unwrap_or(LOOK);
    Ok(Action::requeue(tell(&cloud, &handle, &clouds, &ctx).await?.unwrap_or(again).min(again)))
}

/// When to log in again, where it was refused. However often the object is looked at meanwhile: our own status write
/// brings it back at once, and an account that is asked without end is locked.
fn again_in(config: &Config) -> Option<Duration> {
    let Login::Refused(problem) = &config.login else { return None };
    let pause = if problem.reason == "CloudUnreachable" { REACH_AGAIN } else { LOGIN_AGAIN };
    Some(config.tried.map_or(Duration::ZERO, |tried| pause.saturating_sub(tried.elapsed())))
}

/// By a live list: a cache may lag behind a node that was made just now.
async fn is_needed(name: &str, ctx: &Context) -> Result<bool, kube::Error> {
    let nodes = Api::<TestNode>::all(ctx.client.clone()).list_metadata(&ListParams::default()).await?;
    let finalizer = finalizer(name);
    Ok(nodes.items.iter().any(|node| node.finalizers().contains(&finalizer)))
}

/// No node needs it any more: the guard on its Secret goes, then its own.
async fn release(
    cloud: &Cloud,
    clouds: &Api<Cloud>,
    secrets: &Api<Secret>,
    ctx: &Context,
) -> Result<Action, kube::Error> {
    let name = cloud.name_any();
    if let Some(secret) = secrets.get_opt(&cloud.spec.openstack.secret_ref.name).await? {
        unguard(secrets, &secret, &finalizer(&name)).await?;
    }
    unguard(clouds, cloud, CLOUD_GUARD).await?;
    ctx.clouds.remove(&name);
    info!("released");
    Ok(Action::await_change())
}

/// Brings the handle up to what Cloud and Secrets say now.
async fn configure(
    cloud: &Cloud,
    handle: &Handle,
    secrets: &Api<Secret>,
    ctx: &Context,
    going: bool,
) -> Result<(), kube::Error> {
    let name = cloud.name_any();
    let secret = secrets.get_opt(&cloud.spec.openstack.secret_ref.name).await?;
    let reference = cloud.spec.dns.as_ref().and_then(|dns| dns.nsupdate_web.secret_ref.as_ref());
    let dns_secret = match reference {
        Some(reference) => secrets.get_opt(&reference.name).await?,
        None => None,
    };
    let print = fingerprint(cloud, secret.as_ref(), dns_secret.as_ref());
    let before = handle.config();
    let strayed = before.session.as_ref().is_some_and(Session::has_strayed);
    let due = match &before.login {
        Login::Pending => true,
        Login::In(_) => strayed,
        Login::Refused(_) => again_in(&before).is_none_or(|pause| pause.is_zero()),
    };
    if !due && before.fingerprint == print && before.going == going {
        // Who replaces a Secret by one with the same words takes its guard.
        if let (Login::In(_), Some(secret)) = (&before.login, &secret) {
            guard(secrets, secret, &finalizer(&name)).await?;
        }
        return Ok(());
    }
    let Some(secret) = secret else {
        let message = format!(
            "there is no Secret {}/{}; make it, with the key clouds.yaml",
            ctx.namespace, cloud.spec.openstack.secret_ref.name
        );
        let login = Login::Refused(Problem { reason: "SecretNotFound", message });
        settle(handle, ctx, Config { login, ..config(cloud, going, print) });
        return Ok(());
    };
    let (dns, unfit) = match credentials::dns(&cloud.spec, dns_secret.as_ref(), &ctx.seams) {
        Ok(dns) => (dns, None),
        Err(problem) => (None, Some(problem)),
    };
    let (session, login) = match credentials::session(&name, &cloud.spec, &secret, &ctx.seams, &ctx.metrics) {
        Ok(session) => {
            let login = log_in(&session, cloud, ctx).await;
            (Some(session).filter(|_| matches!(login, Login::In(_))), login)
        }
        Err(problem) => (None, Login::Refused(problem)),
    };
    if matches!(login, Login::In(_)) {
        guard(secrets, &secret, &finalizer(&name)).await?;
    }
    settle(handle, ctx, Config { unfit, session, login, dns, ..config(cloud, going, print) });
    Ok(())
}

fn config(cloud: &Cloud, going: bool, fingerprint: String) -> Config {
    Config {
        uid: cloud.uid(),
        spec: Some(cloud.spec.clone()),
        going,
        fingerprint,
        tried: Some(Instant::now()),
        unfit: None,
        session: None,
        login: Login::Pending,
        dns: None,
    }
}

fn settle(handle: &Handle, ctx: &Context, config: Config) {
    let changed = handle.config().login != config.login || handle.config().unfit != config.unfit;
    let limits = |config: &Config| config.spec.as_ref().map(|spec| (spec.limits.clone(), spec.rate.clone()));
    let more_room = limits(&handle.config()) != limits(&config);
    handle.configure(config);
    if changed || more_room {
        ctx.waker.wake_all();
    }
}

/// Writes the status, where it says something new. Returns when to look again, if that could not be told now.
async fn tell(
    cloud: &Cloud,
    handle: &Handle,
    clouds: &Api<Cloud>,
    ctx: &Context,
) -> Result<Option<Duration>, kube::Error> {
    let before = cloud.status.clone().unwrap_or_default();
    let pins = handle.pins();
    let (nodes, usage) = ctx.gate.usage(&handle.name);
    let status = CloudStatus {
        observed_generation: cloud.metadata.generation,
        conditions: conditions(&before.conditions, cloud, handle, ctx),
        region: before.region.clone().or(pins.region),
        project_id: before.project_id.clone().or(pins.project_id),
        cluster_id: before.cluster_id.clone().or(pins.cluster_id),
        nodes: Some(nodes),
        usage: Some(usage),
        orphans: orphans(&before, handle),
        abandoned: handle.abandoned.after(&before.abandoned),
    };
    if status == before {
        handle.abandoned.wrote(&status.abandoned);
        return Ok(None);
    }
    let key = format!("Cloud {}", cloud.name_any());
    let pause = ctx.told.pause(&key, &before);
    if !pause.is_zero() {
        return Ok(Some(pause));
    }
    let body = json!({
        "apiVersion": Cloud::api_version(&()),
        "kind": Cloud::kind(&()),
        "metadata": { "name": cloud.name_any(), "uid": cloud.uid(), "resourceVersion": cloud.resource_version() },
        "status": status,
    });
    let params = PatchParams::apply(MANAGER).force();
    match clouds.patch_status(&cloud.name_any(), &params, &Patch::Apply(body)).await {
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(Some(AGAIN)),
        written => {
            ctx.told.wrote(&key, &written?.status.unwrap_or_default());
            handle.abandoned.wrote(&status.abandoned);
            Ok(None)
        }
    }
}

fn conditions(old: &[Condition], cloud: &Cloud, handle: &Handle, ctx: &Context) -> Vec<Condition> {
    let now = (ctx.seams.clock)();
    let put =
        |kind: &str, said: (&str, &str, &str)| condition(old, cloud.metadata.generation, now, kind, said);
    let config = handle.config();
    let authenticated = match &config.login {
        Login::In(pins) => {
            let project = pins.project_id.clone().unwrap_or_default();
            ("True", "LoggedIn", format!("logged in to project {project}"))
        }
        Login::Refused(problem) => ("False", problem.reason, problem.message.clone()),
        Login::Pending => ("Unknown", "Pending", "not logged in yet".into()),
    };
    let reachable = match handle.standing(Born::Here) {
        Standing::Seen => ("True", "Looked", "servers, volumes and ports can be listed".into()),
        Standing::Unseen => ("Unknown", "Pending", "not looked at yet".into()),
        Standing::Away(problem) => ("False", problem.reason, problem.message),
    };
    let quota = match ctx.gate.shortage(&handle.name) {
        None => ("True", "NotRefused", "no TestNode waits for room here".into()),
        Some(figures) => ("False", "QuotaExceeded", figures),
    };
    let ready = match (&config.unfit, authenticated.0, reachable.0) {
        (_, "False", _) => authenticated.clone(),
        (_, _, "False") => reachable.clone(),
        (Some(problem), _, _) => ("False", problem.reason, problem.message.clone()),
        (None, "True", "True") if config.going => {
            ("False", "InUse", "being deleted; it stays until no TestNode needs it".into())
        }
        (None, "True", "True") => ("True", "Ready", names(&config)),
        (None, _, _) => ("Unknown", "Pending", "not looked at yet".into()),
    };
    [("Ready", ready), ("Authenticated", authenticated), ("Reachable", reachable), ("QuotaAvailable", quota)]
        .iter()
        .map(|(kind, (status, reason, message))| put(kind, (status, reason, message)))
        .collect()
}

fn names(config: &Config) -> String {
    match &config.dns {
        None => "machines have no names here: spec.dns is absent".into(),
        Some(dns) if dns.verify.is_none() => {
            "names are set, and nothing can check them: spec.dns.nsupdateWeb.verify is absent".into()
        }
        Some(_) => "machines can be made, and their names checked".into(),
    }
}
