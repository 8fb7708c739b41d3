//! One turn of a Cloud: reads its Secret, logs in, pins region and project, and says how it stands.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, ListParams};
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use tokio::time::Instant;
use tracing::{info, instrument};

use super::login::{fingerprint, log_in};
use super::orphans::orphans;
use super::{credentials, naming};
use crate::api::cloud::{CloudStatus, ConcurrentCreates};
use crate::api::{self, CLOUD_GUARD, Cloud, FormerMachine, MachineImage, TestNode, finalizer};
use crate::clouds::{Config, Handle, Login, Rights};
use crate::inventory::ledger::Born;
use crate::kubernetes::conditions::{Conditions, news};
use crate::kubernetes::error::{is_conflict, is_gone, said};
use crate::kubernetes::events::{Event, Severity};
use crate::kubernetes::finalizers;
use crate::kubernetes::status::Reported;
use crate::openstack::Session;
use crate::reason::Reason;
use crate::reconcile::context::Context;
use crate::reconcile::state::{Problem, Standing};

/// How often usage and reachability are told, where they changed.
const LOOK: Duration = Duration::from_secs(15);
/// A login that was refused is tried again: a credential may have been fixed in the cloud.
const LOGIN_AGAIN: Duration = Duration::from_secs(30);
/// The same where Keystone did not answer.
const REACH_AGAIN: Duration = Duration::from_secs(5);
/// A status that somebody else wrote meanwhile is written again.
const AGAIN: Duration = Duration::from_secs(1);

/// One turn. What the API server refuses is told on the Cloud, as far as its status can be written.
///
/// # Errors
/// If the API server cannot be read or written.
#[instrument(name = "cloud", skip_all, fields(cloud = cloud.name_any()))]
pub async fn reconcile(cloud: Arc<Cloud>, ctx: Arc<Context>) -> Result<Action, kube::Error> {
    let clouds = Api::<Cloud>::all(ctx.client.clone());
    let handle = ctx.clouds.ensure(&cloud.name_any());
    let turned = turn(&cloud, &handle, &clouds, &ctx).await;
    if let Err(error) = &turned
        && !is_conflict(error)
        && !is_gone(error)
    {
        let message = format!("the API server does not let this Cloud go on: {}", said(error));
        let hindrance = Problem { reason: Reason::KubernetesAPI, message };
        // The error itself is what is logged and tried again.
        drop(tell(&cloud, &handle, &clouds, &ctx, Some(hindrance)).await);
    }
    turned
}

async fn turn(
    cloud: &Cloud,
    handle: &Handle,
    clouds: &Api<Cloud>,
    ctx: &Context,
) -> Result<Action, kube::Error> {
    let name = cloud.name_any();
    let going = cloud.metadata.deletion_timestamp.is_some();
    if !going && !finalizers::has(cloud, CLOUD_GUARD) {
        finalizers::add(clouds, cloud, CLOUD_GUARD).await?;
        // The watch tells sooner; where somebody takes the guard away again, this is not a race.
        return Ok(Action::requeue(Duration::from_secs(1)));
    }
    let secrets = Api::<Secret>::namespaced(ctx.client.clone(), &ctx.namespace);
    if going {
        // First no node begins there any longer and none is about to, then those that did are looked for.
        let _alone = handle.taking.write().await;
        handle.close();
        if !is_needed(&name, ctx).await? {
            return release(cloud, clouds, &secrets, ctx).await;
        }
    }
    configure(cloud, handle, &secrets, ctx, going).await?;
    if let Some(config) = naming::ask_rights(&handle.config()).await {
        settle(handle, ctx, config);
    }
    let again = again_in(&handle.config()).unwrap_or(LOOK);
    Ok(Action::requeue(tell(cloud, handle, clouds, ctx, None).await?.unwrap_or(again).min(again)))
}

/// When to log in again, where it was refused. However often the object is looked at meanwhile: our own status write
/// brings it back at once, and an account that is asked without end is locked.
fn again_in(config: &Config) -> Option<Duration> {
    let Login::Refused(problem) = &config.login else { return None };
    let pause = if problem.reason == Reason::CloudUnreachable { REACH_AGAIN } else { LOGIN_AGAIN };
    Some(config.tried.map_or(Duration::ZERO, |tried| pause.saturating_sub(tried.elapsed())))
}

/// By a live list: a cache may lag behind a node that was made just now.
async fn is_needed(name: &str, ctx: &Context) -> Result<bool, kube::Error> {
    let nodes = Api::<TestNode>::all(ctx.client.clone()).list_metadata(&ListParams::default()).await?;
    let finalizer = finalizer(name);
    if nodes.items.iter().any(|node| finalizers::has(node, &finalizer)) {
        return Ok(true);
    }
    if !ctx.machine_images.enabled {
        return Ok(false);
    }
    let images = Api::<MachineImage>::all(ctx.client.clone()).list_metadata(&ListParams::default()).await?;
    Ok(images.items.iter().any(|image| finalizers::has(image, &finalizer)))
}

