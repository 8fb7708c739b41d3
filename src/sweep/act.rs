//! One step of a sweep. Its answer goes to the inventory, or to what is remembered of the cloud.

use std::collections::BTreeSet;
use std::net::IpAddr;

use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::decide::{Memory, Name, Scene, Step};
use super::tell;
use crate::api::Kind;
use crate::clouds::{Dns, Handle};
use crate::dns::lookup;
use crate::dns::name::{Fqdn, Hostname};
use crate::dns::nsupdate_web::Answer;
use crate::error::Class;
use crate::gate::Claim;
use crate::inventory::shelf::Owner;
use crate::openstack::ids::{PortId, ServerId, VolumeId};
use crate::openstack::{self, Session};
use crate::reconcile::context::Context;
use crate::reconcile::error::Error;

/// Whether the sweep goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Pace {
    /// It does.
    On,
    /// The cloud asked us to slow down, or cannot be asked: the next sweep goes on.
    Stop,
    /// DNS does not answer: names wait for the next sweep.
    WithoutNames,
}

/// Takes one step.
pub(super) async fn take(
    step: &Step,
    scene: &Scene,
    cloud: &Handle,
    memory: &mut Memory,
    ctx: &Context,
) -> Pace {
    let Some(session) = cloud.config().session.clone() else { return Pace::Stop };
    let result = match step {
        Step::Confirm(kind, id) => confirm(*kind, id, scene, cloud, &session).await,
        Step::AskName(uid) => ask_name(uid, scene, cloud, memory, ctx).await,
        Step::WithdrawName(uid) => withdraw_name(uid, scene, cloud, memory, ctx).await,
        Step::Free(id) => free(id, scene, cloud, &session).await,
        Step::Delete(kind, id) => delete(*kind, id, &session).await.map_err(Error::from),
        Step::ForceDelete(id) => {
            session.compute().force_delete_server(&ServerId(id.clone())).await.map_err(Error::from)
        }
    };
    if let Step::Delete(kind, id) = step {
        return deleted(*kind, id, result, scene, cloud, memory, ctx).await;
    }
    if let Step::ForceDelete(id) = step {
        return deleted(Kind::Server, id, result, scene, cloud, memory, ctx).await;
    }
    match result {
        Ok(()) => Pace::On,
        Err(error) if error.throttled().is_some() => Pace::Stop,
        Err(error) => {
            warn!(?step, %error, "failed");
            let silent = matches!(error, Error::Dns(_)) && error.class() == Class::Unreachable;
            if silent { Pace::WithoutNames } else { Pace::On }
        }
    }
}

fn uid_of<'a>(kind: Kind, id: &str, scene: &'a Scene) -> &'a str {
    let thing = scene.things.iter().find(|thing| thing.kind == kind && thing.id == id);
    thing.map(|thing| thing.uid.as_str()).unwrap_or_default()
}

async fn confirm(
    kind: Kind,
    id: &str,
    scene: &Scene,
    cloud: &Handle,
    session: &Session,
) -> Result<(), Error> {
    let owner = Owner { uid: uid_of(kind, id, scene).to_owned(), attempt: 0 };
    Ok(cloud.confirm(session, kind, id, &owner).await?)
}

async fn free(id: &str, scene: &Scene, cloud: &Handle, session: &Session) -> Result<(), Error> {
    for attachment in cloud.loose_attachments(session, id).await? {
        session.block_storage().delete_attachment(&attachment).await?;
        info!(volume = id, attachment = attachment.0, "freed");
    }
    // What came of it is seen in a list.
    cloud.inventory.want_news(uid_of(Kind::Volume, id, scene), Kind::Volume);
    Ok(())
}

async fn delete(kind: Kind, id: &str, session: &Session) -> Result<(), openstack::Error> {
    match kind {
        Kind::Server => session.compute().delete_server(&ServerId(id.to_owned())).await,
        Kind::Volume => session.block_storage().delete_volume(&VolumeId(id.to_owned())).await,
        Kind::Port => session.network().delete_port(&PortId(id.to_owned())).await,
    }
}

async fn deleted(
    kind: Kind,
    id: &str,
    result: Result<(), Error>,
    scene: &Scene,
    cloud: &Handle,
    memory: &mut Memory,
    ctx: &Context,
) -> Pace {
    match result {
        Err(error) if error.throttled().is_some() => return Pace::Stop,
        // Gone already, or not to be seen by this part of the cloud: a look tells.
        Err(Error::OpenStack(error)) if error.is_not_found() => {}
        Err(error) => {
            warn!(kind = kind.word(), id, %error, "an orphan cannot be deleted");
            memory.refused.insert((kind, id.to_owned()), tell::without_ids(&error));
            return Pace::On;
        }
        Ok(()) => {
            memory.refused.remove(&(kind, id.to_owned()));
            ctx.metrics.swept(&cloud.name, kind.word());
            tell::deleted(kind, id, scene, cloud, ctx).await;
        }
    }
    cloud.inventory.lock().deleted(kind, id, Instant::now());
    let uid = uid_of(kind, id, scene);
    cloud.inventory.want_news(uid, kind);
    Pace::On
}

