//! One function for each form.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Machine;
use crate::api::testnode_status::KeySource;

/// teuthology's `targets:`, one login and one host key for each machine. A machine that showed no key has `null`:
/// teuthology then trusts what it sees first.
#[must_use]
pub fn targets(machines: &[Machine]) -> String {
    if machines.is_empty() {
        return "targets: {}\n".into();
    }
    let mut text = String::from("targets:\n");
    for machine in machines {
        let key = machine.keys.first().map_or_else(|| "null".into(), ToString::to_string);
        // Quoted, as an IPv6 address has colons.
        let _ = writeln!(text, "  \"{}\": {key}", machine.login());
    }
    text
}

/// Lines for `known_hosts`: every name of a machine before each of its keys. A key that no console showed has a remark.
#[must_use]
pub fn known_hosts(machines: &[Machine]) -> String {
    let mut text = String::new();
    for machine in machines {
        let address = machine.address.to_string();
        let mut names = vec![machine.host.as_str()];
        if machine.host != address {
            names.push(&address);
        }
        let names: Vec<String> = names.into_iter().map(|name| at_port(name, machine.port)).collect();
        if let Some(remark) = remark(machine) {
            let _ = writeln!(text, "# {remark}");
        }
        for key in &machine.keys {
            let _ = writeln!(text, "{} {key}", names.join(","));
        }
    }
    text
}

/// What somebody who trusts the host keys of a machine should know of them.
#[must_use]
pub fn remark(machine: &Machine) -> Option<String> {
    let first_seen = machine.keys_from == KeySource::FirstSeen && !machine.keys.is_empty();
    first_seen.then(|| {
        format!(
            "{}: this host key was not on the machine's console; it is the first that the operator saw in the network",
            machine.host
        )
    })
}

/// How `known_hosts` names a host whose sshd has another port than 22.
fn at_port(name: &str, port: i32) -> String {
    if port == 22 { name.to_owned() } else { format!("[{name}]:{port}") }
}

/// An Ansible inventory: all machines in `testnodes`, and those of one MachineType in a group of its name.
#[must_use]
pub fn inventory(machines: &[Machine]) -> String {
    let mut text = String::from("[testnodes]\n");
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (alias, machine) in aliased(machines) {
        let _ = write!(text, "{alias} ansible_host={} ansible_port={}", machine.host, machine.port);
        if let Some(user) = &machine.user {
            let _ = write!(text, " ansible_user={user}");
        }
        text.push('\n');
        groups.entry(group(&machine.machine_type)).or_default().push(alias);
    }
    for (group, members) in groups {
        let _ = write!(text, "\n[{group}]\n{}\n", members.join("\n"));
    }
    text
}

/// Ansible's groups are named by letters, digits and `_`.
fn group(machine_type: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!("type_{}", machine_type.chars().map(fits).collect::<String>())
}

/// A part of `ssh_config`, so that `ssh smithi001` logs in. With a file of known hosts, only its keys are believed.
#[must_use]
pub fn ssh_config(machines: &[Machine], known_hosts: Option<&str>) -> String {
    let mut text = String::new();
    for (alias, machine) in aliased(machines) {
        let _ = writeln!(text, "Host {alias}\n  HostName {}\n  Port {}", machine.host, machine.port);
        if let Some(user) = &machine.user {
            let _ = writeln!(text, "  User {user}");
        }
        if let Some(file) = known_hosts {
            let _ = writeln!(text, "  UserKnownHostsFile \"{file}\"\n  StrictHostKeyChecking yes");
        }
    }
    text
}

/// Each machine under the name of its node; with the namespace where two nodes have one name.
fn aliased(machines: &[Machine]) -> impl Iterator<Item = (String, &Machine)> {
    machines.iter().map(|machine| {
        let alone = machines.iter().filter(|other| other.name == machine.name).count() == 1;
        let alias =
            if alone { machine.name.clone() } else { format!("{}.{}", machine.name, machine.namespace) };
        (alias, machine)
    })
}

#[cfg(test)]
mod tests {
    use super::super::machine::tests::{ED25519, node};
    use super::*;

    fn machines(names: &[&str]) -> Vec<Machine> {
        names.iter().map(|name| Machine::of(&node(name)).unwrap()).collect()
    }

    #[test]
    fn targets_are_what_teuthology_reads() {
        let expected = format!("targets:\n  \"ubuntu@smithi001.front.example.test\": {ED25519}\n");

        assert_eq!(targets(&machines(&["smithi001"])), expected);
        assert_eq!(targets(&[]), "targets: {}\n");
    }

    #[test]
    fn a_machine_that_showed_no_key_is_a_target_without_one() {
        let mut machines = machines(&["smithi001"]);
        machines[0].keys.clear();

        assert_eq!(targets(&machines), "targets:\n  \"ubuntu@smithi001.front.example.test\": null\n");
        assert_eq!(known_hosts(&machines), "");
    }

    #[test]
    fn known_hosts_has_name_and_address_and_the_port_where_it_is_not_22() {
        let mut machines = machines(&["smithi001"]);
        let line = |names: &str| format!("{names} {ED25519}\n");

        assert_eq!(known_hosts(&machines), line("smithi001.front.example.test,10.77.0.10"));
        machines[0].port = 2222;
        assert_eq!(known_hosts(&machines), line("[smithi001.front.example.test]:2222,[10.77.0.10]:2222"));
    }

    #[test]
    fn an_inventory_has_a_group_for_each_machine_type() {
        let expected = "[testnodes]\n\
            smithi001 ansible_host=smithi001.front.example.test ansible_port=22 ansible_user=ubuntu\n\
            smithi002 ansible_host=smithi002.front.example.test ansible_port=22 ansible_user=ubuntu\n\
            \n[type_ovh]\nsmithi001\nsmithi002\n";

        assert_eq!(inventory(&machines(&["smithi001", "smithi002"])), expected);
    }

    #[test]
    fn an_ssh_config_believes_only_the_keys_of_the_file_that_it_names() {
        let expected = "Host smithi001\n  HostName smithi001.front.example.test\n  Port 22\n  User ubuntu\n  \
            UserKnownHostsFile \"/tmp/known_hosts\"\n  StrictHostKeyChecking yes\n";

        assert_eq!(ssh_config(&machines(&["smithi001"]), Some("/tmp/known_hosts")), expected);
    }

    #[test]
    fn nodes_of_one_name_are_told_apart_by_their_namespaces() {
        let mut machines = machines(&["smithi001", "smithi001"]);
        machines[1].namespace = "rbd".into();

        let config = ssh_config(&machines, None);

        assert!(config.contains("Host smithi001.rados\n") && config.contains("Host smithi001.rbd\n"));
    }
}
