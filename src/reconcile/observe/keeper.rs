//! Whether anybody needs a node, as far as the watches, and the API server itself, have told.

use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::api::TestNode;
use crate::reconcile::context::Context;
use crate::reconcile::state::{Keeper, KeeperKind, Known, Need};

/// So long it is believed that something is there of which the watches do not tell.
const THERE_FOR: Duration = Duration::from_secs(15);

/// What is known.
pub(super) fn need(ctx: &Context, node: &TestNode, uid: &str, now: Timestamp) -> Need {
    let Some(keeper) = Keeper::of(node) else { return Need::Needed };
    let said = ctx.note(uid, |notes| notes.keeper.clone()).filter(|said| said.uid == keeper.uid);
    let of_that_uid = |found: Option<&String>| found == Some(&keeper.uid);
    let (pool, claim);
    let watched = match keeper.kind {
        KeeperKind::Pool => {
            pool = ctx.pools.get(&ObjectRef::new(&keeper.name).within(&keeper.namespace));
            pool.as_deref().filter(|pool| of_that_uid(pool.metadata.uid.as_ref())).map(Known::Pool)
        }
        KeeperKind::Claim => {
            claim = ctx.claims.get(&ObjectRef::new(&keeper.name).within(&keeper.namespace));
            claim.as_deref().filter(|claim| of_that_uid(claim.metadata.uid.as_ref())).map(Known::Claim)
        }
    };
    let known = match (watched, said) {
        (_, Some(said)) if said.gone => Known::Gone,
        (Some(watched), _) => watched,
        (None, Some(said)) if said.at.elapsed() < THERE_FOR => Known::There,
        (None, _) => Known::Nothing,
    };
    let need = Need::of(node, keeper, known);
    if !matches!(need, Need::Unneeded(_)) || node.spec.claim_ref.is_none() {
        return need;
    }
    if !*ctx.slots_listed.borrow() {
        // Nobody knows yet whether somebody wants to look at it.
        return Need::Needed;
    }
    let namespace = node.namespace().unwrap_or_default();
    let slot = ctx.slots.get(&ObjectRef::new(&node.name_any()).within(&namespace));
    let pool = node.spec.pool_ref.as_ref();
    let pool = pool.and_then(|pool| ctx.pools.get(&ObjectRef::new(&pool.name).within(&namespace)));
    let pool = pool.filter(|pool| pool.metadata.deletion_timestamp.is_none());
    need.or_kept(node, slot.as_deref(), pool.as_deref(), now)
}
