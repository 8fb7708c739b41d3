//! `rebuild`: what is checked, and what the database says at once. The rest is in `world::rebuilding`.

use serde_json::{Value, json};

use super::{Request, actions, bad, error, fields, own, view};
use crate::{
    wire::{Answer, Reply, text},
    world::{World, server::Status},
};

pub(crate) fn rebuild(world: &mut World, request: &Request<'_>, id: &str, given: &Value) -> Answer {
    known_properties(request, given)?;
    let metadata = match given.get("metadata") {
        Some(metadata) => Some(fields::metadata(metadata, world.settings.quotas.metadata_items)?),
        None => None,
    };
    fields::check_user_data(given)?;
    let server = own(world, request, id)?;
    if server.deleting || server.task.as_deref() == Some("rebuilding") {
        let task = server.task.clone().unwrap_or_default();
        return Err(actions::in_task("rebuild", id, &task));
    }
    if !matches!(server.status, Status::Active | Status::Shutoff | Status::Error) {
        return Err(actions::conflict("rebuild", id, server.status));
    }
    if !server.scheduled {
        return Err(error(409, &format!("Instance {id} is in an invalid state for 'rebuild'")));
    }
    let (before, disk) = (server.image.clone(), server.flavor.disk);
    let mapped: Vec<String> = server.volumes.iter().filter_map(|mapped| mapped.volume.clone()).collect();
    let asked = text(given, "imageRef").unwrap_or_default().to_owned();
    if asked.len() != 36 || asked.matches('-').count() != 4 {
        return Err(bad(format!(
            "Invalid input for field/attribute imageRef. Value: {asked}. '{asked}' is not a 'uuid'"
        )));
    }
    let image = crate::glance::bootable(world, &asked);
    let image = image.ok_or_else(|| bad("Cannot find image for rebuild"))?;
    if image.status != "active" {
        return Err(bad(format!("Image {asked} is not active.")));
    }
    match before {
        Some(_) if image.min_disk > disk => {
            return Err(bad(format!(
                "Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is {} bytes, \
                 minimum size is {} bytes.",
                disk << 30,
                image.min_disk << 30
            )));
        }
        Some(_) => {}
        // From a volume: the same image only starts it again.
        None => {
            let root = mapped.first().and_then(|root| world.volume(root)?.image.clone());
            if root.as_ref() != Some(&asked) {
                return Err(bad(format!(
                    "Image {asked} is unacceptable: Unable to rebuild with a different image for a volume-backed server."
                )));
            }
        }
    }
    let broken = mapped.iter().filter_map(|id| world.volume(id)).find(|volume| volume.status != "in-use");
    if let Some(volume) = broken {
        return Err(bad(format!(
            "Invalid volume: volume '{}' status must be 'in-use'. Currently in '{}' status",
            volume.id, volume.status
        )));
    }
    let now = world.now;
    let server = own(world, request, id)?;
    if let Some(metadata) = metadata {
        server.metadata = metadata;
    }
    if let Some(user_data) = given.get("user_data") {
        server.user_data = user_data.as_str().map(str::to_owned);
    }
    server.updated = now;
    server.task = Some("rebuilding".into());
    server.image_before = server.image.clone();
    if server.image.is_some() {
        server.image = Some(asked);
    }
    server.actions.push(("rebuild".into(), None));
    world.start_rebuilding(id);
    let server = world.server(id).map(|server| view::detail(world, request, server));
    Ok(Reply::json(202, json!({"server": server})))
}

fn known_properties(request: &Request<'_>, given: &Value) -> Result<(), Reply> {
    let since = [
        ("imageRef", 1),
        ("metadata", 1),
        ("name", 1),
        ("description", 19),
        ("key_name", 54),
        ("user_data", 57),
        ("hostname", 90),
    ];
    let Some(given) = given.as_object() else { return Err(bad("Malformed request body")) };
    for field in given.keys() {
        if !since.iter().any(|(known, micro)| known == field && request.micro >= *micro) {
            return Err(bad(format!(
                "Invalid input for field/attribute rebuild. Additional properties are not allowed ('{field}' was unexpected)"
            )));
        }
    }
    Ok(())
}
