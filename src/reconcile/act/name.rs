//! Requests about the name.

use std::net::IpAddr;

use kube::ResourceExt;
use tokio::time::Instant;

use crate::api::TestNode;
use crate::clouds::Dns;
use crate::dns::lookup;
use crate::dns::nsupdate_web::Answer;
use crate::reconcile::context::Context;
use crate::reconcile::error::Error;
use crate::reconcile::observe::Look;

/// The DNS of the cloud that the claimed name belongs to.
fn dns(look: &Look, ctx: &Context) -> Result<Dns, Error> {
    let cloud = look.seen.name.cloud.as_ref().and_then(|cloud| ctx.clouds.find(cloud));
    let dns = cloud.and_then(|handle| handle.config().dns.clone());
    dns.ok_or_else(|| Error::Unready("the DNS of the node's cloud cannot be used; see the Cloud".into()))
}

/// Sets the name to one address.
pub(super) async fn set(address: IpAddr, node: &TestNode, look: &Look, ctx: &Context) -> Result<(), Error> {
    let dns = dns(look, ctx)?;
    let uid = node.uid().unwrap_or_default();
    let began = Instant::now();
    let answer = dns.web.set(&node.hostname().parse()?, &[address]).await;
    let said = match &answer {
        Ok(Answer::Success) => "success",
        Ok(Answer::NoChange) => "no-change",
        Err(_) => "failed",
    };
    let cloud = look.seen.name.cloud.clone().unwrap_or_default();
    ctx.metrics.dns_request(&cloud, "nsupdate-web", "set", Some(said), began.elapsed());
    // A request that failed may have been applied too: whatever was known of the zone is old.
    ctx.note(&uid, |notes| {
        notes.found = None;
        notes.sent = match &answer {
            Ok(answer) => Some((Instant::now(), address, *answer == Answer::NoChange)),
            Err(_) => None,
        };
    });
    answer?;
    Ok(())
}

/// Asks the authority.
pub(super) async fn ask(node: &TestNode, look: &Look, ctx: &Context) -> Result<(), Error> {
    let dns = dns(look, ctx)?;
    let uid = node.uid().unwrap_or_default();
    let Some(server) = &dns.verify else {
        return Err(Error::Unready("the Cloud names no dns.nsupdateWeb.verify.server".into()));
    };
    let name = dns.web.fqdn(&node.hostname().parse()?)?;
    let began = Instant::now();
    let found = match server.resolve().await {
        Ok(address) => lookup::ask(&ctx.seams.dns, address, &name).await,
        Err(error) => Err(error),
    };
    let cloud = look.seen.name.cloud.clone().unwrap_or_default();
    let said = if found.is_ok() { "answered" } else { "failed" };
    ctx.metrics.dns_request(&cloud, "authority", "ask", Some(said), began.elapsed());
    let found = found?.into_iter().collect();
    ctx.note(&uid, |notes| notes.found = Some((Instant::now(), found)));
    Ok(())
}
