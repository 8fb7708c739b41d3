//! Asks the API server itself whether what a node is kept for is still there. On its answer a machine may go, so it must
//! say in so many words that this one object is not there.

use std::fmt::Debug;

use kube::api::Api;
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::api::{TestNodeClaim, TestNodePool};
use crate::reconcile::context::Context;
use crate::reconcile::error::Error;
use crate::reconcile::notes::KeeperNotes;
use crate::reconcile::state::{Keeper, KeeperKind};

/// Asks, and notes the answer.
pub(super) async fn ask(keeper: &Keeper, node: &str, ctx: &Context) -> Result<(), Error> {
    let gone = match keeper.kind {
        KeeperKind::Pool => is_gone::<TestNodePool>(keeper, ctx).await?,
        KeeperKind::Claim => is_gone::<TestNodeClaim>(keeper, ctx).await?,
    };
    let noted = KeeperNotes { uid: keeper.uid.clone(), gone, at: Instant::now() };
    ctx.note(node, |notes| notes.keeper = Some(noted));
    Ok(())
}

/// A proxy, and a server that does not know our kinds, answer 404 too: only a `Status` that names the object counts. Another
/// object under its name proves it as well.
async fn is_gone<K>(keeper: &Keeper, ctx: &Context) -> Result<bool, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let api = Api::<K>::namespaced(ctx.client.clone(), &keeper.namespace);
    match api.get(&keeper.name).await {
        Ok(found) => Ok(found.uid().is_some_and(|uid| uid != keeper.uid)),
        Err(kube::Error::Api(status)) if status.code == 404 => {
            let names_it = status.details.as_ref().is_some_and(|details| {
                details.name == keeper.name
                    && details.kind == K::plural(&())
                    && details.group == K::group(&())
            });
            let doubt = || format!("the API server answers 404 and does not say that {keeper} is not there");
            if names_it { Ok(true) } else { Err(Error::Unready(doubt())) }
        }
        Err(error) => Err(error.into()),
    }
}
