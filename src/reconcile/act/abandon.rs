//! Answers the wish to abandon what a node has in a cloud. The record goes into an event on the node and on the Cloud,
//! and, where there is a Cloud, into its status; only then does the finalizer go.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource, ResourceExt};
use tracing::warn;

use crate::api::orphans::Abandoned;
use crate::api::{ABANDON, TestNode};
use crate::clouds::object_ref;
use crate::kubernetes::events::{Event, Severity};
use crate::reason::Reason;
use crate::reconcile::context::Context;
use crate::reconcile::observe::{Look, path};
use crate::reconcile::state::{Abandon, CloudView};
use crate::saying::Saying;

/// Answers, and notes that it did. An event that cannot be written holds up nothing.
pub(super) async fn answer(cloud: &str, node: &TestNode, look: &Look, ctx: &Context) {
    let Some(view) = look.seen.clouds.get(cloud) else { return };
    let uid = node.uid().unwrap_or_default();
    match &view.abandon {
        Some(Abandon::Refused(why)) => {
            let text = format!("{ABANDON} is not honoured for cloud {cloud}: {why}");
            warn!("{text}");
            publish(Reason::AbandonRefused, &text, node.object_ref(&()), None, ctx).await;
            ctx.note(&uid, |notes| notes.abandon.insert(cloud.to_owned(), false));
        }
        Some(Abandon::Honoured) => {
            let record = record(cloud, node, look, view);
            let text = format!(
                "{} was released ({}); cloud {cloud} may still have of it: {}",
                record.node,
                record.reason,
                record.left()
            );
            warn!("{text}");
            let handle = ctx.clouds.find(cloud);
            let (regarding, related) = (node.object_ref(&()), object_ref(cloud, handle.as_deref()));
            publish(Reason::Abandoned, &text, regarding.clone(), None, ctx).await;
            publish(Reason::Abandoned, &text, related, Some(regarding), ctx).await;
            if let Some(handle) = handle {
                handle.abandoned.add(record);
            }
            ctx.note(&uid, |notes| notes.abandon.insert(cloud.to_owned(), true));
        }
        Some(Abandon::RefusalTold(_) | Abandon::Recording | Abandon::Recorded) | None => {}
    }
}

/// As much of somebody's reason as is recorded.
const LONGEST_REASON: usize = 256;

/// Clouds that an event names one by one.
const NAMED: usize = 5;

/// Tells of clouds that are gone and in which nothing of the node was ever made. There is nothing to record.
pub(super) async fn tell_untouched(clouds: &BTreeSet<String>, node: &TestNode, ctx: &Context) {
    let named: Vec<String> =
        clouds.iter().take(NAMED).map(|cloud| cloud.chars().take(63).collect()).collect();
    let more = match clouds.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let text = format!(
        "released without {}{more}: there are no such Clouds, and nothing of this node was ever made in them",
        named.join(", ")
    );
    warn!("{text}");
    publish(Reason::Abandoned, &text, node.object_ref(&()), None, ctx).await;
}

/// All that may be left, as far as it is known.
fn record(cloud: &str, node: &TestNode, look: &Look, view: &CloudView) -> Abandoned {
    let memory = &look.seen.memory;
    // The status shows the things of one cloud.
    let shown = node.own_status().and_then(|status| status.cloud.as_deref()) == Some(cloud);
    let hints = Some(&memory.hints).filter(|_| shown).cloned().unwrap_or_default();
    let all = |seen: Vec<&String>, hints: Vec<String>, most: usize| -> Vec<String> {
        let all: BTreeSet<String> = seen.into_iter().cloned().chain(hints).collect();
        all.into_iter().take(most).collect()
    };
    let set = memory.dns.as_ref().filter(|dns| !dns.addresses.is_empty());
    let dns = set.filter(|_| look.seen.name.cloud.as_deref().is_none_or(|of| of == cloud));
    let now = look.seen.now;
    Abandoned {
        node: path(node),
        uid: node.uid().unwrap_or_default(),
        reason: node
            .annotations()
            .get(ABANDON)
            .map(|reason| Saying::line(reason, LONGEST_REASON))
            .unwrap_or_default(),
        // Times are written in whole seconds.
        since: Time(Timestamp::from_second(now.as_second()).unwrap_or(now)),
        servers: all(
            view.servers.iter().map(|server| &server.id).collect(),
            hints.server.into_iter().collect(),
            32,
        ),
        volumes: all(view.volumes.iter().map(|volume| &volume.id).collect(), hints.volumes, 64),
        ports: all(view.ports.iter().map(|port| &port.id).collect(), hints.ports, 64),
        floating_ips: all(
            view.floating_ips.iter().map(|ip| &ip.id).collect(),
            hints.floating_ip.into_iter().collect(),
            64,
        ),
        fqdn: dns.map(|dns| dns.name.clone()),
        addresses: dns.map(|dns| dns.addresses.iter().take(64).cloned().collect()).unwrap_or_default(),
    }
}

async fn publish(
    reason: Reason,
    text: &str,
    regarding: ObjectReference,
    related: Option<ObjectReference>,
    ctx: &Context,
) {
    let severity = Severity::Warning;
    ctx.events.publish(Event { severity, reason, action: "Reconcile", note: text, regarding, related }).await;
}
