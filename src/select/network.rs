//! Networks: as named, all that a pattern matches, or the one usable network of the project.

use std::net::IpAddr;

use super::offerings::{Network, Offerings, Owner, Reach};
use super::problem::list_sorted;
use super::{Choice, Problem, group, listed, pattern, port};
use crate::api::common::NetworkChoice;
use crate::api::machine_type::MachineTypeSpec;
use crate::api::pattern::Pattern;
use crate::api::testnode::TestNodeSpec;
use crate::api::testnode_status::ResolvedNetwork;
use crate::reason::Reason;

/// A machine has at most so many ports.
const MOST: usize = 8;

/// The networks of a node, in order. Says why only if it was not told by their names or ids.
///
/// # Errors
/// `NetworkNotFound`, `NetworkAmbiguous`, `NetworkNotOwned`, `InvalidAddress`, `InvalidPattern`, `PortNotFound`, `PortInUse`,
/// or what the security groups of one come to.
pub fn networks(
    machine: &MachineTypeSpec,
    node: &TestNodeSpec,
    offerings: &Offerings,
) -> Result<Choice<Vec<ResolvedNetwork>>, Problem> {
    let (networks, groups) = (offerings.networks.as_slice(), offerings.security_groups.as_deref());
    let (wanted, field) = listed(&node.networks, &machine.networks, "networks");
    if wanted.is_empty() {
        let network = only_usable(networks)?;
        let why = format!("{}: the only usable one", network.name);
        let what =
            ResolvedNetwork { id: network.id.clone(), name: network.name.clone(), ..Default::default() };
        return Ok(Choice { what: vec![what], why });
    }
    let (mut what, mut why) = (Vec::<ResolvedNetwork>::new(), Vec::new());
    for (index, wanted) in wanted.iter().enumerate() {
        let field = format!("{field}[{index}]");
        if let Some(id) = &wanted.port_id {
            if what.iter().any(|taken| taken.port.as_ref().is_some_and(|port| port.id == *id)) {
                let message = format!("{field}.portID: {id} is named twice; leave one of them out");
                return Err(Problem::new(Reason::PortInUse, message));
            }
            what.push(port::existing(id, &field, offerings)?);
            continue;
        }
        let security_groups =
            group::ids(&wanted.security_groups, &format!("{field}.securityGroups"), groups)?;
        let found = if let Some(pattern) = &wanted.name_regex {
            let found = matching(pattern, &field, networks)?;
            why.push(format!("{}: as {} matches", names(&found), pattern.text()));
            found.into_iter().filter(|network| what.iter().all(|taken| taken.id != network.id)).collect()
        } else {
            vec![named(wanted, &field, networks)?]
        };
        for network in found {
            what.push(ResolvedNetwork {
                id: network.id.clone(),
                name: network.name.clone(),
                fixed_ips: addresses(wanted, &field, network)?,
                port_security: port_security(wanted, &field, network)?,
                security_groups: security_groups.clone(),
                port: None,
            });
        }
    }
    if what.len() > MOST {
        let message = format!(
            "{field}: these are {} networks, and a machine has at most {MOST} ports; make nameRegex narrower",
            what.len()
        );
        return Err(Problem::new(Reason::NetworkAmbiguous, message));
    }
    Ok(Choice { what, why: why.join(", ") })
}

/// All networks that a pattern matches: of the project's own, and of the ways out, which the cloud's operators give to
/// everybody.
fn matching<'a>(
    pattern: &Pattern,
    field: &str,
    networks: &'a [Network],
) -> Result<Vec<&'a Network>, Problem> {
    let regex = pattern::regex(&format!("{field}.nameRegex"), pattern)?;
    let (mut found, foreign): (Vec<&Network>, Vec<&Network>) = networks
        .iter()
        .filter(|network| regex.is_match(&network.name))
        .partition(|network| network.owner == Owner::Project || network.reach == Reach::External);
    if found.is_empty() {
        let text = pattern.text();
        let message = if foreign.is_empty() {
            format!(
                "{field}.nameRegex `{text}` matches no network; the project sees these: {}",
                candidates(networks)
            )
        } else {
            format!(
                "{field}.nameRegex `{text}` matches only networks of other projects; if one is meant, give its id: {}",
                candidates(foreign)
            )
        };
        return Err(Problem::new(Reason::NetworkNotFound, message));
    }
    found.sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
    Ok(found)
}

fn names(networks: &[&Network]) -> String {
    list_sorted(networks.iter().map(|network| network.name.clone()))
}

fn addresses(wanted: &NetworkChoice, field: &str, network: &Network) -> Result<Vec<String>, Problem> {
    let mut addresses = Vec::new();
    for (index, text) in wanted.fixed_ips.iter().enumerate() {
        let address: IpAddr = text.parse().map_err(|_| {
            let message = format!(
                "{field}.fixedIPs[{index}] `{text}` is no IP address; write one, as 192.0.2.7 or 2001:db8::7"
            );
            Problem::new(Reason::InvalidAddress, message)
        })?;
        let address = address.to_string();
        if addresses.contains(&address) {
            let message = format!("{field}.fixedIPs has {address} twice; leave one of them out");
            return Err(Problem::new(Reason::InvalidAddress, message));
        }
        addresses.push(address);
    }
    if !addresses.is_empty() {
        owned(network, &format!("{field}.fixedIPs"), "choose addresses on it")?;
    }
    Ok(addresses)
}

fn port_security(wanted: &NetworkChoice, field: &str, network: &Network) -> Result<Option<bool>, Problem> {
    if wanted.port_security == Some(false) {
        owned(network, &format!("{field}.portSecurity"), "switch port security off")?;
    }
    Ok(wanted.port_security)
}

/// What Neutron's default policy keeps for the project that a network belongs to.
fn owned(network: &Network, field: &str, right: &str) -> Result<(), Problem> {
    let Owner::Other(project) = &network.owner else { return Ok(()) };
    let message = format!(
        "{field}: network {} belongs to project {project}, and only that one may {right}; leave this out, or use a network \
         of the project's own",
        network.name
    );
    Err(Problem::new(Reason::NetworkNotOwned, message))
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
