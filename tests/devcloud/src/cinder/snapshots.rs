//! Snapshots.

use serde_json::{Value, json};

use super::{Request, error};
use crate::{
    wire::{Answer, Reply, text},
    world::{World, volume::Snapshot},
};

fn view(snapshot: &Snapshot) -> Value {
    json!({"id": snapshot.id, "volume_id": snapshot.volume, "size": snapshot.size, "status": "available",
        "name": "", "description": null, "metadata": {}})
}

pub(crate) fn create(world: &mut World, request: &Request<'_>) -> Answer {
    let body = request.ask.json();
    let asked = body.get("snapshot").cloned().unwrap_or(Value::Null);
    let id = text(&asked, "volume_id").unwrap_or_default().to_owned();
    let volume = world.volume(&id).filter(|volume| volume.project == request.caller.project).cloned();
    let volume = volume.ok_or_else(|| error(404, &format!("Volume {id} could not be found.")))?;
    let snapshot = Snapshot {
        id: world.uuid(),
        project: volume.project,
        volume: volume.id,
        size: volume.size,
        image: volume.image,
    };
    let body = json!({"snapshot": view(&snapshot)});
    world.snapshots.push(snapshot);
    Ok(Reply::json(202, body))
}

pub(crate) fn show(world: &World, request: &Request<'_>, id: &str) -> Answer {
    let own = |known: &&Snapshot| known.id == id && known.project == request.caller.project;
    match world.snapshots.iter().find(own) {
        Some(snapshot) => Ok(Reply::json(200, json!({"snapshot": view(snapshot)}))),
        None => Err(error(404, &format!("Snapshot {id} could not be found."))),
    }
}
