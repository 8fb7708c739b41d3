//! What a sweep tells: to the Cloud's status, in events on the Cloud, and to the metrics.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;
use tracing::{info, warn};

use super::Book;
use super::decide::{Name, Scene, Thing, orphans, standing_name};
use crate::api::orphans::{Orphan, Orphans};
use crate::api::{Kind, TestNode};
use crate::clouds::{Handle, object_ref};
use crate::kubernetes::events::{Event, Severity};
use crate::openstack;
use crate::reason::Reason;
use crate::reconcile::context::Context;
use crate::reconcile::error::Error;

/// So many fit a status.
const ITEMS: usize = 32;
/// So many nodes are told of a sweep; the others with the next ones.
const EVENTS: usize = 10;

/// What there is: counted, and told where it is news.
pub(super) async fn tell(scene: &Scene, cloud: &Handle, book: &mut Book, ctx: &Context) {
    if !scene.believed || scene.nodes.is_none() {
        return;
    }
    let found = orphans(scene, &book.memory);
    let mut items: Vec<Orphan> =
        found.iter().map(|(thing, since, why)| item(thing, *since, why.clone())).collect();
    let orphaned = |name: &&Name| {
        let any = found.iter().any(|(thing, _, _)| thing.uid == name.uid && thing.kind == Kind::Server);
        any || name.recorded
    };
    let names = scene.names.iter().filter(orphaned);
    let names: Vec<&Name> =
        names.filter(|name| standing_name(scene, &book.memory, &name.uid).is_some()).collect();
    items.extend(names.iter().map(|name| Orphan {
        kind: "name".into(),
        id: name.fqdn.clone(),
        name: None,
        node: name.node.clone(),
        since: whole(scene.now),
        message: None,
    }));
    let count = |kind: &str| items.iter().filter(|item| item.kind == kind).count();
    for kind in Kind::ALL.map(Kind::label).into_iter().chain(["name"]) {
        ctx.metrics.count_orphans(&cloud.name, kind, count(kind));
    }
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let [servers, volumes, floating_ips, ports] = Kind::ALL.map(|kind| number(count(kind.label())));
    items.sort_by(|a, b| (&a.node, &a.kind, &a.id).cmp(&(&b.node, &b.kind, &b.id)));
    let total = number(items.len());
    items.truncate(ITEMS);
    let told = Orphans { total, servers, volumes, ports, floating_ips, names: number(names.len()), items };
    cloud.orphans.store(Some(std::sync::Arc::new(told)));
    found_some(&found, scene, cloud, book, ctx).await;
    clear(scene, cloud, book, ctx).await;
    book.told.retain(|uid| {
        let stays = scene.has_any(uid);
        if !stays {
            cloud.inventory.lock().forget(uid);
        }
        stays
    });
}

/// Nothing looks like an orphan, or nobody looks.
pub(super) fn nothing(cloud: &Handle, book: &mut Book, ctx: &Context) {
    for kind in Kind::ALL.map(Kind::label).into_iter().chain(["name"]) {
        ctx.metrics.count_orphans(&cloud.name, kind, 0);
    }
    cloud.orphans.store(Some(std::sync::Arc::default()));
    for uid in std::mem::take(&mut book.told) {
        cloud.inventory.lock().forget(&uid);
    }
}

