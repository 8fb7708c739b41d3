//! Ports.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::{Request, error, invalid, not_found, over_quota};
use crate::{
    page::{self, Page},
    wire::{Answer, Reply, items, put, text},
    world::{World, network::Port},
};

pub(crate) fn answer(world: &mut World, request: &Request<'_>, parts: &[&str]) -> Answer {
    match (request.ask.method.as_str(), parts) {
        ("GET", [_]) => list(world, request),
        ("POST", [_]) => create(world, request),
        ("GET", [_, id]) => {
            let port = own(world, request, id)?;
            Ok(Reply::json(200, json!({"port": request.cut(view(world, port))})))
        }
        ("PUT", [_, id]) => update(world, request, id),
        ("DELETE", [_, id]) => {
            own(world, request, id)?;
            world.drop_port(id);
            Ok(Reply::empty(204))
        }
        _ => Reply::webob(404, "The resource could not be found.").err(),
    }
}

fn own<'w>(world: &'w World, request: &Request<'_>, id: &str) -> Result<&'w Port, Reply> {
    world.port(id).filter(|port| port.project == request.caller.project).ok_or_else(|| not_found("ports", id))
}

fn view(world: &World, port: &Port) -> Value {
    let created = world.clock.zulu(port.created);
    let fixed = |address: std::net::IpAddr| json!({"subnet_id": port.subnet, "ip_address": address});
    let fixed_ips: Vec<_> = port.all_addresses().map(fixed).collect();
    json!({
        "id": port.id, "name": port.name, "description": port.description, "tags": port.tags,
        "network_id": port.network, "tenant_id": port.project, "project_id": port.project,
        "mac_address": port.mac, "fixed_ips": fixed_ips,
        "device_id": port.device_id, "device_owner": port.device_owner, "status": port.status,
        "admin_state_up": true, "security_groups": port.security_groups, "port_security_enabled": port.port_security,
        "allowed_address_pairs": [], "binding:vnic_type": "normal", "created_at": created, "updated_at": created,
        "revision_number": 1,
    })
}

fn list(world: &World, request: &Request<'_>) -> Answer {
    let mut found: Vec<&Port> = world
        .ports
        .iter()
        .filter(|port| port.project == request.caller.project && request.takes(&view(world, port)))
        .collect();
    found.sort_by(|one, other| one.id.cmp(&other.id));
    let url = format!("{}/network/v2.0/ports", request.caller.origin);
    let Some(Page { items, next }) =
        page::cut(found, request.ask, world.settings.page_size, &url, |port| &port.id)
    else {
        return Err(not_found("ports", request.ask.param("marker").unwrap_or_default()));
    };
    let shown: Vec<_> = items.into_iter().map(|port| request.cut(view(world, port))).collect();
    let mut body = json!({"ports": shown});
    if let Some(next) = next {
        put(&mut body, "ports_links", json!([{"rel": "next", "href": next}]));
    }
    Ok(Reply::json(200, body))
}

fn create(world: &mut World, request: &Request<'_>) -> Answer {
    let body = request.ask.json();
    let Some(asked) = body.get("port") else { return Err(invalid("Unable to find 'port' in request body")) };
    let network = text(asked, "network_id").unwrap_or_default();
    let Some(known) = world.settings.networks.iter().find(|known| known.id == network) else {
        return Err(not_found("networks", network));
    };
    let port_security = asked.get("port_security_enabled").and_then(Value::as_bool);
    if known.shared {
        refuse_choices(asked, port_security)?;
    }
    let wanted = items(asked, "fixed_ips").iter().filter_map(|fixed| text(fixed, "ip_address"));
    let wanted = wanted.map(|address| {
        address.parse().map_err(|_| invalid(&format!("'{address}' is not a valid IP address")))
    });
    let wanted: Vec<Ipv4Addr> = wanted.collect::<Result<_, _>>()?;
    if let Some(address) = wanted.iter().find(|address| world.taken(network, **address)) {
        return Err(error(
            409,
            "IpAddressAlreadyAllocated",
            &format!(
                "IP address {address} already allocated in subnet {}",
                known.subnets.first().map_or("", |one| &one.id)
            ),
        ));
    }
    let groups = match asked.get("security_groups") {
        Some(_) => Some(security_groups(world, asked)?),
        None => None,
    };
    if port_security == Some(false) && groups.as_ref().is_some_and(|groups| !groups.is_empty()) {
        return Err(error(
            400,
            "PortSecurityAndIPRequiredForSecurityGroups",
            "Port security must be enabled and port must have an IP address in order to use security groups.",
        ));
    }
    let used = world.ports.iter().filter(|port| port.project == request.caller.project).count();
    let limit = world.settings.quotas.port;
    if limit >= 0 && i64::try_from(used).unwrap_or(i64::MAX) >= limit {
        return Err(over_quota("port"));
    }
    let Some(mut port) = world.make_port(&request.caller.project, network, wanted.first().copied()) else {
        return Err(error(
            409,
            "IpAddressGenerationFailure",
            &format!("No more IP addresses available on network {network}."),
        ));
    };
    port.name = text(asked, "name").unwrap_or_default().into();
    port.description = text(asked, "description").unwrap_or_default().into();
    port.tags = items(asked, "tags").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    port.more = wanted.into_iter().skip(1).collect();
    port.port_security = port_security.unwrap_or(true);
    if !port.port_security {
        port.security_groups.clear();
    }
    if let Some(groups) = groups {
        port.security_groups = groups;
    }
    let body = json!({"port": view(world, &port)});
    world.ports.push(port);
    Ok(Reply::json(201, body))
}

/// What Neutron's default policy keeps for the project that a network belongs to.
fn refuse_choices(asked: &Value, port_security: Option<bool>) -> Result<(), Reply> {
    let chosen = items(asked, "fixed_ips").iter().any(|fixed| text(fixed, "ip_address").is_some());
    let rule = match (chosen, port_security) {
        (true, _) => {
            "(rule:create_port and (rule:create_port:fixed_ips and (rule:create_port:fixed_ips:ip_address)))"
        }
        (false, Some(false)) => "(rule:create_port and rule:create_port:port_security_enabled)",
        (false, _) => return Ok(()),
    };
    Err(error(403, "PolicyNotAuthorized", &format!("{rule} is disallowed by policy")))
}

fn security_groups(world: &World, asked: &Value) -> Result<Vec<String>, Reply> {
    let mut ids = Vec::new();
    for id in items(asked, "security_groups").iter().filter_map(Value::as_str) {
        if !world.settings.security_groups.iter().any(|known| known.id == id) {
            return Err(not_found("security-groups", id));
        }
        ids.push(id.to_owned());
    }
    Ok(ids)
}

fn update(world: &mut World, request: &Request<'_>, id: &str) -> Answer {
    own(world, request, id)?;
    let body = request.ask.json();
    let Some(asked) = body.get("port") else { return Err(invalid("Unable to find 'port' in request body")) };
    let groups = match asked.get("security_groups") {
        Some(_) => Some(security_groups(world, asked)?),
        None => None,
    };
    if let Some(port) = world.port_mut(id) {
        for (field, to) in [
            ("name", &mut port.name),
            ("description", &mut port.description),
            ("device_id", &mut port.device_id),
            ("device_owner", &mut port.device_owner),
        ] {
            if let Some(given) = text(asked, field) {
                *to = given.into();
            }
        }
        if let Some(groups) = groups {
            port.security_groups = groups;
        }
    }
    let port = own(world, request, id)?;
    Ok(Reply::json(200, json!({"port": view(world, port)})))
}
