//! The floating IP: made on its port, which is a fence, and given back before it.

use super::pause::first;
use super::tear_down::{Rest, await_end, fresh};
use super::{CloudChange, MemoryChange, Step};
use crate::api::common::FloatingIpPolicy;
use crate::reason::Reason;
use crate::reconcile::state::{Desired, Kind, Machine, Observed, Port, Presence, RequestKey, Trouble};

/// One request, ready-made: a port takes one floating IP of an external network, so a create whose reply was lost may be
/// sent again after one look. It comes after the port and before the name.
pub(super) fn create_floating_ip(_: &Desired, seen: &Observed) -> Option<Step> {
    let open = seen.machine_under_way()?;
    let pool = open.pool().filter(|_| open.floating_ip.is_none())?;
    let port = open.port_of(pool)?;
    let (number, cloud) = (open.attempt.number, &open.attempt.cloud);
    if seen.troubles.iter().any(|trouble| is_dispensable(trouble, &open)) {
        let network = open.network_of(pool).unwrap_or_default();
        let why = format!(
            "no floating IP: no router joins network {network} and external network {}, and the policy is IfNeeded, so the \
             fixed address serves",
            pool.name
        );
        return Some(Step::Do(MemoryChange::KeepToFixedAddress { number, why }.into()));
    }
    if !open.view.fresh.floating_ip {
        let message = "waiting for a fresh look at the floating IPs";
        return Some(Step::look(Reason::CreatingFloatingIP, message, cloud, Kind::FloatingIp));
    }
    let (pool, fixed) = (pool.id.clone(), fixed(port));
    let create = CloudChange::CreateFloatingIp { attempt: number, pool, port: port.id.clone(), fixed };
    Some(Step::Do(create.in_cloud(cloud)))
}

/// Neutron wants to be told which address of a port is meant, where it has several of IPv4.
fn fixed(port: &Port) -> Option<std::net::IpAddr> {
    let of_version_4 = || port.addresses.iter().filter(|address| address.is_ipv4());
    let chosen = port.address.filter(std::net::IpAddr::is_ipv4);
    (of_version_4().count() > 1).then(|| chosen.or_else(|| of_version_4().min().copied())).flatten()
}

/// No router leads to a floating IP that is only wanted if it can be had.
pub(super) fn is_dispensable(trouble: &Trouble, open: &Machine<'_>) -> bool {
    let policy =
        open.attempt.resolved.as_ref().and_then(|resolved| Some(resolved.floating_ip.as_ref()?.policy));
    trouble.key == RequestKey::CreateFloatingIp
        && trouble.reason == Reason::NoRouter
        && policy == Some(FloatingIpPolicy::IfNeeded)
}

pub(super) fn delete_floating_ips(seen: &Observed, cloud: &str) -> Option<Step> {
    let there = seen.clouds.get(cloud)?.floating_ips.iter().filter(|ip| ip.presence == Presence::There);
    first(there.map(|ip| CloudChange::DeleteFloatingIp { id: ip.id.clone() }.in_cloud(cloud)), seen)
}