/// Times are written in whole seconds.
fn whole(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

fn item(thing: &Thing, since: Timestamp, message: Option<String>) -> Orphan {
    Orphan {
        kind: thing.kind.label().into(),
        id: thing.id.clone(),
        name: Some(thing.name.clone()),
        node: thing.node.clone(),
        since: whole(since),
        message: message.map(|message| message.chars().take(256).collect()),
    }
}

/// One event a node.
async fn found_some(
    found: &[(&Thing, Timestamp, Option<String>)],
    scene: &Scene,
    cloud: &Handle,
    book: &mut Book,
    ctx: &Context,
) {
    let mut news: BTreeMap<&str, Vec<&Thing>> = BTreeMap::new();
    for (thing, _, _) in found.iter().filter(|(thing, _, _)| !book.told.contains(&thing.uid)) {
        news.entry(&thing.uid).or_default().push(thing);
    }
    for (uid, things) in news.into_iter().take(EVENTS) {
        let list: Vec<String> = things
            .iter()
            .map(|thing| format!("{} {} ({})", thing.kind.word(), thing.name, thing.id))
            .collect();
        let node = things.iter().find_map(|thing| thing.node.as_deref());
        let text = format!(
            "no TestNode owns {}; it was made for {}; spec.orphans.mode is {:?}",
            list.join(", "),
            node.unwrap_or("a TestNode whose name is not known"),
            scene.policy.mode
        );
        warn!("{text}");
        let event = (Severity::Warning, Reason::OrphanFound);
        publish(event.0, event.1, &text, related(uid, node, None), cloud, ctx).await;
        book.told.insert(uid.to_owned());
    }
}

/// Records of which nothing is left.
async fn clear(scene: &Scene, cloud: &Handle, book: &Book, ctx: &Context) {
    for record in cloud.abandoned.open() {
        let lives = scene.nodes.as_ref().is_none_or(|nodes| nodes.keep(&record.uid, &scene.cloud));
        if lives || scene.has_any(&record.uid) || standing_name(scene, &book.memory, &record.uid).is_some() {
            continue;
        }
        let text = format!("nothing is left of {}, which was abandoned here", record.node);
        info!("{text}");
        let event = (Severity::Normal, Reason::NothingLeft);
        publish(event.0, event.1, &text, related(&record.uid, Some(&record.node), None), cloud, ctx).await;
        cloud.abandoned.settle(&record.uid);
        cloud.inventory.lock().forget(&record.uid);
    }
}

/// An orphan's deletion was answered.
pub(super) async fn deleted(kind: Kind, id: &str, scene: &Scene, cloud: &Handle, ctx: &Context) {
    let Some(thing) = scene.things.iter().find(|thing| thing.kind == kind && thing.id == id) else { return };
    let node = thing.node.as_deref();
    let made_for = node.unwrap_or("a TestNode whose name is not known");
    let text = format!("deleted {} {} ({id}), which was made for {made_for}", kind.word(), thing.name);
    info!("{text}");
    let event = (Severity::Normal, Reason::OrphanDeleted);
    let what = format!("{}/{id}", kind.label());
    publish(event.0, event.1, &text, related(&thing.uid, node, Some(what)), cloud, ctx).await;
}

/// The name of an orphan was withdrawn.
pub(super) async fn withdrawn(name: &Name, cloud: &Handle, ctx: &Context) {
    let text = format!("withdrew the name {}, which pointed at what is left of a TestNode", name.fqdn);
    info!("{text}");
    let event = (Severity::Normal, Reason::OrphanDeleted);
    let what = Some(format!("name/{}", name.fqdn));
    publish(event.0, event.1, &text, related(&name.uid, name.node.as_deref(), what), cloud, ctx).await;
}

/// The node that is gone. Events that differ in this are not counted as one.
fn related(uid: &str, node: Option<&str>, what: Option<String>) -> ObjectReference {
    let (namespace, name) = node.and_then(|node| node.split_once('/')).unzip();
    ObjectReference {
        api_version: Some(TestNode::api_version(&()).into_owned()),
        kind: Some(TestNode::kind(&()).into_owned()),
        namespace: namespace.map(ToOwned::to_owned),
        name: name.map(ToOwned::to_owned),
        uid: Some(uid.to_owned()),
        field_path: what,
        resource_version: None,
    }
}

async fn publish(
    severity: Severity,
    reason: Reason,
    note: &str,
    related: ObjectReference,
    cloud: &Handle,
    ctx: &Context,
) {
    let regarding = object_ref(&cloud.name, Some(cloud));
    let event = Event { severity, reason, action: "Sweep", note, regarding, related: Some(related) };
    ctx.events.publish(event).await;
}

/// What a cloud said, without what differs from time to time.
pub(super) fn without_ids(error: &Error) -> String {
    match error {
        Error::OpenStack(openstack::Error::Refused { call, service, status, message, .. }) => {
            format!("{call}: {service} answered {}: {message}", status.as_u16())
        }
        Error::OpenStack(_)
        | Error::Dns(_)
        | Error::Guest(_)
        | Error::Kube(_)
        | Error::Overtaken
        | Error::Unready(_) => error.to_string(),
    }
}
