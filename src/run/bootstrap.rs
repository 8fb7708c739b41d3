//! What is learned before the first turn: whether our kinds are there, the cluster id, the clouds, and who uses what.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use kube::core::DeserializeGuard;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::api::{
    Cloud, MANAGER, MachineImage, MachineType, TestNode, TestNodeClaim, TestNodePool, TestNodeSlot,
};
use crate::cli;
use crate::clouds::Clouds;
use crate::controller::pools::{Bells, Listed, Pools};
use crate::controller::world::{Kept, Taken, World};
use crate::gate::Gate;
use crate::inventory::Wake;
use crate::kubernetes::error::said;
use crate::kubernetes::events::Events;
use crate::kubernetes::slim::PAGE;
use crate::kubernetes::status::StatusWriter;
use crate::metrics::Metrics;
use crate::reconcile::calls::{Calls, Running};
use crate::reconcile::context::{
    API_SERVER_AT_ONCE, Context, LoginKeys, MachineImages, PROBES_AT_ONCE, Seams,
};
use crate::reconcile::fair::Fair;
use crate::reconcile::waker::Waker;
use crate::reconcile::{memory, observe};
use crate::supervision::{Awaited, Health, Supervisor};

/// How often the API server is asked again for what is not there yet.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Waits for the CRDs, whoever leads: a follower without them could not take over.
pub(super) fn kinds_are_known(
    client: kube::Client,
    health: &Health,
) -> impl Future<Output = ()> + Clone + use<> {
    let known = health.awaits("the CRDs of testnode.dev; apply crds/, or set crds.enabled in the chart");
    let there = async move {
        kinds_are_there(&client, &known).await;
        known.met();
    };
    let there = there.boxed().shared();
    tokio::spawn(there.clone());
    there
}

/// Waits until the API server serves the kinds that nodes need, and lets us list them. Without pools and claims, as before
/// this version's definitions and role are applied, nodes are looked after all the same; those begin when they can be listed.
async fn kinds_are_there(client: &kube::Client, known: &Awaited) {
    let few = ListParams::default().limit(1);
    loop {
        let nodes = Api::<TestNode>::all(client.clone()).list_metadata(&few).await.map(drop);
        let types = Api::<MachineType>::all(client.clone()).list_metadata(&few).await.map(drop);
        let clouds = Api::<Cloud>::all(client.clone()).list_metadata(&few).await.map(drop);
        let pools = Api::<TestNodePool>::all(client.clone()).list_metadata(&few).await.map(drop);
        let claims = Api::<TestNodeClaim>::all(client.clone()).list_metadata(&few).await.map(drop);
        let slots = Api::<TestNodeSlot>::all(client.clone()).list_metadata(&few).await.map(drop);
        match nodes.and(types).and(clouds) {
            Ok(()) => {
                if let Err(error) = pools.and(claims).and(slots) {
                    warn!(
                        error = said(&error),
                        "TestNodePools, TestNodeClaims or TestNodeSlots cannot be listed, so no pool is served; apply the definitions and the role of \
                         this version"
                    );
                }
                return;
            }
            Err(error) => {
                warn!(error = said(&error), "our kinds cannot be listed");
                known.because(format!("the API server says: {}", said(&error)));
            }
        }
        sleep(ASK_AGAIN).await;
    }
}

