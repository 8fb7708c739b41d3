//! A look at the name: what is remembered, what the authority said, and what is ours.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::claims::rank;
use crate::api::TestNode;
use crate::api::testnode_status::DnsFacts;
use crate::reconcile::context::Context;
use crate::reconcile::plan::target_address;
use crate::reconcile::state::{CloudView, Memory, NameView, Observed, Sent};

/// What an authority said is believed so long while it is right, and so long while it is not.
const RIGHT_FOR: Duration = Duration::from_mins(10);
const WRONG_FOR: Duration = Duration::from_secs(5);

/// A status that was lost took the name along. Hostname and zone still tell it, and what it may point at is the
/// addresses of our ports; unless the authority is known to say nothing of the kind, or it is somebody else's.
pub(super) fn lost(
    ctx: &Context,
    node: &TestNode,
    uid: &str,
    memory: &Memory,
    clouds: &BTreeMap<String, CloudView>,
) -> Option<DnsFacts> {
    if !memory.attempts.is_empty() {
        return None;
    }
    let (cloud, view) = clouds.iter().find(|(_, view)| !view.is_empty())?;
    let config = ctx.clouds.find(cloud)?.config();
    let park = config.dns.as_ref().map(|dns| dns.park);
    let name = crate::clouds::fqdn(&config, node)?;
    let own = own_addresses([view]);
    // An authority that says nothing may only be behind: what counts is that it was parked, or is somebody else's.
    let withdrawn = ctx.note(uid, |notes| {
        let parked = notes.sent.is_some_and(|(_, address, unchanged)| Some(address) == park && !unchanged);
        let foreign = |address: &IpAddr| !own.contains(address) && Some(*address) != park;
        parked || notes.found.as_ref().is_some_and(|(_, found)| found.iter().any(foreign))
    });
    if withdrawn || own.is_empty() || ctx.gate.holder(uid, &name, Some(&rank(node, memory))).is_some() {
        return None;
    }
    let addresses = own.iter().map(ToString::to_string).collect();
    Some(DnsFacts { name, addresses, ..DnsFacts::default() })
}

fn own_addresses<'a>(views: impl IntoIterator<Item = &'a CloudView>) -> BTreeSet<IpAddr> {
    views.into_iter().flat_map(|view| &view.ports).flat_map(|port| port.addresses.iter().copied()).collect()
}

/// The name as it concerns the next step.
pub(super) fn view(ctx: &Context, node: &TestNode, uid: &str, seen: &Observed) -> NameView {
    let Some(dns) = &seen.memory.dns else { return NameView::default() };
    let target = target_address(seen);
    let of_status = seen.memory.last().map(|attempt| &attempt.cloud);
    let found_in = || seen.clouds.iter().find(|(_, view)| !view.is_empty()).map(|(cloud, _)| cloud);
    let cloud = of_status.or_else(found_in).or(seen.held.first()).cloned();
    let handle = cloud.as_ref().and_then(|cloud| ctx.clouds.find(cloud));
    let driver = handle.and_then(|handle| handle.config().dns.clone());
    let now = Instant::now();
    // What is withdrawn must be ours now, not minutes ago.
    let stays = !seen.deleting && seen.memory.to_end().is_none();
    ctx.note(uid, |notes| {
        let found = notes.found.as_ref().filter(|(asked, found)| {
            let right = stays && target.is_some_and(|target| *found == BTreeSet::from([target]));
            let patience = if right { RIGHT_FOR } else { WRONG_FOR };
            let after = notes.sent.as_ref().is_none_or(|(sent, _, _)| sent <= asked);
            after && now.duration_since(*asked) < patience
        });
        NameView {
            cloud,
            holder: ctx.gate.holder(uid, &dns.name, Some(&rank(node, &seen.memory))),
            verifiable: driver.as_ref().is_some_and(|dns| dns.verify.is_some()),
            found: found.map(|(_, found)| found.clone()),
            sent: notes.sent.map(|(sent, address, unchanged)| Sent {
                address,
                unchanged,
                age: now.duration_since(sent),
            }),
            park: driver.map(|dns| dns.park),
            own: own_addresses(seen.clouds.values()),
        }
    })
}
