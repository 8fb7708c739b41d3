//! `POST /servers/{id}/action`.

use serde_json::{Value, json};

use super::{Request, bad, error, own};
use crate::{
    console,
    wire::{Answer, Reply},
    world::{World, ending::Force, server::Status},
};

pub(crate) fn act(world: &mut World, request: &Request<'_>, id: &str) -> Answer {
    let body = request.ask.json();
    let Some((action, given)) = body.as_object().and_then(|body| body.iter().next()) else {
        return Err(bad("Malformed request body"));
    };
    let now = world.now;
    own(world, request, id)?;
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
        "rebuild" => return super::rebuild::rebuild(world, request, id, given),
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

/// Nova's words where something else is being done to a server.
pub(crate) fn in_task(action: &str, id: &str, task: &str) -> Reply {
    error(409, &format!("Cannot '{action}' instance {id} while it is in task_state {task}"))
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
    if server.task.as_deref() == Some("rebuilding") {
        return Err(in_task(action.trim_start_matches("os-"), id, "rebuilding"));
    }
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
