//! Where an image comes from.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::pattern::Pattern;

/// A digest, with the name of its algorithm.
pub(super) const DIGEST: &str = r"^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$";

/// Where an image comes from.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.url) != has(self.image)")
    .message("source: give exactly one of url, image"))]
pub struct Source {
    /// A file on a web server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<UrlSource>,
    /// An image that is in one Cloud already. In that Cloud it is used as it is, and the other Clouds get a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageSource>,
}

/// A file on a web server, and how it is known that it is the right one.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.checksum) != has(self.checksumURL)")
    .message("give a checksum or a checksumURL, one of them: without a checksum nothing is uploaded"))]
#[x_kube(validation = Rule::new(
        "!self.url.contains('*') || (has(self.checksumURL) && self.url.matches('^[^*]*/[^/*?]*[*][^/*?]*$'))")
    .message("one * may stand in the last part of the url's path, and only with a checksumURL"))]
pub struct UrlSource {
    /// The file: qcow2 or raw, or one of these compressed by gzip, xz or zstd. With `checksumURL` one `*` may stand in the last
    /// part of its path: of all names in the list that match, the greatest is taken, and digits are compared as numbers.
    #[schemars(length(min = 10, max = 2048), regex(pattern = r"^https?://[^\s/@?#]+/[^\s#]+$"))]
    pub url: String,
    /// The digest of the file as it is published, as `sha256:…` or `sha512:…`: this version and no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 135), regex(pattern = r"^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$"))]
    pub checksum: Option<String>,
    /// A list of SHA-256 or SHA-512 sums, as `SHA256SUMS`, in which the name of the file is looked up. It is read again and
    /// again, and a new sum is a new version.
    #[serde(default, rename = "checksumURL", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 10, max = 2048), regex(pattern = r"^https://[^\s/@?#]+/[^\s#]+$"))]
    pub checksum_url: Option<String>,
}

/// An image that is in one Cloud already: it must be active, and belong to the project of that Cloud. It is never changed and never
/// deleted by the operator. Its version is the hash that Glance has of it.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.id), has(self.name), has(self.nameRegex)].filter(x, x).size() == 1")
    .message("source.image: give exactly one of id, name, nameRegex"))]
#[x_kube(validation = Rule::new("!has(self.id) || !has(self.selection) || self.selection != 'Newest'")
    .message("source.image: selection chooses among several; with an id there is only one"))]
pub struct ImageSource {
    /// Name of the Cloud that has the image. It need not be among `spec.clouds`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub cloud: String,
    /// Glance's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub id: Option<String>,
    /// The image's name. Images that a MachineImage made are not found by their name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
    /// A regular expression that the whole name matches. Images that a MachineImage made are not found by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub name_regex: Option<Pattern>,
    /// Which is taken when several fit.
    #[serde(default)]
    pub selection: SourceSelection,
}

/// What to do when several images fit.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum SourceSelection {
    /// Take the newest, by creation time. A newer image that fits is a new version.
    Newest,
    /// Take none: several are an error, and the condition names them.
    #[default]
    Error,
}

impl Source {
    /// The digest, where it is written down and so cannot change.
    #[must_use]
    pub fn checksum(&self) -> Option<&str> {
        self.url.as_ref()?.checksum.as_deref()
    }

    /// Whether the image is in this Cloud already.
    #[must_use]
    pub fn is_in(&self, cloud: &str) -> bool {
        self.image.as_ref().is_some_and(|image| image.cloud == cloud)
    }
}
