//! Whether a node of a pool is still needed: its claim, or else its pool, must be there.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::{PoolRef, TestNode, TestNodeClaim, TestNodePool, TestNodeSlot};

/// Whether anybody needs a node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Need {
    /// Somebody does, as far as is known. So it is with every node that no pool made.
    Needed,
    /// Whose it is was not found among what the watches tell: only the API server's own answer proves that it is gone.
    Unsure(Keeper),
    /// Nobody does, and why.
    Unneeded(String),
    /// Nobody does; but its slot is marked as down, so it stays for somebody to look at.
    Kept(Kept),
}

/// How long a node stays that nobody needs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kept {
    /// Since when nobody needs it.
    pub since: Timestamp,
    /// Until when it stays.
    pub until: Timestamp,
    /// Why, for people.
    pub why: String,
}

/// What a node is kept for: the claim that has it, or the pool that made it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Keeper {
    /// Which of the two.
    pub kind: KeeperKind,
    /// Where it is.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// The kind of a [`Keeper`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum KeeperKind {
    /// A `TestNodePool`.
    Pool,
    /// A `TestNodeClaim`.
    Claim,
}

impl fmt::Display for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            KeeperKind::Pool => "TestNodePool",
            KeeperKind::Claim => "TestNodeClaim",
        };
        write!(f, "{kind} {}/{}", self.namespace, self.name)
    }
}

/// If a pool's `claims.maxHold` cannot be read, which its schema lets nobody write.
const HELD_FOR: Duration = Duration::from_hours(72);

impl Keeper {
    /// What a node is kept for, if a pool made it.
    #[must_use]
    pub fn of(node: &TestNode) -> Option<Self> {
        if let Some(claim) = &node.spec.claim_ref {
            return Some(Self {
                kind: KeeperKind::Claim,
                namespace: claim.namespace.clone(),
                name: claim.name.clone(),
                uid: claim.uid.clone(),
            });
        }
        let pool = node.spec.pool_ref.as_ref()?;
        Some(Self {
            kind: KeeperKind::Pool,
            namespace: node.metadata.namespace.clone().unwrap_or_default(),
            name: pool.name.clone(),
            uid: pool.uid.clone(),
        })
    }
}

