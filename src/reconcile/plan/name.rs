//! The name: recorded, then set, then verified; withdrawn before its address is free.
//!
//! nsupdate-web cannot delete, and answers an identical request `no-change` from its memory without touching DNS. So a
//! name is *parked*, and an answer that is wrong behind `no-change` is mended in two turns: another address, then the
//! right one.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::surplus::{kept_ports, kept_server};
use super::{Change, MemoryChange, Question, Step, Waiting};
use crate::api::testnode_status::DnsFacts;
use crate::reconcile::state::{Desired, Kind, NameView, Observed, Port, Trouble};

/// An authority may be this far behind a request that was answered.
const LAG: Duration = Duration::from_secs(5);
/// A request that was never answered takes effect no later than this.
const SETTLING: Duration = Duration::from_secs(90);

/// The address that the name should have: that of the first port of the current attempt that has one.
#[must_use]
pub fn target_address(seen: &Observed) -> Option<IpAddr> {
    let attempt = seen.memory.current()?;
    let view = seen.clouds.get(&attempt.cloud)?;
    let server = kept_server(seen, view, attempt);
    kept_ports(view, attempt, server).into_iter().find_map(|port| port.address)
}

/// The name has the address it should have, as far as can be known.
#[must_use]
pub fn is_published(seen: &Observed) -> bool {
    let (Some(dns), Some(target)) = (&seen.memory.dns, target_address(seen)) else {
        return seen.memory.dns.is_none();
    };
    if seen.name.verifiable {
        return seen.name.found.as_ref().is_some_and(|found| *found == BTreeSet::from([target]));
    }
    let sent = seen.name.sent.as_ref().map(|sent| sent.address);
    // After a restart: a node was closed as Ready only with its name set.
    let known = recorded(dns).contains(&target) && seen.memory.open().is_none();
    sent == Some(target) || (sent.is_none() && known)
}

/// The name may point at this port, which is not the one it should point at.
pub(super) fn may_point_at(seen: &Observed, port: &Port) -> bool {
    let was_set = |dns: &DnsFacts| port.address.is_some_and(|address| recorded(dns).contains(&address));
    seen.memory.dns.as_ref().is_some_and(was_set) && !is_published(seen)
}

fn recorded(dns: &DnsFacts) -> BTreeSet<IpAddr> {
    parsed(&dns.addresses)
}

fn parsed(addresses: &[String]) -> BTreeSet<IpAddr> {
    addresses.iter().filter_map(|address| address.parse().ok()).collect()
}

/// What the authority says is ours to change: nothing, parked, or addresses we recorded.
fn is_ours(found: &BTreeSet<IpAddr>, dns: &DnsFacts, name: &NameView) -> bool {
    let (own, withdrawn) = (recorded(dns), parsed(&dns.withdrawn));
    let is_own = |address| own.contains(address) || withdrawn.contains(address) || name.own.contains(address);
    found.iter().all(|address| is_own(address) || Some(*address) == name.park)
}

pub(super) fn publish_name(_: &Desired, seen: &Observed) -> Option<Step> {
    let (dns, target, name) = (seen.memory.dns.as_ref()?, target_address(seen)?, &seen.name);
    if name.holder.is_some() {
        return None;
    }
    let step = if name.verifiable && name.found.is_none() {
        Step::Ask(Question::Name { fqdn: dns.name.clone() })
    } else if name.found.as_ref().is_some_and(|found| !is_ours(found, dns, name)) {
        return None;
    } else if !recorded(dns).contains(&target) {
        // Even where the name says so already, of an attempt whose address was free again: it is withdrawn in the end.
        Step::Do(MemoryChange::RecordAddress { address: target }.into())
    } else if is_published(seen) {
        return None;
    } else {
        Step::Do(Change::SetName { address: due(name, target, name.park)? })
    };
    ready_to_send(step, seen)
}

/// The address to send now, so that the name comes to `target`. `other` is another address of ours, to mend a
/// `no-change` that is wrong.
fn due(name: &NameView, target: IpAddr, other: Option<IpAddr>) -> Option<IpAddr> {
    match &name.sent {
        Some(sent) if sent.address == target && sent.unchanged => other,
        Some(sent) if sent.address == target && sent.age < LAG => None,
        Some(_) | None => Some(target),
    }
}

