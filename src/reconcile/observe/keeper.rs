//! Whether anybody needs a node, as far as the watches, and the API server itself, have told.

use std::time::Duration;

use kube::runtime::reflector::ObjectRef;

use crate::api::TestNode;
use crate::reconcile::context::Context;
use crate::reconcile::state::{Keeper, KeeperKind, Known, Need};

/// So long it is believed that something is there of which the watches do not tell.
const THERE_FOR: Duration = Duration::from_secs(15);

/// What is known.
pub(super) fn need(ctx: &Context, node: &TestNode, uid: &str) -> Need {
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
    Need::of(node, keeper, known)
}
