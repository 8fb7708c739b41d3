//! Where an image comes from.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A digest, with the name of its algorithm.
pub(super) const DIGEST: &str = r"^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$";

/// Where an image comes from.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// A file on a web server.
    pub url: UrlSource,
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