/// Keeps a name from being claimed while it is withdrawn. A node that still goes claims it anew in its next turn.
struct Hold<'a> {
    ctx: &'a Context,
    uid: &'a str,
}

impl<'a> Hold<'a> {
    fn take(name: &'a Name, ctx: &'a Context) -> Result<Self, Error> {
        let node = format!("what is left of {}", name.node.as_deref().unwrap_or(&name.uid));
        ctx.gate.set(&name.uid, Some(Claim { node, fqdn: Some(name.fqdn.clone()), ..Claim::default() }));
        let hold = Self { ctx, uid: &name.uid };
        match ctx.gate.holder(hold.uid, &name.fqdn, None) {
            Some(holder) => Err(Error::Unready(format!("{} is claimed by {holder}", name.fqdn))),
            None => Ok(hold),
        }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.ctx.gate.set(self.uid, None);
        self.ctx.wake_queue();
    }
}

fn named<'a>(uid: &str, scene: &'a Scene) -> Result<&'a Name, Error> {
    let name = scene.names.iter().find(|name| name.uid == uid);
    name.ok_or_else(|| Error::Unready("there is no such name".into()))
}

/// The DNS of the cloud, and the name in its zone.
fn place(name: &Name, cloud: &Handle) -> Result<(Dns, Hostname, Fqdn), Error> {
    let dns = cloud.config().dns.clone();
    let dns = dns.ok_or_else(|| Error::Unready("the Cloud's DNS cannot be used".into()))?;
    let host: Hostname = name.fqdn.split('.').next().unwrap_or_default().parse()?;
    let fqdn = dns.web.fqdn(&host)?;
    if fqdn.as_str() != name.fqdn {
        return Err(Error::Unready(format!("{} is not in the Cloud's zone", name.fqdn)));
    }
    Ok((dns, host, fqdn))
}

/// Whether the authority says any address that was the node's; `None` where there is no authority.
async fn points_at_us(
    name: &Name,
    fqdn: &Fqdn,
    dns: &Dns,
    cloud: &str,
    ctx: &Context,
) -> Result<Option<BTreeSet<IpAddr>>, Error> {
    let Some(server) = &dns.verify else { return Ok(None) };
    let began = Instant::now();
    let found = match server.resolve().await {
        Ok(address) => lookup::ask(&ctx.seams.dns, address, fqdn).await,
        Err(error) => Err(error),
    };
    let said = if found.is_ok() { "answered" } else { "failed" };
    ctx.metrics.dns_request(cloud, "authority", "ask", Some(said), began.elapsed());
    Ok(Some(found?.into_iter().filter(|address| name.own.contains(address)).collect()))
}

async fn ask_name(
    uid: &str,
    scene: &Scene,
    cloud: &Handle,
    memory: &mut Memory,
    ctx: &Context,
) -> Result<(), Error> {
    let name = named(uid, scene)?;
    let (dns, _, fqdn) = place(name, cloud)?;
    match points_at_us(name, &fqdn, &dns, &cloud.name, ctx).await? {
        Some(ours) if !ours.is_empty() => debug!(name = name.fqdn, ?ours, "still stands"),
        // Nothing can be asked, or it says nothing of ours.
        Some(_) | None => {
            memory.withdrawn.insert(uid.to_owned());
        }
    }
    Ok(())
}

/// Parks the name, where it may be ours. nsupdate-web may answer from its memory that it did so before.
async fn withdraw_name(
    uid: &str,
    scene: &Scene,
    cloud: &Handle,
    memory: &mut Memory,
    ctx: &Context,
) -> Result<(), Error> {
    let name = named(uid, scene)?;
    let (dns, host, fqdn) = place(name, cloud)?;
    let _hold = Hold::take(name, ctx)?;
    let before = points_at_us(name, &fqdn, &dns, &cloud.name, ctx).await?;
    if before.as_ref().is_some_and(BTreeSet::is_empty) {
        memory.withdrawn.insert(uid.to_owned());
        return Ok(());
    }
    let stale = before.into_iter().flatten().next();
    if set(&host, dns.park, &dns, &cloud.name, ctx).await? == Answer::NoChange
        && let Some(other) = stale
    {
        set(&host, other, &dns, &cloud.name, ctx).await?;
        set(&host, dns.park, &dns, &cloud.name, ctx).await?;
    }
    let after = points_at_us(name, &fqdn, &dns, &cloud.name, ctx).await?;
    if after.is_none_or(|ours| ours.is_empty()) {
        memory.withdrawn.insert(uid.to_owned());
        ctx.metrics.swept(&cloud.name, "name");
        tell::withdrawn(name, cloud, ctx).await;
    }
    Ok(())
}

async fn set(
    host: &Hostname,
    address: IpAddr,
    dns: &Dns,
    cloud: &str,
    ctx: &Context,
) -> Result<Answer, Error> {
    let began = Instant::now();
    let answer = dns.web.set(host, &[address]).await;
    let said = match &answer {
        Ok(Answer::Success) => "success",
        Ok(Answer::NoChange) => "no-change",
        Err(_) => "failed",
    };
    ctx.metrics.dns_request(cloud, "nsupdate-web", "set", Some(said), began.elapsed());
    Ok(answer?)
}
