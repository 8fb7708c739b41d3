//! What others need to know of a machine.

use std::fmt;
use std::net::IpAddr;

use crate::api::claim::ClaimedNode;
use crate::api::testnode_status::KeySource;
use crate::api::{TestNode, TestNodeClaim};
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
        let status = node.own_status();
        let ssh = status.and_then(|status| status.ssh.as_ref());
        let shown = ClaimedNode {
            name: node.metadata.name.clone().unwrap_or_default(),
            namespace: node.metadata.namespace.clone().unwrap_or_default(),
            machine_type: Some(node.spec.machine_type.clone()),
            address: status.and_then(|status| status.access_ip.clone()),
            fqdn: status.and_then(|status| status.fqdn.clone()),
            user: ssh.and_then(|ssh| ssh.user.clone()),
            port: ssh.map(|ssh| ssh.port),
            host_keys: ssh.map(|ssh| ssh.host_keys.clone()).unwrap_or_default(),
            host_keys_from: ssh.and_then(|ssh| ssh.host_keys_from),
            ..ClaimedNode::default()
        };
        Self::of_claimed(&shown)
    }

    /// The machines of a claim, as its status lists them, but for those that were given back.
    #[must_use]
    pub fn of_claim(claim: &TestNodeClaim) -> Vec<Result<Self, Unusable>> {
        let status = claim.status.clone().unwrap_or_default();
        let name = claim.metadata.name.as_deref().unwrap_or_default();
        let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
        let unusable = |why: String| vec![Err(Unusable { node: format!("claim {namespace}/{name}"), why })];
        if let Some(ended) = &status.ended {
            return unusable(format!("it has ended ({})", ended.reason));
        }
        if status.bound_at.is_none() {
            return unusable("it does not have its nodes yet".into());
        }
        let kept = status.nodes.iter().filter(|node| !claim.spec.released.contains(&node.name));
        kept.map(Self::of_claimed).collect()
    }

    /// A machine that a claim lists.
    ///
    /// # Errors
    /// As [`Machine::of`].
    pub fn of_claimed(node: &ClaimedNode) -> Result<Self, Unusable> {
        let ClaimedNode { name, namespace, .. } = node.clone();
        let unusable = |why: &str| Unusable { node: format!("{namespace}/{name}"), why: why.to_owned() };
        let address = node.address.as_ref().ok_or_else(|| unusable("it has no address yet"))?;
        let address = address.parse().map_err(|_| unusable("its address is not an address"))?;
        let host = match &node.fqdn {
            Some(fqdn) if is_host(fqdn) => fqdn.clone(),
            Some(_) => return Err(unusable("its name is not a host name")),
            None => IpAddr::to_string(&address),
        };
        let user = node.user.clone();
        if user.as_ref().is_some_and(|user| !is_user(user)) {
            return Err(unusable("its user is not a user name"));
        }
        // The names of a status that somebody forged, as its other parts.
        if !is_host(&name) || !is_host(&namespace) {
            return Err(unusable("its name is not the name of an object"));
        }
        let mut keys: Vec<PublicKey> = node.host_keys.iter().filter_map(|line| key_of(line)).collect();
        keys.sort_by_key(PublicKey::preference);
        Ok(Self {
            machine_type: node.machine_type.clone().unwrap_or_default(),
            port: node.port.unwrap_or(22),
            name,
            namespace,
            host,
            address,
            user,
            keys,
            keys_from: node.host_keys_from.unwrap_or_default(),
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
    fn a_claim_has_the_machines_that_it_lists_and_has_not_given_back() {
        let node = |name: &str| {
            serde_json::json!({"name": name, "namespace": "lab", "uid": name, "machineType": "ovh",
            "address": "10.77.0.10", "hostKeys": [format!("{name} {ED25519}")]})
        };
        let claim = |status: serde_json::Value| -> TestNodeClaim {
            serde_json::from_value(serde_json::json!({"metadata": {"name": "job", "namespace": "rados"},
                "spec": {"pool": {"name": "p"}, "released": ["smithi002"]}, "status": status}))
            .unwrap()
        };
        let bound = claim(
            serde_json::json!({"boundAt": "2026-03-02T08:00:00Z", "nodes": [node("smithi001"), node("smithi002")]}),
        );

        let machines: Vec<Machine> = Machine::of_claim(&bound).into_iter().map(Result::unwrap).collect();

        assert_eq!(machines.iter().map(|machine| machine.name.as_str()).collect::<Vec<_>>(), ["smithi001"]);
        assert_eq!((machines[0].keys.len(), machines[0].machine_type.as_str()), (1, "ovh"));
        let waits = Machine::of_claim(&claim(serde_json::json!({}))).remove(0).unwrap_err().to_string();
        assert_eq!(waits, "claim rados/job is left out: it does not have its nodes yet");
        let forged = claim(
            serde_json::json!({"boundAt": "2026-03-02T08:00:00Z", "nodes": [node("x\n  ProxyCommand y")]}),
        );
        assert!(Machine::of_claim(&forged).remove(0).is_err());
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
