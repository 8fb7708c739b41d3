//! Floating IPs. They outlive their server.

use serde_json::{Value, json};

use super::{Request, error, invalid, not_found, over_quota};
use crate::{
    page::{self, Page},
    wire::{Answer, Reply, put, text},
    world::{World, network::FloatingIp},
};

pub(crate) fn answer(world: &mut World, request: &Request<'_>, parts: &[&str]) -> Answer {
    match (request.ask.method.as_str(), parts) {
        ("GET", [_]) => list(world, request),
        ("POST", [_]) => create(world, request),
        ("GET", [_, id]) => {
            let ip = own(world, request, id)?;
            Ok(Reply::json(200, json!({"floatingip": request.cut(view(world, ip))})))
        }
        ("PUT", [_, id]) => update(world, request, id),
        ("DELETE", [_, id]) => {
            own(world, request, id)?;
            world.floating_ips.retain(|ip| ip.id != *id);
            Ok(Reply::empty(204))
        }
        _ => Reply::webob(404, "The resource could not be found.").err(),
    }
}

fn own<'w>(world: &'w World, request: &Request<'_>, id: &str) -> Result<&'w FloatingIp, Reply> {
    let found = world.floating_ips.iter().find(|ip| ip.id == id && ip.project == request.caller.project);
    found.ok_or_else(|| not_found("floatingips", id))
}

fn view(world: &World, ip: &FloatingIp) -> Value {
    let port = ip.port.as_ref().and_then(|port| world.port(port));
    let fixed = port.map(|port| port.address);
    let details = port.map(|port| {
        json!({"name": port.name, "network_id": port.network, "mac_address": port.mac, "admin_state_up": true,
            "status": port.status, "device_id": port.device_id, "device_owner": port.device_owner})
    });
    let created = world.clock.zulu(ip.created);
    json!({
        "id": ip.id, "description": ip.description, "floating_network_id": ip.network,
        "floating_ip_address": ip.address, "fixed_ip_address": fixed, "port_id": ip.port, "router_id": null,
        "status": "DOWN", "tenant_id": ip.project, "project_id": ip.project, "tags": [],
        "port_details": details,
        "created_at": created, "updated_at": created,
    })
}

fn list(world: &World, request: &Request<'_>) -> Answer {
    let mut found: Vec<&FloatingIp> = world
        .floating_ips
        .iter()
        .filter(|ip| ip.project == request.caller.project && request.takes(&view(world, ip)))
        .collect();
    found.sort_by(|one, other| one.id.cmp(&other.id));
    let url = format!("{}/network/v2.0/floatingips", request.caller.origin);
    let Some(Page { items, next }) =
        page::cut(found, request.ask, world.settings.page_size, &url, |ip| &ip.id)
    else {
        return Err(not_found("floatingips", request.ask.param("marker").unwrap_or_default()));
    };
    let shown: Vec<_> = items.into_iter().map(|ip| request.cut(view(world, ip))).collect();
    let mut body = json!({"floatingips": shown});
    if let Some(next) = next {
        put(&mut body, "floatingips_links", json!([{"rel": "next", "href": next}]));
    }
    Ok(Reply::json(200, body))
}

