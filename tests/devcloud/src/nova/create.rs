//! `POST /servers`: what is checked, in Nova's order, and what is reserved before the server exists.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Request, bad, error, mapping, nics, view};
use crate::{
    lab::Flavor,
    wire::{Answer, Reply, items, text},
    world::{
        Event, World, draw,
        server::{Server, Status},
    },
};

pub(crate) fn create(world: &mut World, request: &Request<'_>) -> Answer {
    let body = request.ask.json();
    let Some(asked) = body.get("server").filter(|server| server.is_object()) else {
        return Err(bad("Invalid input for field/attribute server. 'server' is a required property"));
    };
    let name = text(asked, "name").ok_or_else(|| bad("'name' is a required property"))?.trim();
    known_properties(request, asked)?;
    let tags = tags(asked)?;
    let metadata = match asked.get("metadata") {
        Some(given) => metadata(given, world.settings.quotas.metadata_items)?,
        None => BTreeMap::new(),
    };
    check_user_data(asked)?;
    let hostname = hostname(asked, name)?;
    let flavor = flavor(world, asked)?;
    let image = text(asked, "imageRef").filter(|image| !image.is_empty());
    if let Some(image) = image
        && !world.settings.images.iter().any(|known| known.id == image)
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
    let wanted = nics::read(world, request, asked)?;
    check_quota(world, &request.caller.project, &flavor)?;

    let id = world.uuid();
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
        metadata,
        tags,
        key_name: key_name.map(str::to_owned),
        user_data: text(asked, "user_data").map(str::to_owned),
        zone: zone.map(str::to_owned),
        config_drive: matches!(asked.get("config_drive"), Some(Value::Bool(true))),
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

fn known_properties(request: &Request<'_>, asked: &Value) -> Result<(), Box<Reply>> {
    let since = [("tags", 52), ("hostname", 90)];
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

fn tags(asked: &Value) -> Result<Vec<String>, Box<Reply>> {
    let mut tags = Vec::new();
    for tag in items(asked, "tags") {
        match tag.as_str() {
            Some(tag) if !tag.is_empty() && tag.chars().count() <= 60 && !tag.contains(['/', ',']) => {
                tags.push(tag.to_owned());
            }
            Some(_) | None => {
                return Err(bad(format!("Invalid input for field/attribute tags. Value: {tag}.")));
            }
        }
    }
    if tags.len() > 50 {
        Err(bad("Invalid input for field/attribute tags. Value is too long"))
    } else {
        Ok(tags)
    }
}

/// Metadata as Nova takes it: no `/` in a key, strings of at most 255 characters.
pub(crate) fn metadata(given: &Value, limit: i64) -> Result<BTreeMap<String, String>, Box<Reply>> {
    let Some(given) = given.as_object() else {
        return Err(bad(format!(
            "Invalid input for field/attribute metadata. Value: {given}. is not of type 'object'"
        )));
    };
    let fits = |key: &str| {
        (1..=255).contains(&key.len())
            && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.' | ' '))
    };
    let mut metadata = BTreeMap::new();
    for (key, value) in given {
        if !fits(key) {
            return Err(bad(format!(
                "Invalid input for field/attribute metadata. Value: {}. '{key}' does not match any of the regexes: \
                 '^[a-zA-Z0-9-_:. ]{{1,255}}$'",
                Value::Object(given.clone())
            )));
        }
        match value.as_str().filter(|value| value.chars().count() <= 255) {
            Some(value) => metadata.insert(key.clone(), value.into()),
            None => {
                return Err(bad(format!("Invalid input for field/attribute {key}. Value: {value}.")));
            }
        };
    }
    if limit >= 0 && i64::try_from(metadata.len()).unwrap_or(i64::MAX) > limit {
        return Err(error(403, &format!("Maximum number of metadata items exceeds {limit}")));
    }
    Ok(metadata)
}

fn check_user_data(asked: &Value) -> Result<(), Box<Reply>> {
    let Some(user_data) = text(asked, "user_data") else { return Ok(()) };
    if user_data.len() > 65_535 {
        return Err(bad(format!(
            "Invalid input for field/attribute user_data. Value: {user_data}. '{user_data}' is too long"
        )));
    }
    match STANDARD.decode(user_data.replace(['\n', '\r'], "")) {
        Ok(_) => Ok(()),
        Err(_) => Err(bad(format!(
            "Invalid input for field/attribute user_data. Value: {user_data}. '{user_data}' is not a 'base64'"
        ))),
    }
}

fn hostname(asked: &Value, name: &str) -> Result<String, Box<Reply>> {
    if let Some(hostname) = text(asked, "hostname") {
        let inner = hostname.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let edges = !hostname.starts_with('-') && !hostname.ends_with('-');
        if !inner || !edges || !(2..=63).contains(&hostname.len()) {
            return Err(bad(format!(
                "Invalid input for field/attribute hostname. Value: {hostname}. '{hostname}' does not match \
                 '^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$'"
            )));
        }
        return Ok(hostname.into());
    }
    let kept = name.replace([' ', '_', '.'], "-").to_lowercase();
    let kept: String = kept.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    Ok(kept.trim_matches('-').into())
}

fn flavor(world: &World, asked: &Value) -> Result<Flavor, Box<Reply>> {
    let id = asked.get("flavorRef").map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
    let id = id.ok_or_else(|| bad("'flavorRef' is a required property"))?;
    let found = world.settings.flavors.iter().find(|flavor| flavor.id == id);
    found.cloned().ok_or_else(|| bad(format!("Flavor {id} could not be found.")))
}

fn security_groups(world: &World, asked: &Value) -> Result<Vec<String>, Box<Reply>> {
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

fn check_quota(world: &World, project: &str, flavor: &Flavor) -> Result<(), Box<Reply>> {
    let used = usage(world, project);
    let quotas = &world.settings.quotas;
    let all = [
        ("cores", flavor.vcpus, used.cores, quotas.cores),
        ("instances", 1, used.instances, quotas.instances),
        ("ram", flavor.ram, used.ram, quotas.ram),
    ];
    let over: Vec<_> =
        all.iter().filter(|(_, asked, used, limit)| *limit >= 0 && asked + used > *limit).collect();
    if over.is_empty() {
        return Ok(());
    }
    let join = |pick: &dyn Fn(&(&str, i64, i64, i64)) -> String| {
        over.iter().map(|one| pick(one)).collect::<Vec<_>>().join(", ")
    };
    let names = join(&|one| one.0.into());
    Err(error(
        403,
        &format!(
            "Quota exceeded for {names}: Requested {}, but already used {} of {} {names}",
            join(&|one| one.1.to_string()),
            join(&|one| one.2.to_string()),
            join(&|one| one.3.to_string())
        ),
    ))
}

/// What a project's servers use: those in ERROR count.
pub(crate) struct Usage {
    pub instances: i64,
    pub cores: i64,
    pub ram: i64,
}

pub(crate) fn usage(world: &World, project: &str) -> Usage {
    world.living(project).fold(Usage { instances: 0, cores: 0, ram: 0 }, |sum, server| Usage {
        instances: sum.instances + 1,
        cores: sum.cores + server.flavor.vcpus,
        ram: sum.ram + server.flavor.ram,
    })
}
