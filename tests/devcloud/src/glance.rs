//! Images.

use serde_json::{Value, json};

use crate::{
    keystone,
    lab::Image,
    log::Service,
    page::{self, Page},
    wire::{Answer, Ask, Reply, put},
    world::World,
};

mod make;

pub use make::MadeImage;
pub(crate) use make::{Made, begin, cut, golden};

/// An image that a server can be made from.
pub(crate) fn bootable(world: &World, id: &str) -> Option<Image> {
    let known = world.settings.images.iter().find(|known| known.id == id).cloned();
    known.or_else(|| world.made.find(id).filter(|image| image.status == "active").map(make::offered))
}

pub(crate) fn answer(world: &mut World, ask: &Ask, path: &str) -> Answer {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() || parts == ["versions"] {
        let href = format!("{}/image/v2/", ask.origin());
        let version = json!({"id": "v2.15", "status": "CURRENT", "links": [{"rel": "self", "href": href}]});
        return Ok(Reply::json(if parts.is_empty() { 300 } else { 200 }, json!({"versions": [version]})));
    }
    keystone::caller(world, ask, Service::Glance)?;
    match (ask.method.as_str(), parts.as_slice()) {
        ("GET", ["v2", "images"]) => list(world, ask),
        ("POST", ["v2", "images"]) => make::create(world, ask),
        ("PUT", ["v2", "images", id, "file"]) => make::data(world, ask, id),
        ("GET", ["v2", "images", id, "file"]) => make::file(world, ask, id),
        ("DELETE", ["v2", "images", id]) => make::delete(world, id),
        ("GET", ["v2", "images", id]) if world.made.find(id).is_some() => {
            let found = world.made.find(id).map(make::view).unwrap_or_default();
            Ok(Reply::json(200, found))
        }
        ("GET", ["v2", "images", id]) => match world.settings.images.iter().find(|image| image.id == *id) {
            Some(image) => Ok(Reply::json(200, view(world, image))),
            None => Reply::webob(404, &format!("No image found with ID {id}")).err(),
        },
        _ => Reply::webob(404, "The resource could not be found.").err(),
    }
}

fn list(world: &World, ask: &Ask) -> Answer {
    if ask.param("tag").is_some() {
        return Ok(make::tagged(world, ask));
    }
    let is = |name: &str, value: &str| ask.param(name).is_none_or(|wanted| wanted == value);
    let found: Vec<&Image> = world
        .settings
        .images
        .iter()
        .rev()
        .filter(|image| {
            // Glance lists community images to who asks for them only.
            (image.visibility != "community" || ask.param("visibility").is_some())
                && is("name", &image.name)
                && is("status", &image.status)
                && is("owner", owner(world, image))
                && (is("visibility", &image.visibility) || is("visibility", "all"))
                && is("id", &image.id)
                && is("os_distro", &image.os_distro)
                && is("os_version", &image.os_version)
        })
        .collect();
    // The links of Glance are paths without the origin.
    let Some(Page { items, next }) =
        page::cut(found, ask, world.settings.page_size, "/v2/images", |image| &image.id)
    else {
        return Reply::webob(400, "Invalid marker.").err();
    };
    let mut images: Vec<_> = items.into_iter().map(|image| view(world, image)).collect();
    if next.is_none() {
        let is = |name: &str, value: &str| ask.param(name).is_none_or(|wanted| wanted == value);
        let seen = is("visibility", "private") || is("visibility", "all");
        let fits = |image: &&MadeImage| {
            seen && !image.hidden && is("status", &image.status) && is("owner", &image.owner)
        };
        images.extend(world.made.images().iter().filter(fits).map(make::view));
    }
    let mut body = json!({"images": images, "first": "/v2/images", "schema": "/v2/schemas/images"});
    if let Some(next) = next {
        put(&mut body, "next", json!(next));
    }
    Ok(Reply::json(200, body))
}

fn owner<'a>(world: &'a World, image: &'a Image) -> &'a str {
    if image.owner.is_empty() { &world.settings.project_id } else { &image.owner }
}

fn view(world: &World, image: &Image) -> Value {
    json!({
        "id": image.id, "name": image.name, "status": image.status, "visibility": image.visibility,
        "os_distro": image.os_distro, "os_version": image.os_version, "os_hidden": false,
        "min_disk": image.min_disk, "min_ram": image.min_ram, "created_at": image.created_at,
        "updated_at": image.created_at, "size": 700_000_000, "virtual_size": null, "disk_format": "qcow2",
        "container_format": "bare", "checksum": "d41d8cd98f00b204e9800998ecf8427e", "protected": false, "tags": [],
        "owner": owner(world, image), "self": format!("/v2/images/{}", image.id),
        "file": format!("/v2/images/{}/file", image.id), "schema": "/v2/schemas/image",
    })
}