/// DNS is never a reason to hold up the rest: a request that is not to be repeated yet lets the other rules speak.
fn ready_to_send(step: Step, seen: &Observed) -> Option<Step> {
    let key = match &step {
        Step::Do(change) => change.key(),
        Step::Ask(question) => question.key(),
        Step::Wait(_) | Step::Rest => return Some(step),
    };
    super::blocked(seen, &key).is_none().then_some(step)
}

/// Ready means that the name is right. Why it is not yet, in the words of whoever refused.
pub(super) fn await_name(_: &Desired, seen: &Observed) -> Option<Step> {
    let dns = seen.memory.dns.as_ref().filter(|_| seen.memory.open().is_some() && !is_published(seen))?;
    let waiting = match &seen.name.found {
        Some(found) if !is_ours(found, dns, &seen.name) => {
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            Waiting::new(
                "DNSConflict",
                format!(
                    "{} already points at {}, which is not ours; remove that record, or give spec.hostname",
                    dns.name,
                    found.join(", ")
                ),
            )
        }
        Some(_) | None => match dns_trouble(seen) {
            Some(trouble) => Waiting {
                until: Some(trouble.retry_at),
                ..Waiting::new("DNSUpdateFailed", format!("{}: {}", dns.name, trouble.message))
            },
            None => Waiting {
                until: seen.now.checked_add(LAG).ok(),
                ..Waiting::new("SettingName", format!("waiting for {} to have its address", dns.name))
            },
        },
    };
    Some(Step::Wait(waiting))
}

fn dns_troubles(seen: &Observed) -> impl Iterator<Item = &Trouble> {
    let is_dns =
        |key: &str| ["set name", "park name", "ask the authority"].iter().any(|start| key.starts_with(start));
    seen.troubles.iter().filter(move |trouble| is_dns(&trouble.key))
}

/// The one that is tried again last: what is told of DNS.
fn dns_trouble(seen: &Observed) -> Option<&Trouble> {
    dns_troubles(seen).max_by_key(|trouble| trouble.retry_at)
}

/// Two tries failed, of whichever request: once to park the name and once to ask for it is twice.
pub(super) fn dns_is_away(seen: &Observed) -> bool {
    dns_troubles(seen).map(|trouble| trouble.failures).sum::<u32>() >= 2
}

/// The name goes before its address is free: first of all, in the normal case. Only what says ours is changed.
pub(super) fn withdraw_name(seen: &Observed, _: &str) -> Option<Step> {
    let (dns, name) = (seen.memory.dns.as_ref()?, &seen.name);
    let own = recorded(dns);
    if own.is_empty() {
        return withdraw_again(seen, dns, name);
    }
    // A name that another node holds is not ours to write.
    if name.holder.is_some() {
        return Some(Step::Do(MemoryChange::ForgetName.into()));
    }
    let parked = |found: &BTreeSet<IpAddr>| found.iter().all(|address| Some(*address) == name.park);
    // A request whose reply was lost may be applied after a look that did not show it, but not after a later request
    // that was answered. `no-change` answers nothing, but then time does.
    let sent = name.sent.as_ref().filter(|sent| Some(sent.address) == name.park);
    let sent = sent.filter(|sent| !sent.unchanged || sent.age >= SETTLING);
    let step = match (&name.found, name.verifiable, name.park) {
        (None, true, _) => Step::Ask(Question::Name { fqdn: dns.name.clone() }),
        (Some(found), true, _) if !is_ours(found, dns, name) => Step::Do(MemoryChange::ForgetName.into()),
        (found, _, Some(_)) if sent.is_some() && found.as_ref().is_none_or(parked) => {
            Step::Do(MemoryChange::ForgetName.into())
        }
        (found, _, Some(park)) => {
            match park_by(name, park, held(seen, &own).or_else(|| shown(found.as_ref(), park))) {
                Some(change) => Step::Do(change),
                None => Step::Wait(Waiting {
                    until: seen.now.checked_add(LAG).ok(),
                    ..Waiting::new("WithdrawingName", format!("waiting for {} to be parked", dns.name))
                }),
            }
        }
        (_, _, None) => return None,
    };
    // If DNS is away, server and volumes go without it; ports stay, holding the address (see `await_withdrawal`).
    if dns_is_away(seen) { ready_to_send(step, seen) } else { Some(step) }
}

