//! What Nova lists besides servers: flavors, limits, quotas, zones, key pairs, attachments.

use serde_json::{Value, json};

use super::{Request, error, no_server, quota};
use crate::{
    lab::{Flavor, ServerGroup},
    page::{self, Page},
    wire::{Answer, Reply, put},
    world::{World, server::Server},
};

pub(crate) fn route(world: &World, request: &Request<'_>, parts: &[&str]) -> Answer {
    match parts {
        ["flavors"] | ["flavors", "detail"] => flavors(world, request, parts.len() == 2),
        ["flavors", id] => match world.settings.flavors.iter().find(|flavor| flavor.id == *id) {
            Some(found) => Ok(Reply::json(200, json!({"flavor": flavor(request, found)}))),
            None => Err(error(404, &format!("Flavor {id} could not be found."))),
        },
        ["limits"] => Ok(Reply::json(200, limits(world, &request.caller.project))),
        ["os-quota-sets", project] => {
            Ok(Reply::json(200, json!({"quota_set": quotas(world, project, |_, limit| json!(limit))})))
        }
        ["os-quota-sets", project, "detail"] => {
            let detail =
                quotas(world, project, |used, limit| json!({"limit": limit, "in_use": used, "reserved": 0}));
            Ok(Reply::json(200, json!({"quota_set": detail})))
        }
        ["os-availability-zone"] => {
            let zones = world.settings.availability_zones.iter();
            let zones: Vec<_> = zones
                .map(|zone| json!({"zoneName": zone, "zoneState": {"available": true}, "hosts": null}))
                .collect();
            Ok(Reply::json(200, json!({"availabilityZoneInfo": zones})))
        }
        ["os-server-groups"] => {
            let groups = world.settings.server_groups.iter();
            let groups: Vec<_> = groups.map(|group| server_group(world, request, group)).collect();
            Ok(Reply::json(200, json!({"server_groups": groups})))
        }
        ["os-keypairs"] => {
            let pairs: Vec<_> =
                world.settings.key_pairs.iter().map(|name| json!({"keypair": key_pair(name)})).collect();
            Ok(Reply::json(200, json!({"keypairs": pairs})))
        }
        ["os-keypairs", name] if world.settings.key_pairs.iter().any(|known| known == name) => {
            Ok(Reply::json(200, json!({"keypair": key_pair(name)})))
        }
        ["os-keypairs", name] => {
            Err(error(404, &format!("Keypair {name} not found for user {}", world.settings.user_id)))
        }
        _ => Reply::webob(404, "The resource could not be found.").err(),
    }
}

fn server_group(world: &World, request: &Request<'_>, group: &ServerGroup) -> Value {
    let is_member = |server: &&Server| server.hints.get("group").and_then(Value::as_str) == Some(&group.id);
    let members: Vec<_> = world.servers.iter().filter(is_member).map(|server| server.id.clone()).collect();
    let mut body = json!({"id": group.id, "name": group.name, "members": members});
    if request.micro >= 64 {
        put(&mut body, "policy", json!(group.policy));
        put(&mut body, "rules", json!({}));
    } else {
        put(&mut body, "policies", json!([group.policy]));
        put(&mut body, "metadata", json!({}));
    }
    body
}

fn key_pair(name: &str) -> Value {
    let fingerprint = "3a:1c:5f:00:11:22:33:44:55:66:77:88:99:aa:bb:cc";
    json!({"name": name, "type": "ssh", "fingerprint": fingerprint, "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO0XaPr8Sq+T/3no50j2j2TUo45KYDx2APl2wFX9+sIS lab"})
}

