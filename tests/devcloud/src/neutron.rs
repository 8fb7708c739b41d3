//! Network: the door, its way to refuse, networks, subnets, security groups and quotas.

mod floating;
mod ports;

use serde_json::{Value, json};

use crate::{
    keystone::{self, Caller},
    log::Service,
    wire::{Answer, Ask, Reply},
    world::World,
};

/// What a handler knows about a request.
pub(crate) struct Request<'a> {
    ask: &'a Ask,
    caller: Caller,
}

impl Request<'_> {
    /// Whether an object fits the exact filters of the query: of a field that is given several times one must fit.
    fn takes(&self, body: &Value) -> bool {
        let Some(fields) = body.as_object() else { return false };
        fields.iter().all(|(field, value)| {
            let mut wanted =
                self.ask.query.iter().filter(|(key, _)| key == field).map(|(_, wanted)| wanted).peekable();
            wanted.peek().is_none() || wanted.any(|wanted| same(value, wanted))
        })
    }

    /// Leaves only the `fields` that were asked for.
    fn cut(&self, mut body: Value) -> Value {
        let wanted: Vec<_> = self
            .ask
            .query
            .iter()
            .filter(|(key, _)| key == "fields")
            .map(|(_, value)| value.as_str())
            .collect();
        if let Some(fields) = body.as_object_mut().filter(|_| !wanted.is_empty()) {
            fields.retain(|field, _| wanted.contains(&field.as_str()));
        }
        body
    }
}

fn same(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Bool(flag) => wanted.eq_ignore_ascii_case(&flag.to_string()),
        Value::Null => wanted.is_empty(),
        Value::Number(number) => number.to_string() == wanted,
        Value::Array(list) => list.iter().any(|item| same(item, wanted)),
        Value::Object(_) => true,
    }
}

/// Neutron's way to refuse.
pub(crate) fn error(status: u16, kind: &str, message: &str) -> Reply {
    Reply::json(status, json!({"NeutronError": {"type": kind, "message": message, "detail": ""}}))
}

/// What Neutron says of an object that is not there.
pub(crate) fn not_found(collection: &str, id: &str) -> Reply {
    match collection {
        "floatingips" => error(404, "FloatingIPNotFound", &format!("Floating IP {id} could not be found.")),
        "networks" => error(404, "NetworkNotFound", &format!("Network {id} could not be found.")),
        "subnets" => error(404, "SubnetNotFound", &format!("Subnet {id} could not be found.")),
        "security-groups" => {
            error(404, "SecurityGroupNotFound", &format!("Security group {id} does not exist"))
        }
        _ => error(404, "PortNotFound", &format!("Port {id} could not be found.")),
    }
}

fn over_quota(what: &str) -> Reply {
    error(409, "OverQuota", &format!("Quota exceeded for resources: ['{what}']."))
}

fn invalid(message: &str) -> Reply {
    error(400, "HTTPBadRequest", message)
}

