//! Volumes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Request, error, filter};
use crate::{
    page::{self, Page},
    wire::{Answer, Reply, put, text},
    world::{
        World,
        volume::{NewVolume, Volume},
    },
};

fn no_volume(id: &str) -> Reply {
    error(404, &format!("Volume {id} could not be found."))
}

fn own<'w>(world: &'w mut World, request: &Request<'_>, id: &str) -> Result<&'w mut Volume, Reply> {
    world
        .volume_mut(id)
        .filter(|volume| volume.project == request.caller.project)
        .ok_or_else(|| no_volume(id))
}

fn view(world: &World, request: &Request<'_>, volume: &Volume) -> Value {
    // While it is only reserved the list of attachments is empty.
    let attachments: Vec<_> = world
        .attachments
        .iter()
        .filter(|attachment| attachment.volume == volume.id && attachment.status == "attached")
        .map(|attachment| {
            json!({"id": volume.id, "attachment_id": attachment.id, "volume_id": volume.id,
                "server_id": attachment.server, "host_name": null, "device": attachment.device,
                "attached_at": world.clock.naive_micros(attachment.since)})
        })
        .collect();
    json!({
        "id": volume.id, "name": volume.name, "description": volume.description, "size": volume.size,
        "status": volume.status, "volume_type": volume.volume_type, "availability_zone": volume.zone,
        "metadata": volume.metadata, "attachments": attachments, "bootable": if volume.image.is_some() { "true" } else { "false" },
        "created_at": world.clock.naive_micros(volume.created), "updated_at": world.clock.naive_micros(volume.created),
        "encrypted": false, "multiattach": false, "snapshot_id": volume.snapshot, "source_volid": null,
        "consistencygroup_id": null, "replication_status": null, "user_id": world.settings.user_id,
        "os-vol-tenant-attr:tenant_id": volume.project,
        "links": [{"rel": "self", "href": format!("{}/volume/v3/{}/volumes/{}", request.caller.origin, volume.project, volume.id)}],
    })
}

pub(crate) fn list(world: &World, request: &Request<'_>, detail: bool) -> Answer {
    let found: Vec<&Volume> = world
        .volumes
        .iter()
        .rev()
        .filter(|volume| volume.project == request.caller.project && filter::takes(request.ask, volume))
        .collect();
    let under = if detail { "/detail" } else { "" };
    let url = format!("{}/volume/v3/{}/volumes{under}", request.caller.origin, request.caller.project);
    let Some(Page { items, next }) =
        page::cut(found, request.ask, world.settings.page_size, &url, |volume| &volume.id)
    else {
        return Err(no_volume(request.ask.param("marker").unwrap_or_default()));
    };
    let brief = |volume: &Volume| json!({"id": volume.id, "name": volume.name, "links": []});
    let shown: Vec<_> = items
        .into_iter()
        .map(|volume| if detail { view(world, request, volume) } else { brief(volume) })
        .collect();
    let mut body = json!({"volumes": shown});
    if let Some(next) = next {
        put(&mut body, "volumes_links", json!([{"rel": "next", "href": next}]));
    }
    Ok(Reply::json(200, body))
}

pub(crate) fn create(world: &mut World, request: &Request<'_>) -> Answer {
    let body = request.ask.json();
    let Some(asked) = body.get("volume") else {
        return Err(error(400, "Missing required element 'volume' in request body."));
    };
    let size = asked.get("size").and_then(|size| size.as_i64().or_else(|| size.as_str()?.parse().ok()));
    let of = match text(asked, "snapshot_id") {
        Some(id) => {
            let known = world.snapshots.iter().find(|known| known.id == id).cloned();
            Some(known.ok_or_else(|| error(404, &format!("Snapshot {id} could not be found.")))?)
        }
        None => None,
    };
    let size = size.or(of.as_ref().map(|snapshot| snapshot.size));
    let Some(size) = size.filter(|size| *size > 0) else {
        let given = asked.get("size").unwrap_or(&Value::Null);
        return Err(error(
            400,
            &format!(
                "Invalid input for field/attribute size. Value: {given}. {given} is less than the minimum of 1"
            ),
        ));
    };
    let volume_type = text(asked, "volume_type").map(str::to_owned);
    if let Some(name) = volume_type.as_ref().filter(|name| !world.settings.volume_types.contains(name)) {
        return Err(error(404, &format!("Volume type {name} could not be found.")));
    }
    let zone = text(asked, "availability_zone").map(str::to_owned);
    if let Some(zone) = zone.as_ref().filter(|zone| !world.settings.volume_zones.contains(zone)) {
        return Err(error(400, &format!("Availability zone '{zone}' is invalid.")));
    }
    if let Some(snapshot) = of.as_ref().filter(|snapshot| size < snapshot.size) {
        return Err(error(
            400,
            &format!(
                "Invalid input received: Volume size '{size}'GB cannot be smaller than the snapshot size {}GB. They must be \
                 >= original snapshot size.",
                snapshot.size
            ),
        ));
    }
    let image = text(asked, "imageRef").map(str::to_owned);
    if let Some(image) = &image {
        let known = world.settings.images.iter().find(|known| known.id == *image || known.name == *image);
        let Some(known) = known else {
            return Err(error(400, "Invalid image identifier or unable to access requested image."));
        };
        if known.status != "active" {
            return Err(error(400, &format!("Invalid input received: Image {} is not active.", known.id)));
        }
        if size < known.min_disk {
            return Err(error(
                400,
                &format!(
                    "Invalid input received: Volume size {size}GB cannot be smaller than the image minDisk size {}GB.",
                    known.min_disk
                ),
            ));
        }
    }
    let metadata = strings(asked.get("metadata").unwrap_or(&Value::Null))?;
    if let Some(refusal) = world.volume_refusal(&request.caller.project, size) {
        return Err(error(413, &refusal));
    }
    let name = text(asked, "name").unwrap_or_default().to_owned();
    let new = NewVolume { project: request.caller.project.clone(), name, size, volume_type, zone, image };
    let id = world.make_volume(new, metadata);
    if let (Some(snapshot), Some(volume)) = (of, world.volume_mut(&id)) {
        volume.image = volume.image.take().or(snapshot.image);
        volume.snapshot = Some(snapshot.id);
    }
    if let Some(volume) = world.volume_mut(&id) {
        volume.description = text(asked, "description").map(str::to_owned);
    }
    let body = world.volume(&id).map(|volume| view(world, request, volume));
    Ok(Reply::json(202, json!({"volume": body})))
}