fn flavors(world: &World, request: &Request<'_>, detail: bool) -> Answer {
    let url =
        format!("{}/compute/v2.1/flavors{}", request.caller.origin, if detail { "/detail" } else { "" });
    let all: Vec<&Flavor> = world.settings.flavors.iter().collect();
    let Some(Page { items, next }) =
        page::cut(all, request.ask, world.settings.page_size, &url, |flavor| &flavor.id)
    else {
        let marker = request.ask.param("marker").unwrap_or_default();
        return Err(error(400, &format!("marker [{marker}] not found")));
    };
    let shown: Vec<_> = items
        .into_iter()
        .map(
            |found| if detail { flavor(request, found) } else { json!({"id": found.id, "name": found.name}) },
        )
        .collect();
    let mut body = json!({"flavors": shown});
    if let Some(next) = next {
        put(&mut body, "flavors_links", json!([{"rel": "next", "href": next}]));
    }
    Ok(Reply::json(200, body))
}

fn flavor(request: &Request<'_>, flavor: &Flavor) -> Value {
    let mut body = json!({
        "id": flavor.id, "name": flavor.name, "vcpus": flavor.vcpus, "ram": flavor.ram, "disk": flavor.disk,
        "swap": if request.micro >= 75 { json!(0) } else { json!("") },
        "OS-FLV-EXT-DATA:ephemeral": 0, "OS-FLV-DISABLED:disabled": false, "os-flavor-access:is_public": true,
        "rxtx_factor": 1.0,
        "links": [{"rel": "self", "href": format!("{}/compute/v2.1/flavors/{}", request.caller.origin, flavor.id)}],
    });
    if request.micro >= 55 {
        put(&mut body, "description", Value::Null);
    }
    if request.micro >= 61 {
        put(&mut body, "extra_specs", json!({}));
    }
    body
}

fn limits(world: &World, project: &str) -> Value {
    let (used, quotas) = (quota::usage(world, project), &world.settings.quotas);
    json!({"limits": {"rate": [], "absolute": {
        "maxTotalInstances": quotas.instances, "maxTotalCores": quotas.cores, "maxTotalRAMSize": quotas.ram,
        "maxServerMeta": quotas.metadata_items, "maxTotalKeypairs": 100, "maxServerGroups": 10,
        "maxServerGroupMembers": 10, "totalInstancesUsed": used.instances, "totalCoresUsed": used.cores,
        "totalRAMUsed": used.ram, "totalServerGroupsUsed": 0
    }}})
}

fn quotas(world: &World, project: &str, show: impl Fn(i64, i64) -> Value) -> Value {
    let (used, quotas) = (quota::usage(world, project), &world.settings.quotas);
    json!({
        "id": project, "instances": show(used.instances, quotas.instances), "cores": show(used.cores, quotas.cores),
        "ram": show(used.ram, quotas.ram), "metadata_items": show(0, quotas.metadata_items),
        "key_pairs": show(0, 100), "server_groups": show(0, 10), "server_group_members": show(0, 10)
    })
}

pub(crate) fn found<'w>(world: &'w World, request: &Request<'_>, id: &str) -> Result<&'w Server, Reply> {
    world.server(id).filter(|server| server.project == request.caller.project).ok_or_else(|| no_server(id))
}

pub(crate) fn interfaces(world: &World, request: &Request<'_>, id: &str) -> Answer {
    found(world, request, id)?;
    let ports = world.ports.iter().filter(|port| port.device_id == id);
    let list: Vec<_> = ports
        .map(|port| {
            json!({"port_id": port.id, "net_id": port.network, "mac_addr": port.mac, "port_state": port.status,
                "fixed_ips": [{"subnet_id": port.subnet, "ip_address": port.address}]})
        })
        .collect();
    Ok(Reply::json(200, json!({"interfaceAttachments": list})))
}

pub(crate) fn instance_actions(world: &World, request: &Request<'_>, id: &str) -> Answer {
    let server = found(world, request, id)?;
    let list: Vec<_> = server
        .actions
        .iter()
        .rev()
        .map(|(action, message)| {
            json!({"action": action, "instance_uuid": id, "message": message, "request_id": "req-0",
                "project_id": server.project, "user_id": world.settings.user_id,
                "start_time": world.clock.naive_micros(server.created)})
        })
        .collect();
    Ok(Reply::json(200, json!({"instanceActions": list})))
}
