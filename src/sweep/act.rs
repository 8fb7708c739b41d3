//! One step of a sweep. Its answer goes to the inventory, or to what is remembered of the cloud.

use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::decide::{Memory, Name, Scene, Step};
use super::tell;
use crate::api::{Kind, mark};
use crate::clouds::Handle;
use crate::clouds::ask::Whose;
use crate::dns::record::{Found, Record};
use crate::dns::{Dns, Fqdn, NameOwner};
use crate::error::Class;
use crate::gate::Use;
use crate::inventory::kinds;
use crate::openstack::Session;
use crate::openstack::ids::ServerId;
use crate::reconcile::context::Context;
use crate::reconcile::error::Error;
use crate::things::Owner;

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
        Step::Delete(kind, id) => kinds::delete(&session, *kind, id).await.map_err(Error::from),
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
    let owner = Owner { uid: uid_of(kind, id, scene).to_owned(), attempt: None };
    Ok(cloud.inventory.confirm(session, kind, id, &owner).await?)
}

async fn free(id: &str, scene: &Scene, cloud: &Handle, session: &Session) -> Result<(), Error> {
    for attachment in cloud.loose_attachments(session, id, Whose::Ours).await? {
        session.block_storage().delete_attachment(&attachment).await?;
        info!(volume = id, attachment = attachment.0, "freed");
    }
    // What came of it is seen in a list.
    cloud.inventory.want_news(uid_of(Kind::Volume, id, scene), Kind::Volume);
    Ok(())
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
    let done = match result {
        Err(error) if error.throttled().is_some() => return Pace::Stop,
        // It is gone already, or this part of the cloud does not see it: a look tells.
        Err(Error::OpenStack(error)) if error.is_not_found() => false,
        Err(error) => {
            warn!(kind = kind.word(), id, %error, "an orphan cannot be deleted");
            memory.refused.insert((kind, id.to_owned()), tell::without_ids(&error));
            return Pace::On;
        }
        Ok(()) => {
            memory.refused.remove(&(kind, id.to_owned()));
            ctx.metrics.swept(&cloud.name, kind.label());
            tell::deleted(kind, id, scene, cloud, ctx).await;
            true
        }
    };
    cloud.inventory.lock().deleted(kind, id, done, Instant::now());
    let uid = uid_of(kind, id, scene);
    cloud.inventory.want_news(uid, kind);
    Pace::On
}

/// Keeps a name from being claimed while it is withdrawn. A node that is being deleted claims it again in its next turn.
struct Hold<'a> {
    ctx: &'a Context,
    uid: &'a str,
}

impl<'a> Hold<'a> {
    fn take(name: &'a Name, ctx: &'a Context) -> Result<Self, Error> {
        let node = format!("what is left of {}", name.node.as_deref().unwrap_or(&name.uid));
        ctx.gate.set(&name.uid, Some(Use { node, fqdn: Some(name.fqdn.clone()), ..Use::default() }));
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

/// The DNS of the cloud, the name in its zone, and the node that it was for.
fn place(name: &Name, cloud: &Handle, ctx: &Context) -> Result<(Dns, Fqdn, NameOwner), Error> {
    let dns = cloud.config().dns.clone();
    let dns = dns.ok_or_else(|| Error::Unready("the Cloud's DNS cannot be used".into()))?;
    let fqdn = dns.fqdn(&name.fqdn.split('.').next().unwrap_or_default().parse()?)?;
    if fqdn.as_str() != name.fqdn {
        return Err(Error::Unready(format!("{} is not in the Cloud's zone", name.fqdn)));
    }
    let cluster_id = ctx.clouds.cluster_id();
    let mark = mark::name(cluster_id, &name.uid);
    let text = mark::name_of(cluster_id, &name.uid, name.node.as_deref().unwrap_or_default());
    Ok((dns, fqdn, NameOwner { mark, text, addresses: name.own.clone(), node: None }))
}

/// Whether the name is still that of the node that is gone. Without an authority nobody can tell.
fn still_stands(record: Option<&Record>, dns: &Dns, owner: &NameOwner) -> bool {
    record.is_some_and(|record| matches!(dns.judge(record, owner), Found::Ours(_)))
}

async fn ask_name(
    uid: &str,
    scene: &Scene,
    cloud: &Handle,
    memory: &mut Memory,
    ctx: &Context,
) -> Result<(), Error> {
    let name = named(uid, scene)?;
    let (dns, fqdn, owner) = place(name, cloud, ctx)?;
    let record = dns.ask(&fqdn, &owner).await?;
    if still_stands(record.as_ref(), &dns, &owner) {
        debug!(name = name.fqdn, ?record, "still stands");
    } else {
        memory.withdrawn.insert(uid.to_owned());
    }
    Ok(())
}

/// Withdraws the name, where it may still be that of the node that is gone.
async fn withdraw_name(
    uid: &str,
    scene: &Scene,
    cloud: &Handle,
    memory: &mut Memory,
    ctx: &Context,
) -> Result<(), Error> {
    let name = named(uid, scene)?;
    let (dns, fqdn, owner) = place(name, cloud, ctx)?;
    let _hold = Hold::take(name, ctx)?;
    let before = dns.ask(&fqdn, &owner).await?;
    if before.is_some() && !still_stands(before.as_ref(), &dns, &owner) {
        memory.withdrawn.insert(uid.to_owned());
        return Ok(());
    }
    dns.withdraw(&fqdn, &owner, before.as_ref()).await?;
    let after = dns.ask(&fqdn, &owner).await?;
    if !still_stands(after.as_ref(), &dns, &owner) {
        memory.withdrawn.insert(uid.to_owned());
        ctx.metrics.swept(&cloud.name, "name");
        tell::withdrawn(name, cloud, ctx).await;
    }
    Ok(())
}
