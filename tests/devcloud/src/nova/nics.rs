//! The `networks` of a create: ports made first, and networks in which Nova makes a port.

use serde_json::Value;

use super::{Request, bad, error};
use crate::{
    wire::{Reply, text},
    world::{World, server::WantedPort},
};

/// What `networks` asks for.
pub(crate) struct Wanted {
    pub ports: Vec<String>,
    pub networks: Vec<WantedPort>,
}

pub(crate) fn read(world: &World, request: &Request<'_>, asked: &Value) -> Result<Wanted, Reply> {
    let mut wanted = Wanted { ports: Vec::new(), networks: Vec::new() };
    let own = || {
        let usable = world.settings.networks.iter().filter(|network| !network.external);
        usable.map(|network| WantedPort { network: network.id.clone(), fixed_ip: None })
    };
    match asked.get("networks") {
        None => wanted.networks.extend(own()),
        Some(Value::String(which)) if request.micro >= 37 && which == "none" => {}
        Some(Value::String(which)) if request.micro >= 37 && which == "auto" => {
            wanted.networks.extend(own().take(1));
        }
        Some(Value::Array(list)) => {
            for network in list {
                one(world, &request.caller.project, network, &mut wanted)?;
            }
        }
        Some(other) => {
            return Err(bad(format!("Invalid input for field/attribute networks. Value: {other}.")));
        }
    }
    let (limit, more) =
        (world.settings.quotas.port, i64::try_from(wanted.networks.len()).unwrap_or(i64::MAX));
    let used = world.ports.iter().filter(|port| port.project == request.caller.project).count();
    if more > 0 && limit >= 0 && i64::try_from(used).unwrap_or(i64::MAX).saturating_add(more) > limit {
        let defined = i64::try_from(used).unwrap_or(i64::MAX).saturating_add(more);
        return Err(error(
            403,
            &format!("The number of defined ports: {defined} is over the limit: {limit}"),
        ));
    }
    Ok(wanted)
}

fn one(world: &World, project: &str, asked: &Value, wanted: &mut Wanted) -> Result<(), Reply> {
    if let Some(id) = text(asked, "port") {
        let Some(port) = world.port(id).filter(|port| port.project == project) else {
            return Err(bad(format!("Port id {id} could not be found.")));
        };
        if !port.device_id.is_empty() {
            return Err(error(409, &format!("Port {id} is still in use.")));
        }
        wanted.ports.push(id.into());
        return Ok(());
    }
    let id = text(asked, "uuid").unwrap_or_default();
    if !world.settings.networks.iter().any(|network| network.id == id) {
        return Err(bad(format!("Network {id} could not be found.")));
    }
    let fixed_ip = match text(asked, "fixed_ip") {
        Some(address) => {
            Some(address.parse().map_err(|_| bad(format!("Invalid fixed IP address ({address})")))?)
        }
        None => None,
    };
    if let Some(address) = fixed_ip.filter(|address| world.taken(id, *address)) {
        return Err(bad(format!("Fixed IP address {address} is already in use on instance or port.")));
    }
    wanted.networks.push(WantedPort { network: id.into(), fixed_ip });
    Ok(())
}
