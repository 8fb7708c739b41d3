//! Glance: the images there are.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::page::Page;
use super::request::Request;
use super::wire::{instant, or_default};
use super::{Error, ImageId, Service, Session};

#[cfg(test)]
mod tests;

/// Glance gives 25 at a time unless asked, and no more than this.
const PAGE: &str = "1000";

/// Calls on Glance.
#[derive(Clone, Debug)]
pub struct Images(pub(super) Session);

/// An image that a server can boot.
#[derive(Clone, Debug, PartialEq)]
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
    /// The least memory it boots with.
    pub min_ram_mib: u32,
    /// Everything else about it that is text: `os_distro`, `architecture`, …
    pub properties: BTreeMap<String, String>,
    /// `public`, `private`, `shared` or `community`.
    pub visibility: String,
}

impl Images {
    /// All active images.
    ///
    /// # Errors
    /// If any page could not be had.
    pub async fn images(&self) -> Result<Vec<Image>, Error> {
        let request = Request::get("list images", Service::Image, &["images"])
            .query("limit", PAGE)
            .query("status", "active");
        let images = self.0.pages::<ImagePage>(request).await?;
        Ok(images.into_iter().filter(|image| image.status == "active").map(Image::from).collect())
    }
}

#[derive(Deserialize)]
struct ImagePage {
    images: Vec<WireImage>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct WireImage {
    id: ImageId,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    status: String,
    #[serde(default, deserialize_with = "instant")]
    created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "or_default")]
    min_disk: u32,
    #[serde(default, deserialize_with = "or_default")]
    min_ram: u32,
    #[serde(default, deserialize_with = "or_default")]
    visibility: String,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

impl From<WireImage> for Image {
    fn from(wire: WireImage) -> Self {
        let properties = wire.rest.into_iter().filter_map(|(key, value)| match value {
            Value::String(text) => Some((key, text)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        });
        Self {
            id: wire.id,
            name: wire.name,
            status: wire.status,
            created: wire.created_at,
            min_disk_gib: wire.min_disk,
            min_ram_mib: wire.min_ram,
            properties: properties.collect(),
            visibility: wire.visibility,
        }
    }
}

impl Page for ImagePage {
    type Item = WireImage;

    fn next(&self) -> Option<String> {
        self.images.last().filter(|_| self.next.is_some()).map(|last| last.id.0.clone())
    }

    fn items(self) -> Vec<WireImage> {
        self.images
    }
}
