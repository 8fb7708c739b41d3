//! Requests about the name.

use std::collections::BTreeSet;
use std::net::IpAddr;

use kube::ResourceExt;
use tokio::time::Instant;

use crate::api::{TestNode, mark};
use crate::dns::record::Record;
use crate::dns::{Answer, Dns, Fqdn, NameOwner};
use crate::error::Effect;
use crate::reconcile::context::Context;
use crate::reconcile::error::Error;
use crate::reconcile::fair::Permit;
use crate::reconcile::look::addresses_of;
use crate::reconcile::notes::SentName;
use crate::reconcile::observe::{Look, path};

/// The node's name, and what a request about it needs.
struct Target {
    uid: String,
    dns: Dns,
    name: Fqdn,
    owner: NameOwner,
}

fn target(node: &TestNode, look: &Look, ctx: &Context) -> Result<Target, Error> {
    let cloud = look.seen.name.cloud.as_ref().and_then(|cloud| ctx.clouds.find(cloud));
    let dns = cloud.and_then(|handle| handle.config().dns.clone());
    let dns = dns
        .ok_or_else(|| Error::Unready("the DNS of the node's cloud cannot be used; see the Cloud".into()))?;
    let name = dns.fqdn(&node.hostname().parse()?)?;
    let uid = node.uid().unwrap_or_default();
    let cluster_id = ctx.clouds.cluster_id();
    let owner = NameOwner {
        mark: mark::name(cluster_id, &uid),
        text: mark::name_of(cluster_id, &uid, &path(node)),
        addresses: addresses_of(look.seen.memory.dns.as_ref(), &look.seen.clouds),
        node: Some(path(node)),
    };
    Ok(Target { uid, dns, name, owner })
}

/// One namespace after the other asks DNS: none can fill the way to it.
async fn permit(node: &TestNode, look: &Look, ctx: &Context) -> Permit {
    let cloud = look.seen.name.cloud.as_deref().unwrap_or_default();
    ctx.may_ask_dns(cloud, &node.namespace().unwrap_or_default()).await
}

/// Publishes the name at one address.
pub(super) async fn publish(
    address: IpAddr,
    node: &TestNode,
    look: &Look,
    ctx: &Context,
) -> Result<(), Error> {
    let target = target(node, look, ctx)?;
    let _permit = permit(node, look, ctx).await;
    let known = known(&target, ctx);
    let answer =
        target.dns.publish(&target.name, &target.owner, &BTreeSet::from([address]), known.as_ref()).await;
    note(&target, Some(address), &answer, ctx);
    answer?;
    Ok(())
}

/// Withdraws the name.
pub(super) async fn withdraw(node: &TestNode, look: &Look, ctx: &Context) -> Result<(), Error> {
    let target = target(node, look, ctx)?;
    let _permit = permit(node, look, ctx).await;
    let known = known(&target, ctx);
    let answer = target.dns.withdraw(&target.name, &target.owner, known.as_ref()).await;
    note(&target, None, &answer, ctx);
    answer?;
    Ok(())
}

/// Asks the authority.
pub(super) async fn ask(node: &TestNode, look: &Look, ctx: &Context) -> Result<(), Error> {
    let target = target(node, look, ctx)?;
    let _permit = permit(node, look, ctx).await;
    let Some(record) = target.dns.ask(&target.name, &target.owner).await? else {
        return Err(Error::Unready("the Cloud names no spec.dns.verify.server".into()));
    };
    ctx.note(&target.uid, |notes| notes.found = Some((Instant::now(), record)));
    Ok(())
}

fn known(target: &Target, ctx: &Context) -> Option<Record> {
    ctx.note(&target.uid, |notes| notes.found.as_ref().map(|(_, record)| record.clone()))
}

/// A request that failed may have taken effect too: what was known of the zone is old, whatever came.
fn note(target: &Target, address: Option<IpAddr>, answer: &Result<Answer, crate::dns::Error>, ctx: &Context) {
    let lost = answer.as_ref().is_err_and(|error| error.effect() == Effect::Unknown);
    ctx.note(&target.uid, |notes| {
        if lost && address.is_some() {
            notes.unanswered = Some(Instant::now());
        }
        notes.found = None;
        notes.sent = answer.as_ref().ok().map(|answer| SentName {
            at: Instant::now(),
            address,
            proved: *answer == Answer::Done,
        });
    });
}