fn strings(given: &Value) -> Result<BTreeMap<String, String>, Reply> {
    let mut metadata = BTreeMap::new();
    for (key, value) in given.as_object().into_iter().flatten() {
        match value.as_str().filter(|value| value.chars().count() <= 255 && key.chars().count() <= 255) {
            Some(value) => metadata.insert(key.clone(), value.to_owned()),
            None => {
                return Err(error(400, &format!("Invalid input for field/attribute {key}. Value: {value}.")));
            }
        };
    }
    Ok(metadata)
}

pub(crate) fn show(world: &World, request: &Request<'_>, id: &str) -> Answer {
    match world.volume(id).filter(|volume| volume.project == request.caller.project) {
        Some(volume) => Ok(Reply::json(200, json!({"volume": view(world, request, volume)}))),
        None => Err(no_volume(id)),
    }
}

pub(crate) fn update(world: &mut World, request: &Request<'_>, id: &str) -> Answer {
    let body = request.ask.json();
    let asked = body.get("volume").cloned().unwrap_or(Value::Null);
    let volume = own(world, request, id)?;
    if let Some(name) = text(&asked, "name") {
        volume.name = name.into();
    }
    if let Some(description) = text(&asked, "description") {
        volume.description = Some(description.into());
    }
    if let Some(metadata) = asked.get("metadata") {
        volume.metadata = strings(metadata)?;
    }
    show(world, request, id)
}

/// Only `available`, `error` and their like go; asking again while it goes is refused too.
pub(crate) fn delete(world: &mut World, request: &Request<'_>, id: &str) -> Answer {
    let (now, first) = (world.now, world.settings.volume_create / 10);
    let volume = own(world, request, id)?;
    let (status, has_snapshot) = (volume.status.clone(), volume.fate.has_snapshot);
    // In its first moment no backend has it yet, and it goes at once.
    if status == "creating" && !volume.fate.sticks && now < volume.created + first {
        world.volumes.retain(|volume| volume.id != id);
        return Ok(Reply::empty(202));
    }
    let deletable = ["available", "error", "error_restoring", "error_extending", "error_managing"];
    if !deletable.contains(&status.as_str()) || has_snapshot {
        return Err(error(
            400,
            "Invalid volume: Volume status must be available or error or error_restoring or error_extending or \
             error_managing and must not be migrating, attached, belong to a group, have snapshots or be \
             disassociated from snapshots after volume transfer.",
        ));
    }
    world.drop_volume(id);
    Ok(Reply::empty(202))
}

pub(crate) fn metadata(world: &mut World, request: &Request<'_>, id: &str, method: &str) -> Answer {
    let volume = own(world, request, id)?;
    if method != "GET" {
        let body = request.ask.json();
        let given = strings(body.get("metadata").unwrap_or(&Value::Null))?;
        if method == "PUT" {
            volume.metadata = given;
        } else {
            volume.metadata.extend(given);
        }
    }
    Ok(Reply::json(200, json!({"metadata": volume.metadata})))
}

pub(crate) fn drop_metadata(world: &mut World, request: &Request<'_>, id: &str, key: &str) -> Answer {
    match own(world, request, id)?.metadata.remove(key) {
        Some(_) => Ok(Reply::empty(200)),
        None => Err(error(404, &format!("Volume {id} has no metadata with key {key}."))),
    }
}

/// A member may free a reservation; what is forced is for an admin.
pub(crate) fn act(world: &mut World, request: &Request<'_>, id: &str) -> Answer {
    let body = request.ask.json();
    let action = body.as_object().and_then(|body| body.keys().next()).cloned().unwrap_or_default();
    let status = own(world, request, id)?.status.clone();
    match action.as_str() {
        "os-unreserve" => {
            if status == "reserved" {
                world.attachments.retain(|attachment| attachment.volume != id);
                world.set_volume(id, "available");
            }
            Ok(Reply::empty(202))
        }
        "os-force_delete" | "os-force_detach" | "os-reset_status" => Err(error(
            403,
            &format!(
                "Policy doesn't allow volume_extension:volume_admin_actions:{} to be performed.",
                action.trim_start_matches("os-")
            ),
        )),
        _ => Err(error(400, &format!("There is no such action: {action}"))),
    }
}