/// What is known of a [`Keeper`].
#[derive(Clone, Copy, Debug)]
pub enum Known<'a> {
    /// A pool of this name is there.
    Pool(&'a TestNodePool),
    /// A claim of this name is there.
    Claim(&'a TestNodeClaim),
    /// The watches tell of none.
    Nothing,
    /// The API server itself says that it is gone.
    Gone,
    /// The API server itself says that it is there, though the watches do not tell of it yet.
    There,
}

impl Need {
    /// What comes of what is known. A keeper of another UID is not the one that the node is for; that, too, the API server is
    /// asked, as the watches may be behind.
    #[must_use]
    pub fn of(node: &TestNode, keeper: Keeper, known: Known<'_>) -> Self {
        match known {
            Known::Pool(pool) if pool.metadata.uid.as_ref() == Some(&keeper.uid) => Self::Needed,
            Known::Claim(claim) if claim.metadata.uid.as_ref() == Some(&keeper.uid) => {
                Self::claimed(node, &keeper, claim)
            }
            Known::Gone => Self::Unneeded(format!("its {keeper} is gone")),
            Known::There => Self::Needed,
            Known::Pool(_) | Known::Claim(_) | Known::Nothing => Self::Unsure(keeper),
        }
    }

    /// A node that a claim had is kept for a look where somebody marked its slot as down, as long as its pool lets it.
    #[must_use]
    pub fn or_kept(
        self,
        node: &TestNode,
        slot: Option<&TestNodeSlot>,
        pool: Option<&TestNodePool>,
        now: Timestamp,
    ) -> Self {
        let (Self::Unneeded(why), Some(slot), Some(pool)) = (&self, slot, pool) else { return self };
        let is_its_own = |owner: &PoolRef| Some(&owner.uid) == pool.metadata.uid.as_ref();
        let speaks = slot.is_of(pool) && slot.is_down(node.metadata.uid.as_deref());
        if node.spec.claim_ref.is_none() || !speaks || !node.spec.pool_ref.as_ref().is_some_and(is_its_own) {
            return self;
        }
        let times = node.own_status().and_then(|status| status.times.as_ref());
        let since = times.and_then(|times| times.released_at.as_ref()).map_or(now, |at| at.0);
        let most = pool.spec.claims.max_hold.or(HELD_FOR);
        match since.checked_add(most) {
            Ok(until) if now < until => {
                let name = slot.metadata.name.as_deref().unwrap_or_default();
                let why = format!("{why}, and TestNodeSlot {name} says that it is down");
                Self::Kept(Kept { since, until, why })
            }
            Ok(_) | Err(_) => self,
        }
    }

    fn claimed(node: &TestNode, keeper: &Keeper, claim: &TestNodeClaim) -> Self {
        let name = node.metadata.name.as_deref().unwrap_or_default();
        let status = claim.status.as_ref();
        if let Some(ended) = status.and_then(|status| status.ended.as_ref()) {
            return Self::Unneeded(format!("its {keeper} has ended ({})", ended.reason));
        }
        let bound = status.filter(|status| status.bound_at.is_some());
        // A name that it releases before it has its nodes is nobody's yet.
        if bound.is_some() && claim.spec.released.iter().any(|released| released == name) {
            return Self::Unneeded(format!("its {keeper} has released it"));
        }
        if node.metadata.uid.as_deref().is_some_and(|uid| claim.dropped(uid)) {
            return Self::Unneeded(format!("its {keeper} gave it up, as the others did not become Ready"));
        }
        match bound {
            Some(status)
                if !status.nodes.iter().any(|listed| Some(&listed.uid) == node.metadata.uid.as_ref()) =>
            {
                Self::Unneeded(format!("its {keeper} has other nodes"))
            }
            Some(_) | None => Self::Needed,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn node(claimed: bool) -> TestNode {
        let mut node = json!({
            "metadata": {"name": "smithi001", "namespace": "lab", "uid": "n-1"},
            "spec": {"machineType": "lab", "poolRef": {"name": "smithi", "uid": "p-1"}},
        });
        if claimed {
            node["spec"]["claimRef"] = json!({"namespace": "team", "name": "job", "uid": "c-1"});
        }
        from_value(node).unwrap()
    }

    fn claim(uid: &str, released: &[&str], status: &Value) -> TestNodeClaim {
        from_value(json!({
            "metadata": {"name": "job", "namespace": "team", "uid": uid},
            "spec": {"pool": {"name": "smithi"}, "released": released}, "status": status,
        }))
        .unwrap()
    }

    fn need(node: &TestNode, known: Known<'_>) -> Need {
        Need::of(node, Keeper::of(node).unwrap(), known)
    }

    fn unneeded(why: &str) -> Need {
        Need::Unneeded(why.into())
    }

    #[test]
    fn a_node_without_a_pool_is_kept_for_nothing_in_particular() {
        let node = TestNode::new("smithi001", crate::api::TestNodeSpec::default());

        assert_eq!(Keeper::of(&node), None);
    }

    #[test]
    fn an_idle_node_is_for_its_pool_and_a_claimed_one_for_its_claim_alone() {
        let pool: TestNodePool =
            from_value(json!({"metadata": {"name": "smithi", "uid": "p-1"}, "spec": {"template": {"machineType": "lab"}, "max": 1}}))
                .unwrap();

        assert_eq!(need(&node(false), Known::Pool(&pool)), Need::Needed);
        assert_eq!(need(&node(false), Known::Gone), unneeded("its TestNodePool lab/smithi is gone"));
        assert_eq!(need(&node(true), Known::Claim(&claim("c-1", &[], &Value::Null))), Need::Needed);
        assert_eq!(need(&node(true), Known::Gone), unneeded("its TestNodeClaim team/job is gone"));
    }

    fn pool(uid: &str) -> TestNodePool {
        let spec = json!({"template": {"machineType": "lab"}, "max": 1, "claims": {"maxHold": "1h"}});
        from_value(json!({"metadata": {"name": "smithi", "namespace": "lab", "uid": uid}, "spec": spec}))
            .unwrap()
    }

    fn mark(spec: &Value) -> TestNodeSlot {
        let mut spec = spec.clone();
        spec["pool"] = "smithi".into();
        from_value(json!({"metadata": {"name": "smithi001", "namespace": "lab"}, "spec": spec})).unwrap()
    }

    #[test]
    fn a_node_that_is_marked_as_down_is_kept_for_a_look_after_its_claim() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let down = mark(&json!({"down": true}));
        let kept = |node: &TestNode, mark: &TestNodeSlot, pool: &TestNodePool, second| {
            unneeded("its claim is gone").or_kept(node, Some(mark), Some(pool), at(second))
        };
        let why = "its claim is gone, and TestNodeSlot smithi001 says that it is down".to_owned();
        let for_an_hour = Need::Kept(Kept { since: at(100), until: at(3700), why });
        assert_eq!(kept(&node(true), &down, &pool("p-1"), 100), for_an_hour);

        let mut later = node(true);
        later.status = from_value(json!({"times": {"releasedAt": "1970-01-01T00:01:40Z"}})).unwrap();
        assert_eq!(kept(&later, &down, &pool("p-1"), 3699), for_an_hour);
        assert_eq!(kept(&later, &down, &pool("p-1"), 3700), unneeded("its claim is gone"));

        let gone = unneeded("its claim is gone");
        assert_eq!(kept(&node(true), &mark(&json!({"down": false})), &pool("p-1"), 100), gone);
        assert_eq!(
            kept(&node(true), &mark(&json!({"down": true, "nodeUID": "n-2"})), &pool("p-1"), 100),
            gone
        );
        assert_eq!(kept(&node(true), &down, &pool("p-2"), 100), gone, "its pool is another");
        assert_eq!(kept(&node(false), &down, &pool("p-1"), 100), gone, "nobody had it");
        assert_eq!(Need::Needed.or_kept(&node(true), Some(&down), Some(&pool("p-1")), at(1)), Need::Needed);
    }

    #[test]
    fn what_the_watches_do_not_tell_is_not_gone_until_the_api_server_says_so() {
        let keeper = Keeper::of(&node(true)).unwrap();

        assert_eq!(need(&node(true), Known::Nothing), Need::Unsure(keeper.clone()));
        assert_eq!(need(&node(true), Known::Claim(&claim("c-2", &[], &Value::Null))), Need::Unsure(keeper));
        assert_eq!(need(&node(true), Known::There), Need::Needed);
    }

    #[test]
    fn a_node_that_its_claim_does_not_list_or_has_released_is_not_needed() {
        let bound = |uid: &str| json!({"boundAt": "2026-03-02T08:00:00Z", "nodes": [{"name": "smithi001", "namespace": "lab", "uid": uid}]});

        assert_eq!(need(&node(true), Known::Claim(&claim("c-1", &[], &bound("n-1")))), Need::Needed);
        assert_eq!(
            need(&node(true), Known::Claim(&claim("c-1", &[], &bound("n-2")))),
            unneeded("its TestNodeClaim team/job has other nodes")
        );
        assert_eq!(
            need(&node(true), Known::Claim(&claim("c-1", &["smithi001"], &bound("n-1")))),
            unneeded("its TestNodeClaim team/job has released it")
        );
        // Else a claim would be given its nodes, and lose them, again and again.
        assert_eq!(
            need(&node(true), Known::Claim(&claim("c-1", &["smithi001"], &Value::Null))),
            Need::Needed
        );
        let gave_up = json!({"dropped": ["n-1"]});
        assert_eq!(
            need(&node(true), Known::Claim(&claim("c-1", &[], &gave_up))),
            unneeded("its TestNodeClaim team/job gave it up, as the others did not become Ready")
        );
        let ended = json!({"ended": {"at": "2026-03-02T08:00:00Z", "reason": "LeaseExpired", "message": ""}});
        assert_eq!(
            need(&node(true), Known::Claim(&claim("c-1", &[], &ended))),
            unneeded("its TestNodeClaim team/job has ended (LeaseExpired)")
        );
    }
}
