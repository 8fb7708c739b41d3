//! A server as a body shows it.

use serde_json::{Map, Value, json};

use super::Request;
use crate::wire::put;
use crate::world::{
    World,
    ids::mix,
    server::{Server, Status},
};

/// A server in a list without details.
pub(crate) fn brief(request: &Request<'_>, server: &Server) -> Value {
    json!({"id": server.id, "name": server.name, "links": links(request, &server.id)})
}

pub(crate) fn links(request: &Request<'_>, id: &str) -> Value {
    let origin = &request.caller.origin;
    json!([
        {"rel": "self", "href": format!("{origin}/compute/v2.1/servers/{id}")},
        {"rel": "bookmark", "href": format!("{origin}/compute/servers/{id}")}
    ])
}

/// A server with all that a tenant sees of it.
pub(crate) fn detail(world: &World, request: &Request<'_>, server: &Server) -> Value {
    let clock = &world.clock;
    let (vm_state, power_state) = match server.status {
        Status::Build => ("building", 0),
        Status::Active => ("active", 1),
        Status::Shutoff => ("stopped", 4),
        Status::Error => ("error", 0),
        Status::SoftDeleted => ("soft-delete", 4),
        Status::Deleted => ("deleted", 0),
    };
    let spawned = !server.boots.is_empty();
    let mut body = json!({
        "id": server.id, "name": server.name, "status": word(server),
        "tenant_id": server.project, "user_id": world.settings.user_id,
        "metadata": server.metadata, "addresses": addresses(world, server),
        "image": server.image.as_ref().map_or_else(|| json!(""), |image| json!({
            "id": image,
            "links": [{"rel": "bookmark", "href": format!("{}/compute/images/{image}", request.caller.origin)}]
        })),
        "flavor": flavor(request, server), "links": links(request, &server.id),
        "created": clock.zulu(server.created), "updated": clock.zulu(server.updated),
        "key_name": server.key_name, "config_drive": if server.config_drive { "True" } else { "" },
        "accessIPv4": "", "accessIPv6": "", "OS-DCF:diskConfig": "MANUAL",
        "hostId": host_id(server),
        "OS-EXT-AZ:availability_zone": if server.scheduled { zone(world, server) } else { String::new() },
        "OS-EXT-STS:task_state": task(server), "OS-EXT-STS:vm_state": vm_state, "OS-EXT-STS:power_state": power_state,
        "OS-SRV-USG:launched_at": server.boots.first().map(|at| clock.naive_micros(*at)),
        "OS-SRV-USG:terminated_at": server.deleted.map(|at| clock.naive_micros(at)),
        "os-extended-volumes:volumes_attached": volumes(request, server),
    });
    let Some(fields) = body.as_object_mut() else { return body };
    if spawned && !matches!(server.status, Status::Error) || server.status == Status::Build {
        fields.insert("progress".into(), json!(0));
    }
    if !server.security_groups.is_empty() {
        let groups: Vec<_> = server.security_groups.iter().map(|name| json!({"name": name})).collect();
        fields.insert("security_groups".into(), json!(groups));
    }
    if request.micro >= 9 {
        fields.insert("locked".into(), json!(false));
    }
    if request.micro >= 19 {
        fields.insert("description".into(), json!(server.description));
    }
    if request.micro >= 26 {
        fields.insert("tags".into(), json!(server.tags));
    }
    if request.micro >= 71 {
        let group = server.hints.get("group").and_then(Value::as_str);
        fields.insert("server_groups".into(), json!(group.into_iter().collect::<Vec<_>>()));
    }
    if request.micro >= 90 {
        fields.insert("OS-EXT-SRV-ATTR:hostname".into(), json!(server.hostname));
    }
    if let Some(message) = server.fault.as_ref().filter(|_| server.status == Status::Error) {
        let fault = json!({"code": 500, "created": clock.zulu(server.updated), "message": message});
        fields.insert("fault".into(), fault);
    }
    body
}

/// What is being done to it can be told before what it is.
fn word(server: &Server) -> &'static str {
    if server.task.as_deref() == Some("rebuilding") { "REBUILD" } else { server.status.word() }
}

fn task(server: &Server) -> Option<&str> {
    server.task.as_deref()
}

fn zone(world: &World, server: &Server) -> String {
    let first = || world.settings.availability_zones.first().cloned();
    server.zone.clone().or_else(first).unwrap_or_default()
}

fn host_id(server: &Server) -> String {
    let seed = server.project.bytes().fold(7, |seed, byte| mix(seed ^ u64::from(byte)));
    let shown = server.scheduled && server.status != Status::Error;
    if shown {
        format!("{:016x}{:016x}{:016x}", mix(seed), mix(seed + 1), mix(seed + 2))
    } else {
        String::new()
    }
}

fn volumes(request: &Request<'_>, server: &Server) -> Vec<Value> {
    let made = server.volumes.iter().filter_map(|mapped| Some((mapped.volume.as_ref()?, mapped)));
    made.map(|(volume, mapped)| {
        let mut body = json!({"id": volume});
        if request.micro >= 3 {
            put(&mut body, "delete_on_termination", json!(mapped.delete_on_termination));
        }
        body
    })
    .collect()
}

fn flavor(request: &Request<'_>, server: &Server) -> Value {
    let flavor = &server.flavor;
    if request.micro >= 47 {
        return json!({"vcpus": flavor.vcpus, "ram": flavor.ram, "disk": flavor.disk, "ephemeral": 0, "swap": 0,
            "original_name": flavor.name, "extra_specs": {}});
    }
    let href = format!("{}/compute/flavors/{}", request.caller.origin, flavor.id);
    json!({"id": flavor.id, "links": [{"rel": "bookmark", "href": href}]})
}

/// By network name; nothing until it runs, nothing when it is broken.
pub(crate) fn addresses(world: &World, server: &Server) -> Value {
    let mut networks = Map::new();
    let shown = !matches!(server.status, Status::Build | Status::Error | Status::Deleted);
    for port in world.ports.iter().filter(|port| shown && port.device_id == server.id) {
        let network = world.settings.networks.iter().find(|network| network.id == port.network);
        let name = network.map_or_else(|| port.network.clone(), |network| network.name.clone());
        let floating = world.floating_ips.iter().filter(|ip| {
            ip.port.as_ref() == Some(&port.id) && world.now >= ip.since + world.settings.floating_ip_shown
        });
        let fixed = port.all_addresses().map(|address| ("fixed", address));
        let floating = floating.map(|ip| ("floating", std::net::IpAddr::from(ip.address)));
        let entries = fixed.chain(floating).map(|(kind, address)| {
            json!({"version": if address.is_ipv4() { 4 } else { 6 }, "addr": address, "OS-EXT-IPS:type": kind, "OS-EXT-IPS-MAC:mac_addr": port.mac})
        });
        if let Value::Array(list) = networks.entry(name).or_insert_with(|| json!([])) {
            list.extend(entries);
        }
    }
    Value::Object(networks)
}
