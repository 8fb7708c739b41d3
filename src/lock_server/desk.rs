//! Asks and writes: what a request comes to in the cluster. All memory is in the claims, so any replica can answer.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{join, join_all};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::reflector::ObjectRef;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use super::decide::{self, No, Room, Stand, UNTIL_CONFIRMED, WHILE_IT_WAITS};
use super::lab::{Known, Pools, Served, Spot, has, lists};
use super::watch::Watched;
use super::wire::{LockMany, Row};
use crate::api::claim::{PoolName, TestNodeClaimSpec};
use crate::api::lock::{LOCK_REQUEST, LOCK_TOKEN, lease};
use crate::api::{MANAGER, TestNode, TestNodeClaim, TestNodeSlot};
use crate::kubernetes::error::{is_conflict, is_gone, is_taken, said};

mod marks;
mod names;

/// How long a request waits for nodes.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often a request begins anew after somebody else was quicker.
const TRIES: usize = 6;

/// How many others are named to somebody who asks for a node that is not there.
const NAMED: usize = 3;

/// The claims of the lock server, and all that it needs to make them.
pub struct Desk {
    client: kube::Client,
    /// Where its claims are.
    pub namespace: String,
    zone: Option<String>,
    watched: Watched,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// What is in a slot now.
#[derive(Default)]
struct Seen {
    node: Option<TestNode>,
    holder: Option<TestNodeClaim>,
    mark: Option<TestNodeSlot>,
    /// What was said of a slot of this name in another pool.
    foreign: Option<TestNodeSlot>,
}

impl Seen {
    fn spot<'a>(&'a self, served: &'a Served, host: &str) -> Spot<'a> {
        Spot {
            served,
            host: host.to_owned(),
            node: self.node.as_ref(),
            holder: self.holder.as_ref(),
            mark: self.mark.as_ref(),
        }
    }
}

/// What came of a write.
enum Written<K> {
    /// The object as it is now.
    Done(K),
    /// Somebody else was quicker.
    Overtaken,
}

fn no_such_node() -> No {
    No(404, "node not found".into())
}

/// The API server does not answer, or refuses.
fn trouble(error: &kube::Error) -> No {
    warn!(error = said(error), "the API server did not do what was asked for");
    No(503, format!("the API server of Kubernetes says: {}; try again", said(error)))
}

fn busy() -> No {
    No(503, "others are changing the same node; try again".into())
}

impl Desk {
    /// A desk that serves the pools in `zone`, or in the first zone there is.
    #[must_use]
    pub fn new(
        client: kube::Client,
        namespace: String,
        zone: Option<String>,
        watched: Watched,
        clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    ) -> Self {
        Self { client, namespace, zone, watched, clock }
    }

    /// The pools that are served.
    #[must_use]
    pub fn pools(&self) -> Pools {
        let watched = &self.watched;
        let (pools, types) = (watched.pools.state(), watched.types.state());
        Pools::of(&pools, &types, &watched.clouds.state(), &self.namespace, self.zone.as_deref())
    }

    /// All that the watches know.
    #[must_use]
    pub fn known(&self) -> Known {
        let mut known = Known::default();
        for node in self.watched.nodes.state() {
            known.nodes.insert((node.namespace().unwrap_or_default(), node.name_any()), node);
        }
        for claim in self.watched.claims.state() {
            known.claims.insert(claim.uid().unwrap_or_default(), claim);
        }
        for mark in self.watched.marks.state() {
            known.marks.insert((mark.namespace().unwrap_or_default(), mark.name_any()), mark);
        }
        known
    }

