//! What somebody says of a node: that it is down, or up again, and why.

use kube::ResourceExt;
use kube::api::Api;
use tracing::{info, warn};

use super::super::decide::No;
use super::super::lab::{Served, Spot, host_keys, owner};
use super::super::wire::Update;
use super::{Desk, TRIES, Written, busy, trouble};
use crate::api::slot::TestNodeSlotSpec;
use crate::api::{TestNodeClaim, TestNodeSlot};
use crate::kubernetes::delete::delete;
use crate::kubernetes::error::{is_conflict, is_gone};

impl Desk {
    /// Notes what somebody says of a node. `may_be` refuses whoever may not act for an owner.
    ///
    /// # Errors
    /// With the reason.
    pub async fn update(
        &self,
        served: &Served,
        host: &str,
        update: &Update,
        may_be: impl Fn(&str) -> Result<(), No>,
    ) -> Result<(), No> {
        for _ in 0..TRIES {
            let seen = self.look(served, host).await.map_err(|error| trouble(&error))?;
            if !Self::is_there(served, host, &seen) {
                return Err(No(404, "attempted to update a non-existent node".into()));
            }
            let spot = seen.spot(served, host);
            Self::compare_key(&spot, update);
            if let (Some(text), Some(holder)) = (&update.description, spot.holder)
                && holder.spec.description.as_deref().unwrap_or_default() != text
            {
                may_be(&owner(holder))?;
                if !self.describe(holder, text).await? {
                    continue;
                }
            }
            let description = update.description.as_ref().filter(|_| spot.holder.is_none());
            if self.mark(&spot, seen.foreign.as_ref(), update.up, description.map(String::as_str)).await? {
                return Ok(());
            }
        }
        Err(busy())
    }

    /// What a client saw as the host key of a machine whose keys we know.
    fn compare_key(spot: &Spot<'_>, update: &Update) {
        let (Some(key), Some(node)) = (&update.ssh_pub_key, spot.node) else { return };
        let kind = key.split(' ').next().unwrap_or_default();
        let known = host_keys(node);
        let mut same_kind = known.iter().filter(|known| known.split(' ').next() == Some(kind)).peekable();
        if same_kind.peek().is_some() && !same_kind.any(|known| known == key) {
            warn!(node = spot.host, kind = %kind.escape_debug(), "teuthology saw another host key than the machine showed");
        }
    }

    async fn describe(&self, holder: &TestNodeClaim, text: &str) -> Result<bool, No> {
        if holder.namespace().as_deref() != Some(&self.namespace) {
            return Err(No(
                403,
                format!(
                    "TestNodeClaim {}/{} of another namespace has it; describe it there",
                    holder.namespace().unwrap_or_default(),
                    holder.name_any()
                ),
            ));
        }
        let written = self.write(&self.claims(), &holder.name_any(), &holder.described(text)).await;
        Ok(matches!(written.map_err(|error| trouble(&error))?, Written::Done(_)))
    }

    /// Writes a mark, where it says something new. Not done means that somebody was quicker.
    async fn mark(
        &self,
        spot: &Spot<'_>,
        foreign: Option<&TestNodeSlot>,
        up: Option<bool>,
        description: Option<&str>,
    ) -> Result<bool, No> {
        let before = spot.said();
        let down = up.map_or_else(|| before.is_some_and(|mark| mark.spec.down), |up| !up);
        let text = match description {
            Some(text) => Some(text.to_owned()).filter(|text| !text.is_empty()),
            None => before.and_then(|mark| mark.spec.description.clone()),
        };
        let same = before.map_or((false, None), |mark| (mark.spec.down, mark.spec.description.clone()));
        if same == (down, text.clone()) {
            return Ok(true);
        }
        let marks = Api::<TestNodeSlot>::namespaced(self.client.clone(), &spot.served.namespace());
        if let Some(left) = foreign
            && !self.remove_left(&marks, left).await?
        {
            return Ok(false);
        }
        // What an admin said of whatever is there goes on to speak of whatever is there.
        let stands = down && before.is_some_and(|mark| mark.spec.down && mark.spec.node_uid.is_none());
        let spec = TestNodeSlotSpec {
            pool: spot.served.pool.name_any(),
            down,
            node_uid: spot.node.filter(|_| !stands).and_then(|node| node.metadata.uid.clone()),
            description: text,
        };
        let nothing = !spec.down && spec.description.is_none();
        let wanted = TestNodeSlot::new(&spot.host, spec);
        info!(node = spot.host, down, "a slot is marked");
        let written = match spot.mark {
            Some(mark) if nothing => Self::remove(&marks, mark).await,
            Some(mark) => self
                .write(&marks, &spot.host, &mark.saying(&wanted))
                .await
                .map(|written| matches!(written, Written::Done(_))),
            None => self.create(&marks, &wanted).await.map(|written| matches!(written, Written::Done(_))),
        };
        written.map_err(|error| trouble(&error))
    }

    /// Removes what was said of a slot of a pool that is gone: what is said now needs its name.
    async fn remove_left(&self, marks: &Api<TestNodeSlot>, left: &TestNodeSlot) -> Result<bool, No> {
        if self.watched.pools.find(|pool| left.is_of(pool)).is_some() {
            let (name, pool) = (left.name_any(), &left.spec.pool);
            return Err(No(503, format!("TestNodeSlot {name} speaks of a node of TestNodePool {pool}")));
        }
        info!(node = left.name_any(), pool = left.spec.pool, "the mark of a pool that is gone is removed");
        Self::remove(marks, left).await.map_err(|error| trouble(&error))
    }

    /// Deletes a mark as it was seen. Not done means that somebody was quicker.
    async fn remove(marks: &Api<TestNodeSlot>, mark: &TestNodeSlot) -> Result<bool, kube::Error> {
        match delete(marks, mark).await {
            Ok(_) => Ok(true),
            Err(error) if is_gone(&error) => Ok(true),
            Err(error) if is_conflict(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
