//! One function for each form.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

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

/// The most host keys of one machine that a file has: 100 machines fit into one `ConfigMap`.
const KEYS: usize = 4;

/// All forms at once, by the names of files.
#[must_use]
pub fn files(machines: &[Machine]) -> BTreeMap<String, String> {
    let mut machines = machines.to_vec();
    for machine in &mut machines {
        machine.keys.truncate(KEYS);
    }
    let all = [
        ("targets.yaml", targets(&machines)),
        ("known_hosts", known_hosts(&machines)),
        ("inventory.ini", inventory(&machines)),
        ("ssh_config", ssh_config(&machines, None)),
        ("nodes.json", nodes(&machines)),
    ];
    all.into_iter().map(|(name, text)| (name.to_owned(), text)).collect()
}

/// A machine, for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Node<'a> {
    name: &'a str,
    namespace: &'a str,
    machine_type: &'a str,
    host: &'a str,
    address: String,
    port: i32,
    user: Option<&'a str>,
    host_keys: Vec<String>,
}

/// The machines as JSON.
fn nodes(machines: &[Machine]) -> String {
    let node = |machine| {
        let Machine { name, namespace, machine_type, host, address, user, port, keys, .. }: &Machine =
            machine;
        Node {
            name,
            namespace,
            machine_type,
            host,
            address: address.to_string(),
            port: *port,
            user: user.as_deref(),
            host_keys: keys.iter().map(ToString::to_string).collect(),
        }
    };
    let nodes: Vec<Node<'_>> = machines.iter().map(node).collect();
    // Text and numbers can always be written.
    serde_json::to_string(&nodes).unwrap_or_default() + "\n"
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
    use serde_json::{Value, json};

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
    fn the_files_of_a_hundred_machines_fit_into_one_config_map() {
        let mut machine = machines(&["smithi001"]).remove(0);
        let key: crate::ssh_key::PublicKey = ED25519.parse().unwrap();
        machine.keys = vec![key; 16];
        let hundred = vec![machine; 100];

        let files = files(&hundred);

        assert_eq!(
            files.keys().map(String::as_str).collect::<Vec<_>>(),
            ["inventory.ini", "known_hosts", "nodes.json", "ssh_config", "targets.yaml"]
        );
        // A key of the longest kind in use is eight times as long.
        assert!(files.values().map(String::len).sum::<usize>() * 5 < 1_048_576);
        let read: Value = serde_json::from_str(&files["nodes.json"]).unwrap();
        assert_eq!((&read[0]["user"], &read[0]["hostKeys"][0]), (&json!("ubuntu"), &json!(ED25519)));
    }

    #[test]
    fn nodes_of_one_name_are_told_apart_by_their_namespaces() {
        let mut machines = machines(&["smithi001", "smithi001"]);
        machines[1].namespace = "rbd".into();

        let config = ssh_config(&machines, None);

        assert!(config.contains("Host smithi001.rados\n") && config.contains("Host smithi001.rbd\n"));
    }
}
