//! Block storage: the door, its way to refuse, and what it lists besides volumes.

mod attachments;
mod filter;
mod snapshots;
mod volumes;

use serde_json::{Value, json};

use crate::{
    keystone::{self, Caller},
    log::Service,
    wire::{Answer, Ask, Reply, put},
    world::World,
};

/// What a handler knows about a request.
pub(crate) struct Request<'a> {
    ask: &'a Ask,
    caller: Caller,
    /// The minor part of the microversion: 27 is 3.27.
    micro: u32,
}

/// Cinder's way to refuse; over quota is 413 with `Retry-After: 0`.
pub(crate) fn error(status: u16, message: &str) -> Reply {
    let key = match status {
        400 => "badRequest",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "itemNotFound",
        409 => "conflictingRequest",
        413 => "overLimit",
        _ => "computeFault",
    };
    let mut body = json!({"code": status, "message": message});
    if status == 413 {
        put(&mut body, "retryAfter", json!("0"));
        return Reply::json(status, json!({key: body})).with("retry-after", "0");
    }
    Reply::json(status, json!({key: body}))
}

pub(crate) fn answer(world: &mut World, ask: &Ask, path: &str) -> Answer {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() || parts == ["v3"] {
        let document = json!({"id": "v3.0", "status": "CURRENT", "version": "3.70", "min_version": "3.0",
            "links": [{"rel": "self", "href": format!("{}/volume/v3/", ask.origin())}]});
        return Ok(Reply::json(if parts.is_empty() { 300 } else { 200 }, json!({"versions": [document]})));
    }
    let caller = keystone::caller(world, ask, Service::Cinder)?;
    let micro = microversion(ask)?;
    let ["v3", project, rest @ ..] = parts.as_slice() else {
        return Reply::webob(404, "The resource could not be found.").err();
    };
    if *project != caller.project {
        return Err(error(400, "Malformed request url"));
    }
    let request = Request { ask, caller, micro };
    let reply = route(world, &request, rest)?;
    Ok(reply.with("openstack-api-version", format!("volume 3.{micro}")).with("vary", "OpenStack-API-Version"))
}

fn microversion(ask: &Ask) -> Result<u32, Reply> {
    let Some(asked) = ask
        .header("openstack-api-version")
        .and_then(|header| header.split(',').find_map(|one| one.trim().strip_prefix("volume ")))
    else {
        return Ok(0);
    };
    if asked == "latest" {
        return Ok(70);
    }
    match asked.strip_prefix("3.").and_then(|minor| minor.parse::<u32>().ok()) {
        Some(minor) if minor <= 70 => Ok(minor),
        Some(_) => Err(error(
            406,
            &format!("Version {asked} is not supported by the API. Minimum is 3.0 and maximum is 3.70."),
        )),
        None => Err(error(400, &format!("API Version String {asked} is of invalid format."))),
    }
}