pub(crate) fn answer(world: &mut World, ask: &Ask, path: &str) -> Answer {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        let href = format!("{}/network/v2.0/", ask.origin());
        let version = json!({"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": href}]});
        return Ok(Reply::json(200, json!({"versions": [version]})));
    }
    let caller = keystone::caller(world, ask, Service::Neutron)?;
    let ["v2.0", rest @ ..] = parts.as_slice() else {
        return Reply::webob(404, "The resource could not be found.").err();
    };
    let request = Request { ask, caller };
    match (ask.method.as_str(), rest) {
        (_, ["ports", ..]) => ports::answer(world, &request, rest),
        (_, ["floatingips", ..]) => floating::answer(world, &request, rest),
        ("GET", ["networks"]) => Ok(list(&request, "networks", networks(world, &request))),
        ("GET", ["subnets"]) => Ok(list(&request, "subnets", subnets(world, &request))),
        ("GET", ["security-groups"]) => Ok(list(&request, "security_groups", groups(world, &request))),
        ("GET", ["extensions"]) => Ok(Reply::json(
            200,
            json!({"extensions": [
            {"alias": "router"}, {"alias": "security-group"}, {"alias": "quotas"}, {"alias": "standard-attr-tag"}]}),
        )),
        ("GET", [collection @ ("networks" | "subnets" | "security-groups"), id]) => {
            let (key, all) = match *collection {
                "networks" => ("network", networks(world, &request)),
                "subnets" => ("subnet", subnets(world, &request)),
                _ => ("security_group", groups(world, &request)),
            };
            let found = all.into_iter().find(|one| one.get("id").and_then(Value::as_str) == Some(id));
            found.map(|one| Reply::json(200, json!({key: one}))).ok_or_else(|| not_found(collection, id))
        }
        ("GET", ["quotas", project, "details.json" | "details"]) => {
            let used = |what: usize| i64::try_from(what).unwrap_or(i64::MAX);
            let taken = used(world.ports.iter().filter(|port| port.project == *project).count());
            let ips = used(world.floating_ips.iter().filter(|ip| ip.project == *project).count());
            let quotas = &world.settings.quotas;
            let show = |used: i64, limit: i64| json!({"limit": limit, "used": used, "reserved": 0});
            Ok(Reply::json(
                200,
                json!({"quota": {
                "port": show(taken, quotas.port), "floatingip": show(ips, quotas.floatingip),
                "network": show(1, 10), "subnet": show(1, 10), "security_group": show(2, 10)}}),
            ))
        }
        ("GET", ["quotas", _] | ["quotas", _, "default"]) => {
            let quotas = &world.settings.quotas;
            Ok(Reply::json(200, json!({"quota": {"port": quotas.port, "floatingip": quotas.floatingip}})))
        }
        _ => Reply::webob(404, "The resource could not be found.").err(),
    }
}

fn list(request: &Request<'_>, key: &str, all: Vec<Value>) -> Reply {
    let found: Vec<_> =
        all.into_iter().filter(|one| request.takes(one)).map(|one| request.cut(one)).collect();
    Reply::json(200, json!({key: found}))
}

fn networks(world: &World, request: &Request<'_>) -> Vec<Value> {
    let all = world.settings.networks.iter();
    all.map(|network| {
        let subnets: Vec<_> = network.subnets.iter().map(|subnet| &subnet.id).collect();
        let owner = if network.shared { "5e7e0f4ad1c84d5f8d2b1c0e9a8b7c6d" } else { request.caller.project.as_str() };
        json!({"id": network.id, "name": network.name, "description": "", "router:external": network.external,
            "shared": network.shared, "is_default": network.is_default, "admin_state_up": true, "status": "ACTIVE", "subnets": subnets, "mtu": 1500,
            "tenant_id": owner, "project_id": owner, "availability_zones": [], "port_security_enabled": true,
            "tags": []})
    })
    .collect()
}

fn subnets(world: &World, request: &Request<'_>) -> Vec<Value> {
    let all = world
        .settings
        .networks
        .iter()
        .flat_map(|network| network.subnets.iter().map(move |one| (network, one)));
    all.map(|(network, subnet)| {
        json!({"id": subnet.id, "name": subnet.name, "network_id": network.id, "cidr": subnet.cidr, "ip_version": 4,
            "gateway_ip": subnet.gateway, "enable_dhcp": true,
            "allocation_pools": [{"start": subnet.first, "end": subnet.last}], "dns_nameservers": [],
            "tenant_id": request.caller.project, "project_id": request.caller.project})
    })
    .collect()
}

fn groups(world: &World, request: &Request<'_>) -> Vec<Value> {
    let all = world.settings.security_groups.iter();
    all.map(|group| {
        json!({"id": group.id, "name": group.name, "description": "", "security_group_rules": [], "stateful": true,
            "tenant_id": request.caller.project, "project_id": request.caller.project, "tags": []})
    })
    .collect()
}
