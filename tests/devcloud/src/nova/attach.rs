//! Volumes on a server that runs: attached and detached in the background.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Request, actions, bad, error, lookup, mapping, own};
use crate::{
    wire::{Answer, Reply, put, text},
    world::{
        Event, World,
        server::{Mapped, Status},
    },
};

/// How long the compute host takes.
const TAKES: Duration = Duration::from_millis(300);

pub(crate) fn list(world: &World, request: &Request<'_>, id: &str) -> Answer {
    let server = lookup::found(world, request, id)?;
    let list: Vec<_> = server.volumes.iter().filter_map(|mapped| view(request, id, mapped)).collect();
    Ok(Reply::json(200, json!({"volumeAttachments": list})))
}

fn view(request: &Request<'_>, id: &str, mapped: &Mapped) -> Option<Value> {
    let volume = mapped.volume.as_ref()?;
    let mut body = json!({"volumeId": volume, "serverId": id, "device": mapped.device});
    if request.micro < 89 {
        put(&mut body, "id", json!(volume));
    } else {
        let bdm = mapped.attachment.as_ref().map(|id| id.chars().rev().collect::<String>());
        put(&mut body, "attachment_id", json!(mapped.attachment));
        put(&mut body, "bdm_uuid", json!(bdm));
    }
    if request.micro >= 70 {
        put(&mut body, "tag", Value::Null);
    }
    if request.micro >= 79 {
        put(&mut body, "delete_on_termination", json!(mapped.delete_on_termination));
    }
    Some(body)
}

pub(crate) fn attach(world: &mut World, request: &Request<'_>, id: &str) -> Answer {
    let body = request.ask.json();
    let asked = body.get("volumeAttachment").cloned().unwrap_or(Value::Null);
    let server = own(world, request, id)?;
    if !matches!(server.status, Status::Active | Status::Shutoff) || server.deleting {
        return Err(actions::conflict("attach_volume", id, server.status));
    }
    let volume = text(&asked, "volumeId").unwrap_or_default().to_owned();
    let taken = server.volumes.iter().any(|mapped| mapped.volume.as_ref() == Some(&volume));
    let letter = ('b'..='z').nth(server.volumes.len()).unwrap_or('z');
    if world.volume(&volume).is_none() {
        return Err(error(404, &format!("Volume {volume} could not be found.")));
    }
    if taken {
        return Err(bad(format!("Invalid volume: volume {volume} is already attached to instances: {id}")));
    }
    mapping::refuse(world, &volume)?;
    let device = format!("/dev/vd{letter}");
    let attachment = world.reserve(&volume, id, &device);
    world.after(TAKES, Event::Attached(attachment.clone()));
    let mapped = Mapped {
        volume: Some(volume),
        attachment: Some(attachment),
        make: None,
        delete_on_termination: asked.get("delete_on_termination").and_then(Value::as_bool).unwrap_or(false),
        device,
    };
    let body = view(request, id, &mapped);
    let server = own(world, request, id)?;
    server.volumes.push(mapped);
    server.actions.push(("attach_volume".into(), None));
    Ok(Reply::json(200, json!({"volumeAttachment": body})))
}

pub(crate) fn detach(world: &mut World, request: &Request<'_>, id: &str, volume: &str) -> Answer {
    let server = own(world, request, id)?;
    let mapped = server.volumes.iter().find(|mapped| mapped.volume.as_deref() == Some(volume));
    let attachment = mapped.and_then(|mapped| mapped.attachment.clone());
    let going = world.volume(volume).is_none_or(|volume| volume.status == "detaching");
    let Some(attachment) = attachment.filter(|_| !going) else {
        return Err(error(404, &format!("Instance {id} is not attached to volume {volume}")));
    };
    world.set_volume(volume, "detaching");
    world.after(TAKES, Event::Detached(id.into(), attachment));
    Ok(Reply::empty(202))
}
