//! The floating IP: whether a machine is to have one, from which external network, and on which of its networks.

use super::offerings::{Network, Reach};
use super::problem::list_sorted;
use super::{Choice, Problem};
use crate::api::common::{FloatingIpChoice, FloatingIpPolicy};
use crate::api::machine_type::MachineTypeSpec;
use crate::api::testnode::TestNodeSpec;
use crate::api::testnode_status::{FloatingIpPool, ResolvedFloatingIp, ResolvedNetwork};
use crate::reason::Reason;

/// What becomes of the floating IP of a node on these networks; nothing if the policy is `None`.
///
/// # Errors
/// `NetworkNotFound` or `NetworkAmbiguous`.
pub fn floating_ip(
    machine: &MachineTypeSpec,
    node: &TestNodeSpec,
    own: &[ResolvedNetwork],
    networks: &[Network],
) -> Result<Option<Choice<ResolvedFloatingIp>>, Problem> {
    let (wanted, field) = match (&node.floating_ip, &machine.floating_ip) {
        (Some(wanted), _) => (wanted, "spec.floatingIP"),
        (None, Some(wanted)) => (wanted, "the machine type's floatingIP"),
        (None, None) => return Ok(None),
    };
    let policy = wanted.policy;
    if policy == FloatingIpPolicy::None {
        return Ok(None);
    }
    let without = |why: String| Ok(Some(Choice { what: ResolvedFloatingIp { policy, pool: None }, why }));
    let all: Vec<&Network> = networks.iter().filter(|network| network.reach == Reach::External).collect();
    if policy == FloatingIpPolicy::IfNeeded {
        let is_external = |own: &&ResolvedNetwork| all.iter().any(|network| network.id == own.id);
        if let Some(external) = own.iter().find(is_external) {
            return without(format!("none is needed, for network {} is external", external.name));
        }
        if all.is_empty() {
            return without("none, for the cloud has no external network".into());
        }
    }
    let network = pool(wanted, field, &all)?;
    // One on an external network needs none.
    let inside =
        own.iter().position(|own| all.iter().all(|network| network.id != own.id)).unwrap_or_default();
    let pool = FloatingIpPool {
        id: network.id.clone(),
        name: network.name.clone(),
        network: i64::try_from(inside).unwrap_or_default(),
    };
    let why = format!("from external network {}", network.name);
    Ok(Some(Choice { what: ResolvedFloatingIp { policy, pool: Some(pool) }, why }))
}

fn pool<'a>(wanted: &FloatingIpChoice, field: &str, all: &[&'a Network]) -> Result<&'a Network, Problem> {
    let known = || list_sorted(all.iter().map(|network| format!("{} ({})", network.name, network.id)));
    let is_meant = |network: &&&Network| match &wanted.pool {
        Some(pool) => network.id == *pool || network.name == *pool,
        None => all.len() == 1 || network.is_default,
    };
    let meant: Vec<&Network> = all.iter().filter(is_meant).copied().collect();
    match (meant.as_slice(), &wanted.pool) {
        ([network], _) => Ok(network),
        ([], Some(pool)) => {
            let message = format!(
                "{field}.pool: the project sees no external network {pool}; give one of these: {}",
                known()
            );
            Err(Problem::new(Reason::NetworkNotFound, message))
        }
        ([], None) if all.is_empty() => {
            let message = format!(
                "{field}: the project sees no external network, so there can be no floating IP; set the policy to None or \
                 IfNeeded, or have a network made external for the project"
            );
            Err(Problem::new(Reason::NetworkNotFound, message))
        }
        ([], None) => {
            let message = format!(
                "{field}: there are several external networks and none is the default; give {field}.pool one of these: {}",
                known()
            );
            Err(Problem::new(Reason::NetworkAmbiguous, message))
        }
        (several, _) => {
            let ids = list_sorted(several.iter().map(|network| network.id.clone()));
            let message = format!("{field}.pool: several external networks are meant; give an id: {ids}");
            Err(Problem::new(Reason::NetworkAmbiguous, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::offerings::Owner;
    use super::*;

    fn network(name: &str, reach: Reach) -> Network {
        Network {
            id: format!("id-{name}"),
            name: name.into(),
            reach,
            owner: Owner::Project,
            admin_up: true,
            has_subnets: true,
            is_default: false,
        }
    }

    fn choose(
        policy: FloatingIpPolicy,
        pool: Option<&str>,
        own: &[&str],
        networks: &[Network],
    ) -> Result<Option<String>, Reason> {
        let wanted = FloatingIpChoice { policy, pool: pool.map(Into::into) };
        let node = TestNodeSpec { floating_ip: Some(wanted), ..TestNodeSpec::default() };
        let own: Vec<ResolvedNetwork> = own
            .iter()
            .map(|name| ResolvedNetwork {
                id: format!("id-{name}"),
                name: (*name).into(),
                ..ResolvedNetwork::default()
            })
            .collect();
        let chosen = floating_ip(&MachineTypeSpec::default(), &node, &own, networks)
            .map_err(|problem| problem.reason)?;
        Ok(chosen
            .and_then(|chosen| chosen.what.pool)
            .map(|pool| format!("{} for {}", pool.name, pool.network)))
    }

    #[test]
    fn if_needed_there_is_one_where_no_network_of_the_node_is_external_and_the_cloud_has_an_external_one() {
        let all = [network("lab", Reach::Internal), network("ext", Reach::External)];
        let policy = FloatingIpPolicy::IfNeeded;

        assert_eq!(choose(policy, None, &["lab"], &all), Ok(Some("ext for 0".into())));
        assert_eq!(choose(policy, None, &["lab", "ext"], &all), Ok(None));
        assert_eq!(choose(policy, None, &["lab"], &all[..1]), Ok(None));
        assert_eq!(choose(policy, Some("exit"), &["lab"], &all), Err(Reason::NetworkNotFound));
    }

    #[test]
    fn always_there_is_one_on_the_first_network_that_is_not_external() {
        let all = [network("lab", Reach::Internal), network("ext", Reach::External)];

        assert_eq!(
            choose(FloatingIpPolicy::Always, None, &["ext", "lab"], &all),
            Ok(Some("ext for 1".into()))
        );
        assert_eq!(choose(FloatingIpPolicy::Always, None, &["lab"], &all[..1]), Err(Reason::NetworkNotFound));
        assert_eq!(choose(FloatingIpPolicy::None, None, &["lab"], &all), Ok(None));
    }

    #[test]
    fn of_several_external_networks_the_named_one_is_taken_or_the_default() {
        let mut all = [
            network("lab", Reach::Internal),
            network("ext", Reach::External),
            network("out", Reach::External),
        ];
        let choose = |pool, all: &[Network]| choose(FloatingIpPolicy::Always, pool, &["lab"], all);

        assert_eq!(choose(None, &all), Err(Reason::NetworkAmbiguous));
        assert_eq!(choose(Some("out"), &all), Ok(Some("out for 0".into())));
        assert_eq!(choose(Some("id-ext"), &all), Ok(Some("ext for 0".into())));
        assert_eq!(choose(Some("lab"), &all), Err(Reason::NetworkNotFound), "it is not external");
        all[2].is_default = true;
        assert_eq!(choose(None, &all), Ok(Some("out for 0".into())));
    }
}
