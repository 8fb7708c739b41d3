//! What a caller may choose: times, quotas, credentials, and what is in the lab.
//!
//! Every field has a default and can be changed while the cloud runs ([`crate::DevCloud::change`], or
//! `POST /devcloud/knobs` with any subset of the fields as JSON; a duration is a number of seconds or `"8s"`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::lab::{self, Flavor, Image, Network, SecurityGroup, ServerGroup};

/// How the cloud behaves when nothing goes wrong.
#[expect(clippy::struct_excessive_bools, reason = "settings that have nothing to do with each other")]
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Two clouds with different seeds never share an id.
    pub seed: u64,
    /// The wall clock at construction; now, if not given. Read once.
    pub epoch: Option<jiff::Timestamp>,
    /// The DNS zone that nsupdate-web updates and the name server answers for.
    pub zone: String,
    /// Which relative names nsupdate-web takes: matched from the start, the end is free unless it says `$`.
    pub allow_hosts: String,
    /// `user:password` that nsupdate-web's proxy asks for.
    pub nsupdate_auth: Option<String>,
    /// What the name server does, which is behind nsupdate-web.
    pub nsupdate_backend: Backend,
    /// How long the name server shows what was there before, as a secondary does.
    #[serde(with = "seconds")]
    pub dns_lag: Duration,
    /// Zones of PTR records that the name server has too.
    pub reverse_zones: Vec<String>,
    /// The name of the key that may update the zones; it is one of hmac-sha256.
    pub tsig_key: String,
    /// Its secret, in base64.
    pub tsig_secret: String,
    /// The types of records that it may update; `ANY` is all of them.
    pub update_grants: Vec<String>,
    /// How far the name server's clock is ahead, in seconds.
    pub dns_clock_ahead: i64,
    /// Every API call waits this long before it is looked at.
    #[serde(with = "seconds")]
    pub api_latency: Duration,
    /// From `POST /servers` to ACTIVE.
    #[serde(with = "seconds")]
    pub server_build: Duration,
    /// So many servers are built at once; 0 is any number.
    pub builds_at_once: usize,
    /// What becomes of a create beyond that: it is answered 503, instead of waiting for its turn.
    pub refuses_beyond: bool,
    /// From the request for a rebuild to ACTIVE.
    #[serde(with = "seconds")]
    pub server_rebuild: Duration,
    /// From a server's DELETE to 404.
    #[serde(with = "seconds")]
    pub server_delete: Duration,
    /// From a volume's POST to `available`.
    #[serde(with = "seconds")]
    pub volume_create: Duration,
    /// From a volume's DELETE to 404.
    #[serde(with = "seconds")]
    pub volume_delete: Duration,
    /// From `POST /servers` until the compute host writes `device_id` into the ports.
    #[serde(with = "seconds")]
    pub port_bind: Duration,
    /// From `POST /servers` until a server that lost its port to another one is in ERROR.
    #[serde(with = "seconds")]
    pub port_loser: Duration,
    /// From a floating IP's `PUT` until it is among the server's addresses.
    #[serde(with = "seconds")]
    pub floating_ip_shown: Duration,
    /// From ACTIVE to cloud-init's final message.
    #[serde(with = "seconds")]
    pub guest_boot: Duration,
    /// How long a gone server is still shown by id as DELETED.
    #[serde(with = "seconds")]
    pub deleted_shown: Duration,
    /// Deleting a server only makes it `SOFT_DELETED`.
    pub soft_delete: bool,
    /// Lifetime of a token.
    #[serde(with = "seconds")]
    pub token_lifetime: Duration,
    /// How long a service goes on believing a token whose credential was removed.
    #[serde(with = "seconds")]
    pub token_cache: Duration,
    /// Whether the catalogue has Cinder.
    pub block_storage: bool,
    /// Name of the only region.
    pub region: String,
    /// Id of the project that a login gets; changing it is moving the credential to another project.
    pub project_id: String,
    /// Name of that project.
    pub project_name: String,
    /// Name and id of the domain of user and project.
    pub domain: String,
    /// Id of the user.
    pub user_id: String,
    /// Name of the user.
    pub user_name: String,
    /// The user's password.
    pub password: String,
    /// Id of the application credential.
    pub app_credential_id: String,
    /// Name of the application credential.
    pub app_credential_name: String,
    /// Secret of the application credential.
    pub app_credential_secret: String,
    /// The highest compute microversion, as in `2.93`.
    pub compute_microversion: String,
    /// At most this many items a page, whatever the client asks for.
    pub page_size: usize,
    /// Limits; -1 is none.
    pub quotas: Quotas,
    /// Availability zones of compute; the first is the default.
    pub availability_zones: Vec<String>,
    /// Availability zones of block storage; the first is the default.
    pub volume_zones: Vec<String>,
    /// A volume can only be attached in the zone of its name.
    pub same_zone: bool,
    /// Volume types; the first is the default.
    pub volume_types: Vec<String>,
    /// Key pairs, by name.
    pub key_pairs: Vec<String>,
    /// Flavors.
    pub flavors: Vec<Flavor>,
    /// Images.
    pub images: Vec<Image>,
    /// Networks with their subnets.
    pub networks: Vec<Network>,
    /// Security groups.
    pub security_groups: Vec<SecurityGroup>,
    /// Server groups.
    pub server_groups: Vec<ServerGroup>,
}

