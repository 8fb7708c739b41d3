//! Glance: the images there are.

use std::collections::BTreeMap;
use std::fmt;

use http::{HeaderMap, HeaderValue, Response, header};
use jiff::Timestamp;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::page::Page;
use super::request::Request;
use super::wire::{items, number, parse_instant, text, word};
use super::{Error, ImageId, Service, Session};
use crate::saying::Saying;
use crate::transport::Pieces;

mod ours;
#[cfg(test)]
mod tests;

pub use ours::NewImage;

/// Glance gives 25 at a time unless asked, and no more than this.
const PAGE: &str = "1000";
/// The most properties of an image that are kept. Glance allows 128.
const MOST_PROPERTIES: usize = 256;

/// Calls on Glance.
#[derive(Clone, Debug)]
pub struct Images(pub(super) Session);

/// An image that a server can boot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Image {
    /// Its id.
    pub id: ImageId,
    /// Its name, which need not be unique.
    pub name: String,
    /// Glance's word: `active`.
    pub status: String,
    /// When Glance says it was made.
    pub created: Option<Timestamp>,
    /// The smallest root disk it fits on.
    pub min_disk_gib: u32,
    /// The size of its file in bytes; 0 if Glance does not say.
    pub size: u64,
    /// The least memory it boots with.
    pub min_ram_mib: u32,
    /// Everything else about it that is text: `os_distro`, `architecture`, …
    pub properties: BTreeMap<String, String>,
    /// `public`, `private`, `shared` or `community`.
    pub visibility: String,
    /// The project that it belongs to; may be empty.
    pub owner: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// The algorithm of its `hash`; empty as long as it has none.
    pub hash_algo: String,
    /// The digest that Glance computed of what it was sent.
    pub hash: String,
}

impl Images {
    /// One image, whether or not a list shows it: a community image, or a hidden one.
    ///
    /// # Errors
    /// As Glance answers; 404 is [`Error::is_not_found`].
    pub async fn image(&self, id: &ImageId) -> Result<Image, Error> {
        let request = Request::get("look at image", Service::Image, &["images", &id.0]);
        Ok(self.0.json::<WireImage>(request).await?.0)
    }

    /// All active images that Glance lists by itself: public ones, the project's own, and those it was given.
    ///
    /// # Errors
    /// If any page could not be had.
    pub async fn images(&self) -> Result<Vec<Image>, Error> {
        self.listed(Request::get("list images", Service::Image, &["images"])).await
    }

    /// All active images that somebody shows to whoever asks for such.
    ///
    /// # Errors
    /// If any page could not be had.
    pub async fn community_images(&self) -> Result<Vec<Image>, Error> {
        let request = Request::get("list community images", Service::Image, &["images"]);
        self.listed(request.query("visibility", "community")).await
    }

    /// All images that a project owns, whatever their status, but for hidden ones.
    ///
    /// # Errors
    /// If any page could not be had.
    pub async fn owned(&self, project: &str) -> Result<Vec<Image>, Error> {
        let request = Request::get("list own images", Service::Image, &["images"]);
        let request = request.query("limit", PAGE).query("owner", project).query("visibility", "all");
        let images = self.0.pages::<ImagePage>(request).await?;
        Ok(images.into_iter().map(|image| image.0).collect())
    }

    /// The data of an image, from a byte on, as it comes.
    ///
    /// # Errors
    /// As Glance answers.
    pub async fn data(&self, id: &ImageId, from: u64) -> Result<Response<Pieces>, Error> {
        let request = Request::get("read image", Service::Image, &["images", &id.0, "file"]);
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        let range = HeaderValue::try_from(format!("bytes={from}-")).ok().filter(|_| from > 0);
        headers.extend(range.map(|range| (header::RANGE, range)));
        self.0.open(&request, &headers).await
    }

    async fn listed(&self, request: Request) -> Result<Vec<Image>, Error> {
        let request = request.query("limit", PAGE).query("status", "active");
        let images = self.0.pages::<ImagePage>(request).await?;
        Ok(images.into_iter().map(|image| image.0).filter(|image| image.status == "active").collect())
    }
}

#[derive(Deserialize)]
struct ImagePage {
    #[serde(deserialize_with = "items")]
    images: Vec<WireImage>,
    #[serde(default, deserialize_with = "word")]
    next: String,
}

struct WireImage(Image);

/// Whatever key is not known is a property, and the ones that are text are kept.
impl<'de> Deserialize<'de> for WireImage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ImageVisitor).map(Self)
    }
}

struct ImageVisitor;

impl<'de> Visitor<'de> for ImageVisitor {
    type Value = Image;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an image")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Image, A::Error> {
        let (mut id, mut image) = (None, Image::default());
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "id" => id = Some(map.next_value::<ImageId>()?),
                "name" => image.name = map.next_value::<Word>()?.0,
                "status" => image.status = map.next_value::<Word>()?.0,
                "visibility" => image.visibility = map.next_value::<Word>()?.0,
                "owner" => image.owner = map.next_value::<Word>()?.0,
                "created_at" => image.created = parse_instant(&map.next_value::<Word>()?.0),
                "min_disk" => image.min_disk_gib = map.next_value::<Number>()?.0,
                "size" => image.size = map.next_value::<Size>()?.0,
                "min_ram" => image.min_ram_mib = map.next_value::<Number>()?.0,
                "tags" => image.tags = map.next_value::<Tags>()?.0,
                "os_hash_algo" => image.hash_algo = map.next_value::<Word>()?.0,
                "os_hash_value" => image.hash = map.next_value::<Word>()?.0,
                _ if image.properties.len() < MOST_PROPERTIES => {
                    let value = map.next_value::<&RawValue>()?;
                    let text = Some(value).filter(|value| value.get().starts_with('"')).and_then(text);
                    image.properties.extend(text.map(|text| (Saying::name(&key), text)));
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        image.id = id.ok_or_else(|| A::Error::missing_field("id"))?;
        Ok(image)
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Word(#[serde(deserialize_with = "word")] String);

#[derive(Deserialize)]
#[serde(transparent)]
struct Tags(#[serde(deserialize_with = "tags")] Vec<String>);

/// The tags that are text; Glance allows 128.
fn tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let list = Option::<Vec<serde_json::Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(list.into_iter().take(256).filter_map(|tag| tag.as_str().map(str::to_owned)).collect())
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Number(#[serde(deserialize_with = "number")] u32);

#[derive(Deserialize)]
#[serde(transparent)]
struct Size(#[serde(deserialize_with = "number")] u64);

impl Page for ImagePage {
    type Item = WireImage;

    fn next(&self) -> Option<String> {
        self.images.last().filter(|_| !self.next.is_empty()).map(|last| last.0.id.0.clone())
    }

    fn items(self) -> Vec<WireImage> {
        self.images
    }
}
