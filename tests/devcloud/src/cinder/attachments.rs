//! Attachments, from 3.27 on: the only place where a reservation shows.

use serde_json::{Value, json};

use super::{Request, error};
use crate::{
    wire::{Answer, Reply},
    world::{World, volume::Attachment},
};

fn view(attachment: &Attachment) -> Value {
    json!({"id": attachment.id, "volume_id": attachment.volume, "instance": attachment.server,
        "status": attachment.status, "attached_at": null, "detached_at": null, "attach_mode": "null",
        "connection_info": {}})
}

fn own<'w>(world: &'w World, request: &Request<'_>, id: &str) -> Result<&'w Attachment, Reply> {
    world
        .attachments
        .iter()
        .find(|attachment| attachment.id == id && is_own(world, request, attachment))
        .ok_or_else(|| {
            error(404, &format!("Volume attachment could not be found with filter: attachment_id = {id}."))
        })
}

fn is_own(world: &World, request: &Request<'_>, attachment: &Attachment) -> bool {
    world.volume(&attachment.volume).is_some_and(|volume| volume.project == request.caller.project)
}

pub(crate) fn list(world: &World, request: &Request<'_>) -> Reply {
    let is = |name: &str, value: &str| request.ask.param(name).is_none_or(|wanted| wanted == value);
    let found: Vec<_> = world
        .attachments
        .iter()
        .filter(|attachment| is_own(world, request, attachment))
        .filter(|attachment| {
            is("volume_id", &attachment.volume)
                && is("instance_id", &attachment.server)
                && is("status", &attachment.status)
        })
        .map(view)
        .collect();
    Reply::json(200, json!({"attachments": found}))
}

pub(crate) fn show(world: &World, request: &Request<'_>, id: &str) -> Answer {
    Ok(Reply::json(200, json!({"attachment": view(own(world, request, id)?)})))
}

/// Frees the volume. One in use by a server that lives is refused, as since CVE-2023-2088.
pub(crate) fn delete(world: &mut World, request: &Request<'_>, id: &str) -> Answer {
    let attachment = own(world, request, id)?;
    let (volume, server) = (&attachment.volume, &attachment.server);
    let lives = world.servers.iter().any(|known| known.id == *server && known.deleted.is_none());
    if attachment.status == "attached" && lives {
        return Err(error(
            409,
            &format!("Detach volume from instance {server} using the Compute API: volume {volume} is in use"),
        ));
    }
    world.detach(id);
    Ok(Reply::json(200, json!({"attachments": []})))
}
