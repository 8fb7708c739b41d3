//! `POST /servers`: what is checked, in Nova's order, and what is reserved before the server exists.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Request, bad, error, fields, mapping, nics, quota, view};
use crate::{
    lab::Flavor,
    wire::{Answer, Reply, items, text},
    world::{
        Event, World, draw,
        server::{Server, Status},
    },
};

pub(crate) fn create(world: &mut World, request: &Request<'_>) -> Answer {
    let body = &request.ask.json();
    let Some(asked) = body.get("server").filter(|server| server.is_object()) else {
        return Err(bad("Invalid input for field/attribute server. 'server' is a required property"));
    };
    let name = text(asked, "name").ok_or_else(|| bad("'name' is a required property"))?.trim();
    known_properties(request, asked)?;
    let tags = fields::tags(asked)?;
    let metadata = match asked.get("metadata") {
        Some(given) => fields::metadata(given, world.settings.quotas.metadata_items)?,
        None => BTreeMap::new(),
    };
    fields::check_user_data(asked)?;
    let description = fields::description(asked)?;
    let config_drive = fields::config_drive(asked)?;
    let hostname = fields::hostname(asked, name)?;
    let flavor = flavor(world, asked)?;
    let image = text(asked, "imageRef").filter(|image| !image.is_empty());
    if let Some(image) = image
        && crate::glance::bootable(world, image).is_none()
    {
        return Err(bad("Can not find requested image"));
    }
    let key_name = text(asked, "key_name");
    if key_name.is_some_and(|key| !world.settings.key_pairs.iter().any(|known| known == key)) {
        return Err(bad("Invalid key_name provided."));
    }
    let zone = text(asked, "availability_zone");
    if zone.is_some_and(|zone| !world.settings.availability_zones.iter().any(|known| known == zone)) {
        return Err(bad("The requested availability zone is not available"));
    }
    let security_groups = security_groups(world, asked)?;
    let mapping = mapping::read(world, asked, image)?;
    if flavor.disk == 0 && !mapping.boots_from_volume {
        return Err(error(403, "Only volume-backed servers are allowed for flavors with zero disk."));
    }
    let hints = hints(world, body)?;
    let wanted = nics::read(world, request, asked)?;
    quota::check(world, &request.caller.project, &flavor)?;
    if world.is_busy() {
        return Err(error(503, "The server is currently unavailable. Please try again at a later time."));
    }

    let server_zone = zone.map(str::to_owned).or_else(|| world.settings.availability_zones.first().cloned());
    let id = world.uuid();
    if world.settings.same_zone {
        mapping::same_zone(world, &id, &mapping.entries, &server_zone.unwrap_or_default())?;
    }
    let volumes = mapping::reserve(world, &id, mapping.entries)?;
    let server = Server {
        id: id.clone(),
        project: request.caller.project.clone(),
        name: name.into(),
        hostname,
        status: Status::Build,
        task: Some("scheduling".into()),
        flavor,
        image: image.filter(|_| !mapping.boots_from_volume).map(str::to_owned),
        image_before: None,
        metadata,
        tags,
        key_name: key_name.map(str::to_owned),
        user_data: text(asked, "user_data").map(str::to_owned),
        zone: zone.map(str::to_owned),
        config_drive,
        description,
        hints,
        microversion: request.micro,
        security_groups: security_groups.clone(),
        fault: None,
        scheduled: false,
        ports: wanted.ports,
        networks: wanted.networks,
        volumes,
        deleting: false,
        doomed: false,
        fate: draw(&mut world.server_plans, name),
        actions: vec![("create".into(), None)],
        created: world.now,
        updated: world.now,
        boots: Vec::new(),
        rebuilds: 0,
        deleted: None,
    };
    match world.in_flight {
        std::time::Duration::ZERO => world.arrive(server),
        flight => world.after(flight, Event::Arrive(Box::new(server))),
    }
    let groups: Vec<_> = security_groups.iter().map(|name| json!({"name": name})).collect();
    let links = view::links(request, &id);
    let body = json!({"server": {"id": id, "links": links, "security_groups": groups,
        "OS-DCF:diskConfig": "MANUAL", "adminPass": "S3cretOfNobody"}});
    Ok(Reply::json(202, body)
        .with("location", format!("{}/compute/v2.1/servers/{id}", request.caller.origin)))
}

fn known_properties(request: &Request<'_>, asked: &Value) -> Result<(), Reply> {
    // Hints stand beside the server, not in it.
    let since = [("tags", 52), ("hostname", 90), ("description", 19), ("os:scheduler_hints", u32::MAX)];
    for (field, micro) in since {
        if asked.get(field).is_some() && request.micro < micro {
            return Err(bad(format!(
                "Invalid input for field/attribute server. Value: {asked}. Additional properties are not allowed \
                 ('{field}' was unexpected)"
            )));
        }
    }
    if request.micro >= 37 && asked.get("networks").is_none() {
        return Err(bad(format!(
            "Invalid input for field/attribute server. Value: {asked}. 'networks' is a required property"
        )));
    }
    Ok(())
}

/// Nova looks at a few of them; what it does not know it takes.
fn hints(world: &World, body: &Value) -> Result<Value, Reply> {
    let hints = body.get("os:scheduler_hints").cloned().unwrap_or_else(|| json!({}));
    let Some(group) = hints.get("group") else { return Ok(hints) };
    let group = group.as_str().unwrap_or_default();
    if group.len() != 36 || group.matches('-').count() != 4 {
        return Err(bad(format!(
            "Invalid input for field/attribute group. Value: {group}. '{group}' is not a 'uuid'"
        )));
    }
    if !world.settings.server_groups.iter().any(|known| known.id == group) {
        return Err(bad(format!("Instance group {group} could not be found.")));
    }
    Ok(hints)
}

fn flavor(world: &World, asked: &Value) -> Result<Flavor, Reply> {
    let id = asked.get("flavorRef").map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
    let id = id.ok_or_else(|| bad("'flavorRef' is a required property"))?;
    let found = world.settings.flavors.iter().find(|flavor| flavor.id == id);
    found.cloned().ok_or_else(|| bad(format!("Flavor {id} could not be found.")))
}

fn security_groups(world: &World, asked: &Value) -> Result<Vec<String>, Reply> {
    let mut names = Vec::new();
    for group in items(asked, "security_groups") {
        let name = text(group, "name").unwrap_or_default();
        match world.settings.security_groups.iter().find(|known| known.name == name || known.id == name) {
            Some(known) => names.push(known.name.clone()),
            None => return Err(bad(format!("Unable to find security_group with name or id '{name}'"))),
        }
    }
    if names.is_empty() {
        names.push("default".into());
    }
    Ok(names)
}
