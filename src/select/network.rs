//! Networks: as named, or the one usable network of the project.

use std::net::IpAddr;

use super::offerings::{Network, Owner, Reach};
use super::problem::list_sorted;
use super::{Choice, Problem, listed};
use crate::api::common::NetworkChoice;
use crate::api::machine_type::MachineTypeSpec;
use crate::api::testnode::TestNodeSpec;
use crate::api::testnode_status::ResolvedNetwork;
use crate::reason::Reason;

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
        Problem::new(Reason::InvalidAddress, message)
    })
}

fn named<'a>(wanted: &NetworkChoice, field: &str, networks: &'a [Network]) -> Result<&'a Network, Problem> {
    match (&wanted.id, &wanted.name) {
        // Whoever's it is: who gives an id has chosen.
        (Some(id), _) => {
            let found = networks.iter().filter(|network| network.id == *id).collect();
            one(found, &format!("id {id}"), field, networks)
        }
        (None, Some(name)) => {
            let of_name: Vec<&Network> = networks.iter().filter(|network| network.name == *name).collect();
            let (own, others): (Vec<_>, Vec<_>) =
                of_name.into_iter().partition(|network| network.owner == Owner::Project);
            let (external, foreign): (Vec<_>, Vec<_>) =
                others.into_iter().partition(|network| network.reach == Reach::External);
            // The project's own goes first. Then a way out, which the cloud's operators give to everybody.
            let found = if own.is_empty() { external } else { own };
            if found.is_empty() && !foreign.is_empty() {
                let message = format!(
                    "{field}: a network with name {name} belongs to another project; if it is meant, give its id: {}",
                    candidates(foreign)
                );
                return Err(Problem::new(Reason::NetworkNotFound, message));
            }
            one(found, &format!("name {name}"), field, networks)
        }
        (None, None) => one(Vec::new(), "neither id nor name", field, networks),
    }
}

fn one<'a>(
    found: Vec<&'a Network>,
    word: &str,
    field: &str,
    networks: &'a [Network],
) -> Result<&'a Network, Problem> {
    match *found.as_slice() {
        [network] => Ok(network),
        [] => {
            let cure = format!("give one of these: {}", candidates(networks));
            let message = format!("{field}: the project sees no network with {word}; {cure}");
            Err(Problem::new(Reason::NetworkNotFound, message))
        }
        _ => {
            let message = format!("{field}: several networks have {word}; give an id: {}", candidates(found));
            Err(Problem::new(Reason::NetworkAmbiguous, message))
        }
    }
}

/// A network that a node can simply be put on. Never one that another project shares: anybody could share one.
fn is_usable(network: &Network) -> bool {
    network.owner == Owner::Project
        && network.admin_up
        && network.has_subnets
        && network.reach == Reach::Internal
}

fn only_usable(networks: &[Network]) -> Result<&Network, Problem> {
    let usable: Vec<&Network> = networks.iter().filter(|network| is_usable(network)).collect();
    match *usable.as_slice() {
        [network] => Ok(network),
        [] => {
            let cure = format!("name one under networks: {}", candidates(networks));
            let rule = "internal, up, with a subnet, and the project's own";
            let message = format!("no network is named, and the project has none that is {rule}; {cure}");
            Err(Problem::new(Reason::NetworkNotFound, message))
        }
        _ => {
            let (count, known) = (usable.len(), candidates(usable));
            let message =
                format!("no network is named, and {count} are usable; name one under networks: {known}");
            Err(Problem::new(Reason::NetworkAmbiguous, message))
        }
    }
}

fn candidates<'a>(networks: impl IntoIterator<Item = &'a Network>) -> String {
    list_sorted(networks.into_iter().map(|network| match &network.owner {
        Owner::Project => format!("{} ({})", network.name, network.id),
        Owner::Other(project) => format!("{} ({}, of project {project})", network.name, network.id),
    }))
}
