//! `spec.dns` of a Cloud: the zone that its machines are named in, and how names get there.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::SecretRef;

/// Where machines are named.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.nsupdateWeb) != has(self.rfc2136)")
    .message("give either dns.rfc2136 or dns.nsupdateWeb"))]
#[x_kube(validation = Rule::new("!has(self.nsupdateWeb) || \
    has(self.verify) != (has(self.unverified) && self.unverified)")
    .message("give dns.verify.server, the zone's own name server, so that no name of somebody else is overwritten; where \
              there is none to ask, give dns.unverified: true"))]
#[x_kube(validation = Rule::new("!has(self.rfc2136) || !has(self.unverified) || !self.unverified")
    .message("remove dns.unverified: with dns.rfc2136 the server of the zone is always asked"))]
pub struct Dns {
    /// The zone of the names, without a final dot. Cannot change.
    #[schemars(
        length(min = 1, max = 189),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub zone: String,
    /// The name server to ask what the zone says. A name is changed only where it says that the name is free or the
    /// node's own. With `rfc2136` it is `rfc2136.server`, if nothing is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// There is no name server to ask. Names are then set without a look, over whatever record is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unverified: Option<bool>,
    /// The hostnames that nodes may have here, as regular expressions that the whole hostname must match. Any if
    /// empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 255)))]
    pub allow_hostnames: Vec<String>,
    /// Messages a second to the name servers of the zone, and to nsupdate-web, in the long run; those of a tenth of a second go
    /// at once. Of several Clouds with one zone the lowest figure holds for all of them together.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 10000))]
    pub messages_per_second: i64,
    /// Names are set through nsupdate-web.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nsupdate_web: Option<NsupdateWeb>,
    /// Names are set by signed dynamic updates of the zone's own server, as BIND, Knot and `PowerDNS` take them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rfc2136: Option<Rfc2136>,
}

impl Dns {
    /// The Secret that the driver needs, if any.
    #[must_use]
    pub fn secret(&self) -> Option<&SecretRef> {
        let web = self.nsupdate_web.as_ref().and_then(|web| web.secret_ref.as_ref());
        web.or(self.rfc2136.as_ref().map(|update| &update.tsig_secret_ref))
    }
}

fn hundred() -> i64 {
    100
}

/// Names by dynamic updates (RFC 2136), which a key signs (TSIG). A name is set only while it is free or the node's own,
/// and it is deleted when the node goes. Beside its addresses a name has a TXT record that says whose it is.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rfc2136 {
    /// The zone's primary server, `host` or `host:port`. It is asked over TCP.
    #[schemars(length(min = 1, max = 261), regex(pattern = r"^[A-Za-z0-9.\[\]:_-]+$"))]
    pub server: String,
    /// The name of the key, as the server knows it. The key needs the right to change A, AAAA and TXT records of the zone,
    /// and PTR records of the `reverseZones`: for BIND `update-policy { grant <keyName> zonesub ANY; };`.
    #[schemars(
        length(min = 1, max = 253),
        regex(
            pattern = r"^[A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?)*\.?$"
        )
    )]
    pub key_name: String,
    /// How the key signs.
    #[serde(default)]
    pub algorithm: TsigAlgorithm,
    /// A Secret in the operator's namespace with the key `secret`: the secret of the key in base64, as `tsig-keygen`
    /// writes it.
    pub tsig_secret_ref: SecretRef,
    /// For how many seconds others may remember a record.
    #[serde(default = "a_minute")]
    #[schemars(range(min = 0, max = 86400))]
    pub ttl: i64,
    /// Zones of the same server in which addresses get a PTR record, as `2.0.192.in-addr.arpa`. An address that is in
    /// none of them gets none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(length(min = 1, max = 253), regex(pattern = r"^([0-9a-f-]+\.)+(in-addr|ip6)\.arpa$"))
    )]
    pub reverse_zones: Vec<String>,
}

/// How a key signs.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum TsigAlgorithm {
    /// `hmac-sha256`
    #[default]
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    /// `hmac-sha384`
    #[serde(rename = "hmac-sha384")]
    HmacSha384,
    /// `hmac-sha512`
    #[serde(rename = "hmac-sha512")]
    HmacSha512,
}

impl TsigAlgorithm {
    /// Its name, as messages have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
        }
    }
}

fn a_minute() -> i64 {
    60
}

/// Names through nsupdate-web. It can set a name and cannot delete one, so a name that is withdrawn is parked.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NsupdateWeb {
    /// Its address, as `http://nsupdate.front.example.test:8080/update`.
    #[schemars(length(min = 10, max = 1024), regex(pattern = r"^https?://[^\s/?#]+[^\s?#]*$"))]
    pub url: String,
    /// A Secret in the operator's namespace with the keys `username` and `password`, for basic authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// The address that a name has once its node is gone; nobody must answer there. The name also gets the AAAA record
    /// `100::7465:7374:6e6f:6465`, by which every Cloud of the zone knows that it is parked.
    #[serde(default = "documentation_address")]
    #[schemars(length(min = 2, max = 45), regex(pattern = r"^[0-9a-fA-F:.]+$"))]
    pub park_address: String,
}

fn documentation_address() -> String {
    "192.0.2.1".into()
}

/// The name server that knows what a zone says.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verify {
    /// A server of the zone itself, `host` or `host:port`; never a caching resolver. Best is the primary: a secondary
    /// may be behind.
    #[schemars(length(min = 1, max = 261), regex(pattern = r"^[A-Za-z0-9.\[\]:_-]+$"))]
    pub server: String,
}
