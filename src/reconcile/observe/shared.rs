//! Two Clouds may open one project: what is made through one is listed by the other too.

use std::collections::BTreeSet;

use crate::reconcile::context::Context;
use crate::reconcile::state::{CloudView, Memory};

/// Leaves out of a cloud's view what an attempt made through another Cloud: it is that one's to keep, and to end. Ids are
/// UUIDs; one that both list is one thing.
pub(super) fn leave_out(ctx: &Context, uid: &str, memory: &Memory, cloud: &str, view: &mut CloudView) {
    if view.is_empty() {
        return;
    }
    let theirs = others(ctx, uid, memory, cloud);
    view.servers.retain(|server| !theirs.contains(&server.id));
    view.volumes.retain(|volume| !theirs.contains(&volume.id));
    view.ports.retain(|port| !theirs.contains(&port.id));
}

/// The ids of all that attempts made through other Clouds, and of what is gone of it.
fn others(ctx: &Context, uid: &str, memory: &Memory, cloud: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for attempt in memory.attempts.iter().filter(|attempt| attempt.cloud != cloud) {
        let Some(handle) = ctx.clouds.find(&attempt.cloud) else { continue };
        let state = handle.inventory.lock();
        let made = |number: i64| number == attempt.number;
        let servers = state.servers.of(uid).filter(|entry| made(entry.owner.attempt));
        ids.extend(servers.map(|entry| entry.object.id.0.clone()));
        let volumes = state.volumes.of(uid).filter(|entry| made(entry.owner.attempt));
        ids.extend(volumes.map(|entry| entry.object.id.0.clone()));
        let ports = state.ports.of(uid).filter(|entry| made(entry.owner.attempt));
        ids.extend(ports.map(|entry| entry.object.id.0.clone()));
        let gone = state.servers.graves(uid).chain(state.volumes.graves(uid)).chain(state.ports.graves(uid));
        ids.extend(gone.filter(|(_, number)| made(*number)).map(|(id, _)| id.clone()));
    }
    ids
}
