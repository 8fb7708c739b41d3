//! Images that requests make: with an id of their own, data, tags, and an end.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ring::digest::{SHA512, digest};
use serde_json::{Map, Value, json};

use crate::{
    lab::Image,
    wire::{Answer, Ask, Reply, text},
    world::World,
};

/// An image that was made by a request.
#[derive(Clone, Debug, Default)]
pub struct MadeImage {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The project.
    pub owner: String,
    /// `queued`, `saving`, `active`, `deactivated`.
    pub status: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Everything else that was said of it.
    pub fields: Map<String, Value>,
    /// Its data.
    pub data: Vec<u8>,
    /// SHA-512 of that.
    pub hash: String,
    /// It cannot be deleted.
    pub protected: bool,
    /// Lists do not show it.
    pub hidden: bool,
    /// When it was made, as Glance writes it; empty is the first of January.
    pub created: String,
    /// Each answer with its data breaks off after so many bytes; 0 is never.
    pub breaks_after: usize,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Made {
    images: Vec<MadeImage>,
    /// The row of an image stays when it is deleted.
    spent: BTreeSet<String>,
}

impl Made {
    pub fn find(&self, id: &str) -> Option<&MadeImage> {
        self.images.iter().find(|image| image.id == id)
    }

    pub fn find_mut(&mut self, id: &str) -> Option<&mut MadeImage> {
        self.images.iter_mut().find(|image| image.id == id)
    }

    /// The row of it stays.
    pub fn remove(&mut self, id: &str) {
        self.images.retain(|image| image.id != id);
    }

