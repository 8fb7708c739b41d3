//! Host keys in the form that `ssh` reads.

use std::net::IpAddr;

use crate::ssh_key::PublicKey;

/// Lines for a `known_hosts` file: every name of the host before each of its keys.
///
/// Without a name and an address there is nothing to say.
#[must_use]
pub fn known_hosts(fqdn: Option<&str>, addresses: &[IpAddr], keys: &[PublicKey]) -> Vec<String> {
    let names = fqdn.map(str::to_owned).into_iter().chain(addresses.iter().map(IpAddr::to_string));
    let names = names.collect::<Vec<_>>().join(",");
    if names.is_empty() {
        return Vec::new();
    }
    keys.iter().map(|key| format!("{names} {key}")).collect()
}
