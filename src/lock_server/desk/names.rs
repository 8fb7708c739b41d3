//! Nodes by name: locked, unlocked, or only looked at.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use serde_json::Value;
use tokio::time::Instant;
use tracing::info;

use super::super::decide::{self, Lock, No, Stand, Unlock};
use super::super::lab::{Pools, Served, Spot};
use super::super::wire::{LockOne, UnlockMany, lock_state};
use super::{Desk, NAMED, PATIENCE, TRIES, Written, busy, no_such_node, trouble};
use crate::api::TestNodeClaim;

impl Desk {
    /// Locks or unlocks one node, or says how it stands.
    ///
    /// # Errors
    /// With the reason.
    pub async fn lock_one(
        &self,
        pools: &Pools,
        served: &Served,
        host: &str,
        request: &LockOne,
        token: Option<&str>,
    ) -> Result<Value, No> {
        let until = Instant::now() + PATIENCE;
        let state = |who: Option<&str>| lock_state(&served.full_name(host), &served.machine_type, who);
        let mut missed = false;
        for _ in 0..TRIES {
            let seen = self.look(served, host).await.map_err(|error| trouble(&error))?;
            if !Self::is_there(served, host, &seen) {
                return Err(no_such_node());
            }
            let spot = seen.spot(served, host);
            match request.locked {
                None => return Ok(state(spot.row().locked_by.as_deref())),
                Some(false) => {
                    if self.unlock(&spot, request).await? {
                        return Ok(state(None));
                    }
                }
                Some(true) => match decide::lock(&spot, request, &self.warm(pools, served)) {
                    Lock::Done => return Ok(state(request.owner.as_deref())),
                    Lock::No(no) => return Err(no),
                    Lock::Claim => {
                        let owner = request.owner.as_deref().unwrap_or_default();
                        let description = request.description.as_deref();
                        let full = served.full_name(host);
                        let stem = decide::stem(owner, description, &["node", &full]);
                        let spec = || Ok(self.spec(served, owner, description, vec![host.to_owned()]));
                        let claim = self.obtain(&stem, token, until, |_| true, spec).await?;
                        match decide::stand(&claim) {
                            Stand::Bound => return Ok(state(Some(owner))),
                            Stand::Ended(why) | Stand::Refused(why) if missed || Instant::now() >= until => {
                                return Err(No(503, why));
                            }
                            // Perhaps somebody was quicker: who, the next look says. If nobody was, it is refused the same again.
                            Stand::Ended(_) | Stand::Refused(_) => {
                                missed = true;
                                tokio::time::sleep(Duration::from_millis(100)).await;
                            }
                            Stand::Waits(why) => return Err(No(503, why)),
                        }
                    }
                },
            }
        }
        Err(busy())
    }

    /// Names of nodes of the same machine type that could be locked.
    fn warm(&self, pools: &Pools, served: &Served) -> Vec<String> {
        let known = self.known();
        let same = pools.served.iter().filter(|pool| pool.machine_type == served.machine_type);
        let spots = same.flat_map(|pool| known.spots(pool)).filter(Spot::is_warm);
        spots.take(NAMED).map(|spot| spot.host).collect()
    }

    /// Unlocks a node. Not done means that somebody was quicker.
    async fn unlock(&self, spot: &Spot<'_>, request: &LockOne) -> Result<bool, No> {
        let former = self.former(spot.served);
        let former: Vec<&TestNodeClaim> = former.iter().map(|claim| &**claim).collect();
        match decide::unlock(spot, request, &former, &self.namespace) {
            Unlock::Done => Ok(true),
            Unlock::No(no) => Err(no),
            Unlock::Release(claim) => self.release(claim, &spot.host).await,
        }
    }

    async fn release(&self, claim: &TestNodeClaim, host: &str) -> Result<bool, No> {
        info!(claim = claim.name_any(), node = host, "a node is given back");
        let written = self.write(&self.claims(), &claim.name_any(), &claim.releasing(host)).await;
        Ok(matches!(written.map_err(|error| trouble(&error))?, Written::Done(_)))
    }

    /// Claims of ours that asked this pool.
    fn former(&self, served: &Served) -> Vec<Arc<TestNodeClaim>> {
        let mut former = self.watched.claims.state();
        let ours = |claim: &Arc<TestNodeClaim>| claim.namespace().as_deref() == Some(&self.namespace);
        former.retain(|claim| ours(claim) && claim.asks(&served.pool));
        former
    }

    /// Unlocks some nodes, none of them if one cannot be.
    ///
    /// # Errors
    /// With the reason.
    pub async fn unlock_many(&self, pools: &Pools, request: &UnlockMany) -> Result<Vec<Value>, No> {
        let found: Option<Vec<(&Served, String)>> =
            request.names.iter().map(|name| pools.find(name)).collect();
        let Some(found) = found else { return Err(No(400, "Could not find all nodes!".into())) };
        let one = LockOne { locked: Some(false), owner: Some(request.owner.clone()), description: None };
        for (served, host) in &found {
            let seen = self.look(served, host).await.map_err(|error| trouble(&error))?;
            if !Self::is_there(served, host, &seen) {
                return Err(No(400, "Could not find all nodes!".into()));
            }
            let former = self.former(served);
            let former: Vec<&TestNodeClaim> = former.iter().map(|claim| &**claim).collect();
            if let Unlock::No(no) = decide::unlock(&seen.spot(served, host), &one, &former, &self.namespace) {
                return Err(no);
            }
        }
        let mut states = Vec::new();
        for (served, host) in &found {
            states.push(self.lock_one(pools, served, host, &one, None).await?);
        }
        Ok(states)
    }
}