/// No node needs it any longer: the guards on its Secrets are removed, then its own.
async fn release(
    cloud: &Cloud,
    clouds: &Api<Cloud>,
    secrets: &Api<Secret>,
    ctx: &Context,
) -> Result<Action, kube::Error> {
    let name = cloud.name_any();
    ctx.clouds.remove(&name);
    if let Some(secret) = secrets.get_opt(&cloud.spec.openstack.secret_ref.name).await? {
        finalizers::remove(secrets, &secret, &finalizer(&name)).await?;
    }
    finalizers::remove(clouds, cloud, CLOUD_GUARD).await?;
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
    let reference = cloud.spec.dns.as_ref().and_then(api::dns::Dns::secret);
    let dns_secret = match reference {
        Some(reference) => secrets.get_opt(&reference.name).await?,
        None => None,
    };
    let print = fingerprint(cloud, secret.as_ref(), dns_secret.as_ref());
    let before = handle.config();
    let former = FormerMachine::of(cloud.annotations());
    if before.former != former {
        handle.configure(Config { former, ..Config::clone(&before) });
        ctx.waker.wake_all();
    }
    let strayed = before.session.as_ref().is_some_and(Session::has_strayed);
    let due = match &before.login {
        Login::Pending => true,
        Login::In(_) => strayed,
        Login::Refused(_) => again_in(&before).is_none_or(|pause| pause.is_zero()),
    };
    if !due && before.fingerprint == print && before.going == going {
        // Who replaces a Secret by one with the same words takes its guard.
        if let (Login::In(_), Some(secret)) = (&before.login, &secret) {
            finalizers::add(secrets, secret, &finalizer(&name)).await?;
        }
        return Ok(());
    }
    let Some(secret) = secret else {
        let message = format!(
            "there is no Secret {}/{}; make it, with the key clouds.yaml",
            ctx.namespace, cloud.spec.openstack.secret_ref.name
        );
        let login = Login::Refused(Problem { reason: Reason::SecretNotFound, message });
        settle(handle, ctx, Config { login, ..config(cloud, going, print) });
        return Ok(());
    };
    let (dns, unfit) = match naming::dns(
        &name,
        &cloud.spec,
        dns_secret.as_ref(),
        &ctx.seams,
        &ctx.clouds.paces,
        &ctx.metrics,
    ) {
        Ok(dns) => (dns, None),
        Err(problem) => (None, Some(problem)),
    };
    let opened = credentials::session(&name, &cloud.spec, &secret, &ctx.seams, &ctx.metrics);
    let mut login = match &opened {
        Ok(session) => log_in(session, cloud, ctx).await,
        Err(problem) => Login::Refused(problem.clone()),
    };
    if matches!(login, Login::In(_))
        && let Err(error) = finalizers::add(secrets, &secret, &finalizer(&name)).await
    {
        if is_conflict(&error) || is_gone(&error) {
            return Err(error);
        }
        // Nothing is made with credentials that anybody can delete. And Keystone is not asked again at once.
        let message = format!(
            "the Secret {}/{} cannot be held by a finalizer: {}",
            ctx.namespace,
            secret.name_any(),
            said(&error)
        );
        login = Login::Refused(Problem { reason: Reason::KubernetesAPI, message });
    }
    let session = opened.ok().filter(|_| matches!(login, Login::In(_)));
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
        rights: Rights::Unasked,
        former: FormerMachine::of(cloud.annotations()),
    }
}

fn settle(handle: &Handle, ctx: &Context, config: Config) {
    let changed = handle.config().login != config.login || handle.config().unfit != config.unfit;
    let limits = |config: &Config| {
        config.spec.as_ref().map(|spec| (spec.limits.clone(), spec.rate.clone(), spec.drain))
    };
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
    hindrance: Option<Problem>,
) -> Result<Option<Duration>, kube::Error> {
    let before = cloud.status.clone().unwrap_or_default();
    let pins = handle.pins();
    let (nodes, usage) = ctx.gate.usage(&handle.name);
    let (value, why) = ctx.gate.creates(&handle.name, &handle.bounds());
    let status = CloudStatus {
        observed_generation: cloud.metadata.generation,
        conditions: conditions(&before.conditions, cloud, handle, ctx, hindrance),
        region: before.region.clone().or(pins.region),
        project_id: before.project_id.clone().or(pins.project_id),
        cluster_id: before.cluster_id.clone().or(pins.cluster_id),
        nodes: Some(nodes),
        usage: Some(usage),
        concurrent_creates: Some(ConcurrentCreates { value, why }),
        orphans: orphans(&before, handle),
        abandoned: handle.abandoned.after(&before.abandoned),
    };
    match ctx.statuses.report(clouds, cloud, &status).await {
        Ok(reported @ (Reported::Unchanged | Reported::Written(_))) => {
            handle.abandoned.wrote(&status.abandoned);
            if matches!(reported, Reported::Written(_)) {
                publish(cloud, &before.conditions, &status.conditions, ctx).await;
            }
            Ok(None)
        }
        Ok(Reported::Later(pause)) => Ok(Some(pause)),
        Err(error) if is_conflict(&error) || is_gone(&error) => Ok(Some(AGAIN)),
        Err(error) => Err(error),
    }
}

