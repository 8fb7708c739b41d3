//! What `profile: NAME` stands for: the vendors whose settings openstacksdk ships, as of its release 4.22.

use super::file::{Entry, Region};

/// A vendor's settings.
struct Vendor {
    name: &'static str,
    auth_url: &'static str,
    /// The first is taken if the file names none.
    regions: &'static [&'static str],
    /// Below `auth`.
    auth: &'static [(&'static str, &'static str)],
    /// Beside `auth`.
    keys: &'static [(&'static str, &'static str)],
}

const fn vendor(name: &'static str, auth_url: &'static str, regions: &'static [&'static str]) -> Vendor {
    Vendor { name, auth_url, regions, auth: &[], keys: &[] }
}

const DEFAULT_DOMAIN: &[(&str, &str)] =
    &[("user_domain_name", "Default"), ("project_domain_name", "Default")];

/// openstacksdk fetches the settings of `ovh` and `vexxhost` from their web sites; theirs are as they publish them.
const VENDORS: &[Vendor] = &[
    Vendor { auth: DEFAULT_DOMAIN, ..vendor("auro", "https://api.van2.auro.io:5000/v3", &["RegionOne"]) },
    vendor("binero", "https://auth.binero.cloud:5000/v3", &["europe-se-1"]),
    vendor(
        "citycloud",
        "https://{region_name}.citycloud.com:5000/v3/",
        &["Buf1", "Fra1", "Sto2", "Kna1", "dx1", "tky1"],
    ),
    vendor("dreamcompute", "https://iad2.dream.io:5000", &["RegionOne"]),
    vendor("elastx", "https://ops.elastx.cloud:5000/v3", &["se-sto"]),
    vendor("entercloudsuite", "https://api.entercloudsuite.com/", &["it-mil1", "nl-ams1", "de-fra1"]),
    Vendor { auth: DEFAULT_DOMAIN, ..vendor("fuga", "https://identity.api.fuga.io:5000", &["cystack"]) },
    vendor("limestonenetworks", "https://auth.cloud.lstn.net:5000/v3", &["us-dfw-1", "us-slc"]),
    vendor("otc", "https://iam.{region_name}.otc.t-systems.com/v3", &["eu-de", "eu-nl"]),
    vendor("otc-swiss", "https://iam-pub.eu-ch2.sc.otc.t-systems.com/v3", &["eu-ch2"]),
    Vendor { auth: DEFAULT_DOMAIN, ..vendor("ovh", "https://auth.cloud.ovh.net/v3", &[]) },
    Vendor {
        auth: DEFAULT_DOMAIN,
        ..vendor(
            "ovh-us",
            "https://auth.cloud.ovh.us/",
            &["US-EAST-VA-1", "US-WEST-OR-1", "US-EAST-VA", "US-WEST-OR"],
        )
    },
    Vendor {
        keys: &[("identity_api_version", "2.0")],
        ..vendor("rackspace", "https://identity.api.rackspacecloud.com/v2.0/", &["DFW"])
    },
    vendor("switchcloud", "https://identity.compute.cloud.switch.ch/v3", &["zhw", "zhc"]),
    vendor("switchengines", "https://keystone.cloud.switch.ch:5000/v3", &["LS", "ZH"]),
    vendor("vexxhost", "https://auth.vexxhost.net/v3", &[]),
    vendor("zetta", "https://identity.api.zetta.io/v3", &["no-osl1"]),
];

/// Vendors that openstacksdk knows to have closed down.
const CLOSED: &[&str] = &["betacloud", "ibmcloud", "internap", "ultimum", "unitedstack"];

/// What is known of the vendor that a profile names.
pub(super) enum Profile {
    Known(Entry),
    Closed,
    Unknown,
}

/// Looks up a profile.
pub(super) fn profile(name: &str) -> Profile {
    if CLOSED.contains(&name) {
        return Profile::Closed;
    }
    let Some(vendor) = VENDORS.iter().find(|vendor| vendor.name == name) else { return Profile::Unknown };
    let texts = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let regions = vendor.regions.iter().map(|name| Region::named(name)).collect();
    let mut entry = Entry { auth: texts(vendor.auth), keys: texts(vendor.keys), regions };
    entry.auth.insert("auth_url".to_owned(), vendor.auth_url.to_owned());
    Profile::Known(entry)
}