/// What the name server does, which is behind nsupdate-web.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// It takes updates.
    #[default]
    Up,
    /// It is not there: 500 at once, nothing is changed, no question is answered.
    Down,
    /// It answers nothing: 500 `timeout` after 3 s, and the update is applied when it is up again.
    Silent,
    /// It refuses the key.
    BadKey,
}

/// Limits of the project; -1 is none.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quotas {
    /// Nova's servers.
    pub instances: i64,
    /// Nova's cores.
    pub cores: i64,
    /// Nova's memory in MiB.
    pub ram: i64,
    /// Cinder's volumes.
    pub volumes: i64,
    /// Cinder's GiB.
    pub gigabytes: i64,
    /// Cinder's GiB of one volume.
    pub per_volume_gigabytes: i64,
    /// Neutron's ports.
    pub port: i64,
    /// Neutron's floating IPs.
    pub floatingip: i64,
    /// Nova's metadata items of one server.
    pub metadata_items: i64,
    /// Glance's images of one project (unified limits); -1 is no limit.
    #[serde(default = "no_limit")]
    pub image_count_total: i64,
}

fn no_limit() -> i64 {
    -1
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            instances: 100,
            cores: 400,
            ram: 1_600_000,
            volumes: 200,
            gigabytes: 20_000,
            per_volume_gigabytes: -1,
            port: 500,
            floatingip: 50,
            metadata_items: 128,
            image_count_total: -1,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            epoch: None,
            zone: "front.example.test".into(),
            allow_hosts: "^[a-z0-9-]+$".into(),
            nsupdate_auth: None,
            nsupdate_backend: Backend::Up,
            dns_lag: Duration::ZERO,
            reverse_zones: vec!["77.10.in-addr.arpa".into()],
            tsig_key: "testnode".into(),
            tsig_secret: "bm90IGEgc2VjcmV0LCBidXQgYSB0ZXN0J3M=".into(),
            update_grants: vec!["ANY".into()],
            dns_clock_ahead: 0,
            api_latency: Duration::ZERO,
            server_build: Duration::from_secs(2),
            builds_at_once: 0,
            refuses_beyond: false,
            server_rebuild: Duration::from_secs(2),
            server_delete: Duration::from_secs(1),
            volume_create: Duration::from_millis(500),
            volume_delete: Duration::from_millis(500),
            port_bind: Duration::from_secs(1),
            port_loser: Duration::from_secs(6),
            floating_ip_shown: Duration::from_millis(1600),
            guest_boot: Duration::from_secs(8),
            deleted_shown: Duration::from_millis(100),
            soft_delete: false,
            token_lifetime: Duration::from_hours(1),
            token_cache: Duration::from_mins(5),
            region: "RegionOne".into(),
            project_id: "6a3f6f0c1d0b4ad2a3c3b0d3a1f01ab0".into(),
            project_name: "lab".into(),
            domain: "default".into(),
            user_id: "0c8a1f1f0bcf4c9f8a3dfc0b5e0a7b11".into(),
            user_name: "lab".into(),
            password: "lab-password".into(),
            app_credential_id: "3b1c9f0e7d5a4c68b2f4a6d8e0c2b4a6".into(),
            app_credential_name: "testnodes".into(),
            app_credential_secret: "lab-secret".into(),
            compute_microversion: "2.93".into(),
            page_size: 1000,
            quotas: Quotas::default(),
            availability_zones: vec!["nova".into(), "nova-2".into()],
            block_storage: true,
            volume_zones: vec!["nova".into(), "nova-2".into()],
            same_zone: false,
            volume_types: vec!["classic".into(), "high-speed".into()],
            key_pairs: vec!["lab-key".into()],
            flavors: lab::flavors(),
            images: lab::images(),
            networks: lab::networks(),
            security_groups: lab::security_groups(),
            server_groups: lab::server_groups(),
        }
    }
}

impl Settings {
    /// These settings with some fields changed; objects are merged, lists are replaced.
    ///
    /// # Errors
    /// When the patch has a field that is none, or one of another type.
    pub fn patched(&self, patch: &serde_json::Value) -> Result<Self, serde_json::Error> {
        let mut all = serde_json::to_value(self)?;
        merge(&mut all, patch);
        serde_json::from_value(all)
    }
}

fn merge(into: &mut serde_json::Value, patch: &serde_json::Value) {
    match (into.as_object_mut(), patch.as_object()) {
        (Some(fields), Some(patch)) => {
            for (field, value) in patch {
                merge(fields.entry(field.clone()).or_insert(serde_json::Value::Null), value);
            }
        }
        (_, _) => *into = patch.clone(),
    }
}

/// A duration in JSON: a number of seconds, or `"8s"`, `"1.5s"`, `"200ms"`, `"2m"`.
pub mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Reads `8s`, `1.5s`, `200ms`, `2m`, `1h` or a bare number of seconds.
    ///
    /// # Errors
    /// When the text is none of these.
    pub fn parse(text: &str) -> Result<Duration, String> {
        let text = text.trim();
        let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("", 1.0)];
        let (number, unit) = units
            .iter()
            .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, factor)))
            .unwrap_or((text, &1.0));
        let number: f64 = number.trim().parse().map_err(|_| format!("{text:?} is not a duration"))?;
        Duration::try_from_secs_f64(number * unit).map_err(|error| error.to_string())
    }

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(duration.as_secs_f64())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(f64),
            Text(String),
        }
        match Either::deserialize(from)? {
            Either::Number(number) => Duration::try_from_secs_f64(number).map_err(D::Error::custom),
            Either::Text(text) => parse(&text).map_err(D::Error::custom),
        }
    }
}