pub(super) fn await_floating_ips(seen: &Observed, cloud: &str) -> Option<Step> {
    let view = seen.clouds.get(cloud)?;
    let rest = view.floating_ips.iter().map(|ip| Rest {
        reason: Reason::DeletingFloatingIPs,
        kind: Kind::FloatingIp,
        id: &ip.id,
        what: match ip.address {
            Some(address) => format!("floating IP {address} ({})", ip.id),
            None => format!("floating IP {}", ip.id),
        },
        presence: ip.presence,
        ending: &ip.ending,
        remark: ip.remark.as_deref(),
    });
    await_end(rest, seen, cloud).or_else(|| fresh(seen, view, cloud, Kind::FloatingIp))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::plan::plan;
    use crate::reconcile::state::examples::{floating, floating_ip, ready, trouble};
    use crate::reconcile::state::{ServerState, Verdict};

    fn next(seen: &Observed) -> Step {
        plan(&Desired::any(), seen)
    }

    fn no_router() -> Trouble {
        let refused = trouble(RequestKey::CreateFloatingIp, Verdict::Invalid);
        Trouble { reason: Reason::NoRouter, ..refused }
    }

    #[test]
    fn the_floating_ip_is_made_on_the_port_before_the_server() {
        let seen = floating(Observed::with_parts(), FloatingIpPolicy::Always);

        let create =
            CloudChange::CreateFloatingIp { attempt: 1, pool: "ext".into(), port: "p".into(), fixed: None };
        assert_eq!(next(&seen), Step::Do(create.in_cloud("lab")));
        let made = seen.with_floating_ip(floating_ip("f", Some("p")));
        assert!(matches!(next(&made), Step::Do(ref change) if change.to_string() == "create server"));
    }

    #[test]
    fn after_a_lost_reply_one_look_is_enough_for_the_port_is_a_fence() {
        let seen = floating(Observed::with_parts(), FloatingIpPolicy::Always)
            .in_lab(|view| (view.settled.floating_ip, view.fresh.floating_ip) = (false, false));

        assert!(matches!(next(&seen), Step::Wait(ref wait) if wait.reason == Reason::CreatingFloatingIP));
        let looked = seen.in_lab(|view| view.fresh.floating_ip = true);
        assert!(matches!(next(&looked), Step::Do(_)));
    }

    #[test]
    fn a_port_with_several_addresses_is_told_which_one_is_meant() {
        let seen = floating(Observed::with_parts(), FloatingIpPolicy::Always)
            .in_lab(|view| view.ports[0].addresses.push("10.77.0.9".parse().unwrap()));

        let Step::Do(super::super::Change::Cloud {
            change: CloudChange::CreateFloatingIp { fixed, .. }, ..
        }) = next(&seen)
        else {
            panic!("{:?}", next(&seen))
        };
        assert_eq!(fixed, Some("10.77.0.10".parse().unwrap()));
    }

    #[test]
    fn without_a_router_the_fixed_address_serves_if_the_floating_one_is_only_wanted_if_needed() {
        let refused = |policy| floating(Observed::with_parts(), policy).with_trouble(no_router());

        let step = next(&refused(FloatingIpPolicy::IfNeeded));
        assert!(
            matches!(step, Step::Do(ref change) if change.reason() == Reason::KeepToFixedAddress),
            "{step:?}"
        );
        let step = next(&refused(FloatingIpPolicy::Always));
        assert!(
            matches!(step, Step::Do(ref change) if change.reason() == Reason::RequestRefused),
            "{step:?}"
        );
    }

    #[test]
    fn the_floating_ip_is_what_the_machine_is_reached_by_and_a_ready_node_says_when_it_is_gone() {
        let seen = floating(Observed::with_machine(ServerState::Active), FloatingIpPolicy::Always);
        let made = seen.clone().with_floating_ip(floating_ip("f", Some("p")));

        let address = |seen: &Observed| seen.machine().and_then(|machine| machine.address());
        assert_eq!(address(&seen), None);
        assert_eq!(address(&made), Some("198.18.0.10".parse().unwrap()));
    }

    #[test]
    fn the_floating_ip_goes_before_its_port() {
        let seen = Observed::held()
            .with_attempt(ready(1))
            .with_port(crate::reconcile::state::examples::port("p"))
            .with_floating_ip(floating_ip("f", Some("p")))
            .going();

        let delete = CloudChange::DeleteFloatingIp { id: "f".into() };
        assert_eq!(next(&seen), Step::Do(delete.in_cloud("lab")));
    }

    #[test]
    fn one_that_leads_nowhere_or_is_of_an_earlier_attempt_is_given_back() {
        let seen = floating(Observed::with_machine(ServerState::Active), FloatingIpPolicy::Always)
            .with_floating_ip(floating_ip("f", Some("p")))
            .with_floating_ip(floating_ip("nowhere", None));

        let delete = CloudChange::DeleteFloatingIp { id: "nowhere".into() };
        assert_eq!(next(&seen), Step::Do(delete.in_cloud("lab")));
    }
}
