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
    let fixed = ip.port.as_ref().and_then(|port| world.port(port)).map(|port| port.address);
    let created = world.clock.zulu(ip.created);
    json!({
        "id": ip.id, "description": ip.description, "floating_network_id": ip.network,
        "floating_ip_address": ip.address, "fixed_ip_address": fixed, "port_id": ip.port, "router_id": null,
        "status": "DOWN", "tenant_id": ip.project, "project_id": ip.project, "tags": [],
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

/// The port a floating IP may lead to.
fn port(world: &World, request: &Request<'_>, asked: &Value, me: &str) -> Result<Option<String>, Reply> {
    let Some(id) = text(asked, "port_id") else { return Ok(None) };
    let Some(port) = world.port(id).filter(|port| port.project == request.caller.project) else {
        return Err(not_found("ports", id));
    };
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
    let network = text(asked, "floating_network_id").unwrap_or_default();
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
    let port = port(world, request, asked, "")?;
    let used = world.floating_ips.iter().filter(|ip| ip.project == request.caller.project).count();
    let limit = world.settings.quotas.floatingip;
    if limit >= 0 && i64::try_from(used).unwrap_or(i64::MAX) >= limit {
        return Err(over_quota("floatingip"));
    }
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
    own(world, request, id)?;
    let body = request.ask.json();
    let Some(asked) = body.get("floatingip") else {
        return Err(invalid("Unable to find 'floatingip' in request body"));
    };
    let port = port(world, request, asked, id)?;
    let now = world.now;
    if let Some(ip) = world.floating_ips.iter_mut().find(|ip| ip.id == id) {
        if asked.get("port_id").is_some() {
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