/// Learns what there is.
pub(super) async fn begin(
    options: &cli::Run,
    client: &kube::Client,
    seams: Seams,
    supervisor: Supervisor,
    metrics: Metrics,
) -> (World, Running) {
    let (started, started_at) = (Instant::now(), (seams.clock)());
    let cluster_id = match &options.cluster_id {
        Some(id) => id.clone(),
        None => cluster_id(client, supervisor.health()).await,
    };
    let (waker, woken) = Waker::new();
    let waker = Arc::new(waker);
    let wake: Wake = {
        let waker = waker.clone();
        Arc::new(move |uid| waker.wake(uid))
    };
    let gate = Arc::<Gate>::default();
    let (calls, running) = Calls::new();
    let (news, cloud_news) = unbounded_channel();
    let (machine_types, nodes) = (Kept::<MachineType>::new(), Kept::<TestNode>::new());
    let machine_images = Kept::<MachineImage>::new();
    let (pools, claims) = (Kept::<TestNodePool>::new(), Kept::<TestNodeClaim>::new());
    let slots = Kept::<TestNodeSlot>::new();
    let ctx = Arc::new(Context {
        client: client.clone(),
        clouds: Clouds::new(cluster_id, wake, gate.clone(), metrics.clone(), supervisor.clone(), news),
        gate,
        metrics,
        events: Events::new(client.clone(), MANAGER, seams.clock.clone()),
        seams,
        machine_types: machine_types.store.clone(),
        machine_types_listed: machine_types.listed(),
        machine_images: MachineImages {
            enabled: options.machine_images,
            store: machine_images.store.clone(),
            listed: machine_images.listed(),
        },
        nodes: nodes.store.clone(),
        pools: pools.store.clone(),
        claims: claims.store.clone(),
        slots: slots.store.clone(),
        slots_listed: slots.listed(),
        namespace: options.namespace.clone(),
        started,
        started_at,
        resync: options.resync,
        waker,
        statuses: StatusWriter::default(),
        calls,
        api_server: Fair::new(API_SERVER_AT_ONCE),
        probes: Fair::new(PROBES_AT_ONCE),
        login_keys: LoginKeys::default(),
        dns_lines: Mutex::default(),
        notes: Mutex::default(),
    });
    each::<Cloud>(client, |cloud| {
        ctx.clouds.ensure(&cloud.name_any());
    })
    .await;
    each::<TestNode>(client, |node| {
        let memory = memory::read(node.own_status());
        ctx.gate.set(&node.uid().unwrap_or_default(), observe::used(node, &memory, None));
    })
    .await;
    let (clouds, woken, cloud_news) = (Kept::new(), Taken::new(woken), Taken::new(cloud_news));
    let (bells, woken_pools, woken_claims) = Bells::new();
    let listed = Listed { nodes: nodes.listed(), pools: pools.listed(), claims: claims.listed() };
    let stock = Arc::new(Pools::new(ctx.clone(), bells, listed));
    let world = World {
        ctx,
        supervisor,
        nodes,
        clouds,
        machine_types,
        machine_images,
        pools,
        claims,
        slots,
        stock,
        woken_pools: Taken::new(woken_pools),
        woken_claims: Taken::new(woken_claims),
        woken,
        cloud_news,
    };
    (world, running)
}

/// kube-system's UID: the same for as long as the cluster's etcd is.
pub(super) async fn cluster_id(client: &kube::Client, health: &Health) -> String {
    let namespaces = Api::<Namespace>::all(client.clone());
    let awaited = health.awaits("the UID of namespace kube-system");
    loop {
        match namespaces.get("kube-system").await.map(|namespace| namespace.uid()) {
            Ok(Some(uid)) => {
                awaited.met();
                return uid;
            }
            Ok(None) => warn!("kube-system has no UID"),
            Err(error) => {
                warn!(error = said(&error), "kube-system's UID cannot be read");
                awaited.because(said(&error));
            }
        }
        sleep(ASK_AGAIN).await;
    }
}

/// Calls `seen` with each object there is, a page at a time. If a list breaks off it begins anew.
async fn each<K>(client: &kube::Client, mut seen: impl FnMut(&K))
where
    K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let api = Api::<DeserializeGuard<K>>::all(client.clone());
    let first = ListParams::default().limit(PAGE);
    let mut params = first.clone();
    loop {
        match api.list(&params).await {
            Ok(page) => {
                // What this version cannot read the watch tells.
                page.items.iter().filter_map(|object| object.0.as_ref().ok()).for_each(&mut seen);
                match page.metadata.continue_.filter(|token| !token.is_empty()) {
                    Some(token) => params = params.continue_token(&token),
                    None => return,
                }
            }
            Err(error) => {
                warn!(error = said(&error), kind = %K::kind(&()), "cannot be listed");
                params = first.clone();
                sleep(ASK_AGAIN).await;
            }
        }
    }
}
