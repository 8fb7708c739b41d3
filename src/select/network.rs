//! Networks: as named, or the one usable network of the project.

use std::net::IpAddr;

use super::offerings::{Network, Owner, Reach};
use super::problem::list_sorted;
use super::{Choice, Problem, listed};
use crate::api::common::NetworkChoice;
use crate::api::machine_type::MachineTypeSpec;
use crate::api::testnode::TestNodeSpec;
use crate::api::testnode_status::ResolvedNetwork;

/// The networks of a node, in order. Says why only if nobody named any.
///
/// # Errors
/// `NetworkNotFound`, `NetworkAmbiguous` or `InvalidAddress`.
pub fn networks(
    machine: &MachineTypeSpec,
    node: &TestNodeSpec,
    networks: &[Network],
) -> Result<Choice<Vec<ResolvedNetwork>>, Problem> {
    let (wanted, field) = listed(&node.networks, &machine.networks, "networks");
    if wanted.is_empty() {
        let network = only_usable(networks)?;
        let why = format!("{}: the only usable one", network.name);
        return Ok(Choice { what: vec![resolved(network, None)], why });
    }
    let what = wanted.iter().enumerate().map(|(index, wanted)| {
        let field = format!("{field}[{index}]");
        let fixed_ip = wanted.fixed_ip.as_deref().map(|text| address(text, &field)).transpose()?;
        Ok(resolved(named(wanted, &field, networks)?, fixed_ip))
    });
    Ok(Choice { what: what.collect::<Result<_, _>>()?, why: String::new() })
}

fn resolved(network: &Network, fixed_ip: Option<IpAddr>) -> ResolvedNetwork {
    let fixed_ip = fixed_ip.map(|address| address.to_string());
    ResolvedNetwork { id: network.id.clone(), name: network.name.clone(), fixed_ip }
}

fn address(text: &str, field: &str) -> Result<IpAddr, Problem> {
    text.parse().map_err(|_| {
        let message =
            format!("{field}.fixedIP `{text}` is no IP address; write one, as 192.0.2.7 or 2001:db8::7");
        Problem::new("InvalidAddress", message)
    })
}

fn named<'a>(wanted: &NetworkChoice, field: &str, networks: &'a [Network]) -> Result<&'a Network, Problem> {
    let (word, found): (String, Vec<&Network>) = match (&wanted.id, &wanted.name) {
        (Some(id), _) => (format!("id {id}"), networks.iter().filter(|network| network.id == *id).collect()),
        (None, Some(name)) => {
            (format!("name {name}"), networks.iter().filter(|network| network.name == *name).collect())
        }
        (None, None) => ("neither id nor name".into(), Vec::new()),
    };
    match *found.as_slice() {
        [network] => Ok(network),
        [] => {
            let cure = format!("give one of these: {}", candidates(networks));
            let message = format!("{field}: the project sees no network with {word}; {cure}");
            Err(Problem::new("NetworkNotFound", message))
        }
        _ => {
            let message = format!("{field}: several networks have {word}; give an id: {}", candidates(found));
            Err(Problem::new("NetworkAmbiguous", message))
        }
    }
}

/// A network that a node can simply be put on.
fn is_usable(network: &Network) -> bool {
    let ours = match network.owner {
        Owner::Project | Owner::Shared => true,
        Owner::Other => false,
    };
    ours && network.admin_up && network.has_subnets && network.reach == Reach::Internal
}

fn only_usable(networks: &[Network]) -> Result<&Network, Problem> {
    let usable: Vec<&Network> = networks.iter().filter(|network| is_usable(network)).collect();
    match *usable.as_slice() {
        [network] => Ok(network),
        [] => {
            let cure = format!("name one under networks: {}", candidates(networks));
            let rule = "internal, up, with a subnet, and the project's own or shared";
            let message = format!("no network is named, and the project has none that is {rule}; {cure}");
            Err(Problem::new("NetworkNotFound", message))
        }
        _ => {
            let (count, known) = (usable.len(), candidates(usable));
            let message =
                format!("no network is named, and {count} are usable; name one under networks: {known}");
            Err(Problem::new("NetworkAmbiguous", message))
        }
    }
}

fn candidates<'a>(networks: impl IntoIterator<Item = &'a Network>) -> String {
    list_sorted(networks.into_iter().map(|network| format!("{} ({})", network.name, network.id)))
}