/// The port a floating IP of a network may lead to.
fn port(
    world: &World,
    request: &Request<'_>,
    asked: &Value,
    external: &str,
    me: &str,
) -> Result<Option<String>, Reply> {
    let Some(id) = text(asked, "port_id") else { return Ok(None) };
    let Some(port) = world.port(id).filter(|port| port.project == request.caller.project) else {
        return Err(not_found("ports", id));
    };
    let wanted = text(asked, "fixed_ip_address");
    if wanted.is_none() && !port.more.is_empty() {
        let message = format!(
            "Bad floatingip request: Port {id} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when \
             assigning a floating IP."
        );
        return Err(error(400, "BadRequest", &message));
    }
    if let Some(fixed) = wanted.filter(|fixed| port.addresses().all(|own| *fixed != own.to_string())) {
        let message = format!("Bad floatingip request: Port {id} does not have fixed ip {fixed}.");
        return Err(error(400, "BadRequest", &message));
    }
    let routes = world.settings.networks.iter().find(|known| known.id == port.network);
    let routes = routes.and_then(|network| network.routes.as_ref());
    if routes.is_some_and(|routes| !routes.iter().any(|known| known == external)) {
        let message = format!(
            "External network {external} is not reachable from subnet {}.  Therefore, cannot associate Port {id} with a \
             Floating IP.",
            port.subnet
        );
        return Err(error(404, "ExternalGatewayForFloatingIPNotFound", &message));
    }
    if let Some(other) = world.floating_ips.iter().find(|ip| ip.id != me && ip.port.as_deref() == Some(id)) {
        return Err(error(
            409,
            "FloatingIPPortAlreadyAssociated",
            &format!(
                "Cannot associate floating IP {} ({me}) with port {id} using fixed IP {}, as that fixed IP already \
                 has a floating IP on external network {}.",
                other.address, port.address, other.network
            ),
        ));
    }
    Ok(Some(id.into()))
}

fn create(world: &mut World, request: &Request<'_>) -> Answer {
    let body = request.ask.json();
    let Some(asked) = body.get("floatingip") else {
        return Err(invalid("Unable to find 'floatingip' in request body"));
    };
    if asked.get("tags").is_some() {
        return Err(invalid("Attribute 'tags' not allowed in POST"));
    }
    if text(asked, "description").is_some_and(|text| text.chars().count() > 255) {
        return Err(invalid("Invalid input for description. Reason: '...' exceeds maximum length of 255."));
    }
    let Some(network) = text(asked, "floating_network_id") else {
        return Err(invalid(
            "Failed to parse request. Required attribute 'floating_network_id' not specified",
        ));
    };
    // Before anything else.
    let used = world.floating_ips.iter().filter(|ip| ip.project == request.caller.project).count();
    let limit = world.settings.quotas.floatingip;
    if limit >= 0 && i64::try_from(used).unwrap_or(i64::MAX) >= limit {
        return Err(over_quota("floatingip"));
    }
    match world.settings.networks.iter().find(|known| known.id == network) {
        Some(known) if known.external => {}
        Some(_) => {
            return Err(error(
                400,
                "BadRequest",
                &format!("Bad floatingip request: Network {network} is not a valid external network."),
            ));
        }
        None => return Err(not_found("networks", network)),
    }
    let port = port(world, request, asked, network, "")?;
    let Some((_, address)) = world.free_address(network) else {
        return Err(error(
            409,
            "IpAddressGenerationFailure",
            &format!("No more IP addresses available on network {network}."),
        ));
    };
    let ip = FloatingIp {
        id: world.uuid(),
        project: request.caller.project.clone(),
        description: text(asked, "description").unwrap_or_default().into(),
        network: network.into(),
        address,
        port,
        since: world.now,
        created: world.now,
    };
    let body = json!({"floatingip": view(world, &ip)});
    world.floating_ips.push(ip);
    Ok(Reply::json(201, body))
}

fn update(world: &mut World, request: &Request<'_>, id: &str) -> Answer {
    let external = own(world, request, id)?.network.clone();
    let body = request.ask.json();
    let Some(asked) = body.get("floatingip") else {
        return Err(invalid("Unable to find 'floatingip' in request body"));
    };
    let port = port(world, request, asked, &external, id)?;
    let now = world.now;
    if let Some(ip) = world.floating_ips.iter_mut().find(|ip| ip.id == id) {
        // An empty request disassociates it, too.
        if asked.get("port_id").is_some() || asked.as_object().is_some_and(serde_json::Map::is_empty) {
            ip.port = port;
            ip.since = now;
        }
        if let Some(description) = text(asked, "description") {
            ip.description = description.into();
        }
    }
    let ip = own(world, request, id)?;
    Ok(Reply::json(200, json!({"floatingip": view(world, ip)})))
}