/// An event when the reason of `Ready` changed, unless that only means that the first look is not over.
async fn publish(cloud: &Cloud, before: &[Condition], after: &[Condition], ctx: &Context) {
    let Some(ready) = news(before, after, "Ready") else { return };
    let Some(reason) = Reason::from_word(&ready.reason).filter(|reason| *reason != Reason::Pending) else {
        return;
    };
    let severity = if ready.status == "True" { Severity::Normal } else { Severity::Warning };
    let (note, regarding) = (ready.message.as_str(), cloud.object_ref(&()));
    ctx.events.publish(Event { severity, reason, action: "Report", note, regarding, related: None }).await;
}

fn conditions(
    old: &[Condition],
    cloud: &Cloud,
    handle: &Handle,
    ctx: &Context,
    hindrance: Option<Problem>,
) -> Vec<Condition> {
    let mut list = Conditions::new(old, cloud.metadata.generation, (ctx.seams.clock)());
    let config = handle.config();
    let authenticated = match &config.login {
        Login::In(pins) => {
            let project = pins.project_id.clone().unwrap_or_default();
            let mut message = format!("logged in to project {project}");
            let keys = config.session.as_ref().map(unused).unwrap_or_default();
            if !keys.is_empty() {
                message = format!("{message}; these keys of clouds.yaml are not used: {keys}");
            }
            ("True", Reason::LoggedIn, message)
        }
        Login::Refused(problem) => ("False", problem.reason, problem.message.clone()),
        Login::Pending => ("Unknown", Reason::Pending, "not logged in yet".into()),
    };
    let reachable = match handle.standing(Born::Before) {
        Standing::Seen | Standing::Unseen if handle.stuck().is_some() => {
            ("Unknown", Reason::ListingStuck, handle.stuck().unwrap_or_default())
        }
        Standing::Seen => ("True", Reason::Looked, "servers, volumes and ports can be listed".into()),
        Standing::Unseen => (
            "Unknown",
            Reason::Pending,
            "its servers, volumes and ports are being listed for the first time".into(),
        ),
        Standing::Away(problem) => ("False", problem.reason, problem.message),
    };
    let quota = match ctx.gate.shortage(&handle.name) {
        None => ("True", Reason::NotRefused, "no TestNode waits for room here".into()),
        Some(figures) => ("False", Reason::QuotaExceeded, figures),
    };
    let found = match (&config.unfit, authenticated.0, reachable.0) {
        (_, "False", _) => authenticated.clone(),
        (_, _, "False") | (None, "True", "Unknown") => reachable.clone(),
        (Some(problem), _, _) => ("False", problem.reason, problem.message.clone()),
        (None, "True", "True") if config.going => {
            ("False", Reason::InUse, "being deleted; it stays until no TestNode needs it".into())
        }
        (None, "True", "True") if config.drains() => {
            let message = "spec.drain is true: nothing new is made here, and what exists stays";
            ("True", Reason::Draining, message.into())
        }
        (None, "True", "True") => ("True", Reason::Ready, names(&config)),
        (None, _, _) => ("Unknown", Reason::Pending, "not looked at yet".into()),
    };
    let ready = hindrance.map_or(found, |problem| ("False", problem.reason, problem.message));
    let secure = secure(&config);
    for (kind, (status, reason, message)) in [
        ("Ready", ready),
        ("Authenticated", authenticated),
        ("Reachable", reachable),
        ("QuotaAvailable", quota),
        ("Secure", secure),
    ] {
        list.put(kind, status, reason, message);
    }
    if let Some((status, reason, message)) = naming::rights(&config) {
        list.put("DNSReady", status, reason, message);
    }
    list.into_vec()
}

/// Keys of the `clouds.yaml` that another client would obey.
fn unused(session: &Session) -> String {
    session.unused().join(", ")
}

/// Whether anybody on the way could read or alter what is said to the cloud and to its DNS.
fn secure(config: &Config) -> (&'static str, Reason, String) {
    let Some(session) = &config.session else {
        return ("Unknown", Reason::Pending, "not logged in yet".into());
    };
    let mut exposures = session.exposures();
    let web =
        config.spec.as_ref().and_then(|spec| spec.dns.as_ref()).and_then(|dns| dns.nsupdate_web.as_ref());
    if web.is_some_and(|web| web.secret_ref.is_some() && !web.url.starts_with("https://")) {
        exposures.push("the password for nsupdate-web is sent without TLS".to_owned());
    }
    if exposures.is_empty() {
        ("True", Reason::Protected, "all is asked with TLS, and certificates are verified".into())
    } else {
        ("False", Reason::Unprotected, exposures.join("; "))
    }
}

fn names(config: &Config) -> String {
    match &config.dns {
        None => "machines have no names here: spec.dns is absent".into(),
        Some(dns) if !dns.is_verifiable() => {
            "names are set over whatever record is there, and nothing can check them: spec.dns.unverified is true"
                .into()
        }
        Some(_) => "machines can be made, and their names checked".into(),
    }
}
