//! What the file says of a single service: `image_endpoint_override`, `volume_api_version`, …

use std::collections::BTreeMap;

use super::file::Texts;
use super::{address, filled, interfaces_of};
use crate::openstack::Service;
use crate::openstack::credentials::ServiceOptions;

/// How the keys of a service begin, the most official name first, and the version of its API that we speak.
const PREFIXES: &[(Service, &[&str], &str)] = &[
    (Service::Identity, &["identity"], "3"),
    (Service::Compute, &["compute"], "2"),
    (Service::BlockStorage, &["block_storage", "volumev3", "volumev2", "volume", "block_store"], "3"),
    (Service::Image, &["image"], "2"),
    (Service::Network, &["network"], "2"),
];

/// The name and value of `<service>_<key>`.
fn of<'a>(keys: &'a Texts, prefixes: &[&str], key: &str) -> Option<(String, &'a str)> {
    prefixes.iter().find_map(|prefix| {
        let name = format!("{prefix}_{key}");
        keys.get(&name).map(|value| (name, value.as_str()))
    })
}

/// Refuses versions that we do not speak.
pub(super) fn check_versions(keys: &Texts) -> Result<(), String> {
    for (service, prefixes, ours) in PREFIXES {
        let Some((name, version)) = of(keys, prefixes, "api_version") else { continue };
        let major = version.trim_start_matches('v').split('.').next().unwrap_or_default();
        // openstacksdk, too, takes no notice of a version that is not a number.
        if major != *ours && major.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("`{name}` must be {ours}: we speak no other version of {service}"));
        }
    }
    Ok(())
}

/// What is said of each service.
pub(super) fn options(keys: &Texts) -> Result<BTreeMap<Service, ServiceOptions>, String> {
    let mut services = BTreeMap::new();
    for (service, prefixes, _) in PREFIXES {
        let text = |key| of(keys, prefixes, key).map(|(_, value)| value.to_owned());
        let endpoint = of(keys, prefixes, "endpoint_override").or_else(|| of(keys, prefixes, "endpoint"));
        let endpoint = endpoint.map(|(name, value)| {
            let value = value.replace("$(", "%(");
            // The project is known after the login; the rest can be checked now.
            address(&name, &value.replace("%(project_id)s", "p").replace("%(tenant_id)s", "p"), keys)?;
            filled(&value, keys)
        });
        let interface = of(keys, prefixes, "interface").or_else(|| of(keys, prefixes, "endpoint_type"));
        let interface = interface.map(|(name, words)| interfaces_of(&name, words));
        let options = ServiceOptions {
            endpoint: endpoint.transpose()?,
            region: text("region_name"),
            interfaces: interface.transpose()?,
            service_type: text("service_type"),
            service_name: text("service_name"),
        };
        if options != ServiceOptions::default() {
            services.insert(*service, options);
        }
    }
    Ok(services)
}

/// Whether a key says something of one of the services that we use.
pub(super) fn is_read(key: &str) -> bool {
    const ENDS: &[&str] = &[
        "api_version",
        "endpoint_override",
        "endpoint",
        "interface",
        "endpoint_type",
        "region_name",
        "service_type",
        "service_name",
    ];
    let begins = PREFIXES.iter().flat_map(|(_, prefixes, _)| *prefixes);
    begins.filter_map(|prefix| key.strip_prefix(prefix)?.strip_prefix('_')).any(|end| ENDS.contains(&end))
}
