//! Where a node's machine could be made, best first.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::api::machine_type::CloudChoice;
use crate::api::{MachineType, TestNode};
use crate::catalogue::List;
use crate::clouds::{self, Handle};
use crate::gate::{Amounts, Place};
use crate::inventory::ledger::Born;
use crate::reconcile::context::Context;
use crate::reconcile::state::{Offer, Pins, Problem, Resolution, Room, Standing};
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
pub(super) fn problem(node: &TestNode, machine: &MachineType, user_data: Option<&[u8]>) -> Option<Problem> {
    unserved(node, machine).or_else(|| unfit(node, machine, user_data))
}

fn unserved(node: &TestNode, machine: &MachineType) -> Option<Problem> {
    let pin = node.spec.cloud.as_ref()?;
    let served = machine.spec.clouds.iter().any(|choice| choice.name == *pin);
    (!served).then(|| Problem {
        reason: "CloudNotServed",
        message: format!(
            "spec.cloud is {pin}, which MachineType {} does not list; choose one of {}, or drop it",
            node.spec.machine_type,
            machine.spec.clouds.iter().map(|choice| choice.name.as_str()).collect::<Vec<_>>().join(", ")
        ),
    })
}

/// User data that cannot be combined would only be found out with the server's create.
fn unfit(node: &TestNode, machine: &MachineType, user_data: Option<&[u8]>) -> Option<Problem> {
    let problem = userdata::build(node, &machine.spec, None, user_data).err()?;
    Some(Problem { reason: "InvalidUserData", message: problem })
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
        cooling: BTreeMap::new(),
        fqdn: None,
        holder: None,
        pins: Pins::default(),
    };
    let Some(handle) = ctx.clouds.find(cloud) else {
        offer.resolution = Resolution::Cannot(Problem {
            reason: "CloudNotFound",
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
        offer.standing = Standing::Away(Problem { reason: "CloudGoing", message });
    }
    offer.pins = handle.pins();
    offer.fqdn = clouds::fqdn(&config, node);
    offer.holder = offer.fqdn.as_ref().and_then(|fqdn| ctx.gate.holder(&super::age(node).uid, fqdn, None));
    offer.resolution = resolution(node, machine, &handle);
    if let Resolution::Can(resolved) = &offer.resolution {
        let age = super::age(node);
        offer.room = ctx.gate.room(&age, cloud, &Amounts::of_machine(resolved), &handle.bounds());
        let cools = |zone: &Option<String>| {
            let (cloud, flavor) = (cloud.to_owned(), resolved.flavor.name.clone());
            let left = ctx.gate.cools(&Place { cloud, zone: zone.clone(), flavor })?;
            Some((zone.clone(), now.checked_add(left).ok()?))
        };
        offer.cooling = offer.zones.iter().filter_map(cools).collect();
    }
    offer
}

fn resolution(node: &TestNode, machine: &MachineType, handle: &Handle) -> Resolution {
    let (wanted, now) = (List::wanted(&machine.spec, &node.spec), Instant::now());
    if handle.catalogue.missing(&wanted, now).is_some() {
        return Resolution::Unread;
    }
    let Some(offerings) = handle.catalogue.offerings() else { return Resolution::Unread };
    match select::resolve(&machine.spec, &node.spec, &offerings) {
        Ok(resolved) => Resolution::Can(Box::new(resolved)),
        Err(_) if handle.catalogue.missing_for_blocked(&wanted, now).is_some() => Resolution::Unread,
        Err(problem) => Resolution::Cannot(problem),
    }
}
