//! Which keys of the file we obey, and which of the others need no word.

use super::{login, services};

/// Keys that we read ourselves.
const READ: &[&str] = &[
    "auth_type",
    "auth_plugin",
    "cacert",
    "cloud",
    "endpoint_type",
    "insecure",
    "interface",
    "profile",
    "region_name",
    "verify",
];

/// Keys of openstacksdk that are about what we do in a way of our own, or do not do: how it chooses networks and floating
/// IPs, how it uploads images, what a vendor says of itself.
const ELSEWHERE: &[&str] = &[
    "disable_vendor_agent",
    "external_network",
    "floating_ip_source",
    "image_format",
    "internal_network",
    "message",
    "nat_destination",
    "nat_source",
    "networks",
    "object_store_max_file_size",
    "requires_floating_ip",
    "routes_ipv4_externally",
    "secgroup_source",
    "status",
    "use_external_network",
    "use_internal_network",
    "vendor_hook",
];

/// How keys end that say something of one service. Of services that we do not use they mean nothing to us.
const OF_A_SERVICE: &[&str] = &[
    "_api_version",
    "_endpoint",
    "_endpoint_override",
    "_endpoint_type",
    "_interface",
    "_service_name",
    "_service_type",
];

/// Whether what a key below `auth` says is done, or is nothing of ours: gophercloud's programs write how to log in again.
pub(super) fn is_read_in_auth(key: &str) -> bool {
    login::is_read(key) || key == "allow_reauth"
}

/// Whether what a key says is done, or is nothing of ours.
pub(super) fn is_obeyed(key: &str) -> bool {
    READ.contains(&key)
        || ELSEWHERE.contains(&key)
        || key.starts_with("has_")
        || services::is_read(key)
        || login::is_read(key)
        || OF_A_SERVICE.iter().any(|end| key.ends_with(end))
}
