//! Host keys in the form that `ssh` reads.

use std::net::IpAddr;

use crate::ssh_key::PublicKey;

/// Lines for a `known_hosts` file: every name of the host before each of its keys, the preferred key first.
///
/// Without a name and an address there is nothing to say.
#[must_use]
pub fn known_hosts(fqdn: Option<&str>, addresses: &[IpAddr], keys: &[PublicKey]) -> Vec<String> {
    let names = fqdn.map(str::to_owned).into_iter().chain(addresses.iter().map(IpAddr::to_string));
    let names = names.collect::<Vec<_>>().join(",");
    if names.is_empty() {
        return Vec::new();
    }
    let mut keys: Vec<&PublicKey> = keys.iter().collect();
    keys.sort_by_key(|key| key.preference());
    keys.into_iter().map(|key| format!("{names} {key}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO0XaPr8Sq+T/3no50j2j2TUo45KYDx2APl2wFX9+sIS";

    #[test]
    fn a_key_is_known_under_the_name_and_every_address() {
        let addresses = ["10.77.0.5".parse().unwrap(), "fd00::5".parse().unwrap()];

        let lines = known_hosts(Some("smithi001.front.example.test"), &addresses, &[KEY.parse().unwrap()]);

        assert_eq!(lines, [format!("smithi001.front.example.test,10.77.0.5,fd00::5 {KEY}")]);
    }

    #[test]
    fn the_newest_type_of_key_is_first_and_rsa_last() {
        let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQM=";
        let keys = [rsa, KEY].map(|key| key.parse().unwrap());

        let lines = known_hosts(Some("n"), &[], &keys);

        assert_eq!(lines, [format!("n {KEY}"), format!("n {rsa}")]);
    }

    #[test]
    fn a_host_without_name_and_address_is_not_known_at_all() {
        assert!(known_hosts(None, &[], &[KEY.parse().unwrap()]).is_empty());
    }
}
