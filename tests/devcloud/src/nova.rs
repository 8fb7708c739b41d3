//! Compute: the door, its microversions and its way to refuse.

mod actions;
mod attach;
mod create;
mod fields;
mod list;
mod lookup;
mod mapping;
mod nics;
mod quota;
mod rebuild;
mod tags;
mod view;

use serde_json::{Value, json};

use crate::{
    keystone::{self, Caller},
    log::Service,
    wire::{Answer, Ask, Reply},
    world::{World, ending::Force, server::Server},
};

/// What a handler knows about a request.
pub(crate) struct Request<'a> {
    ask: &'a Ask,
    caller: Caller,
    /// The minor part of the microversion: 90 is 2.90.
    micro: u32,
}

/// Nova's way to refuse.
pub(crate) fn error(status: u16, message: &str) -> Reply {
    let key = match status {
        400 => "badRequest",
        403 => "forbidden",
        404 => "itemNotFound",
        409 => "conflictingRequest",
        _ => "computeFault",
    };
    Reply::json(status, json!({key: {"code": status, "message": message}}))
}

fn bad(message: impl AsRef<str>) -> Reply {
    error(400, message.as_ref())
}

fn no_server(id: &str) -> Reply {
    error(404, &format!("Instance {id} could not be found."))
}

pub(crate) fn answer(world: &mut World, ask: &Ask, path: &str) -> Answer {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (Some(&root), rest) = (parts.first(), parts.get(1..).unwrap_or_default()) else {
        return Ok(Reply::json(200, json!({"versions": [version_document(world, ask)]})));
    };
    if root != "v2.1" {
        return Reply::webob(404, "The resource could not be found.").err();
    }
    if rest.is_empty() {
        return Ok(Reply::json(200, json!({"version": version_document(world, ask)})));
    }
    let caller = keystone::caller(world, ask, Service::Nova)?;
    let micro = microversion(world, ask)?;
    let request = Request { ask, caller, micro };
    let header = format!("2.{micro}");
    let reply = route(world, &request, rest)?;
    Ok(reply
        .with("x-openstack-nova-api-version", header.clone())
        .with("openstack-api-version", format!("compute {header}"))
        .with("vary", "OpenStack-API-Version, X-OpenStack-Nova-API-Version"))
}

fn route(world: &mut World, request: &Request<'_>, parts: &[&str]) -> Answer {
    match (request.ask.method.as_str(), parts) {
        ("GET", ["servers"]) => list::brief(world, request),
        ("GET", ["servers", "detail"]) => list::detail(world, request),
        ("POST", ["servers"]) => create::create(world, request),
        ("GET", ["servers", id]) => show(world, request, id),
        ("PUT", ["servers", id]) => rename(world, request, id),
        ("DELETE", ["servers", id]) => delete(world, request, id),
        ("POST", ["servers", id, "action"]) => actions::act(world, request, id),
        (method @ ("GET" | "PUT" | "POST"), ["servers", id, "metadata"]) => {
            metadata(world, request, id, method)
        }
        ("DELETE", ["servers", id, "metadata", key]) => {
            match own(world, request, id)?.metadata.remove(*key) {
                Some(_) => Ok(Reply::empty(204)),
                None => Err(error(404, "Metadata item was not found")),
            }
        }
        (method @ ("PUT" | "DELETE"), ["servers", id, "tags", tag]) if request.micro >= 26 => {
            tags::change(world, request, id, method, tag)
        }
        ("GET", ["servers", id, "os-volume_attachments"]) => attach::list(world, request, id),
        ("POST", ["servers", id, "os-volume_attachments"]) => attach::attach(world, request, id),
        ("DELETE", ["servers", id, "os-volume_attachments", volume]) => {
            attach::detach(world, request, id, volume)
        }
        ("GET", ["servers", id, "os-instance-actions"]) => lookup::instance_actions(world, request, id),
        ("GET", ["servers", id, "os-interface"]) => lookup::interfaces(world, request, id),
        ("GET", rest) => lookup::route(world, request, rest),
        _ => Reply::webob(404, "The resource could not be found.").err(),
    }
}

fn version_document(world: &World, ask: &Ask) -> Value {
    json!({
        "id": "v2.1", "status": "CURRENT", "version": world.settings.compute_microversion, "min_version": "2.1",
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": format!("{}/compute/v2.1/", ask.origin())}],
    })
}

/// What the client asks for: 2.1 if nothing.
fn microversion(world: &World, ask: &Ask) -> Result<u32, Reply> {
    let newest = &world.settings.compute_microversion;
    let asked = ask
        .header("openstack-api-version")
        .and_then(|header| header.split(',').find_map(|one| one.trim().strip_prefix("compute ")))
        .or_else(|| ask.header("x-openstack-nova-api-version"))
        .map_or("2.1", str::trim);
    let minor = |text: &str| text.strip_prefix("2.").and_then(|minor| minor.parse::<u32>().ok());
    let highest = minor(newest).unwrap_or(93);
    if asked == "latest" {
        return Ok(highest);
    }
    match minor(asked) {
        Some(minor) if (1..=highest).contains(&minor) => Ok(minor),
        Some(_) => Err(error(
            406,
            &format!("Version {asked} is not supported by the API. Minimum is 2.1 and maximum is {newest}."),
        )),
        None => Err(bad(format!(
            "API Version String {asked} is of invalid format. Must be of format MajorNum.MinorNum."
        ))),
    }
}

/// The caller's server, or 404.
fn own<'w>(world: &'w mut World, request: &Request<'_>, id: &str) -> Result<&'w mut Server, Reply> {
    world
        .server_mut(id)
        .filter(|server| server.project == request.caller.project)
        .ok_or_else(|| no_server(id))
}

fn show(world: &World, request: &Request<'_>, id: &str) -> Answer {
    match world.server(id).filter(|server| server.project == request.caller.project) {
        Some(server) => Ok(Reply::json(200, json!({"server": view::detail(world, request, server)}))),
        None => Err(no_server(id)),
    }
}

fn rename(world: &mut World, request: &Request<'_>, id: &str) -> Answer {
    let now = world.now;
    let server = own(world, request, id)?;
    let body = request.ask.json();
    if let Some(name) = body.pointer("/server/name").and_then(Value::as_str) {
        server.name = name.into();
        server.updated = now;
    }
    show(world, request, id)
}

fn delete(world: &mut World, request: &Request<'_>, id: &str) -> Answer {
    if world.server(id).is_some_and(|server| server.deleted.is_some()) {
        return Ok(Reply::empty(204));
    }
    own(world, request, id)?;
    world.delete_server(id, Force::No);
    Ok(Reply::empty(204))
}

fn metadata(world: &mut World, request: &Request<'_>, id: &str, method: &str) -> Answer {
    let limit = world.settings.quotas.metadata_items;
    let now = world.now;
    let server = own(world, request, id)?;
    if method != "GET" {
        let body = request.ask.json();
        let Some(given) = body.get("metadata") else { return Err(bad("'metadata' is a required property")) };
        let given = fields::metadata(given, limit)?;
        if method == "PUT" {
            server.metadata = given;
        } else {
            server.metadata.extend(given);
        }
        server.updated = now;
    }
    Ok(Reply::json(200, json!({"metadata": server.metadata})))
}
