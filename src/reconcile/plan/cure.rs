//! What helps against a refusal, for people: told beside the cloud's own words. Nothing is decided by it.

use crate::reason::Reason;
use crate::reconcile::state::{RequestKey, Trouble};

/// What helps where a floating IP is refused.
pub(super) fn cure(trouble: &Trouble) -> Option<&'static str> {
    if trouble.key != RequestKey::CreateFloatingIp {
        return None;
    }
    let says = |words: &str| trouble.message.contains(words);
    Some(if trouble.reason == Reason::NoRouter {
        "set the gateway of the network's router (`openstack router set --external-gateway NETWORK ROUTER`), name another \
         floatingIP.pool or other networks, or let the policy be IfNeeded: then the fixed address serves"
    } else if says("Quota exceeded") {
        "give back floating IPs that nobody uses (`openstack floating ip list --status DOWN`), or have the quota raised; set \
         limits.maxFloatingIPs of the Cloud, and nodes wait before anything is made"
    } else if says("No more IP addresses") {
        "all addresses of that external network are taken; name another floatingIP.pool, or ask the cloud's administrator for \
         more addresses"
    } else if says("no fixed IPv4") {
        "a floating IP is IPv4 and leads to an IPv4 address; name a network with an IPv4 subnet first under networks, or let \
         floatingIP.policy be None"
    } else if says("is not a valid external network") || says("could not be found") {
        "floatingIP.pool must name an external network that the project can see (`openstack network list --external`)"
    } else if says("already has a floating IP") {
        "`openstack floating ip list --port PORT` shows what is on the port; delete what is not needed"
    } else if says("disallowed by policy") {
        "the credentials of the Cloud need the right to create floating IPs"
    } else {
        "let floatingIP.policy be None if the machine needs none"
    })
}
