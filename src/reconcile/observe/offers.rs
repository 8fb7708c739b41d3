//! Where a node's machine could be made, best first.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::age::Age;
use crate::api::machine_type::CloudChoice;
use crate::api::testnode_status::Resolved;
use crate::api::{MachineType, TestNode};
use crate::catalogue::List;
use crate::clouds::{self, Handle};
use crate::gate::{Amounts, Place, named_in};
use crate::inventory::ledger::Born;
use crate::reason::Reason;
use crate::reconcile::context::Context;
use crate::reconcile::state::{Offer, Pins, Problem, Resolution, Room, Standing, Turn};
use crate::reconcile::userdata;
use crate::select;

/// All places that the machine type and the node allow.
pub(super) fn offers(ctx: &Context, node: &TestNode, machine: &MachineType, now: Timestamp) -> Vec<Offer> {
    let mut choices: Vec<&CloudChoice> = machine
        .spec
        .clouds
        .iter()
        .filter(|choice| node.spec.cloud.as_ref().is_none_or(|pin| *pin == choice.name))
        .collect();
    choices.sort_by_key(|choice| (Reverse(choice.weight), choice.name.clone()));
    let zones = if node.spec.availability_zones.is_empty() {
        &machine.spec.availability_zones
    } else {
        &node.spec.availability_zones
    };
    let zones: Vec<Option<String>> =
        if zones.is_empty() { vec![None] } else { zones.iter().cloned().map(Some).collect() };
    choices.into_iter().map(|choice| offer(ctx, node, machine, now, &choice.name, zones.clone())).collect()
}

/// What stands in the way of a new machine wherever it were made.
pub(super) fn problem(
    ctx: &Context,
    node: &TestNode,
    machine: &MachineType,
    offers: &[Offer],
    user_data: Option<&[u8]>,
) -> Option<Problem> {
    let namespace = node.metadata.namespace.as_deref().unwrap_or_default();
    let kept = ctx.machine_images.kept_ids(&machine.spec);
    let outside = select::within(&machine.spec, namespace, &node.spec, &kept).err();
    outside.or_else(|| unserved(node, machine)).or_else(|| unfit(node, machine, offers, user_data))
}

fn unserved(node: &TestNode, machine: &MachineType) -> Option<Problem> {
    let pin = node.spec.cloud.as_ref()?;
    let served = machine.spec.clouds.iter().any(|choice| choice.name == *pin);
    (!served).then(|| Problem {
        reason: Reason::CloudNotServed,
        message: format!(
            "spec.cloud is {pin}, which MachineType {} does not list; choose one of {}, or drop it",
            node.spec.machine_type,
            machine.spec.clouds.iter().map(|choice| choice.name.as_str()).collect::<Vec<_>>().join(", ")
        ),
    })
}

/// User data that cannot be combined, or is too large with the longest name that the node may get, would only be found
/// out with the server's create.
pub(super) fn unfit(
    node: &TestNode,
    machine: &MachineType,
    offers: &[Offer],
    user_data: Option<&[u8]>,
) -> Option<Problem> {
    let fqdn = offers.iter().filter_map(|offer| offer.fqdn.as_deref()).max_by_key(|fqdn| fqdn.len());
    let os = select::os(&machine.spec, &node.spec).ok();
    let problem = userdata::build(node, &machine.spec, os.as_ref(), fqdn, user_data, 1).err()?;
    Some(Problem { reason: Reason::InvalidUserData, message: problem })
}