    pub fn images(&self) -> &[MadeImage] {
        &self.images
    }
}

const GIVEN: [&str; 4] = ["id", "name", "tags", "owner"];

pub(super) fn create(world: &mut World, ask: &Ask) -> Answer {
    let Value::Object(body) = ask.json() else { return Reply::webob(400, "Body is not JSON").err() };
    let body = Value::Object(body);
    let tags: Vec<String> =
        crate::wire::items(&body, "tags").iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect();
    if tags.iter().any(|tag| tag.len() > 255) {
        return Reply::webob(400, "Invalid image tag").err();
    }
    let most = world.settings.quotas.image_count_total;
    let has = i64::try_from(world.made.images.len()).unwrap_or(i64::MAX);
    // Asked before the id is looked at.
    if most >= 0 && has >= most {
        let project = &world.settings.project_id;
        let message = format!(
            "The request returned a 413 Request Entity Too Large. This generally means that rate limiting or a quota threshold was \
             breached. Project {project} is over a limit for [Resource image_count_total is over limit of {most} due to current \
             usage {has} and delta 1]"
        );
        return Reply::webob(413, &message).err();
    }
    let id = text(&body, "id").map_or_else(|| world.uuid(), str::to_owned);
    if world.made.spent.contains(&id) || world.settings.images.iter().any(|known| known.id == id) {
        return Reply::webob(409, &format!("Image ID {id} already exists!")).err();
    }
    world.made.spent.insert(id.clone());
    let mut fields = body.as_object().cloned().unwrap_or_default();
    fields.retain(|key, _| !GIVEN.contains(&key.as_str()));
    let image = MadeImage {
        id,
        name: text(&body, "name").unwrap_or_default().to_owned(),
        owner: world.settings.project_id.clone(),
        status: "queued".into(),
        tags,
        fields,
        ..MadeImage::default()
    };
    let shown = view(&image);
    world.made.images.push(image);
    Ok(Reply::json(201, shown))
}

/// Data begins to come. Whether it does, is said when all has come.
pub(crate) fn begin(world: &mut World, id: &str) {
    if let Some(image) = world.made.find_mut(id).filter(|image| image.status == "queued") {
        image.status = "saving".into();
    }
}

/// The connection was cut before the end: no byte stays.
pub(crate) fn cut(world: &mut World, id: &str) {
    if let Some(image) = world.made.find_mut(id).filter(|image| image.status == "saving") {
        image.status = "queued".into();
    }
}

pub(super) fn data(world: &mut World, ask: &Ask, id: &str) -> Answer {
    let Some(image) = world.made.find_mut(id) else {
        return Reply::webob(404, &format!("No image found with ID {id}")).err();
    };
    if ask.header("content-type") != Some("application/octet-stream") {
        return Reply::webob(415, "Unsupported Media Type").err();
    }
    if !matches!(image.status.as_str(), "queued" | "saving") {
        let message = format!("Image status transition from {} to saving is not allowed", image.status);
        return Reply::webob(409, &message).err();
    }
    image.data = ask.body.to_vec();
    image.hash = sha512(&ask.body);
    image.status = "active".into();
    Ok(Reply::empty(204))
}

/// Its data, or the end of it. One that was deactivated is not given out.
pub(super) fn file(world: &World, ask: &Ask, id: &str) -> Answer {
    let Some(image) = world.made.find(id) else {
        return Reply::webob(404, &format!("No image found with ID {id}")).err();
    };
    match image.status.as_str() {
        "active" => {}
        "deactivated" => {
            return Reply::webob(
                403,
                "The requested image has been deactivated. Image data download is forbidden.",
            )
            .err();
        }
        _ => return Ok(Reply::empty(204)),
    }
    let all = image.data.len();
    let range =
        ask.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let from: usize = range.unwrap_or(0);
    let Some(rest) = image.data.get(from..) else {
        return Reply::webob(416, "Requested Range Not Satisfiable").err();
    };
    let most = if image.breaks_after == 0 { rest.len() } else { image.breaks_after.min(rest.len()) };
    let sent = rest.get(..most).unwrap_or_default().to_vec();
    // A body that breaks off was announced as a whole.
    let reply = Reply::bytes(if range.is_some() { 206 } else { 200 }, sent);
    let reply = reply.with("content-length", rest.len().to_string());
    Ok(if range.is_some() {
        reply.with("content-range", format!("bytes {from}-{}/{all}", all.saturating_sub(1)))
    } else {
        reply
    })
}

/// SHA-512, as Glance writes it.
fn sha512(data: &[u8]) -> String {
    digest(&SHA512, data).as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An image that a person made of data, without any mark.
pub(crate) fn golden(world: &mut World, name: &str, created: &str, data: Vec<u8>) -> String {
    let id = world.uuid();
    world.made.spent.insert(id.clone());
    let fields = json!({"disk_format": "qcow2", "container_format": "bare", "visibility": "private"});
    world.made.images.push(MadeImage {
        id: id.clone(),
        name: name.to_owned(),
        owner: world.settings.project_id.clone(),
        status: "active".into(),
        fields: fields.as_object().cloned().unwrap_or_default(),
        hash: sha512(&data),
        data,
        created: created.to_owned(),
        ..MadeImage::default()
    });
    id
}

pub(super) fn delete(world: &mut World, id: &str) -> Answer {
    let Some(image) = world.made.find(id) else {
        return Reply::webob(404, &format!("Failed to find image {id} to delete")).err();
    };
    if image.protected {
        return Reply::webob(403, &format!("Image {id} is protected and cannot be deleted.")).err();
    }
    world.made.images.retain(|image| image.id != id);
    Ok(Reply::empty(204))
}

/// The list of those with a tag: case and trailing blanks do not count.
pub(super) fn tagged(world: &World, ask: &Ask) -> Reply {
    let plain = |tag: &str| tag.trim_end().to_lowercase();
    let wanted: Vec<String> =
        ask.query.iter().filter(|(key, _)| key == "tag").map(|(_, tag)| plain(tag)).collect();
    let hidden = ask.param("os_hidden") == Some("true");
    let fits = |image: &&MadeImage| {
        image.hidden == hidden
            && ask.param("owner").is_none_or(|owner| owner == image.owner)
            && wanted.iter().all(|tag| image.tags.iter().any(|has| plain(has) == *tag))
    };
    let images: Vec<Value> = world.made.images.iter().filter(fits).map(view).collect();
    Reply::json(200, json!({"images": images, "first": "/v2/images", "schema": "/v2/schemas/images"}))
}

pub(super) fn view(image: &MadeImage) -> Value {
    let mut shown = Value::Object(image.fields.clone());
    let (active, hashed) =
        (matches!(image.status.as_str(), "active" | "deactivated"), !image.hash.is_empty());
    let created = if image.created.is_empty() { "2026-01-01T00:00:00Z" } else { &image.created };
    for (key, value) in [
        ("id", json!(image.id)),
        ("name", json!(image.name)),
        ("owner", json!(image.owner)),
        ("status", json!(image.status)),
        ("tags", json!(image.tags)),
        ("protected", json!(image.protected)),
        ("os_hidden", json!(image.hidden)),
        ("size", if active { json!(image.data.len()) } else { Value::Null }),
        ("os_hash_algo", if hashed { json!("sha512") } else { Value::Null }),
        ("os_hash_value", if hashed { json!(image.hash) } else { Value::Null }),
        ("created_at", json!(created)),
    ] {
        crate::wire::put(&mut shown, key, value);
    }
    shown
}

/// As an image of the lab.
pub(super) fn offered(image: &MadeImage) -> Image {
    let number = |key: &str| image.fields.get(key).and_then(Value::as_i64).unwrap_or(0);
    Image {
        id: image.id.clone(),
        name: image.name.clone(),
        status: image.status.clone(),
        visibility: "private".into(),
        os_distro: String::new(),
        os_version: String::new(),
        min_disk: number("min_disk"),
        min_ram: number("min_ram"),
        created_at: "2026-01-01T00:00:00Z".into(),
        owner: image.owner.clone(),
    }
}