fn route(world: &mut World, request: &Request<'_>, parts: &[&str]) -> Answer {
    match (request.ask.method.as_str(), parts) {
        ("GET", ["volumes"] | ["volumes", "detail"]) => volumes::list(world, request, parts.len() == 2),
        ("POST", ["volumes"]) => volumes::create(world, request),
        ("GET", ["volumes", id]) => volumes::show(world, request, id),
        ("PUT", ["volumes", id]) => volumes::update(world, request, id),
        ("DELETE", ["volumes", id]) => volumes::delete(world, request, id),
        (method @ ("GET" | "PUT" | "POST"), ["volumes", id, "metadata"]) => {
            volumes::metadata(world, request, id, method)
        }
        ("DELETE", ["volumes", id, "metadata", key]) => volumes::drop_metadata(world, request, id, key),
        ("POST", ["volumes", id, "action"]) => volumes::act(world, request, id),
        ("GET", ["attachments"] | ["attachments", "detail"]) if request.micro >= 27 => {
            Ok(attachments::list(world, request))
        }
        ("GET", ["attachments", id]) if request.micro >= 27 => attachments::show(world, request, id),
        ("DELETE", ["attachments", id]) if request.micro >= 27 => attachments::delete(world, request, id),
        ("POST", ["snapshots"]) => snapshots::create(world, request),
        ("GET", ["snapshots", id]) => snapshots::show(world, request, id),
        ("GET", ["messages"]) if request.micro >= 3 => Ok(messages(world, request)),
        ("GET", ["types"]) => {
            let types: Vec<_> = world.settings.volume_types.iter().map(|name| volume_type(name)).collect();
            Ok(Reply::json(200, json!({"volume_types": types})))
        }
        ("GET", ["os-availability-zone"]) => {
            let zones = world.settings.volume_zones.iter();
            let zones: Vec<_> =
                zones.map(|zone| json!({"zoneName": zone, "zoneState": {"available": true}})).collect();
            Ok(Reply::json(200, json!({"availabilityZoneInfo": zones})))
        }
        ("GET", ["limits"]) => Ok(Reply::json(200, limits(world, &request.caller.project))),
        ("GET", ["os-quota-sets", project]) => {
            let usage = request.ask.param("usage").is_some_and(|usage| usage.eq_ignore_ascii_case("true"));
            Ok(Reply::json(200, json!({"quota_set": quotas(world, project, usage)})))
        }
        _ => Reply::webob(404, "The resource could not be found.").err(),
    }
}

fn volume_type(name: &str) -> Value {
    let id =
        crate::world::ids::bytes(name, 16).iter().fold(String::new(), |id, byte| format!("{id}{byte:02x}"));
    json!({"id": id, "name": name, "is_public": true, "description": null, "extra_specs": {}})
}

fn used(world: &World, project: &str) -> (i64, i64) {
    let mine = world.volumes.iter().filter(|volume| volume.project == project);
    mine.fold((0, 0), |(count, size), volume| (count + 1, size + volume.size))
}

fn limits(world: &World, project: &str) -> Value {
    let ((count, size), quotas) = (used(world, project), &world.settings.quotas);
    json!({"limits": {"rate": [], "absolute": {
        "maxTotalVolumes": quotas.volumes, "maxTotalVolumeGigabytes": quotas.gigabytes, "maxTotalSnapshots": 10,
        "maxTotalBackups": 10, "maxTotalBackupGigabytes": 1000, "totalVolumesUsed": count,
        "totalGigabytesUsed": size, "totalSnapshotsUsed": 0, "totalBackupsUsed": 0, "totalBackupGigabytesUsed": 0
    }}})
}

fn quotas(world: &World, project: &str, usage: bool) -> Value {
    let ((count, size), quotas) = (used(world, project), &world.settings.quotas);
    let show = |used: i64, limit: i64| {
        if usage { json!({"limit": limit, "in_use": used, "reserved": 0}) } else { json!(limit) }
    };
    json!({"id": project, "volumes": show(count, quotas.volumes), "gigabytes": show(size, quotas.gigabytes),
        "per_volume_gigabytes": show(0, quotas.per_volume_gigabytes), "snapshots": show(0, 10)})
}

/// Why volumes went wrong, in part.
fn messages(world: &World, request: &Request<'_>) -> Reply {
    let broken = world
        .volumes
        .iter()
        .filter(|volume| volume.project == request.caller.project && volume.status.starts_with("error"));
    let list: Vec<_> = broken
        .map(|volume| {
            let text = if volume.status == "error" {
                "create volume: The requested operation failed."
            } else {
                "delete volume: Driver failed to delete the volume."
            };
            json!({"id": volume.id.chars().rev().collect::<String>(), "resource_type": "VOLUME",
                "resource_uuid": volume.id, "message_level": "ERROR", "event_id": "VOLUME_VOLUME_001_001",
                "user_message": text, "created_at": world.clock.naive_micros(volume.created)})
        })
        .collect();
    Reply::json(200, json!({"messages": list}))
}
