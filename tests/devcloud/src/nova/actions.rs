//! `POST /servers/{id}/action`.

use serde_json::{Value, json};

use super::{Request, bad, error, own};
use crate::{
    console,
    wire::{Answer, Reply, text},
    world::{World, ending::Force, server::Status},
};

pub(crate) fn act(world: &mut World, request: &Request<'_>, id: &str) -> Answer {
    let body = request.ask.json();
    let Some((action, given)) = body.as_object().and_then(|body| body.iter().next()) else {
        return Err(bad("Malformed request body"));
    };
    let now = world.now;
    let status = own(world, request, id)?.status;
    match action.as_str() {
        "os-getConsoleOutput" => return console(world, request, id, given),
        "forceDelete" => world.delete_server(id, Force::Yes),
        "restore" => become_in(world, request, id, action, &[Status::SoftDeleted], Status::Active)?,
        "os-stop" => become_in(world, request, id, action, &[Status::Active], Status::Shutoff)?,
        "os-start" => {
            become_in(world, request, id, action, &[Status::Shutoff], Status::Active)?;
            own(world, request, id)?.boots.push(now);
        }
        "reboot" => {
            become_in(world, request, id, action, &[Status::Active, Status::Shutoff], Status::Active)?;
            own(world, request, id)?.boots.push(now);
        }
        "rebuild" => {
            if !matches!(status, Status::Active | Status::Shutoff | Status::Error) {
                return Err(conflict("rebuild", id, status));
            }
            let image = text(given, "imageRef").unwrap_or_default().to_owned();
            if !world.settings.images.iter().any(|known| known.id == image) {
                return Err(bad("Cannot find image for rebuild"));
            }
            let server = own(world, request, id)?;
            server.status = Status::Active;
            server.image = Some(image);
            server.rebuilds += 1;
            server.boots = vec![now];
            server.updated = now;
            let server = world.server(id).map(|server| super::view::detail(world, request, server));
            return Ok(Reply::json(202, json!({"server": server})));
        }
        _ => return Err(bad(format!("There is no such action: {action}"))),
    }
    own(world, request, id)?.actions.push((action.trim_start_matches("os-").into(), None));
    Ok(Reply::empty(202))
}

pub(crate) fn conflict(action: &str, id: &str, status: Status) -> Reply {
    let state = match status {
        Status::Build => "building",
        Status::Active => "active",
        Status::Shutoff => "stopped",
        Status::Error => "error",
        Status::SoftDeleted => "soft-delete",
        Status::Deleted => "deleted",
    };
    error(409, &format!("Cannot '{action}' instance {id} while it is in vm_state {state}"))
}

fn become_in(
    world: &mut World,
    request: &Request<'_>,
    id: &str,
    action: &str,
    from: &[Status],
    to: Status,
) -> Result<(), Reply> {
    let now = world.now;
    let server = own(world, request, id)?;
    if !from.contains(&server.status) || server.deleting {
        return Err(conflict(action.trim_start_matches("os-"), id, server.status));
    }
    server.status = to;
    server.updated = now;
    Ok(())
}

/// The last `length` lines, less one when the text ends in a newline; at most 100 KiB.
fn console(world: &World, request: &Request<'_>, id: &str, given: &Value) -> Answer {
    let _ = request;
    let length =
        given.get("length").and_then(|length| length.as_i64().or_else(|| length.as_str()?.parse().ok()));
    let Some(server) = world.server(id) else { return Err(super::no_server(id)) };
    let text = console::read(&world.clock, world.now, world.settings.guest_boot, server);
    let lines: Vec<_> = text.split('\n').collect();
    let keep = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(lines.len());
    let output = lines.get(lines.len().saturating_sub(keep)..).unwrap_or_default().join("\n");
    let from = output.len().saturating_sub(100 * 1024);
    Ok(Reply::json(200, json!({"output": output.get(from..).unwrap_or(&output)})))
}
