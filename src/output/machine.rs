//! What others need to know of a machine.

use std::fmt;
use std::net::IpAddr;

use crate::api::TestNode;
use crate::api::testnode_status::KeySource;
use crate::ssh_key::PublicKey;

/// A machine that can be logged in to. Each part is safe to print into a file of another program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Machine {
    /// Name of the TestNode.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its MachineType.
    pub machine_type: String,
    /// How to reach it: the DNS name if it has one, else the address.
    pub host: String,
    /// Its address.
    pub address: IpAddr,
    /// The user to log in as, if the MachineType names one.
    pub user: Option<String>,
    /// The port of sshd.
    pub port: i32,
    /// The host keys that it showed, the preferred one first.
    pub keys: Vec<PublicKey>,
    /// How they are known.
    pub keys_from: KeySource,
}

/// Why nobody can log in to a node's machine now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unusable {
    /// `namespace/name` of the TestNode.
    pub node: String,
    /// What is missing.
    pub why: String,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is left out: {}", self.node, self.why)
    }
}

impl Machine {
    /// The machine of a node, as its status shows it.
    ///
    /// # Errors
    /// If it has no address yet, or if its status holds something that no machine of ours can have.
    pub fn of(node: &TestNode) -> Result<Self, Unusable> {
        let name = node.metadata.name.clone().unwrap_or_default();
        let namespace = node.metadata.namespace.clone().unwrap_or_default();
        let unusable = |why: &str| Unusable { node: format!("{namespace}/{name}"), why: why.to_owned() };
        let status = node.own_status().ok_or_else(|| unusable("it has no status yet"))?;
        let address = status.access_ip.as_ref().ok_or_else(|| unusable("it has no address yet"))?;
        let address = address.parse().map_err(|_| unusable("status.accessIP is not an address"))?;
        let host = match &status.fqdn {
            Some(fqdn) if is_host(fqdn) => fqdn.clone(),
            Some(_) => return Err(unusable("status.fqdn is not a host name")),
            None => IpAddr::to_string(&address),
        };
        let ssh = status.ssh.as_ref();
        let user = ssh.and_then(|ssh| ssh.user.clone());
        if user.as_ref().is_some_and(|user| !is_user(user)) {
            return Err(unusable("status.ssh.user is not a user name"));
        }
        let lines = ssh.map(|ssh| ssh.host_keys.as_slice()).unwrap_or_default();
        let mut keys: Vec<PublicKey> = lines.iter().filter_map(|line| key_of(line)).collect();
        keys.sort_by_key(PublicKey::preference);
        Ok(Self {
            machine_type: node.spec.machine_type.clone(),
            port: ssh.map_or(22, |ssh| ssh.port),
            name,
            namespace,
            host,
            address,
            user,
            keys,
            keys_from: ssh.and_then(|ssh| ssh.host_keys_from).unwrap_or_default(),
        })
    }

    /// `user@host`, or the host where no user is known.
    #[must_use]
    pub fn login(&self) -> String {
        self.user.as_ref().map_or_else(|| self.host.clone(), |user| format!("{user}@{}", self.host))
    }
}

/// The key of a `known_hosts` line: all that follows the names.
fn key_of(line: &str) -> Option<PublicKey> {
    line.split_once(' ').and_then(|(_, key)| key.parse().ok())
}

fn is_host(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    (1..=253).contains(&name.len()) && name.chars().all(fits) && !name.starts_with('-')
}

fn is_user(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (1..=64).contains(&name.len()) && name.chars().all(fits) && !name.starts_with('-')
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::api::TestNodeSpec;
    use crate::api::testnode_status::{SshFacts, TestNodeStatus};

    pub const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO0XaPr8Sq+T/3no50j2j2TUo45KYDx2APl2wFX9+sIS";

    /// A node that is Ready.
    pub fn node(name: &str) -> TestNode {
        let spec = TestNodeSpec { machine_type: "ovh".into(), ..TestNodeSpec::default() };
        let mut node = TestNode::new(name, spec);
        node.metadata.namespace = Some("rados".into());
        let fqdn = format!("{name}.front.example.test");
        node.status = Some(TestNodeStatus {
            access_ip: Some("10.77.0.10".into()),
            ssh: Some(SshFacts {
                user: Some("ubuntu".into()),
                port: 22,
                boot: None,
                host_keys: vec![format!("{fqdn},10.77.0.10 {ED25519}")],
                host_keys_from: None,
            }),
            fqdn: Some(fqdn),
            ..TestNodeStatus::default()
        });
        node
    }

    fn altered(alter: impl FnOnce(&mut TestNodeStatus)) -> Result<Machine, Unusable> {
        let mut node = node("smithi001");
        alter(node.status.as_mut().unwrap());
        Machine::of(&node)
    }

    #[test]
    fn a_ready_node_is_reached_by_its_name_with_the_key_that_it_showed() {
        let machine = Machine::of(&node("smithi001")).unwrap();

        assert_eq!(machine.login(), "ubuntu@smithi001.front.example.test");
        assert_eq!(machine.keys.iter().map(ToString::to_string).collect::<Vec<_>>(), [ED25519]);
    }

    #[test]
    fn a_machine_without_a_name_is_reached_by_its_address() {
        let machine = altered(|status| status.fqdn = None).unwrap();

        assert_eq!(machine.login(), "ubuntu@10.77.0.10");
    }

    #[test]
    fn a_node_without_an_address_is_left_out_with_the_reason() {
        let why = altered(|status| status.access_ip = None).unwrap_err().to_string();

        assert_eq!(why, "rados/smithi001 is left out: it has no address yet");
    }

    #[test]
    fn nothing_that_could_become_a_line_of_its_own_is_printed() {
        let evil = "x\n  ProxyCommand rm -rf ~";

        assert!(altered(|status| status.fqdn = Some(evil.into())).is_err());
        assert!(altered(|status| status.fqdn = Some("-oProxyCommand=x".into())).is_err());
        assert!(altered(|status| status.access_ip = Some(evil.into())).is_err());
        assert!(altered(|status| status.ssh.as_mut().unwrap().user = Some(evil.into())).is_err());
        let keys = altered(|status| status.ssh.as_mut().unwrap().host_keys = vec![evil.into()]).unwrap().keys;
        assert!(keys.is_empty());
    }
}