    /// What the watches know.
    #[must_use]
    pub fn watched(&self) -> &Watched {
        &self.watched
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    fn claims(&self) -> Api<TestNodeClaim> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// What is in a slot, as the API server has it: what another replica wrote a moment ago is in it.
    async fn look(&self, served: &Served, host: &str) -> Result<Seen, kube::Error> {
        let namespace = served.namespace();
        let nodes = Api::<TestNode>::namespaced(self.client.clone(), &namespace);
        let marks = Api::<TestNodeSlot>::namespaced(self.client.clone(), &namespace);
        let (node, mark) = join(nodes.get_opt(host), marks.get_opt(host)).await;
        let node = node?.filter(|node| {
            // A machine of that name that is none of the pool's is none of ours.
            let named = node.spec.pool_ref.as_ref();
            named.is_some_and(|named| Some(&named.uid) == served.pool.metadata.uid.as_ref())
        });
        let (mark, foreign) = match mark? {
            Some(mark) if mark.is_of(&served.pool) => (Some(mark), None),
            other => (None, other),
        };
        let holder = match &node {
            Some(node) => match &node.spec.claim_ref {
                Some(named) => {
                    let claims = Api::<TestNodeClaim>::namespaced(self.client.clone(), &named.namespace);
                    claims.get_opt(&named.name).await?.filter(|claim| has(claim, node))
                }
                None => None,
            },
            // The machine is gone, and its claim still lists it.
            None => self
                .watched
                .claims
                .find(|claim| {
                    let kept = !claim.spec.released.iter().any(|name| name == host);
                    claim.is_living() && kept && lists(claim, &served.pool, host)
                })
                .map(|claim| TestNodeClaim::clone(&claim)),
        };
        Ok(Seen { node, holder, mark, foreign })
    }

    async fn write<K>(&self, api: &Api<K>, name: &str, patch: &Value) -> Result<Written<K>, kube::Error>
    where
        K: Clone + DeserializeOwned + std::fmt::Debug,
    {
        let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        match api.patch(name, &params, &Patch::Merge(patch)).await {
            Ok(object) => Ok(Written::Done(object)),
            Err(error) if is_conflict(&error) || is_gone(&error) => Ok(Written::Overtaken),
            Err(error) => Err(error),
        }
    }

    async fn create<K>(&self, api: &Api<K>, object: &K) -> Result<Written<K>, kube::Error>
    where
        K: Clone + DeserializeOwned + Serialize + std::fmt::Debug,
    {
        let params = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
        match api.create(&params, object).await {
            Ok(object) => Ok(Written::Done(object)),
            Err(error) if is_conflict(&error) || is_taken(&error) => Ok(Written::Overtaken),
            Err(error) => Err(error),
        }
    }

    /// Some nodes, all of one pool, or none.
    ///
    /// # Errors
    /// With what is waited for, or what is wrong.
    pub async fn lock_many(
        &self,
        pools: &Pools,
        request: &LockMany,
        token: Option<&str>,
    ) -> Result<Vec<Row>, No> {
        let (stem, until) = (decide::stem_of(request), Instant::now() + PATIENCE);
        let known = self.known();
        let room = |served: &Served| room(&known, served);
        let spec = || {
            let served = decide::choose(pools, request, room).map_err(|why| No(503, only(0, &why)))?;
            let count = Some(request.count);
            Ok(TestNodeClaimSpec {
                count,
                ..self.spec(served, &request.owner, request.description.as_deref(), Vec::new())
            })
        };
        let counts = |claim: &TestNodeClaim| decide::may_wait(claim, pools, request);
        let claim = self.obtain(&stem, token, until, counts, spec).await?;
        let pool = (claim.pool_namespace().to_owned(), claim.spec.pool.name.clone());
        let served = pools.served.iter().find(|served| (served.namespace(), served.pool.name_any()) == pool);
        let Some(served) = served else {
            return Err(No(
                503,
                only(0, &format!("TestNodePool {}/{} is not served any longer", pool.0, pool.1)),
            ));
        };
        match decide::stand(&claim) {
            Stand::Bound => Ok(self.rows(served, &claim).await),
            Stand::Waits(why) | Stand::Refused(why) | Stand::Ended(why) => {
                Err(No(503, only(room(served).warm, &why)))
            }
        }
    }

    fn spec(
        &self,
        served: &Served,
        owner: &str,
        description: Option<&str>,
        nodes: Vec<String>,
    ) -> TestNodeClaimSpec {
        let own = served.namespace() == self.namespace;
        let duration = if decide::is_for_job(&nodes, description) {
            crate::api::common::Period(decide::OF_A_JOB.into())
        } else {
            served.pool.spec.claims.max_duration.clone()
        };
        TestNodeClaimSpec {
            pool: PoolName { name: served.pool.name_any(), namespace: (!own).then(|| served.namespace()) },
            owner: Some(owner.to_owned()),
            description: description.map(str::to_owned),
            lease: Some(lease(WHILE_IT_WAITS, self.now())),
            interactive: decide::is_interactive(owner),
            duration: Some(duration),
            nodes,
            ..TestNodeClaimSpec::default()
        }
    }

    /// The claim of a request: the one of before, if it `counts`, or a new one, after it was waited for. One that got its nodes
    /// is returned once it is written that they were told of.
    async fn obtain(
        &self,
        stem: &str,
        token: Option<&str>,
        until: Instant,
        counts: impl Fn(&TestNodeClaim) -> bool,
        spec: impl Fn() -> Result<TestNodeClaimSpec, No>,
    ) -> Result<TestNodeClaim, No> {
        let claims = self.claims();
        for _ in 0..TRIES {
            let same = ListParams::default().labels(&format!("{LOCK_REQUEST}={stem}"));
            let there = claims.list(&same).await.map_err(|error| trouble(&error))?.items;
            let (name, found) = decide::pick(stem, &there, &counts);
            let written = match found {
                Some(claim) if claim.is_bound() => Written::Done(claim.clone()),
                Some(claim) => {
                    let renewed = claim.leased(Some(&lease(WHILE_IT_WAITS, self.now())));
                    self.write(&claims, &name, &renewed).await.map_err(|error| trouble(&error))?
                }
                None => {
                    let mut claim = TestNodeClaim::new(&name, spec()?);
                    claim.labels_mut().insert(LOCK_REQUEST.into(), stem.to_owned());
                    if let Some(token) = token {
                        claim.annotations_mut().insert(LOCK_TOKEN.into(), token.to_owned());
                    }
                    info!(claim = name, owner = claim.spec.owner, "a claim is made");
                    self.create(&claims, &claim).await.map_err(|error| trouble(&error))?
                }
            };
            let Written::Done(claim) = written else { continue };
            let claim = self.settled(claim, until).await.map_err(|error| trouble(&error))?;
            if decide::stand(&claim) != Stand::Bound {
                return Ok(claim);
            }
            // Nobody may be told of the same nodes by mistake: if somebody took the lease away meanwhile, they were given to
            // somebody else who asked the same.
            if claim.spec.lease.is_none() {
                continue;
            }
            let job = decide::is_for_job(&claim.spec.nodes, claim.spec.description.as_deref());
            let told = job.then(|| lease(UNTIL_CONFIRMED, self.now()));
            let told = self.write(&claims, &name, &claim.leased(told.as_ref())).await;
            if let Written::Done(claim) = told.map_err(|error| trouble(&error))? {
                return Ok(claim);
            }
        }
        Err(busy())
    }

    /// A claim once it waits no longer, or as it is when time is up.
    async fn settled(&self, claim: TestNodeClaim, until: Instant) -> Result<TestNodeClaim, kube::Error> {
        let is_settled = |claim: &TestNodeClaim| !matches!(decide::stand(claim), Stand::Waits(_));
        if is_settled(&claim) {
            return Ok(claim);
        }
        let at = ObjectRef::<TestNodeClaim>::new(&claim.name_any()).within(&self.namespace);
        let mut changes = self.watched.changes.clone();
        let seen = async {
            loop {
                changes.mark_unchanged();
                let there = self.watched.claims.get(&at).filter(|known| known.uid() == claim.uid());
                if there.is_some_and(|known| is_settled(&known)) || changes.changed().await.is_err() {
                    return;
                }
            }
        };
        // Late or not: what the API server says now is what is answered.
        drop(timeout_at(until, seen).await);
        self.claims().get(&claim.name_any()).await
    }

    /// The rows of all nodes of a claim that got them.
    async fn rows(&self, served: &Served, claim: &TestNodeClaim) -> Vec<Row> {
        let nodes = Api::<TestNode>::namespaced(self.client.clone(), &served.namespace());
        let listed = claim.status.iter().flat_map(|status| &status.nodes);
        let rows = listed.filter(|node| !claim.spec.released.contains(&node.name)).map(|told| {
            let nodes = nodes.clone();
            async move {
                let at = ObjectRef::<TestNode>::new(&told.name).within(&told.namespace);
                let known = self.watched.nodes.get(&at).filter(|node| node.uid().as_ref() == Some(&told.uid));
                let node = match known {
                    Some(node) => Some(TestNode::clone(&node)),
                    None => nodes.get_opt(&told.name).await.ok().flatten(),
                };
                let host = told.name.clone();
                let spot = Spot { served, host, node: node.as_ref(), holder: Some(claim), mark: None };
                Row { up: true, ..spot.row() }
            }
        });
        join_all(rows).await
    }

    /// One node by name. `confirms`: whoever asks may be the job that has it.
    ///
    /// # Errors
    /// If there is none, or the API server does not answer.
    pub async fn node(&self, served: &Served, host: &str, confirms: bool) -> Result<Row, No> {
        let seen = self.look(served, host).await.map_err(|error| trouble(&error))?;
        if !Self::is_there(served, host, &seen) {
            return Err(no_such_node());
        }
        if let Some(holder) = seen.holder.as_ref().filter(|_| confirms) {
            self.confirm(holder).await;
        }
        Ok(seen.spot(served, host).row())
    }

    /// A number above the pool's `max` is a slot only while something is in it.
    fn is_there(served: &Served, host: &str, seen: &Seen) -> bool {
        served.has_slot(host) || seen.node.is_some()
    }

    /// Whoever asks for a node has been told of it: from now on only its duration ends the claim.
    async fn confirm(&self, holder: &TestNodeClaim) {
        let ours = holder.namespace().as_deref() == Some(&self.namespace)
            && holder.name_any().starts_with(decide::PREFIX);
        if !ours || !holder.is_bound() || holder.spec.lease.is_none() {
            return;
        }
        let (claims, name) = (self.claims(), holder.name_any());
        let mut claim = holder.clone();
        for _ in 0..TRIES {
            match self.write(&claims, &name, &claim.leased(None)).await {
                Ok(Written::Done(_)) => return,
                Ok(Written::Overtaken) => {}
                // The next time somebody asks for the node it is tried again.
                Err(error) => {
                    return warn!(claim = name, error = said(&error), "a lease could not be removed");
                }
            }
            match claims.get_opt(&name).await {
                Ok(Some(now)) if now.spec.lease.is_some() && now.uid() == holder.uid() => claim = now,
                Ok(_) | Err(_) => return,
            }
        }
    }
}

/// How much of a pool can be had.
fn room(known: &Known, served: &Served) -> Room {
    let spots = known.spots(served);
    Room {
        warm: spots.iter().filter(|spot| spot.is_warm() && spot.is_up()).count(),
        free: spots.iter().filter(|spot| spot.holder.is_none() && spot.is_up()).count(),
    }
}

/// The words of paddles, and why.
fn only(warm: usize, why: &str) -> String {
    format!("only {warm} nodes available: {why}")
}
