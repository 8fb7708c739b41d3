//! Writes the node's UID into one mark of something that was made for an earlier object of its name. Sent twice it says
//! the same.

use tokio::time::Instant;

use crate::api::{Kind, mark};
use crate::clouds::Handle;
use crate::openstack::Session;
use crate::openstack::ids::{FloatingIpId, PortId, ServerId, VolumeId};
use crate::reconcile::context::Context;
use crate::reconcile::error::Error;
use crate::reconcile::plan::Mark;

/// Sends one request, and tells the inventory once it was answered.
pub(super) async fn adopt(
    kind: Kind,
    id: &str,
    mark: &Mark,
    uid: &str,
    (handle, session): (&Handle, &Session),
    ctx: &Context,
) -> Result<(), Error> {
    let server = || ServerId(id.to_owned());
    let tag = |uid: &str| mark::tag(mark::UID, uid);
    match (mark, kind) {
        (Mark::Tag, _) => session.compute().add_tag(&server(), &tag(uid)).await?,
        // What is not there need not go. A server that is gone is found out by the next request.
        (Mark::Untag(old), _) => match session.compute().remove_tag(&server(), &tag(old)).await {
            Err(error) if error.is_not_found() => {}
            result => result?,
        },
        (Mark::Owner, Kind::Server) => {
            session.compute().set_metadata(&server(), mark::UID, uid).await?;
        }
        (Mark::Owner, Kind::Volume) => {
            session.block_storage().set_metadata(&VolumeId(id.to_owned()), mark::UID, uid).await?;
        }
        (Mark::Owner, Kind::FloatingIp) => {
            let attempt = handle.inventory.lock().floating_ips.entry(id).map(|entry| entry.owner.attempt);
            let attempt = attempt.ok_or(Error::Overtaken)?.unwrap_or(1);
            let description = mark::floating_ip(ctx.clouds.cluster_id(), uid, attempt);
            session.network().describe_floating_ip(&FloatingIpId(id.to_owned()), &description).await?;
        }
        (Mark::Owner, Kind::Port) => {
            let port = {
                let state = handle.inventory.lock();
                state.ports.entry(id).map(|entry| (entry.owner.attempt.unwrap_or(1), entry.object.index))
            };
            let (attempt, index) = port.ok_or(Error::Overtaken)?;
            let name = mark::port_name(uid, attempt, index);
            session.network().rename_port(&PortId(id.to_owned()), &name).await?;
        }
    }
    // Another Cloud of the same project lists it too.
    for handle in ctx.clouds.all() {
        let mut state = handle.inventory.lock();
        match mark {
            Mark::Tag => state.tagged(id, uid, true),
            Mark::Untag(old) => state.tagged(id, old, false),
            Mark::Owner => state.adopted(kind, id, uid, Instant::now()),
        }
    }
    Ok(())
}