/// The request that parks the name, or that sets `other` where nsupdate-web wrongly says that it is parked.
fn park_by(name: &NameView, park: IpAddr, other: Option<IpAddr>) -> Option<Change> {
    let address = due(name, park, other)?;
    Some(if address == park { Change::ParkName { address } } else { Change::SetName { address } })
}

/// Before the object goes its name is looked at once more: what was withdrawn may have been set again since, by a
/// request sent long ago or by another operator that knew no better.
fn withdraw_again(seen: &Observed, dns: &DnsFacts, name: &NameView) -> Option<Step> {
    let park = to_be_parked_again(seen, dns, name)?;
    let step = match &name.found {
        None => Step::Ask(Question::Name { fqdn: dns.name.clone() }),
        found => Step::Do(park_by(name, park, shown(found.as_ref(), park))?),
    };
    ready_to_send(step, seen)
}

/// The address to park the name on again, unless it is known to be nothing of ours.
fn to_be_parked_again(seen: &Observed, dns: &DnsFacts, name: &NameView) -> Option<IpAddr> {
    if !seen.deleting || !name.verifiable || dns.withdrawn.is_empty() || name.holder.is_some() {
        return None;
    }
    let park = name.park?;
    let is_right =
        |found: &BTreeSet<IpAddr>| !is_ours(found, dns, name) || found.iter().all(|address| *address == park);
    (!name.found.as_ref().is_some_and(is_right)).then_some(park)
}

/// The object does not go before that look: if DNS is away, it waits with nothing but its name.
pub(super) fn await_name_gone(seen: &Observed, _: &str) -> Option<Step> {
    let dns = seen.memory.dns.as_ref().filter(|dns| dns.addresses.is_empty())?;
    to_be_parked_again(seen, dns, &seen.name)?;
    Some(Step::Wait(match dns_trouble(seen) {
        Some(trouble) => Waiting {
            until: Some(trouble.retry_at),
            ..Waiting::new(
                "DNSUpdateFailed",
                format!("{} was withdrawn, and is looked at once more: {}", dns.name, trouble.message),
            )
        },
        None => Waiting {
            until: seen.now.checked_add(LAG).ok(),
            ..Waiting::new("WithdrawingName", format!("waiting for {} to be parked again", dns.name))
        },
    }))
}

/// An address of ours that is still held by a port.
fn held(seen: &Observed, own: &BTreeSet<IpAddr>) -> Option<IpAddr> {
    let ports = seen.clouds.values().flat_map(|view| &view.ports);
    ports.filter_map(|port| port.address).find(|address| own.contains(address))
}

/// What the name says now: to say it again is no worse.
fn shown(found: Option<&BTreeSet<IpAddr>>, park: IpAddr) -> Option<IpAddr> {
    found?.iter().copied().find(|address| *address != park)
}

/// No port goes, and no address with it, while the name may still point there.
pub(super) fn await_withdrawal(seen: &Observed, cloud: &str) -> Option<Step> {
    let dns = seen.memory.dns.as_ref().filter(|dns| !dns.addresses.is_empty())?;
    let trouble = dns_trouble(seen);
    let said =
        trouble.map_or_else(|| "its cloud's DNS cannot be asked".into(), |trouble| trouble.message.clone());
    Some(Step::Wait(Waiting {
        until: trouble.map(|trouble| trouble.retry_at),
        looks: vec![(cloud.to_owned(), Kind::Port)],
        ..Waiting::new(
            "DNSUpdateFailed",
            format!("{} still stands; its address is kept until it is withdrawn: {said}", dns.name),
        )
    }))
}
