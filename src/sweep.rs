//! The sweep: what carries our cluster id and belongs to no `TestNode` is told of, and deleted where the Cloud says so.
//!
//! Only the leader sweeps, once a minute, each cloud by itself. What is there comes from the inventory; who lives from
//! a list of all nodes, asked for after that, and only where something looks like an orphan. Begin with [`decide`].

mod act;
pub mod decide;
mod look;
mod tell;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use kube::api::{Api, ListParams};
use kube::core::DeserializeGuard;
use kube::runtime::reflector::Store;
use tokio::time::{sleep, timeout};
use tracing::{instrument, warn};

use crate::api::TestNode;
use crate::api::orphans::OrphanMode;
use crate::clouds::Handle;
use crate::kubernetes::error::said;
use crate::kubernetes::slim::PAGE;
use crate::reconcile::context::Context;
use crate::supervision::Pulse;
use decide::{Memory, Nodes, Scene, Step};

/// How often.
const EVERY: Duration = Duration::from_mins(1);

/// A round takes no longer: the pause, a list of all nodes, and a minute for the clouds, all at once.
const LONGEST: Duration = Duration::from_mins(15);

/// What is remembered of one cloud.
#[derive(Default)]
struct Book {
    memory: Memory,
    /// UIDs whose orphans were told of.
    told: BTreeSet<String>,
}

/// Sweeps for as long as it is let. What is `known` of nodes only tells whether a look is worth its while.
pub async fn run(ctx: Arc<Context>, known: Store<TestNode>, pulse: &Pulse) {
    let mut books: BTreeMap<String, Book> = BTreeMap::new();
    loop {
        pulse.beat(LONGEST);
        sleep(EVERY).await;
        let clouds: BTreeMap<String, Arc<Handle>> =
            ctx.clouds.all().into_iter().map(|cloud| (cloud.name.clone(), cloud)).collect();
        books.retain(|name, _| clouds.contains_key(name));
        for name in clouds.keys() {
            books.entry(name.clone()).or_default();
        }
        // First what is there, then who lives: whatever has no node then has none for ever.
        let scenes: BTreeMap<&String, Scene> =
            clouds.iter().map(|(name, cloud)| (name, look::look(cloud, &ctx, None, &[]))).collect();
        let cached =
            known.state().iter().fold(Nodes::default(), |nodes, node| look::add(nodes, &**node, Some(node)));
        let suspicious = |cloud: &Arc<Handle>| {
            let scene = scenes.get(&cloud.name);
            scene.is_some_and(|scene| is_suspicious(cloud, scene, &cached))
        };
        let nodes = if clouds.values().any(suspicious) { list(&ctx).await } else { Listing::Unneeded };
        let sweeps = books.iter_mut().filter_map(|(name, book)| {
            let (cloud, scene) = (clouds.get(name)?, scenes.get(name)?.clone());
            Some(timeout(EVERY, sweep(cloud, scene, &nodes, book, &ctx)))
        });
        join_all(sweeps).await;
    }
}

/// Who lives.
enum Listing {
    /// Nothing looks like an orphan.
    Unneeded,
    /// The API server told.
    Told(Nodes),
    /// It did not.
    Failed,
}

/// A record is looked after until nothing is left.
fn is_suspicious(cloud: &Handle, scene: &Scene, cached: &Nodes) -> bool {
    let orphan = || scene.things.iter().any(|thing| !thing.kept && !cached.keep(&thing.uid, &scene.cloud));
    scene.policy.mode != OrphanMode::Off && (!cloud.abandoned.open().is_empty() || orphan())
}

/// All nodes, from the API server itself.
async fn list(ctx: &Context) -> Listing {
    let api = Api::<DeserializeGuard<TestNode>>::all(ctx.client.clone());
    let mut nodes = Nodes { asked: ctx.unset_clock(), ..Nodes::default() };
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = match api.list(&params).await {
            Ok(page) => page,
            Err(error) => {
                warn!(error = said(&error), "the TestNodes cannot be listed; nothing is swept");
                return Listing::Failed;
            }
        };
        nodes = page.items.iter().fold(nodes, |nodes, node| look::add(nodes, node, node.0.as_ref().ok()));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Listing::Told(nodes),
        }
    }
}

/// One sweep of one cloud.
#[instrument(name = "sweep", skip_all, fields(cloud = cloud.name))]
async fn sweep(cloud: &Handle, first: Scene, nodes: &Listing, book: &mut Book, ctx: &Context) {
    let nodes = match nodes {
        Listing::Told(nodes) if first.policy.mode != OrphanMode::Off => nodes,
        Listing::Told(_) | Listing::Unneeded => {
            book.memory = Memory::default();
            if first.believed || first.policy.mode == OrphanMode::Off {
                tell::nothing(cloud, book, ctx);
            }
            return;
        }
        Listing::Failed => {
            book.memory = Memory::default();
            return;
        }
    };
    decide::remember(&Scene { nodes: Some(nodes.clone()), ..first }, &mut book.memory);
    let mut done = Vec::new();
    loop {
        let scene = look::look(cloud, ctx, Some(nodes), &done);
        let Some(step) = decide::next(decide::GUARDS, &scene, &book.memory) else {
            return tell::tell(&scene, cloud, book, ctx).await;
        };
        done.push(step.clone());
        match act::take(&step, &scene, cloud, &mut book.memory, ctx).await {
            act::Pace::On => {}
            act::Pace::Stop => return tell::tell(&scene, cloud, book, ctx).await,
            act::Pace::WithoutNames => done.extend(
                scene
                    .names
                    .iter()
                    .flat_map(|name| [Step::AskName(name.uid.clone()), Step::WithdrawName(name.uid.clone())]),
            ),
        }
    }
}
