//! Glance: the images that we make.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Image, ImagePage, Images, PAGE, WireImage};
use crate::openstack::request::Request;
use crate::openstack::{Error, ImageId, Lane, Service};
use crate::transport::Upload;

/// An image to be made. It has no data at first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewImage {
    /// Its id, which we choose: the same request twice makes one image.
    pub id: ImageId,
    /// Its name.
    pub name: String,
    /// Glance's word for its format.
    pub disk_format: String,
    /// The smallest root disk that it fits on.
    pub min_disk_gib: i64,
    /// The least memory that it boots with.
    pub min_ram_mib: i64,
    /// Its properties.
    pub properties: BTreeMap<String, String>,
    /// Its tags.
    pub tags: Vec<String>,
}

impl Images {
    /// Makes an image without data, and says what Glance made.
    ///
    /// # Errors
    /// As Glance answers: 409 if there is, or ever was, an image of this id.
    pub async fn create(&self, new: &NewImage) -> Result<Image, Error> {
        let properties = new.properties.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
        let mut body: Map<String, Value> = properties.collect();
        let own = [
            ("id", json!(new.id)),
            ("name", json!(new.name)),
            ("disk_format", json!(new.disk_format)),
            ("container_format", json!("bare")),
            ("visibility", json!("private")),
            ("min_disk", json!(new.min_disk_gib)),
            ("min_ram", json!(new.min_ram_mib)),
            ("tags", json!(new.tags)),
        ];
        body.extend(own.map(|(key, value)| (key.to_owned(), value)));
        let request = Request::post("create image", Service::Image, &["images"], Value::Object(body));
        Ok(self.0.json::<WireImage>(request).await?.0)
    }

    /// Sends the data of an image. Glance has it once this says so, and not before.
    ///
    /// # Errors
    /// As Glance answers.
    pub async fn upload(&self, id: &ImageId, body: Upload) -> Result<(), Error> {
        let request = Request::put("upload image", Service::Image, &["images", &id.0, "file"], None);
        self.0.stream(&request, body).await.map(drop)
    }

    /// Deletes an image.
    ///
    /// # Errors
    /// As Glance answers; 404 is [`Error::is_not_found`].
    pub async fn delete(&self, id: &ImageId) -> Result<(), Error> {
        self.0.done(Request::delete("delete image", Service::Image, &["images", &id.0])).await
    }

    /// All images of a project that have a tag, whatever their status; hidden ones only, or all others. Glance ignores case and
    /// trailing blanks, so who asks compares the tag again.
    ///
    /// # Errors
    /// If any page could not be had.
    pub async fn tagged(&self, project: &str, tag: &str, hidden: bool) -> Result<Vec<Image>, Error> {
        let request = Request::get("list our images", Service::Image, &["images"])
            .lane(Lane::Poll)
            .query("limit", PAGE)
            .query("owner", project)
            .query("visibility", "all")
            .query("tag", tag);
        let request = if hidden { request.query("os_hidden", "true") } else { request };
        let images = self.0.pages::<ImagePage>(request).await?;
        Ok(images.into_iter().map(|image| image.0).collect())
    }
}