fn offer(
    ctx: &Context,
    node: &TestNode,
    machine: &MachineType,
    now: Timestamp,
    cloud: &str,
    zones: Vec<Option<String>>,
) -> Offer {
    let mut offer = Offer {
        cloud: cloud.to_owned(),
        zones,
        standing: Standing::Seen,
        resolution: Resolution::Unread,
        room: Room::Free,
        turn: Turn { place: 1, of: 1 },
        cooling: BTreeMap::new(),
        fqdn: None,
        holder: None,
        taken: None,
        pins: Pins::default(),
        volume_zones: BTreeMap::new(),
    };
    let Some(handle) = ctx.clouds.find(cloud) else {
        offer.resolution = Resolution::Cannot(Problem {
            reason: Reason::CloudNotFound,
            message: format!(
                "there is no Cloud {cloud}; make it, or take it from MachineType {}",
                node.spec.machine_type
            ),
        });
        return offer;
    };
    let config = handle.config();
    // A node that was never there needs no first look at what it has.
    offer.standing = handle.standing(Born::Here);
    if let (Some(problem), Standing::Seen) = (&config.unfit, &offer.standing) {
        offer.standing = Standing::Away(problem.clone());
    }
    if config.going {
        let message = "the Cloud is being deleted and takes no new machines".into();
        offer.standing = Standing::Away(Problem { reason: Reason::CloudGoing, message });
    }
    if let (true, Standing::Seen) = (config.drains(), &offer.standing) {
        let message =
            "it is drained (spec.drain) and takes no new machines; wait, or use another cloud".into();
        offer.standing = Standing::Away(Problem { reason: Reason::Draining, message });
    }
    offer.pins = handle.pins();
    offer.volume_zones = config.spec.as_ref().map(|spec| spec.volume_zones.clone()).unwrap_or_default();
    offer.fqdn = clouds::fqdn(&config, node);
    offer.holder = offer.fqdn.as_ref().and_then(|fqdn| super::holder(ctx, node, fqdn, None));
    offer.resolution = match clouds::unnamable(&config, node, cloud) {
        Some(problem) => Resolution::Cannot(problem),
        None => resolution(ctx, node, machine, &handle),
    };
    if let Resolution::Can(resolved) = &offer.resolution {
        let age = super::age(node);
        offer.taken = taken(ctx, &age, resolved, &handle);
        offer.room = ctx.gate.room(&age, cloud, &Amounts::of_machine(resolved), &handle.bounds());
        if offer.room != Room::Free {
            offer.turn = ctx.gate.place(&age, cloud);
        }
        let cools = |zone: &Option<String>| {
            let (cloud, flavor) = (cloud.to_owned(), resolved.flavor.name.clone());
            let left = ctx.gate.cools(&Place { cloud, zone: zone.clone(), flavor })?;
            Some((zone.clone(), now.checked_add(left).ok()?))
        };
        offer.cooling = offer.zones.iter().filter_map(cools).collect();
    }
    offer
}

/// What stands in the way of using a port or a volume that exists: another node, or something else that has it.
fn taken(ctx: &Context, age: &Age, resolved: &Resolved, handle: &Handle) -> Option<Problem> {
    let existing = resolved.existing().cloned().collect();
    if let Some((id, user)) = ctx.gate.user(&age.uid, &existing) {
        let (what, reason) = if resolved.existing_volumes.iter().any(|volume| volume.id == id) {
            ("volume", Reason::VolumeInUse)
        } else {
            ("port", Reason::PortInUse)
        };
        let user = named_in(age.namespace(), &user);
        let message = format!(
            "TestNode {user} uses {what} {id}; nothing is made until that node is gone; or name another {what}"
        );
        return Some(Problem { reason, message });
    }
    select::in_use(resolved, &*handle.catalogue.offerings()?)
}

fn resolution(ctx: &Context, node: &TestNode, machine: &MachineType, handle: &Handle) -> Resolution {
    let machine = select::in_cloud(&machine.spec, &handle.name);
    let (wanted, now) = (List::wanted(&machine, &node.spec), Instant::now());
    if handle.catalogue.missing(&wanted, now).is_some() {
        return Resolution::Unread;
    }
    let Some(offerings) = handle.catalogue.offerings() else { return Resolution::Unread };
    let published = ctx.machine_images.published(&machine, &handle.name);
    let resolved = select::resolve(&machine, &node.spec, &offerings, &published);
    match resolved.and_then(|resolved| select::fill(resolved, node)) {
        Ok(resolved) => Resolution::Can(Box::new(resolved)),
        // No list of the cloud's would change that.
        Err(problem) if problem.reason.is_of_machine_image() => Resolution::Cannot(problem),
        Err(_) if handle.catalogue.missing_for_blocked(&wanted, now).is_some() => Resolution::Unread,
        Err(problem) => Resolution::Cannot(problem),
    }
}
